"""The tables of runs, allocations and dead letters."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from sqlite3 import Connection, Row
from typing import Any, Final, get_args

from proofrail.cairo.risk_builds import BUILDS
from proofrail.explorer.cursor import Listing
from proofrail.explorer.errors import bad_query
from proofrail.explorer.lines import message_of, proposal_of, raw_at
from proofrail.explorer.model.base import AllocationState, Page, RunState, Verdict
from proofrail.explorer.model.rows import AllocationRow, DeadLetterRow, Phase, RunRow, Share
from proofrail.explorer.schema import place_at
from proofrail.wire.messages import REASONS, Attestation, DeadLetter, reason_names
from proofrail.wire.proposals import Proposal

Condition = tuple[str, tuple[Any, ...]]

_MAX_QUERY: Final = 1024
_BEHIND_ALL: Final = "\U0010ffff"
_FOUND_BY_HASH: Final = 2000
_SHOWN_VALUE: Final = 2048

_RUNS: Final = Listing(
    "SELECT *, (SELECT count(*) FROM inputs i WHERE i.run_id = runs.run_id) AS allocations FROM runs",
    ("at_ms", "run_id"),
    ("at_ms", "run_id"),
)
_ALLOCATIONS: Final = Listing(
    "SELECT * FROM allocations a", ("at_ms", "allocation_id"), ("at_ms", "allocation_id")
)
_OF_A_RUN: Final = Listing(
    "SELECT a.*, i.row AS taken_as FROM inputs i CROSS JOIN allocations a ON a.allocation_id = i.allocation_id",
    ("i.row", "a.allocation_id"),
    ("taken_as", "allocation_id"),
    ascending=True,
)
_DEAD_LETTERS: Final = Listing(
    "SELECT d.place, d.at_ms, m.raw FROM dead_letters d JOIN messages m ON m.place = d.place",
    ("d.at_ms", "d.place"),
    ("at_ms", "place"),
)


@cache
def program_names() -> dict[str, str]:
    """Names of Proofrail's own programs, by method id."""
    return {build.load().method_id: name for name, build in BUILDS.items()}


def range_of(prefix: str) -> tuple[str, str]:
    """Texts that begin so lie from the first on, and before the second."""
    if len(prefix) > _MAX_QUERY:
        raise bad_query(f"the text searched for has {len(prefix)} characters; {_MAX_QUERY} are allowed")
    return prefix, prefix + _BEHIND_ALL


def runs(
    connection: Connection,
    *,
    q: str | None = None,
    state: RunState | None = None,
    verdict: Verdict | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[RunRow]:
    """Runs, the youngest first. `q`: the beginning of a run_id, or of any hash of a run's. Raises BadQueryError."""
    where: list[Condition] = []
    if q:
        where.append(
            (
                "run_id IN (SELECT run_id FROM runs WHERE run_id >= ? AND run_id < ? UNION SELECT ref FROM"
                " (SELECT ref FROM digests WHERE digest >= ? AND digest < ? LIMIT ?)"
                " UNION SELECT run_id FROM runs WHERE program = ?)",
                (*range_of(q), *range_of(q), _FOUND_BY_HASH, q),
            )
        )
    if state:
        where.append(("state = ?", (one_of(state, RunState, "state"),)))
    if verdict:
        where.append(("verdict = ?", (one_of(verdict, Verdict, "verdict"),)))
    return _RUNS.page(connection, where, cursor, limit, lambda rows: [run_row(row) for row in rows])


def run_row(row: Row) -> RunRow:
    """A row of `runs`, with its number of allocations."""
    terminal, report = row["terminal_ms"], row["proof_report_ms"]
    return RunRow(
        run_id=row["run_id"],
        at_ms=row["at_ms"],
        state=row["state"],
        verdict=row["verdict"],
        program=row["program"],
        program_name=program_names().get(row["program"]),
        layout=row["layout"],
        outcome=row["outcome"],
        allocations=row["allocations"],
        items=row["items"],
        n_steps=row["n_steps"],
        backend=row["backend"],
        security_bits=row["security_bits"],
        is_mock=bool(row["is_mock"]),
        phases=tuple(run_phases(row)),
        audit_delay_ms=None if terminal is None or report is None else max(0, report - terminal),
        error=row["mismatch"] or row["failure"],
    )


def run_phases(row: Row, proposed_ms: int | None = None) -> Iterable[Phase]:
    """Queue waits and work of a run, from its seal on, or from its first proposal on where that is known."""
    sealed, terminal = row["sealed_ms"], row["terminal_ms"]
    if sealed is None:
        return
    if proposed_ms is not None:
        yield phase("tracer", "wait", min(proposed_ms, sealed), sealed, estimated=True)
    took = row["prove_ms"]
    if terminal is None:
        yield phase("prover", "wait", sealed, None)
    elif took is None:
        yield phase("prover", "wait", sealed, terminal, estimated=True)
    else:
        began = max(sealed, terminal - took)
        yield phase("prover", "wait", sealed, began, estimated=True)
        yield phase("prover", "work", began, terminal, estimated=True)
    if terminal is not None and row["failure"] is None:
        yield phase("auditor", "work", terminal, row["proof_report_ms"], estimated=True)


def phase(stage: Any, kind: Any, started: int, ended: int | None, *, estimated: bool = False) -> Phase:
    """A phase that does not end before it begins: clocks of several machines may say so."""
    ended = None if ended is None else max(started, ended)
    return Phase(stage=stage, kind=kind, started_ms=started, ended_ms=ended, estimated=estimated)


def allocations(
    connection: Connection,
    *,
    q: str | None = None,
    state: AllocationState | None = None,
    approved: bool | None = None,
    reason: str | None = None,
    run_id: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[AllocationRow]:
    """Allocations, the youngest first, those of a run by their row. `q`: the beginning of an allocation_id, or of any
    hash of an allocation's. Raises BadQueryError."""
    where: list[Condition] = []
    if q:
        where.append(
            (
                "a.allocation_id IN (SELECT allocation_id FROM allocations WHERE allocation_id >= ? AND"
                " allocation_id < ? UNION SELECT ref FROM"
                " (SELECT ref FROM digests WHERE digest >= ? AND digest < ? LIMIT ?))",
                (*range_of(q), *range_of(q), _FOUND_BY_HASH),
            )
        )
    if state:
        where.append(("state = ?", (one_of(state, AllocationState, "state"),)))
    if approved is not None:
        where.append(("verdict = 0" if approved else "verdict > 0", ()))
    if reason:
        bits = {name: bit for bit, name in REASONS.items()}
        where.append(("verdict > 0 AND verdict & ?", (bits[one_of(reason, list(bits), "reason")],)))

    def make(rows: list[Row]) -> list[AllocationRow]:
        return [allocation_row(connection, row) for row in rows]

    if run_id is not None:
        return _OF_A_RUN.page(connection, [("i.run_id = ?", (run_id,)), *where], cursor, limit, make)
    return _ALLOCATIONS.page(connection, where, cursor, limit, make)


def allocation_row(connection: Connection, row: Row) -> AllocationRow:
    """A row of `allocations`, with its shares as they were proposed and attested."""
    proposal = proposal_of(proposal_line(connection, row))
    attestation = message_of(Attestation, raw_at(connection, row["attestation"]))
    verdict = row["verdict"]
    return AllocationRow(
        allocation_id=row["allocation_id"],
        at_ms=row["at_ms"],
        state=row["state"],
        approved=None if verdict is None else verdict == 0,
        reasons=tuple(reason_names(verdict)) if verdict is not None and verdict < 64 else (),
        shares=shares_of(proposal, attestation),
        run_id=row["run_id"],
        row=row["row"],
        settled_ms=row["attested_ms"] if row["attestation"] is not None else row["dead_ms"],
        error=row["error"],
    )


def proposal_line(connection: Connection, row: Row) -> bytes | None:
    """The proposal that a run took, else the first under the allocation's id."""
    accepted = raw_at(connection, row["accepted"])
    return raw_at(connection, row["proposal"]) if accepted is None else accepted


def shares_of(proposal: Proposal | None, attestation: Attestation | None) -> tuple[Share, ...]:
    """What was proposed for each protocol, and what was decided."""
    decided: dict[str, tuple[int, int, int]] = {}
    if attestation is not None:
        columns = (attestation.recommended_bps, attestation.risks, attestation.proposed_bps)
        decided = dict(zip(attestation.protocols, zip(*columns, strict=True), strict=True))
    if proposal is None:
        return tuple(
            Share(
                protocol=name,
                proposed_bps=proposed,
                recommended_bps=recommended,
                risk=risk,
                apy_bps=None,
                given_risk=None,
                metrics=None,
            )
            for name, (recommended, risk, proposed) in decided.items()
        )
    return tuple(
        Share(
            protocol=one.name,
            proposed_bps=one.proposed_bps,
            recommended_bps=decided[one.name][0] if one.name in decided else None,
            risk=decided[one.name][1] if one.name in decided else None,
            apy_bps=one.apy_bps,
            given_risk=one.risk,
            metrics=None if one.metrics is None else dict(one.metrics),
        )
        for one in proposal.protocols
    )


def dead_letters(
    connection: Connection, *, code: str | None = None, cursor: str | None = None, limit: int = 50
) -> Page[DeadLetterRow]:
    """Refused records, the youngest first."""
    where: list[Condition] = [("d.code = ?", (code,))] if code else []

    def make(rows: list[Row]) -> list[DeadLetterRow]:
        return [one for row in rows if (one := _dead_letter(row)) is not None]

    return _DEAD_LETTERS.page(connection, where, cursor, limit, make)


def _dead_letter(row: Row) -> DeadLetterRow | None:
    letter = message_of(DeadLetter, row["raw"])
    if letter is None:
        return None
    held = bytes.fromhex(letter.value)
    return DeadLetterRow(
        at_ms=row["at_ms"],
        allocation_id=letter.key,
        code=letter.code,
        message=letter.message,
        topic=letter.topic,
        partition=letter.partition,
        offset=letter.offset,
        attempts=letter.attempts,
        value=held[:_SHOWN_VALUE].decode(errors="replace"),
        size=len(held) if letter.size is None else letter.size,
        place=place_at(row["place"]),
    )


def one_of(value: str, known: Any, name: str) -> str:
    """The value. Raises BadQueryError for one that the type does not know."""
    allowed = known if isinstance(known, list) else list(get_args(known))
    if value not in allowed:
        raise bad_query(f"{name} is {value[:80]!r}; it must be one of {', '.join(allowed)}")
    return value

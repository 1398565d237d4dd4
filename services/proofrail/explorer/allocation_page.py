"""Everything on one allocation: what was asked, what was decided, and how it came to that."""

from __future__ import annotations

from collections.abc import Iterator
from sqlite3 import Connection, Row
from typing import Final
from urllib.parse import quote

from proofrail.explorer import schema
from proofrail.explorer.beside import Beside
from proofrail.explorer.errors import not_found
from proofrail.explorer.lines import message_of, proposal_of, raw_at, said_of
from proofrail.explorer.model.allocation import (
    AllocationPage,
    AttestationCard,
    Happening,
    RegistrationCard,
)
from proofrail.explorer.model.base import Fact, NamedHash
from proofrail.explorer.model.rows import Phase
from proofrail.explorer.reasons import reasons
from proofrail.explorer.schema import place_at
from proofrail.explorer.tables import allocation_row, phase, proposal_line, run_phases, shares_of
from proofrail.wire.canonical import sha256_hex
from proofrail.wire.messages import (
    Attestation,
    AuditReport,
    DeadLetter,
    Proof,
    ProofFailure,
    Registration,
)

_PROPOSAL_SHOWN: Final = 16 * 1024
_RUNS_SHOWN: Final = 32


def allocation_page(connection: Connection, allocation_id: str, beside: Beside) -> AllocationPage:
    """All that the view has of an allocation. Raises NotFoundError."""
    row = connection.execute("SELECT * FROM allocations WHERE allocation_id = ?", (allocation_id,)).fetchone()
    if row is None:
        raise not_found(f"allocation {allocation_id}")
    line = proposal_line(connection, row)
    proposal = proposal_of(line)
    attested = raw_at(connection, row["attestation"])
    attestation = message_of(Attestation, attested)
    registrations = list(_registrations(connection, allocation_id))
    shown = allocation_row(connection, row)
    shares = shares_of(proposal, attestation)
    limits: dict[str, int] = {} if proposal is None else proposal.limits.model_dump()
    return AllocationPage(
        row=shown,
        shares=shares,
        limits=tuple(Fact(name=name, value=str(value)) for name, value in limits.items()),
        reasons=reasons(shown.reasons, shares, limits),
        proposal_sha256=None if proposal is None else proposal.digest(),
        proposal=None if line is None else line[:_PROPOSAL_SHOWN].decode(errors="replace"),
        attestation=None
        if attestation is None or attested is None
        else _attestation(attestation, attested, row, beside),
        registrations=tuple(registrations),
        phases=tuple(_phases(connection, row)),
        history=tuple(sorted(_history(connection, row), key=lambda one: (one.at_ms, _ORDER.index(one.kind)))),
    )


def _attestation(attestation: Attestation, line: bytes, row: Row, beside: Beside) -> AttestationCard:
    digest = sha256_hex(line)
    hashes = (
        ("attestation", digest, "of its canonical form"),
        ("proposal", attestation.proposal_sha256, "of the proposal's normal form"),
        ("root", attestation.root, "of the run's trace"),
        ("proof", attestation.proof.digest, "of the proof's bytes"),
        ("report on the run", attestation.audit.run_report, "on which it rests"),
        ("report on the proof", attestation.audit.proof_report, "on which it rests"),
    )
    return AttestationCard(
        at_ms=row["attested_ms"],
        digest=digest,
        approved=attestation.approved,
        signed=beside.signature(attestation),
        hashes=tuple(NamedHash(name=name, value=value, meaning=meaning) for name, value, meaning in hashes),
        download=f"/api/allocations/{quote(attestation.allocation_id, safe='')}/attestation.json",
        place=place_at(row["attestation"]),
    )


def _registrations(connection: Connection, allocation_id: str) -> Iterator[RegistrationCard]:
    rows = said_of(connection, allocation_id, schema.RECORDED, schema.REFUSED)
    read = [
        (place, at_ms, said)
        for place, _, at_ms, raw in rows
        if (said := message_of(Registration, raw)) is not None
    ]
    last = {_case(said): number for number, (_, _, said) in enumerate(read) if said.replaces is not None}
    for number, (place, at_ms, said) in enumerate(read):
        fact = said.fact
        yield RegistrationCard(
            at_ms=at_ms,
            ledger=" ".join(filter(None, (said.ledger.kind, said.ledger.network))),
            contract=said.ledger.contract,
            outcome=said.outcome,
            transaction=said.transaction,
            replaces=said.replaces,
            taken_back=fact is not None and number < last.get(_case(said), 0),
            fact_hash=None if fact is None else fact.fact_hash,
            verification_hash=None if fact is None else fact.verification_hash,
            preset=None if fact is None else fact.preset,
            code=said.code,
            message=said.message,
            place=place_at(place),
        )


def _case(said: Registration) -> tuple[str | None, ...]:
    """One attestation in one ledger: of its registrations the last one holds."""
    return said.attestation, said.ledger.kind, said.ledger.network, said.ledger.contract


def _phases(connection: Connection, row: Row) -> Iterator[Phase]:
    proposed = row["proposed_ms"]
    if row["run_id"] is None:
        if proposed is not None:
            yield phase("tracer", "wait", proposed, row["dead_ms"])
        return
    run = connection.execute("SELECT * FROM runs WHERE run_id = ?", (row["run_id"],)).fetchone()
    if run is not None:
        yield from run_phases(run, proposed)
    if row["registered_ms"] is not None and row["attested_ms"] is not None:
        yield phase("registrar", "work", row["attested_ms"], row["registered_ms"], estimated=True)


_ORDER: Final = (
    "proposed",
    "repeated",
    "run",
    "proof-failure",
    "proof",
    "report",
    "attested",
    "refused",
    "recorded",
    "dead-letter",
)


def _history(connection: Connection, row: Row) -> Iterator[Happening]:
    name = row["allocation_id"]
    yield from _said_of_it(connection, name, row)
    runs = connection.execute(
        "SELECT i.run_id, i.row, r.* FROM inputs i JOIN runs r ON r.run_id = i.run_id WHERE i.allocation_id = ?"
        " ORDER BY r.at_ms LIMIT ?",
        (name, _RUNS_SHOWN),
    ).fetchall()
    for run in runs:
        if run["seal"] is not None:
            count = connection.execute(
                "SELECT count(*) FROM inputs WHERE run_id = ?", (run["run_id"],)
            ).fetchone()[0]
            text = "alone" if count == 1 else f"as row {run['row']} of {count}"
            yield _happening(
                "run", run["sealed_ms"], f"traced and sealed {text}", run["seal"], run=run["run_id"]
            )
        yield from _said_of_run(connection, run["run_id"])


def _said_of_it(connection: Connection, name: str, row: Row) -> Iterator[Happening]:
    first = row["accepted"] if row["accepted"] is not None else row["proposal"]
    kinds = (schema.PROPOSAL, schema.DEAD_LETTER, schema.ATTESTATION, schema.RECORDED, schema.REFUSED)
    for place, kind, at_ms, raw in said_of(connection, name, *kinds):
        if kind == schema.PROPOSAL:
            of_first = place == first
            text = "proposed" if of_first else "published again under the same allocation_id"
            yield _happening("proposed" if of_first else "repeated", at_ms, text, place)
        elif (letter := message_of(DeadLetter, raw)) is not None:
            text = f"dead-lettered: {letter.message} ({letter.topic} {letter.partition}:{letter.offset})"
            yield _happening("dead-letter", at_ms, text, place, code=letter.code)
        elif (said := message_of(Attestation, raw)) is not None:
            text = "approved" if said.approved else f"rejected: {', '.join(said.reasons)}"
            yield _happening("attested", at_ms, f"attested: {text}", place, run=said.run_id)
        elif (one := message_of(Registration, raw)) is not None:
            ledger = " ".join(filter(None, (one.ledger.kind, one.ledger.network)))
            why = (
                ""
                if one.replaces is None
                else ", which had taken back what the earlier registration rested on"
            )
            if one.outcome == "recorded":
                again = "" if one.replaces is None else " anew"
                text = f"recorded{again} in the ledger {ledger}{why}"
                yield _happening("recorded", at_ms, text, place, run=one.run_id)
            else:
                text = f"refused by the ledger {ledger}{why}: {one.message}"
                yield _happening("refused", at_ms, text, place, code=one.code, run=one.run_id)


def _said_of_run(connection: Connection, run_id: str) -> Iterator[Happening]:
    kinds = (schema.PROOF, schema.FAILURE, schema.REPORT, schema.REPORT_OPEN)
    for place, _, at_ms, raw in said_of(connection, run_id, *kinds):
        if (proof := message_of(Proof, raw)) is not None:
            text = (
                f"proven by {proof.backend}, {proof.security_bits} bits{', a mock' if proof.is_mock else ''}"
            )
            yield _happening("proof", at_ms, text, place, run=run_id)
        elif (failure := message_of(ProofFailure, raw)) is not None:
            last = "given up" if failure.final else "to be tried again"
            text = f"not proven after {failure.attempts} attempts, {last}: {failure.message}"
            yield _happening("proof-failure", at_ms, text, place, code=failure.code, run=run_id)
        elif (report := message_of(AuditReport, raw)) is not None:
            first = report.first_mismatch
            why = (
                "; ".join(one.message for one in report.unchecked)
                if report.verdict == "INDETERMINATE"
                else ""
            )
            if first is not None:
                why = f"{first.kind}{f' at item {first.item}' if first.item is not None else ''}"
            text = f"{report.verdict} on the {report.subject}{f': {why}' if why else ''}"
            yield _happening(
                "report", at_ms, text, place, code=None if first is None else first.kind, run=run_id
            )


def _happening(
    kind: str, at_ms: int, text: str, place: int, *, code: str | None = None, run: str | None = None
) -> Happening:
    return Happening.model_validate(
        {"at_ms": at_ms, "kind": kind, "text": text, "code": code, "run_id": run, "place": place_at(place)}
    )

"""Everything on one run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from sqlite3 import Connection, Row
from typing import Any, Final
from urllib.parse import quote

from proofrail.explorer import schema
from proofrail.explorer.audit_cards import audit_cards
from proofrail.explorer.beside import Beside
from proofrail.explorer.errors import not_found
from proofrail.explorer.lines import VALUE_SHOWN, json_text, message_at, message_of, said_of
from proofrail.explorer.model.base import CellState, Fact, NamedHash
from proofrail.explorer.model.run import Blocks, Cell, Failure, ProofCard, RunPage, SealCard
from proofrail.explorer.schema import place_at
from proofrail.explorer.tables import run_phases, run_row
from proofrail.wire.messages import CommitmentSeal, Proof, ProofFailure

_MAX_CELLS: Final = 512
_OUTPUT_SHOWN: Final = 64
_HASHES: Final = (
    ("program_hash", "the words of the program that was proven"),
    ("output_hash", "its output, as the registry hashes it"),
    ("fact_hash", "that this program can output this"),
    ("verification_hash", "under which the registry on chain would know the proof"),
    ("config_hash", "the settings of the verifier"),
    ("statement_digest", "the statement as a whole"),
)
_IDENTITY_FACTS: Final = ("preset", "hasher", "memory_verification", "stone_version", "layout")


def run_page(connection: Connection, run_id: str, beside: Beside) -> RunPage:
    """All that the view has of a run. Raises NotFoundError."""
    row = connection.execute(
        "SELECT *, (SELECT count(*) FROM inputs i WHERE i.run_id = runs.run_id) AS allocations FROM runs"
        " WHERE run_id = ?",
        (run_id,),
    ).fetchone()
    if row is None:
        raise not_found(f"run {run_id}")
    proposed = connection.execute(
        "SELECT min(a.proposed_ms) FROM inputs i JOIN allocations a ON a.allocation_id = i.allocation_id"
        " WHERE i.run_id = ?",
        (run_id,),
    ).fetchone()[0]
    reports = said_of(connection, run_id, schema.REPORT, schema.REPORT_OPEN)
    events_bytes = connection.execute(
        "SELECT coalesce(sum(bytes), 0) FROM parts WHERE run_id = ? AND place < ?",
        (run_id, schema.EVENTS_END),
    ).fetchone()[0]
    seal = message_at(connection, CommitmentSeal, row["seal"])
    return RunPage(
        run=run_row(row),
        phases=tuple(run_phases(row, proposed)),
        blocks=_blocks(row),
        seal=_seal(seal, row["seal"]),
        proof=_proof(message_at(connection, Proof, row["terminal"]), row, beside),
        failures=tuple(_failures(said_of(connection, run_id, schema.FAILURE))),
        audits=tuple(audit_cards(reports, seal, beside)),
        events=row["items"],
        events_bytes=events_bytes,
        traceparent=row["traceparent"],
    )


def _blocks(row: Row) -> Blocks | None:
    blocks, size, items = row["blocks"], row["block_items"], row["items"]
    if row["seal"] is None or not blocks or not size or blocks != -(-items // size):
        return None
    wrong = _wrong_block(row, size)
    if wrong is not None:
        wrong = min(wrong, blocks - 1)  # what ends too early, or too late, differs at its end
    return Blocks(
        blocks=blocks,
        block_items=size,
        items=items,
        bits=row["bits"],
        mismatch_block=wrong,
        cells=tuple(_cells(blocks, size, items, row["run_verdict"], wrong)),
    )


def _wrong_block(row: Row, size: int) -> int | None:
    """The commitment block of the first mismatch. Where an item is named, it tells: a report's own block may be one of
    steps or cells."""
    if row["verdict"] != "MISMATCH":
        return None
    item: int | None = row["mismatch_item"]
    found: int | None = row["mismatch_block"] if item is None else item // size
    return found


def _cells(blocks: int, size: int, items: int, verdict: str | None, wrong: int | None) -> Iterator[Cell]:
    """One cell a block, or for a group of them. What stands behind the first mismatch was not compared."""
    rest: CellState = "match" if verdict == "MATCH" else "unchecked"
    each = -(-blocks // _MAX_CELLS)
    first = 0
    while first < blocks:
        size_of = min(each, blocks - first)
        if wrong is not None and first < wrong < first + size_of:
            size_of = wrong - first  # the culprit stands alone
        state: CellState = rest
        if wrong is not None:
            state = "match" if first < wrong else "mismatch" if first == wrong else "unchecked"
            size_of = 1 if first == wrong else size_of
        begin = first * size
        yield Cell(
            first_block=first,
            blocks=size_of,
            first_item=begin,
            items=min(items, begin + size_of * size) - begin,
            state=state,
        )
        first += size_of


def _seal(seal: CommitmentSeal | None, place: int | None) -> SealCard | None:
    if seal is None or place is None:
        return None
    hashes = [
        ("root", seal.root, "of all items: it binds the run"),
        ("chain", seal.chain, "after the last item"),
        ("inputs", seal.inputs_sha256, "of all inputs in canonical form"),
        ("output", seal.output_sha256, "of the output's felts"),
        ("program", seal.program.method_id if seal.program else None, "the program's identity"),
        ("artifact", seal.program.artifact_sha256 if seal.program else None, "the compiled file"),
    ]
    facts = {
        "items": seal.items,
        "blocks": seal.blocks,
        "items a block": seal.block_items,
        "bits a value": seal.bits,
        "layout": seal.layout,
        "spans": seal.spans,
        "inputs": seal.inputs_count,
        "outcome": seal.outcome,
        "steps": seal.n_steps,
        "output felts": seal.output_count,
    }
    return SealCard(
        hashes=tuple(
            NamedHash(name=name, value=value, meaning=meaning) for name, value, meaning in hashes if value
        ),
        facts=tuple(
            Fact(name=name, value=_shown(value)) for name, value in facts.items() if value is not None
        ),
        checkpoint=seal.checkpoint,
        place=place_at(place),
    )


def _proof(proof: Proof | None, row: Row, beside: Beside) -> ProofCard | None:
    if proof is None:
        return None
    identities = proof.identities
    output = proof.statement.get("output")
    felts = [str(one) for one in output] if isinstance(output, list) else []
    hashes = [NamedHash(name="proof", value=proof.digest, meaning="SHA-256 of the proof's bytes")]
    hashes += [
        NamedHash(name=name.replace("_", " "), value=str(identities[name]), meaning=meaning)
        for name, meaning in _HASHES
        if identities.get(name)
    ]
    statement = {name: value for name, value in proof.statement.items() if name != "output"}
    return ProofCard(
        run_id=proof.run_id,
        at_ms=row["terminal_ms"],
        backend=proof.backend,
        backend_version=proof.backend_version,
        method=proof.method,
        is_mock=proof.is_mock,
        security_bits=proof.security_bits,
        attempt=proof.attempt,
        size=proof.size,
        digest=proof.digest,
        uri=proof.uri,
        stored=beside.stored(proof.digest),
        download=f"/api/artifacts/{proof.digest}",
        statement=tuple(flat(statement)),
        output=tuple(felts[:_OUTPUT_SHOWN]),
        output_count=len(felts),
        parameters=tuple(flat(proof.parameters)),
        hashes=tuple(hashes),
        timings_ms={name: took for name, took in proof.timings.items() if type(took) is int and took >= 0},
        facts=tuple(_proof_facts(proof)),
        verify_command="proofrail verify proof.bin --statement proof.json",
        message_download=f"/api/runs/{quote(proof.run_id, safe='')}/proof.json",
        place=place_at(row["terminal"]),
    )


def _proof_facts(proof: Proof) -> Iterator[Fact]:
    for name in _IDENTITY_FACTS:
        if proof.identities.get(name):
            yield Fact(name=name.replace("_", " "), value=_shown(proof.identities[name]))
    for part in (proof.program, proof.evidence):
        if part is not None:
            yield from flat(part.to_object())


def _failures(said: list[Row]) -> Iterator[Failure]:
    for place, _, at_ms, raw in said:
        failure = message_of(ProofFailure, raw)
        if failure is not None:
            yield Failure(
                at_ms=at_ms,
                backend=failure.backend,
                code=failure.code,
                message=failure.message,
                final=failure.final,
                attempts=failure.attempts,
                place=place_at(place),
            )


def flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[Fact]:
    """The members of nested objects, their names joined with dots."""
    for name, one in value.items():
        if isinstance(one, dict):
            yield from flat(one, f"{prefix}{name}.")
        else:
            yield Fact(name=f"{prefix}{name}", value=_shown(one))


def _shown(value: Any) -> str:
    return value[:VALUE_SHOWN] if isinstance(value, str) else json_text(value)

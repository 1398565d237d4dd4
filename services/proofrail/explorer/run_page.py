"""Everything on one run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from sqlite3 import Connection, Row
from typing import Any, Final
from urllib.parse import quote

from proofrail.explorer import schema
from proofrail.explorer.errors import not_found
from proofrail.explorer.lines import message_at, message_of, said_of
from proofrail.explorer.model.audit import AuditCard, EarlierReport, EvidenceCard, Mismatch, Signed, Unchecked
from proofrail.explorer.model.base import CellState, Fact, NamedHash
from proofrail.explorer.model.run import Blocks, Cell, Failure, ProofCard, RunPage, SealCard
from proofrail.explorer.schema import place_at
from proofrail.explorer.tables import run_phases, run_row
from proofrail.wire.canonical import canonical, sha256_hex
from proofrail.wire.messages import AuditReport, CommitmentSeal, Evidence, FirstMismatch, Proof, ProofFailure

Signature = Callable[[AuditReport], Signed]
Stored = Callable[[str], bool | None]

_MAX_CELLS: Final = 512
_OUTPUT_SHOWN: Final = 64
_VALUE_SHOWN: Final = 4096
_HASHES: Final = (
    ("program_hash", "the words of the program that was proven"),
    ("output_hash", "its output, as the registry hashes it"),
    ("fact_hash", "that this program can output this"),
    ("verification_hash", "under which the registry on chain would know the proof"),
    ("config_hash", "the settings of the verifier"),
    ("statement_digest", "the statement as a whole"),
)
_IDENTITY_FACTS: Final = ("preset", "hasher", "memory_verification", "stone_version", "layout")


def run_page(connection: Connection, run_id: str, signature: Signature, stored: Stored) -> RunPage:
    """All that the view has of a run. `signature` says who signed a report, `stored` whether the artifact store has a
    blob. Raises NotFoundError."""
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
    return RunPage(
        run=run_row(row),
        phases=tuple(run_phases(row, proposed)),
        blocks=_blocks(row),
        seal=_seal(message_at(connection, CommitmentSeal, row["seal"]), row["seal"]),
        proof=_proof(message_at(connection, Proof, row["terminal"]), row, stored),
        failures=tuple(_failures(said_of(connection, run_id, schema.FAILURE))),
        audits=tuple(_audits(reports, signature, stored)),
        events=row["items"],
        events_bytes=events_bytes,
        traceparent=row["traceparent"],
    )


def _blocks(row: Row) -> Blocks | None:
    blocks, size, items = row["blocks"], row["block_items"], row["items"]
    if row["seal"] is None or not blocks or not size or blocks != -(-items // size):
        return None
    wrong = row["mismatch_block"] if row["verdict"] == "MISMATCH" else None
    if wrong is not None and wrong >= blocks:
        wrong = None
    return Blocks(
        blocks=blocks,
        block_items=size,
        items=items,
        bits=row["bits"],
        mismatch_block=wrong,
        cells=tuple(_cells(blocks, size, items, row["run_verdict"], wrong)),
    )


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


def _proof(proof: Proof | None, row: Row, stored: Stored) -> ProofCard | None:
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
        stored=stored(proof.digest),
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


def _audits(said: list[Row], signature: Signature, stored: Stored) -> Iterator[AuditCard]:
    read = [
        (place, at_ms, raw, report)
        for place, _, at_ms, raw in said
        if (report := message_of(AuditReport, raw)) is not None
    ]
    for subject in ("run", "proof"):
        own = [one for one in read if one[3].subject == subject]
        if not own:
            continue
        # A mismatch is not taken back by what is said later.
        last = next((one for one in own if one[3].verdict == "MISMATCH"), own[-1])
        place, at_ms, raw, report = last
        yield AuditCard(
            subject=report.subject,
            verdict=report.verdict,
            at_ms=at_ms,
            checked=tuple(report.checked),
            unchecked=tuple(
                Unchecked(part=one.part, code=one.code, message=one.message, until=one.until)
                for one in report.unchecked
            ),
            first_mismatch=_mismatch(report.first_mismatch),
            evidence=_evidence(report.evidence, stored),
            signed=signature(report),
            digest=sha256_hex(raw),
            earlier=tuple(_earlier(one[1], one[3], one[0]) for one in own if one is not last),
            place=place_at(place),
        )


def _earlier(at_ms: int, report: AuditReport, place: int) -> EarlierReport:
    said = "; ".join(one.message for one in report.unchecked)
    first = report.first_mismatch
    return EarlierReport(
        at_ms=at_ms,
        verdict=report.verdict,
        said=said if first is None else f"{first.kind} {first.message or ''}".strip(),
        place=place_at(place),
    )


def _mismatch(first: FirstMismatch | None) -> Mismatch | None:
    if first is None:
        return None
    said = first.to_object()
    plain = {
        name: said.get(name)
        for name in Mismatch.model_fields
        if name not in ("expected", "claimed", "address")
    }
    return Mismatch(
        **plain,
        expected=_json(said["expected"]) if "expected" in said else None,
        claimed=_json(said["claimed"]) if "claimed" in said else None,
        address=None if first.address is None else str(first.address),
    )


def _evidence(evidence: Evidence | None, stored: Stored) -> EvidenceCard | None:
    if evidence is None:
        return None
    return EvidenceCard(
        digest=evidence.digest,
        uri=evidence.uri,
        stored=stored(evidence.digest),
        download=f"/api/artifacts/{evidence.digest}",
        check_command=f"python verify_evidence.py {evidence.digest[:16]}.evidence.json"
        " --tracer-key tracer.vkey --auditor-key auditor.vkey",
    )


def flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[Fact]:
    """The members of nested objects, their names joined with dots."""
    for name, one in value.items():
        if isinstance(one, dict):
            yield from flat(one, f"{prefix}{name}.")
        else:
            yield Fact(name=f"{prefix}{name}", value=_shown(one))


def _shown(value: Any) -> str:
    return (value if isinstance(value, str) else _json(value))[:_VALUE_SHOWN]


def _json(value: Any) -> str:
    return canonical(value).decode()[:_VALUE_SHOWN]

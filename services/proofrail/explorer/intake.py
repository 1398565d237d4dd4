"""From records to rows: what each line says for the view, read once, and without models.

Lines are taken as hints here: what a column needs is checked, and nothing else. A page that shows a message reads it as
the wire defines it. What cannot be read is counted and named, and spoils nothing beside it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pydantic_core import from_json

from proofrail.explorer import schema
from proofrail.messaging.records import Record
from proofrail.wire import topics
from proofrail.wire.canonical import MAX_SAFE_INTEGER, parse_object, sha256_hex
from proofrail.wire.errors import MalformedError
from proofrail.wire.messages import MAX_DEAD_LETTER_VALUE
from proofrail.wire.ndjson import split
from proofrail.wire.runs import names_run
from proofrail.wire.topics import MAX_LINE

Row = tuple[Any, ...]
TakeLine = Callable[["Batch", Record, int, bytes, dict[str, Any]], None]

_ALLOCATION_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_DIGEST: Final = re.compile(r"(?:0x)?[0-9a-f]{8,64}")
_MAX_BRACKETS: Final = 256
_MAX_KEY: Final = 1024
_LATEST_MS: Final = 253_402_300_799_000
"""The end of the year 9999: no clock says more."""
_KEPT_VALUE: Final = MAX_DEAD_LETTER_VALUE // 2
"""A dead letter holds so much of the record: longer proposals are known by their keys in both places."""


@dataclass
class Batch:
    """The rows of some records, for `View.apply`. Tuples are in the order of the statements there."""

    messages: list[Row] = field(default_factory=list)
    parts: list[Row] = field(default_factory=list)
    refusals: list[Row] = field(default_factory=list)
    unreadable: list[Row] = field(default_factory=list)
    digests: list[Row] = field(default_factory=list)
    inputs: list[Row] = field(default_factory=list)
    taken: list[Row] = field(default_factory=list)
    proposals: list[Row] = field(default_factory=list)
    dead_letters: list[Row] = field(default_factory=list)
    entries: list[Row] = field(default_factory=list)
    attestations: list[Row] = field(default_factory=list)
    attested_runs: dict[str, int] = field(default_factory=dict)
    registrations: list[Row] = field(default_factory=list)
    seen_runs: dict[str, Row] = field(default_factory=dict)
    seals: list[Row] = field(default_factory=list)
    terminals: list[Row] = field(default_factory=list)
    run_reports: list[Row] = field(default_factory=list)
    proof_reports: list[Row] = field(default_factory=list)
    runs: set[str] = field(default_factory=set)
    """The run_ids of which something is said."""
    allocations: set[str] = field(default_factory=set)
    """Likewise."""

    def take(self, records: Iterable[Record]) -> None:
        """Add what records say, in order within each partition."""
        bases: dict[tuple[str, int], int] = {}
        for record in records:
            base = bases.get((record.topic, record.partition))
            if base is None:
                base = bases[record.topic, record.partition] = schema.base_of(record.topic, record.partition)
            place = base + (record.offset << schema.LINE_BITS)
            if not 0 <= record.timestamp < _LATEST_MS:
                record = replace(record, timestamp=0)
            whole = _RECORDS.get(record.topic)
            if whole is not None:
                whole(self, record, place)
            else:
                types, one = _LINES[record.topic]
                self._take_lines(record, place, types, one)

    def _take_lines(self, record: Record, place: int, types: tuple[str, ...], take: TakeLine) -> None:
        for number, line in enumerate(self.lines(record, place)):
            with _Guard(self, record, place + number):
                said = _parse(line)
                if said.get("v") != 1 or said.get("type") not in types:
                    raise _UnfitError("type")
                take(self, record, place + number, line, said)

    def lines(self, record: Record, place: int) -> list[bytes]:
        """The record's lines; none where they cannot be told apart, which is noted."""
        try:
            lines = split(record.value) or [b""]
        except MalformedError as error:
            self.refuse(record, place, error.code, error.message)
            return []
        if len(lines) > schema.MAX_LINES:
            self.refuse(record, place, "line-too-many", f"the record has {len(lines)} lines")
            return []
        return lines

    def refuse(self, record: Record, place: int, code: str, message: str) -> None:
        """Note what cannot be read."""
        self.unreadable.append((place, record.timestamp, code, message[:_MAX_KEY]))

    def see(self, run: str, record: Record) -> None:
        """Note that something is said of a run."""
        self.runs.add(run)
        if run not in self.seen_runs:
            self.seen_runs[run] = (run, record.timestamp, record.traceparent)

    def digest(self, value: object, kind: str, ref: str) -> None:
        """Let `ref` be found by a hash."""
        if isinstance(value, str) and _DIGEST.fullmatch(value):
            self.digests.append((value, kind, ref))


# --- one topic each ---------------------------------------------------------------------------------------------------
# Each checks first and adds then: of a line that is refused nothing is kept.


def _take_proposal(batch: Batch, record: Record, place: int) -> None:
    name = _named(record.value, record.key_text)
    batch.messages.append((place, schema.PROPOSAL, name, record.timestamp, record.value[:MAX_LINE]))
    if name is not None:
        batch.proposals.append((name, record.timestamp, place, record.timestamp))
        batch.allocations.add(name)


def _take_events(batch: Batch, record: Record, place: int) -> None:
    # Spans stay on the topic: of a run with hundreds of allocations they are megabytes, and few are ever looked at.
    run = record.key_text
    if names_run(run):
        batch.parts.append((place, run, len(record.value), record.timestamp))
        batch.see(run, record)
    else:
        batch.refuse(record, place, "foreign-record", "its key can be no run_id")


def _take_commitments(batch: Batch, record: Record, place: int) -> None:
    run = record.key_text
    if not names_run(run):
        batch.refuse(record, place, "foreign-record", "its key can be no run_id")
        return
    batch.parts.append((place, run, len(record.value), record.timestamp))
    batch.see(run, record)
    for number, line in enumerate(batch.lines(record, place)):
        # Blocks are most of a run's lines, and all that the view says of them can be told from the seal.
        if b'"CommitmentSeal"' in line:
            with _Guard(batch, record, place + number):
                _take_seal(batch, record, place + number, run, line)
        elif b'"Input"' in line:
            with _Guard(batch, record, place + number):
                _take_input(batch, record, place + number, run, line)


def _take_seal(batch: Batch, record: Record, place: int, run: str, line: bytes) -> None:
    seal = _parse(line)
    if seal.get("type") != "CommitmentSeal" or seal.get("run_id") != run:
        raise _UnfitError("run_id")
    program = _object(seal, "program")
    outcome = seal.get("outcome")
    row = (
        run,
        record.timestamp,
        place,
        record.timestamp,
        _text(program, "method_id") if program else None,
        _text(seal, "layout") if "layout" in seal else None,
        outcome if outcome in ("completed", "failed") else None,
        _count(seal, "items"),
        _count(seal, "blocks"),
        _count(seal, "block_items"),
        _count(seal, "bits"),
        _count(seal, "n_steps") if "n_steps" in seal else None,
    )
    batch.messages.append((place, schema.SEAL, run, record.timestamp, line))
    batch.seals.append(row)
    for name in ("root", "chain", "inputs_sha256", "output_sha256"):
        batch.digest(seal.get(name), name.removesuffix("_sha256"), run)
    batch.digest(program.get("artifact_sha256"), "artifact", run)


def _take_input(batch: Batch, record: Record, place: int, run: str, line: bytes) -> None:
    said = _parse(line)
    if said.get("type") != "Input" or said.get("run_id") != run:
        raise _UnfitError("run_id")
    row = _count(said, "index")
    name = _object(said, "input").get("allocation_id")
    if isinstance(name, str) and _ALLOCATION_ID.fullmatch(name):  # else it is another program's input
        batch.inputs.append((run, row, name))
        batch.taken.append((name, record.timestamp, place, run, row))
        batch.allocations.add(name)


def _take_dead_letter(batch: Batch, record: Record, place: int, line: bytes, letter: dict[str, Any]) -> None:
    code = _text(letter, "code")
    try:
        held = bytes.fromhex(_text(letter, "value", least=0))
    except ValueError:
        raise _UnfitError("value") from None
    key = letter.get("key", "")
    name = _named(held, key if isinstance(key, str) else "")
    batch.messages.append((place, schema.DEAD_LETTER, name, record.timestamp, line))
    batch.refusals.append((place, record.timestamp, code))
    if name is not None:
        batch.dead_letters.append((name, record.timestamp, place, record.timestamp, code))
        batch.allocations.add(name)


def _take_entry(batch: Batch, record: Record, place: int, line: bytes, entry: dict[str, Any]) -> None:
    name, run, row = _text(entry, "allocation_id"), _run(entry), _count(entry, "row")
    dead = _text(entry, "dead_letter") if "dead_letter" in entry else None
    accepted = None
    if entry.get("topic") == topics.PROPOSALS:
        where = _count(entry, "partition"), _count(entry, "offset")
        if schema.can_name(*where):
            accepted = schema.place_of(topics.PROPOSALS, *where)
    batch.messages.append((place, schema.INDEX_ENTRY, name, record.timestamp, line))
    batch.entries.append((name, record.timestamp, place, run, row, dead, accepted))
    batch.allocations.add(name)
    batch.digest(entry.get("proposal_sha256"), "proposal", name)


def _take_terminal(batch: Batch, record: Record, place: int, line: bytes, said: dict[str, Any]) -> None:
    run, now, backend = _run(said), record.timestamp, _text(said, "backend")
    if said["type"] == "ProofFailure":
        code = _text(said, "code")
        batch.messages.append((place, schema.FAILURE, run, now, line))
        if said.get("final") is True:
            batch.terminals.append((run, now, place, now, None, backend, None, 0, code))
    else:
        took = _object(said, "timings").get("total")
        took = took if type(took) is int and 0 <= took <= MAX_SAFE_INTEGER else None
        mock = int(said.get("is_mock") is not False)
        bits = _count(said, "security_bits")
        batch.messages.append((place, schema.PROOF, run, now, line))
        batch.terminals.append((run, now, place, now, took, backend, bits, mock, None))
        batch.digest(said.get("digest"), "proof", run)
        identities = _object(said, "identities")
        for name in ("fact_hash", "verification_hash", "output_hash", "config_hash"):
            batch.digest(identities.get(name), name.replace("_", " "), run)
    batch.see(run, record)


def _take_report(batch: Batch, record: Record, place: int, line: bytes, report: dict[str, Any]) -> None:
    run, now = _run(report), record.timestamp
    verdict, subject = report.get("verdict"), report.get("subject")
    if verdict not in ("MATCH", "MISMATCH", "INDETERMINATE"):
        raise _UnfitError("verdict")
    if subject not in ("run", "proof"):
        raise _UnfitError("subject")
    first = _object(report, "first_mismatch") if verdict == "MISMATCH" else {}
    row = (
        run,
        now,
        verdict,
        now,
        _text(first, "kind") if "kind" in first else None,
        _count(first, "item") if "item" in first else None,
        _count(first, "block") if "block" in first else None,
        _count(first, "step") if "step" in first else None,
    )
    kind = schema.REPORT if verdict == "MATCH" else schema.REPORT_OPEN
    batch.messages.append((place, kind, run, now, line))
    (batch.run_reports if subject == "run" else batch.proof_reports).append(row)
    batch.see(run, record)
    batch.digest(sha256_hex(line), f"{subject} report", run)
    batch.digest(_object(report, "evidence").get("digest"), "evidence", run)


def _take_attestation(batch: Batch, record: Record, place: int, line: bytes, said: dict[str, Any]) -> None:
    name, run, now = _text(said, "allocation_id"), _run(said), record.timestamp
    row, verdict = _count(said, "row"), _count(said, "verdict")
    batch.messages.append((place, schema.ATTESTATION, name, now, line))
    batch.attestations.append((name, now, place, now, run, row, verdict))
    batch.attested_runs.setdefault(run, now)
    batch.allocations.add(name)
    batch.see(run, record)
    batch.digest(sha256_hex(line), "attestation", name)
    batch.digest(said.get("proposal_sha256"), "proposal", name)


def _take_registration(batch: Batch, record: Record, place: int, line: bytes, said: dict[str, Any]) -> None:
    name, now, outcome = _text(said, "allocation_id"), record.timestamp, said.get("outcome")
    if outcome not in ("recorded", "refused"):
        raise _UnfitError("outcome")
    recorded = outcome == "recorded"
    code = None if recorded else _text(said, "code")
    kind = schema.RECORDED if recorded else schema.REFUSED
    batch.messages.append((place, kind, name, now, line))
    taken_back = said.get("replaces") is not None
    batch.registrations.append((name, now, place, now, int(recorded), code, taken_back))
    batch.allocations.add(name)
    batch.digest(said.get("transaction"), "transaction", name)
    fact = _object(said, "fact")
    for member in ("fact_hash", "verification_hash", "transaction"):
        batch.digest(fact.get(member), member.replace("_", " "), name)


_RECORDS: Final[Mapping[str, Callable[[Batch, Record, int], None]]] = {
    topics.PROPOSALS: _take_proposal,
    topics.EVENTS: _take_events,
    topics.COMMITMENTS: _take_commitments,
}
_LINES: Final[Mapping[str, tuple[tuple[str, ...], TakeLine]]] = {
    topics.PROPOSALS_DLQ: (("DeadLetter",), _take_dead_letter),
    topics.INDEX: (("AllocationIndex",), _take_entry),
    topics.PROOFS: (("Proof", "ProofFailure"), _take_terminal),
    topics.REPORTS: (("AuditReport",), _take_report),
    topics.ATTESTATIONS: (("Attestation",), _take_attestation),
    topics.REGISTRATIONS: (("Registration",), _take_registration),
}


# --- members ----------------------------------------------------------------------------------------------------------


class _UnfitError(Exception):
    """A member is missing, or not what its column can hold."""


class _Guard:
    """What is wrong with a line is noted, and the next one taken."""

    __slots__ = ("_batch", "_place", "_record")

    def __init__(self, batch: Batch, record: Record, place: int) -> None:
        self._batch, self._record, self._place = batch, record, place

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> bool:
        if error is None:
            return False
        if isinstance(error, MalformedError):
            self._batch.refuse(self._record, self._place, error.code, error.message)
        elif isinstance(error, _UnfitError):
            text = f"the member {error} is missing, or not what it must be"
            self._batch.refuse(self._record, self._place, "malformed-message", text)
        else:
            return False
        return True


def _parse(line: bytes) -> dict[str, Any]:
    """The line's object, by pydantic's scanner: an eighth of the time that the strict reader takes. What that scanner
    would take wrongly, or what it refuses, is left to the strict one."""
    if line.count(b"{") + line.count(b"[") > _MAX_BRACKETS or b"\\u" in line:
        return parse_object(line)
    try:
        value = from_json(line, allow_inf_nan=False)
    except ValueError:
        return parse_object(line)
    return value if type(value) is dict else parse_object(line)


def _named(value: bytes, key: str) -> str | None:
    """Which allocation a record on the proposals' topic is about: the same for the record and its dead letter, which
    holds the beginning of a long one only."""
    if 0 < len(value) < _KEPT_VALUE:
        try:
            name = _parse(value).get("allocation_id")
        except MalformedError:
            name = None
        if isinstance(name, str) and _ALLOCATION_ID.fullmatch(name):
            return name
    return key[:_MAX_KEY] or None


def _text(said: dict[str, Any], name: str, least: int = 1) -> str:
    value = said.get(name)
    if isinstance(value, str) and len(value) >= least:
        return value
    raise _UnfitError(name)


def _run(said: dict[str, Any]) -> str:
    value = said.get("run_id")
    if isinstance(value, str) and names_run(value):
        return value
    raise _UnfitError("run_id")


def _count(said: dict[str, Any], name: str) -> int:
    value = said.get(name)
    if type(value) is int and 0 <= value <= MAX_SAFE_INTEGER:
        return value
    raise _UnfitError(name)


def _object(said: dict[str, Any], name: str) -> dict[str, Any]:
    value = said.get(name)
    return value if type(value) is dict else {}

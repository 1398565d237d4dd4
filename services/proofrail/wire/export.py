"""An exported run: one NDJSON file with everything that the topics say of it, for readers without Kafka.

The file is canonical NDJSON. Its first line is an `Export`: the run_id, and how many records follow. Each record is
one line, an `ExportedRecord` (topic, partition, offset, key, headers, time), and behind it, as they were published,
the `lines` of its value:

    {"records":2,"run_id":"…","type":"Export","v":1}
    {"key":"…","lines":2,"offset":7,"partition":0,"topic":"trace.commitments.v1","type":"ExportedRecord",…}
    {"index":0,"input":{…},"run_id":"…","type":"Input","v":1}
    {"run_id":"…","type":"CommitmentSeal",…}
    {"key":"…","lines":1,…,"topic":"proofs.v1","type":"ExportedRecord",…}
    {"backend":"stwo",…,"type":"Proof","v":1}

A value with a line that is not in canonical form, such as a proposal that a person wrote, stands as hex in the
record's `value` instead, and `lines` is 0. A value's last line feed, which is optional, is not kept. Records stand in
the order of `proofrail.wire.topics.TOPICS`, then of partition and offset. `timestamp` is the record's, in nanoseconds.
What counts lines, and nothing else, tells where a record ends: a published line may look like any of these.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Final, Literal, TypeVar

from proofrail.wire.canonical import canonical, parse_object
from proofrail.wire.errors import MalformedError, UnusableInputError
from proofrail.wire.messages import to_line
from proofrail.wire.model import Absent, Count, HexBytes, Message, Nanoseconds, RunId, read_as
from proofrail.wire.ndjson import split

_M = TypeVar("_M", bound=Message)

MAX_EXPORT_LINE: Final = 2 * 1024 * 1024
"""Most bytes of a line: a record's value as hex, its key and headers."""

_NEXT: Final = "Export the run again: proofrail export RUN --out FILE."


class Export(Message):
    """The first line of an exported run."""

    type: Literal["Export"] = "Export"
    run_id: RunId
    records: Count
    """How many records follow."""


class ExportedRecord(Message):
    """One record of an exported run; `lines` lines of its value follow."""

    type: Literal["ExportedRecord"] = "ExportedRecord"
    topic: str
    partition: Count
    offset: Count
    key: str
    timestamp: Nanoseconds
    """When it was written, as the broker or the producer says: to the millisecond."""
    headers: dict[str, str]
    lines: Count
    value: Annotated[HexBytes | None, Absent] = None
    """The value where it is not canonical NDJSON."""


@dataclass(frozen=True)
class Exported:
    """A record of an exported run with its value."""

    record: ExportedRecord
    value: bytes
    """As published, without its last line feed."""


def write_export(run_id: str, records: Sequence[Exported]) -> Iterator[bytes]:
    """The lines, without line feeds, of an export of `records`, whose `lines` and `value` are set
    here."""
    yield to_line(Export(run_id=run_id, records=len(records)))
    for one in records:
        record, lines = one.record, _canonical_lines(one.value)
        if lines is None:
            held = one.value.removesuffix(b"\n").hex()
            yield to_line(record.model_copy(update={"lines": 0, "value": held}))
        else:
            yield to_line(record.model_copy(update={"lines": len(lines), "value": None}))
            yield from lines


def read_export(lines: Iterable[bytes]) -> tuple[str, list[Exported]]:
    """The run_id and the records of an exported run.

    Raises UnusableInputError `export-malformed` for what is none, `export-incomplete` for one that was cut short or has
    more than it says.
    """
    rest = iter(lines)
    head = _message(Export, next(rest, b""), 1)
    found: list[Exported] = []
    number = 1
    for line in rest:
        number += 1
        record = _message(ExportedRecord, line, number)
        held = list(islice(rest, record.lines))
        number += len(held)
        if len(held) < record.lines:
            raise _incomplete(
                f"the record in line {number - len(held)} has {record.lines} lines, {len(held)} are there"
            )
        value = b"\n".join(held) if record.value is None else bytes.fromhex(record.value)
        found.append(Exported(record, value))
    if len(found) != head.records:
        raise _incomplete(f"it has {len(found)} records and says {head.records}")
    return head.run_id, found


def is_export(first_line: bytes) -> bool:
    """Whether a file that begins so is an exported run."""
    try:
        return parse_object(first_line.removesuffix(b"\n")).get("type") == "Export"
    except MalformedError:
        return False


def _canonical_lines(value: bytes) -> list[bytes] | None:
    """The value's lines; None where they are not all canonical."""
    try:
        lines = split(value)
        return lines if all(canonical(parse_object(line)) == line for line in lines) else None
    except MalformedError:
        return None


def _message(kind: type[_M], line: bytes, number: int) -> _M:
    try:
        found: _M = read_as({kind.__name__: kind}, parse_object(line), "line of an export")
    except MalformedError as error:
        raise UnusableInputError(
            "export-malformed",
            f"line {number} is none of an exported run: {error.message}",
            _NEXT,
            line=number,
        ) from error
    return found


def _incomplete(what: str) -> UnusableInputError:
    return UnusableInputError("export-incomplete", f"the export is not whole: {what}", _NEXT)

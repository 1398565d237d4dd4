"""Trace events: the lines of a run's log (design section 5, table "Trace events"; schemas/trace-v1.md
section 4).

Order: spans, then StepBlocks, then MemoryBlocks, then TraceEnd. `seq` counts from 0 without gaps. `cycles`
and `duration_ns` of an end, and everything about artifacts of a failure, may be missing in traces from
elsewhere.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field

from proofrail.wire.canonical import parse_object
from proofrail.wire.model import (
    Absent,
    Count,
    Hash,
    HexBytes,
    Message,
    Nanoseconds,
    Part,
    RunId,
    SpanId,
    Within,
    model_of,
    read_as,
)

VOLATILE: Final = frozenset({"timestamp", "duration_ns", "detail", "label"})
"""Members of an event outside every commitment and verdict."""

STEPS_PER_BLOCK: Final = 4096
STEPS_PER_CHUNK: Final = 64
CELLS_PER_BLOCK: Final = 4096
CELLS_PER_CHUNK: Final = 32
MAX_PATH_DEPTH: Final = 64
"""The greatest depth whose spans have a `path`."""

MethodId = Annotated[str, Field(min_length=1, max_length=128)]
"""cairo: the program hash, "0x…"; native: SHA-256 of the tile's source; risc0: the image id."""

Name = Annotated[str, Field(min_length=1)]


class Artifact(Part):
    """What code an invocation ran."""

    backend: Name
    method_id: MethodId


class Program(Part):
    """A program's identity."""

    backend: Name
    method_id: MethodId
    artifact_sha256: Hash
    """SHA-256 of the compiled file's bytes."""


class CommitmentParameters(Part):
    """How a run is committed to."""

    bits: Annotated[int, Within(1, 64)]
    block_items: Annotated[int, Within(1, 2**53 - 1)]


class RunError(Part):
    """Why an invocation failed. The message is built from code, function and location, never from a VM's
    own text."""

    code: Annotated[Name | None, Absent] = None
    message: str


class TraceEvent(Message):
    """What every trace event has."""

    run_id: RunId
    seq: Count
    timestamp: Nanoseconds
    """Interpolated from the run's wall time by step: `started + step · duration / steps`. Volatile."""


class TraceStart(TraceEvent):
    """The first event: what runs, on which inputs, committed to how."""

    type: Literal["TraceStart"] = "TraceStart"
    program: Program
    layout: Name
    spans: Literal["own", "all"]
    inputs_count: Count
    inputs_sha256: Hash
    commitment: CommitmentParameters
    label: Annotated[str | None, Absent] = None
    """Free text of whoever ran it. Volatile."""


class _SpanStart(TraceEvent):
    span_id: SpanId
    parent_span_id: Annotated[SpanId | None, Absent] = None
    """The innermost open span; absent for the outermost."""
    path: Annotated[Name | None, Absent] = None
    """Names from the outermost span, joined with "/"; absent below depth 64."""
    depth: Count
    iteration: Annotated[Count | None, Absent] = None
    """From 0 within its loop; on iteration spans only."""
    artifact: Artifact
    input_bytes: HexBytes
    """Arguments in declaration order, 32 bytes big-endian a felt, "" when there are none."""


class SequenceStart(_SpanStart):
    """An invocation that calls others begins."""

    type: Literal["SequenceStart"] = "SequenceStart"
    name: Name


class TileInput(Part):
    """An argument as its source names it."""

    name: str
    ty: str
    """The type as the compiler printed it: opaque."""


class TileStart(_SpanStart):
    """An invocation that calls none begins. The last two members come with imported traces."""

    type: Literal["TileStart"] = "TileStart"
    tile_id: Name
    desc: Annotated[str | None, Absent] = None
    """What the tile is for, as its source says."""
    inputs: Annotated[list[TileInput] | None, Absent] = None
    """The arguments that input_bytes encode, in source order."""


class _SpanEnd(TraceEvent):
    span_id: SpanId
    output_bytes: Annotated[HexBytes | None, Absent] = None
    """Return values, encoded as input_bytes; absent only at an iteration that is not the last."""
    duration_ns: Annotated[Nanoseconds | None, Absent] = None
    """Volatile."""
    cycles: Annotated[Count | None, Absent] = None
    """VM steps from the entry to its `ret` inclusive, callees included."""


class SequenceEnd(_SpanEnd):
    """An invocation that calls others ends."""

    type: Literal["SequenceEnd"] = "SequenceEnd"
    name: Name


class TileEnd(_SpanEnd):
    """An invocation that calls none ends. `proof_cycles`, `receipt` and `verified` come with traces of proving
    virtual machines."""

    type: Literal["TileEnd"] = "TileEnd"
    tile_id: Name
    proof_cycles: Annotated[Count | None, Absent] = None
    receipt: Annotated[HexBytes | None, Absent] = None
    verified: Annotated[bool | None, Absent] = None
    output_type: Annotated[str | None, Absent] = None
    """What output_bytes encode, as the compiler printed it; in imported traces, where the tile returns something."""


class _SpanFailure(TraceEvent):
    span_id: SpanId
    depth: Count
    path: Annotated[Name | None, Absent] = None
    iteration: Annotated[Count | None, Absent] = None
    error: RunError
    artifact: Annotated[Artifact | None, Absent] = None
    input_bytes: HexBytes
    detail: Annotated[str | None, Absent] = None
    """The VM's own text. Volatile."""


class TileFailure(_SpanFailure):
    """An invocation that calls none fails, in place of its end."""

    type: Literal["TileFailure"] = "TileFailure"
    tile_id: Name


class SequenceFailure(_SpanFailure):
    """An invocation that calls others fails, in place of its end."""

    type: Literal["SequenceFailure"] = "SequenceFailure"
    name: Name


class StepBlock(TraceEvent):
    """Up to 4,096 consecutive steps of trace.bin."""

    type: Literal["StepBlock"] = "StepBlock"
    block: Count
    first_step: Count
    steps: Annotated[int, Within(1, STEPS_PER_BLOCK)]
    root: Hash
    """RFC 6962 root over chunks of 64 steps."""


class MemoryBlock(TraceEvent):
    """Up to 4,096 consecutive cells of memory.bin, sorted by address."""

    type: Literal["MemoryBlock"] = "MemoryBlock"
    block: Count
    first_cell: Count
    cells: Annotated[int, Within(1, CELLS_PER_BLOCK)]
    root: Hash
    """RFC 6962 root over chunks of 32 cells."""


class TraceEnd(TraceEvent):
    """The last event: how the run ended."""

    type: Literal["TraceEnd"] = "TraceEnd"
    outcome: Literal["completed", "failed"]
    n_steps: Count
    """Steps in trace.bin, padding included; of a failed run the steps completed."""
    output_count: Count
    output_sha256: Hash
    """SHA-256 of the canonical array of output felts."""


EVENT_TYPES: Final[dict[str, type[TraceEvent]]] = {
    model.model_fields["type"].default: model
    for model in (
        TraceStart,
        SequenceStart,
        SequenceEnd,
        TileStart,
        TileEnd,
        TileFailure,
        SequenceFailure,
        StepBlock,
        MemoryBlock,
        TraceEnd,
    )
}
"""The ten types of trace event by name."""

_KIND: Final = "trace event"


def require_known(event: dict[str, Any]) -> None:
    """For readers that take an event as it is, whatever its members. Raises MalformedError: `unknown-version`,
    `unknown-type`."""
    model_of(EVENT_TYPES, event, _KIND)


def parse_event(line: bytes | dict[str, Any]) -> TraceEvent:
    """The trace event of a line, or of an object already read from one.

    Raises MalformedError: the codes of `parse_object`, `unknown-version`, `unknown-type`, and
    `malformed-message` (`context["member"]`) when a member is missing or not what the type says.
    """
    obj = parse_object(line) if isinstance(line, bytes) else line
    event: TraceEvent = read_as(EVENT_TYPES, obj, _KIND)
    return event

"""Evidence of a mismatch that a third party can check (schemas/trace-v1.md section "Evidence").

A bundle holds what the tracer signed beside what the auditor signed, with the proofs that lead from the items
shown to the two checkpoints. `schemas/verify_evidence.py` checks it without any of this package.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field

from proofrail.wire.events import Program
from proofrail.wire.messages import FirstMismatch
from proofrail.wire.model import Absent, Count, Hash, HexBytes, Message, Part, RunId, Signature, Within

MAX_EVIDENCE: Final = 16 * 1024
"""The most bytes of a bundle."""

COMMAND: Final = (
    "proofrail trace PROGRAM --inputs INPUTS --out DIR --layout {layout} --spans {spans} "
    "--bits {bits} --block-items {block_items}"
)
"""What repeats a run: its seal's root is the one to compare with."""

Path = list[Count]
"""A proof: positions in `hashes`, the hash nearest the leaf first."""


class Packing(Part):
    """How a run's items are packed."""

    bits: Annotated[int, Within(1, 64)]
    block_items: Annotated[int, Within(1, 2**53 - 1)]


class EvidenceRun(Part):
    """Everything that a run_id is made of."""

    program: Program
    layout: str
    spans: Literal["own", "all"]
    inputs_count: Count
    inputs_sha256: Hash
    commitment: Packing


class ShownItem(Part):
    """An item, and the proof that it is in a tree. Either `text`, or what stands for an item too large."""

    index: Count
    text: Annotated[str | None, Absent] = None
    """The item: canonical form without volatile members."""
    leaf: Annotated[Hash | None, Absent] = None
    sha256: Annotated[Hash | None, Absent] = None
    """SHA-256 of the item's bytes, its name in the artifact store."""
    size: Annotated[Count | None, Absent] = None
    uri: Annotated[str | None, Absent] = None
    """Where the whole item lies; absent when it was not stored."""
    proof: Path


class EvidenceSide(Part):
    """What one side says of the run: the tracer (`claimed`) or the auditor (`expected`)."""

    checkpoint: Annotated[str | None, Absent] = None
    """The signed note whole; the auditor's has no signature lines when the auditor had no key."""
    item: Annotated[ShownItem | None, Absent] = None


class PublishedLine(Part):
    """A line as the auditor read it. It is whole when `text` has `size` bytes."""

    part: Literal["events", "commitments"]
    line: Count
    """From 1."""
    size: Count
    sha256: Hash
    text: Annotated[str | None, Absent] = None
    hex: Annotated[HexBytes | None, Absent] = None
    """The beginning of a line that is not UTF-8."""


class Fault(Part):
    """What contradicts itself in that which the tracer signed."""

    kind: Literal["transition", "cells", "identity"]
    """Step `at` → `at` + 1 is not valid; cells `at` and `at` + 1 conflict; TraceStart describes another run."""
    at: Annotated[Count | None, Absent] = None


class ShownChunk(Part):
    """One chunk of a StepBlock or MemoryBlock."""

    chunk: Count
    rows: Annotated[str, Field(pattern=r"^[0-9a-f]+(?:,[0-9a-f]+)+(?: [0-9a-f]+(?:,[0-9a-f]+)+)*$")]
    """`ap,fp,pc` of each step, or `address,value` of each cell, in hex without leading zeros."""
    proof: Path


class ShownRaw(Part):
    """A StepBlock or MemoryBlock of the tracer's tree, and the chunks of it that are shown."""

    item: ShownItem
    chunks: list[ShownChunk]


class EvidenceBundle(Message):
    """What proves a mismatch to a third party, or says that nothing that is signed does."""

    type: Literal["EvidenceBundle"] = "EvidenceBundle"
    run_id: RunId
    run: Annotated[EvidenceRun | None, Absent] = None
    """Absent when the auditor did not get to execute the run."""
    inputs: Annotated[list[dict[str, Any]] | None, Absent] = None
    """The run's inputs in normal form, where they are small enough."""
    re_execute: Annotated[str | None, Absent] = None
    first_mismatch: FirstMismatch
    """As in the report. Long values are cut or left out."""
    shows: Literal["items", "length", "heads", "published", "nothing"]
    claimed: EvidenceSide
    expected: EvidenceSide
    published: Annotated[PublishedLine | None, Absent] = None
    fault: Annotated[Fault | None, Absent] = None
    raw: Annotated[list[ShownRaw] | None, Absent] = None
    hashes: list[Hash]
    """The hashes of all proofs, each once."""
    omitted: Annotated[list[str] | None, Absent] = None
    """What was left out, or cut, for want of room."""
    signature: Annotated[Signature | None, Absent] = None
    """The auditor's, as on every message of its; absent when the auditor had no key."""

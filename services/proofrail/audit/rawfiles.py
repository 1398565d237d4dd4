"""Follows a difference down to the step or the cell, where the raw bytes of both sides are at hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from proofrail._native import chunk_root
from proofrail.audit.compare import Difference
from proofrail.audit.findings import Finding, FoundError, Notes, from_difference
from proofrail.audit.raw import (
    CELL_BYTES,
    STEP_BYTES,
    Buffer,
    Cell,
    Step,
    cell_at,
    find_cell,
    first_difference,
    on_the_wire,
    sorted_cells,
    step_at,
)
from proofrail.audit.subject import Recomputed, Subject
from proofrail.audit.values import ABSENT
from proofrail.cairo.instruction import decode
from proofrail.wire.canonical import JsonObject
from proofrail.wire.errors import MalformedError
from proofrail.wire.events import (
    CELLS_PER_BLOCK,
    CELLS_PER_CHUNK,
    STEPS_PER_BLOCK,
    STEPS_PER_CHUNK,
)

ALLOCATED: Final = "allocated"
"""The name, in a finding, of the segments without one: those that hints allocated."""

_RAW_TYPES: Final = ("StepBlock", "MemoryBlock")


@dataclass
class RawFiles:
    """Claimed trace.bin and memory.bin beside the recomputed ones. Either may be missing.

    Cells may stand in another order, as the reference runner writes them. Of the order in the file and that of
    the addresses the one counts in which the two memories agree longer: sorting puts a cell with another
    address at another place, and would name a neighbour in its stead.
    """

    subject: Subject
    recomputed: Recomputed
    trace: Buffer | None
    memory: Buffer | None

    def __post_init__(self) -> None:
        if self.memory is None:
            return
        unsorted = first_difference(self.recomputed.memory, self.memory, CELL_BYTES)
        if unsorted is not None:
            in_order = sorted_cells(self.memory)
            at = first_difference(self.recomputed.memory, in_order, CELL_BYTES)
            if at is None or at > unsorted:
                self.memory = in_order

    def check(self, notes: Notes) -> None:
        """Compare the whole files. Raises FoundError, kind `step` or `cell`."""
        if self.trace is not None:
            index = first_difference(self.recomputed.trace, self.trace, STEP_BYTES)
            if index is not None:
                raise FoundError(self._step(index, self._item("StepBlock", index // STEPS_PER_BLOCK)))
            notes.done("trace.bin")
        if self.memory is not None:
            index = first_difference(self.recomputed.memory, self.memory, CELL_BYTES)
            if index is not None:
                raise FoundError(self._cell(index, self._item("MemoryBlock", index // CELLS_PER_BLOCK)))
            notes.done("memory.bin")

    def explain(self, difference: Difference, expected: JsonObject, item: int) -> Finding | None:
        """The finding for a StepBlock or MemoryBlock whose root differs; None for any other difference.

        The claimed bytes count as evidence only where they hash to the claimed root.
        """
        if difference.member != "root" or expected.get("type") not in _RAW_TYPES:
            return None
        if expected["type"] == "StepBlock":
            return self._explain(difference, expected, item, "step", self.trace, STEP_BYTES)
        return self._explain(difference, expected, item, "cell", self.memory, CELL_BYTES)

    def _explain(
        self,
        difference: Difference,
        expected: JsonObject,
        item: int,
        kind: Literal["step", "cell"],
        claimed: Buffer | None,
        record: int,
    ) -> Finding:
        step = kind == "step"
        name = "trace.bin" if step else "memory.bin"
        first, count = (
            expected["first_step" if step else "first_cell"],
            expected["steps" if step else "cells"],
        )
        what = f"item {item} ({expected['type']} {expected['block']}, {kind}s {first} to {first + count - 1})"
        if claimed is None:
            because = f"located to the block only: the claimed {name} is not at hand"
            return from_difference(
                difference,
                "event",
                f"{what}, {because},",
                kind=kind,
                item=item,
                line=item + 1,
                more={"because": because},
            )
        part = bytes(memoryview(claimed).cast("B")[first * record : (first + count) * record])
        chunk = (STEPS_PER_CHUNK if step else CELLS_PER_CHUNK) * record
        if not part or chunk_root(part, chunk).hex() != difference.claimed:
            because = f"located to the block only: the claimed {name} does not hash to the claimed root"
            return from_difference(
                difference,
                "event",
                f"{what}, {because},",
                kind=kind,
                item=item,
                line=item + 1,
                more={"because": because},
            )
        mine = memoryview(self.recomputed.trace if step else self.recomputed.memory).cast("B")
        offset = first_difference(mine[first * record : (first + count) * record], part, record)
        index = first + (offset or 0)
        return self._step(index, item) if step else self._cell(index, item)

    def _item(self, kind: str, block: int) -> int | None:
        steps = -(-len(self.recomputed.trace) // (STEP_BYTES * STEPS_PER_BLOCK))
        cells = -(-len(self.recomputed.memory) // (CELL_BYTES * CELLS_PER_BLOCK))
        if self.recomputed.outcome != "completed" or block >= (steps if kind == "StepBlock" else cells):
            return None
        first_raw = self.recomputed.items - 1 - steps - cells
        return first_raw + block if kind == "StepBlock" else first_raw + steps + block

    def _step(self, index: int, item: int | None) -> Finding:
        ours = step_at(self.recomputed.trace, index)
        theirs = step_at(self.trace or b"", index)
        more: dict[str, Any] = {"step": index}
        member = None
        if ours is not None:
            more |= ours.shown()
            source = self.subject.location(ours.pc)
            if source is not None:
                more |= {"source": f"{source[0]}:{source[1]}", "function": source[2]}
            instruction = self._instruction(ours.pc)
            if instruction is not None:
                more["instruction"] = instruction
            if theirs is not None:
                member = next(n for n in ("pc", "ap", "fp") if getattr(ours, n) != getattr(theirs, n))
        return Finding(
            "step",
            "trace",
            _ended("step", index, ours, theirs)
            or f"step {index} of the claimed trace is not what the VM did",
            item=item if ours else None,
            block=index // STEPS_PER_BLOCK if ours and item is not None else None,
            member=member,
            expected=ours.shown() if ours else ABSENT,
            claimed=theirs.shown() if theirs else ABSENT,
            more=more,
        )

    def _cell(self, index: int, item: int | None) -> Finding:
        ours = cell_at(self.recomputed.memory, index)
        theirs = cell_at(self.memory or b"", index)
        more: dict[str, Any] = {"cell": index}
        at = ours or theirs
        member = None
        if at is not None:
            more["address"] = on_the_wire(at.address)
            segment = self._segment(at.address)
            if segment is not None:
                more["segment"] = segment
        if ours is not None and theirs is not None:
            member = "address" if ours.address != theirs.address else "value"
        return Finding(
            "cell",
            "memory",
            _ended("cell", index, ours, theirs) or f"cell {index} of the claimed memory holds something else",
            item=item if ours else None,
            block=index // CELLS_PER_BLOCK if ours and item is not None else None,
            member=member,
            expected=ours.shown() if ours else ABSENT,
            claimed=theirs.shown() if theirs else ABSENT,
            more=more,
        )

    def _instruction(self, pc: int) -> str | None:
        """The instruction at a pc as Cairo assembly; None where the word there is none."""
        word, following = (find_cell(self.recomputed.memory, at) for at in (pc, pc + 1))
        if word is None:
            return None
        try:
            return decode(word.value).text(following.value if following else None)
        except MalformedError:
            return None

    def _segment(self, address: int) -> str | None:
        """The memory segment of an address: it reaches to where the next one begins, beyond the cells that are
        used. After the last named one come the segments that hints allocated."""
        traced = self.recomputed.traced
        segments = sorted(traced.segments if traced else (), key=lambda segment: segment.begin)
        before = [segment for segment in segments if segment.begin <= address]
        if not before:
            return None
        last = before[-1]
        return ALLOCATED if len(before) == len(segments) and address >= last.end else last.builtin


def _ended(what: str, index: int, ours: Step | Cell | None, theirs: Step | Cell | None) -> str | None:
    if ours is None:
        return f"the claimed file goes on at {what} {index}, where the recomputed one has ended"
    if theirs is None:
        return f"the claimed file ends before {what} {index}"
    return None

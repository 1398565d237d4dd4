"""Finds what contradicts itself in a claimed trace and memory, so that no execution is needed to see it.

Looked at is only what lies at the first difference from the recomputed run, and the steps that read a differing
cell: elsewhere the claimed files are the machine's own.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal

from proofrail.audit.raw import CELL_BYTES, STEP_BYTES, Buffer, Step, cell_at, first_difference, step_at
from proofrail.audit.transition import address_of, transition_fault
from proofrail.cairo.instruction import Instruction, decode
from proofrail.wire.canonical import FELT_PRIME
from proofrail.wire.errors import MalformedError

_MOST_CELLS: Final = 64
"""Differing cells whose readers are looked for."""

_MOST_RECORDS: Final = 1 << 16
"""Cells that are compared from the first difference on."""

_MOST_STEPS: Final = 1 << 21
"""Steps that are searched for readers: some seconds."""

_STEP: Final = struct.Struct("<QQQ")
_ADDRESS: Final = struct.Struct("<Q")


@dataclass(frozen=True)
class RawFault:
    """Step `at` → `at` + 1 is not a valid transition or reads a cell that is missing, or cells `at` and `at` + 1
    conflict.

    `steps` and `cells` are the indexes of the records that show it.
    """

    kind: Literal["transition", "cells"]
    at: int
    steps: tuple[int, ...]
    cells: tuple[int, ...]


def find_fault(trace: Buffer, memory: Buffer, true_trace: Buffer, true_memory: Buffer) -> RawFault | None:
    """The first fault near the differences between claimed and recomputed files; None when there is none."""
    cells = _Memory(memory)
    at = first_difference(true_memory, memory, CELL_BYTES)
    for index in () if at is None else (at - 1, at):
        if cells.conflicts(index):
            return RawFault("cells", index, (), (index, index + 1))
    for step in _suspects(trace, true_trace, cells, true_memory, at):
        fault = _transition(trace, cells, step)
        if fault is not None:
            return fault
    return None


def _transition(trace: Buffer, cells: _Memory, at: int) -> RawFault | None:
    now, then = step_at(trace, at), step_at(trace, at + 1)
    if at < 0 or now is None or then is None:
        return None
    read: list[int] = []

    def value(address: int) -> int:
        index, found = cells.at(address)
        read.append(index)
        return found

    try:
        fault = transition_fault(now, then, value)
    except LookupError as missing:
        around = cells.around(missing.args[0])
        return (
            RawFault("transition", at, (at, at + 1), tuple(dict.fromkeys([*read, *around])))
            if around
            else None
        )
    return RawFault("transition", at, (at, at + 1), tuple(dict.fromkeys(read))) if fault else None


def _suspects(
    trace: Buffer, true_trace: Buffer, cells: _Memory, true_memory: Buffer, at: int | None
) -> Iterator[int]:
    """Steps whose transition may be invalid, the likeliest first."""
    step = first_difference(true_trace, trace, STEP_BYTES)
    if step is not None:
        yield from (step - 1, step)
    if at is not None:
        yield from _readers(trace, cells, _differing(cells.records, true_memory, at))


def _differing(memory: memoryview, true_memory: Buffer, first: int) -> set[int]:
    """Addresses of cells that differ, or stand on one side only."""
    other = memoryview(true_memory).cast("B")
    found: set[int] = set()
    last = min(first + _MOST_RECORDS, max(len(memory), len(other)) // CELL_BYTES)
    for start in range(first * CELL_BYTES, last * CELL_BYTES, CELL_BYTES):
        sides = memory[start : start + CELL_BYTES], other[start : start + CELL_BYTES]
        if sides[0] != sides[1]:
            found.update(_ADDRESS.unpack_from(side)[0] for side in sides if len(side) == CELL_BYTES)
            if len(found) >= _MOST_CELLS:
                break
    return found


def _readers(trace: Buffer, cells: _Memory, wanted: set[int]) -> Iterator[int]:
    """The steps that read one of the wanted cells."""
    decoded: dict[int, Instruction | None] = {}
    view = memoryview(trace).cast("B")
    view = view[: len(view) - len(view) % STEP_BYTES]
    for index, (ap, fp, pc) in enumerate(islice(_STEP.iter_unpack(view), _MOST_STEPS)):
        if pc not in decoded:
            decoded[pc] = cells.instruction(pc)
        instruction = decoded[pc]
        if instruction is None:
            yield index
            continue
        now = Step(ap, fp, pc)
        op0 = address_of(instruction.op0_register, instruction.op0_offset, now)
        dst = address_of(instruction.dst_register, instruction.dst_offset, now)
        if pc in wanted or op0 in wanted or dst in wanted:
            yield index
        elif instruction.op1_source == "op0":
            try:
                if (cells.at(op0)[1] + instruction.op1_offset) % FELT_PRIME in wanted:
                    yield index
            except LookupError:
                continue
        elif address_of(instruction.op1_source, instruction.op1_offset, now) in wanted:
            yield index


class _Memory:
    """Claimed memory.bin, searched by address."""

    def __init__(self, memory: Buffer) -> None:
        self.records = memoryview(memory).cast("B")
        self._count = len(self.records) // CELL_BYTES

    def at(self, address: int) -> tuple[int, int]:
        """Index and value of the cell at an address. Raises LookupError when there is none."""
        index = bisect_left(range(self._count), address, key=self._address)
        cell = cell_at(self.records, index)
        if cell is None or cell.address != address:
            raise LookupError(address)
        return index, cell.value

    def around(self, address: int) -> tuple[int, ...]:
        """The neighbouring cells between which an address is missing; none where one of the two is."""
        index = bisect_left(range(self._count), address, key=self._address)
        return (index - 1, index) if 0 < index < self._count else ()

    def instruction(self, pc: int) -> Instruction | None:
        """The instruction at pc; None where there is none."""
        try:
            return decode(self.at(pc)[1])
        except (LookupError, MalformedError):
            return None

    def conflicts(self, index: int) -> bool:
        """Whether a cell and the next one cannot both be there: no felt, or addresses that do not ascend."""
        cell, after = cell_at(self.records, index), cell_at(self.records, index + 1)
        if index < 0 or cell is None or after is None:
            return False
        return max(cell.value, after.value) >= FELT_PRIME or after.address <= cell.address

    def _address(self, index: int) -> int:
        address: int = _ADDRESS.unpack_from(self.records, index * CELL_BYTES)[0]
        return address

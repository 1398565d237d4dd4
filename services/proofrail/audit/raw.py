"""Where two traces, or two memories, differ first (trace.bin and memory.bin: reference/cairo-stone.md
section 5).
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from dataclasses import dataclass
from typing import Final, TypeAlias

from proofrail.wire.canonical import MAX_SAFE_INTEGER

Buffer: TypeAlias = bytes | bytearray | memoryview

STEP_BYTES: Final = 24
CELL_BYTES: Final = 40

_STEP: Final = struct.Struct("<QQQ")
_CELL: Final = struct.Struct("<Q32s")
_SLICE: Final = 1 << 20


@dataclass(frozen=True)
class Step:
    """The registers before one VM step, as relocated addresses."""

    ap: int
    fp: int
    pc: int

    def shown(self) -> dict[str, int | str]:
        return {"ap": on_the_wire(self.ap), "fp": on_the_wire(self.fp), "pc": on_the_wire(self.pc)}


@dataclass(frozen=True)
class Cell:
    """One memory cell; `value` is what the 32 bytes say, which may be no felt."""

    address: int
    value: int

    def shown(self) -> dict[str, int | str]:
        return {"address": on_the_wire(self.address), "value": hex(self.value)}


def on_the_wire(number: int) -> int | str:
    """As it may stand in a report: claimed bytes hold numbers that no line may hold bare."""
    return number if abs(number) <= MAX_SAFE_INTEGER else hex(number)


def first_difference(expected: Buffer, claimed: Buffer, record: int) -> int | None:
    """Index of the first record of `record` bytes that differs, or that one side lacks; None when all are
    equal.
    """
    left, right = memoryview(expected).cast("B"), memoryview(claimed).cast("B")
    shorter = min(len(left), len(right))
    for start in range(0, shorter, _SLICE):
        end = min(start + _SLICE, shorter)
        if left[start:end] != right[start:end]:
            low, high = start, end
            while high - low > 1:
                middle = (low + high) // 2
                if left[low:middle] != right[low:middle]:
                    high = middle
                else:
                    low = middle
            return low // record
    return None if len(left) == len(right) else shorter // record


def step_at(trace: Buffer, index: int) -> Step | None:
    """The step of that index; None where the trace has ended."""
    start = index * STEP_BYTES
    if start + STEP_BYTES > len(trace):
        return None
    return Step(*_STEP.unpack_from(trace, start))


def cell_at(memory: Buffer, index: int) -> Cell | None:
    """The cell of that index; None where the memory has ended."""
    start = index * CELL_BYTES
    if start + CELL_BYTES > len(memory):
        return None
    address, value = _CELL.unpack_from(memory, start)
    return Cell(address, int.from_bytes(value, "little"))


def find_cell(memory: Buffer, address: int) -> Cell | None:
    """The cell of that address in a memory sorted by address; None where it has none."""
    index = bisect_left(range(len(memory) // CELL_BYTES), address, key=lambda at: _address(memory, at))
    found = cell_at(memory, index)
    return found if found is not None and found.address == address else None


def _address(memory: Buffer, index: int) -> int:
    return int.from_bytes(memory[index * CELL_BYTES : index * CELL_BYTES + 8], "little")


def sorted_cells(memory: Buffer) -> bytes:
    """The records in the order of their addresses: the reference runner writes them as they were first
    touched.
    """
    view = memoryview(memory).cast("B")
    whole = len(view) - len(view) % CELL_BYTES
    records = [bytes(view[at : at + CELL_BYTES]) for at in range(0, whole, CELL_BYTES)]
    records.sort(key=lambda record: (int.from_bytes(record[:8], "little"), record))
    return b"".join(records) + bytes(view[whole:])

"""Shows steps and cells of a claimed trace: chunk → StepBlock or MemoryBlock → item → the tracer's checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from proofrail._native import chunk_root
from proofrail.audit.evidence_fault import find_fault
from proofrail.audit.evidence_trees import Hashes, LoggedTree
from proofrail.audit.raw import Buffer, sorted_cells
from proofrail.audit.subject import Recomputed
from proofrail.commitment.items import leaf_hash
from proofrail.commitment.tree import Tree
from proofrail.wire.canonical import JsonObject, parse_object
from proofrail.wire.errors import MalformedError
from proofrail.wire.events import (
    CELLS_PER_BLOCK,
    CELLS_PER_CHUNK,
    STEPS_PER_BLOCK,
    STEPS_PER_CHUNK,
    MemoryBlock,
    StepBlock,
    parse_event,
)


class _Records(NamedTuple):
    """How the records of one file are laid out: their widths in bytes, and how many make a chunk and a block."""

    type: str
    widths: tuple[int, ...]
    per_chunk: int
    per_block: int


_STEPS: Final = _Records("StepBlock", (8, 8, 8), STEPS_PER_CHUNK, STEPS_PER_BLOCK)
_CELLS: Final = _Records("MemoryBlock", (8, 32), CELLS_PER_CHUNK, CELLS_PER_BLOCK)


def shown_fault(
    tracer: LoggedTree, trace: Buffer, memory: Buffer, recomputed: Recomputed, hashes: Hashes
) -> JsonObject | None:
    """The members `fault` and `raw` of a bundle; None when the claimed files are not those the tracer committed
    to, or hold no fault near their first difference."""
    steps = _Committed(tracer, trace, _STEPS)
    cells = next(
        (
            found
            for data in (memory, sorted_cells(memory))
            if (found := _Committed(tracer, data, _CELLS)).holds
        ),
        None,
    )
    if cells is None or not steps.holds:
        return None
    fault = find_fault(trace, cells.data, recomputed.trace, recomputed.memory)
    if fault is None:
        return None
    raw = shown_records(tracer, trace, cells.data, fault.steps, fault.cells, hashes)
    return {"fault": {"kind": fault.kind, "at": fault.at}, "raw": raw}


def shown_records(
    tracer: LoggedTree,
    trace: Buffer,
    memory: Buffer,
    steps: Sequence[int],
    cells: Sequence[int],
    hashes: Hashes,
) -> list[JsonObject]:
    """The member `raw` of a bundle: the chunks that hold the steps and cells of these indexes, with their proofs."""
    return [
        *_Committed(tracer, trace, _STEPS).shown(steps, hashes),
        *_Committed(tracer, memory, _CELLS).shown(cells, hashes),
    ]


class _Committed:
    """A claimed file beside the blocks that commit to it."""

    def __init__(self, tracer: LoggedTree, data: Buffer, records: _Records) -> None:
        self.data = memoryview(data).cast("B")
        self._tracer = tracer
        self._records = records
        self._items: list[tuple[int, Any]] = []
        for index, line in enumerate(tracer.lines()):
            if f'"{records.type}"'.encode() in line:
                self._add(index, line)

    @property
    def holds(self) -> bool:
        """Whether the blocks commit to all of the file."""
        size = self._records.per_chunk * sum(self._records.widths)
        return len(self._items) == -(-len(self.data) // self._block_bytes) and all(
            chunk_root(self._block(number), size).hex() == item.root
            for number, (_, item) in enumerate(self._items)
        )

    def shown(self, indexes: Sequence[int], hashes: Hashes) -> list[JsonObject]:
        """The chunks that hold the records of these indexes, by block."""
        places = sorted({divmod(index // self._records.per_chunk, self._chunks) for index in indexes})
        return [
            self._entry(block, [chunk for other, chunk in places if other == block], hashes)
            for block in dict.fromkeys(block for block, _ in places)
        ]

    def _entry(self, block: int, chunks: list[int], hashes: Hashes) -> JsonObject:
        index, _ = self._items[block]
        data, size = self._block(block), self._records.per_chunk * sum(self._records.widths)
        parts = [data[start : start + size] for start in range(0, len(data), size)]
        tree = Tree([leaf_hash(part) for part in parts])
        return {
            "item": {
                "index": index,
                "text": self._tracer.item(index).decode(),
                "proof": hashes.proof(self._tracer.tree.inclusion_proof(index)),
            },
            "chunks": [
                {
                    "chunk": chunk,
                    "rows": self._rows(parts[chunk]),
                    "proof": hashes.proof(tree.inclusion_proof(chunk)),
                }
                for chunk in chunks
            ],
        }

    def _rows(self, part: bytes) -> str:
        width = sum(self._records.widths)
        rows = []
        for start in range(0, len(part), width):
            members, at = [], start
            for size in self._records.widths:
                members.append(f"{int.from_bytes(part[at : at + size], 'little'):x}")
                at += size
            rows.append(",".join(members))
        return " ".join(rows)

    def _block(self, number: int) -> bytes:
        return bytes(self.data[number * self._block_bytes : (number + 1) * self._block_bytes])

    @property
    def _block_bytes(self) -> int:
        return self._records.per_block * sum(self._records.widths)

    @property
    def _chunks(self) -> int:
        return self._records.per_block // self._records.per_chunk

    def _add(self, index: int, line: bytes) -> None:
        try:
            event = parse_event(parse_object(line))
        except MalformedError:
            return
        if isinstance(event, StepBlock | MemoryBlock) and event.type == self._records.type:
            self._items.append((index, event))

"""Which proposal each allocation_id stands for, and in which run it was taken.

The in-memory view of `allocation.index.v1` (compacted, never expiring): the same proposal again starts no new
run, other content under a used allocation_id is refused (design section 2).
"""

from __future__ import annotations

from proofrail.wire.messages import IndexEntry, parse_message, to_line


class AllocationIndex:
    """The latest index entry of every allocation, kept as its line: of all that is ever proposed something stays in
    memory, and an object takes three times as much."""

    def __init__(self) -> None:
        self._lines: dict[str, bytes] = {}

    def __len__(self) -> int:
        return len(self._lines)

    def put(self, entry: IndexEntry) -> None:
        self._lines[entry.allocation_id] = to_line(entry)

    def get(self, allocation_id: str) -> IndexEntry | None:
        line = self._lines.get(allocation_id)
        if line is None:
            return None
        entry = parse_message(line)
        assert isinstance(entry, IndexEntry)  # noqa: S101 -- `put` takes nothing else
        return entry

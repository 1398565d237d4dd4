"""Which proposal each allocation_id stands for, and in which run it was taken.

The in-memory view of `allocation.index.v1` (compacted, never expiring): the same proposal again starts no new
run, other content under a used allocation_id is refused (design section 2).
"""

from __future__ import annotations

from proofrail.wire.messages import IndexEntry


class AllocationIndex:
    """The latest index entry of every allocation."""

    def __init__(self) -> None:
        self._entries: dict[str, IndexEntry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, entry: IndexEntry) -> None:
        self._entries[entry.allocation_id] = entry

    def get(self, allocation_id: str) -> IndexEntry | None:
        return self._entries.get(allocation_id)

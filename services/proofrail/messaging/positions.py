"""How far a service may commit when its unit of work spans several records and topics.

A run arrives as many records on up to three topics, and runs overlap. An offset may be committed only when
everything before it has had its effect, so the committed position of a partition is the first offset of the
oldest run still open there.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from proofrail.messaging.records import TopicPartition


@dataclass
class _Partition:
    next_offset: int = 0
    first_of_open: dict[str, int] = field(default_factory=dict)


class OpenWork:
    """Which units of work (by key) are open in which partition, and what may be committed."""

    def __init__(self) -> None:
        self._partitions: dict[TopicPartition, _Partition] = {}

    def seen(self, topic: str, partition: int, offset: int, key: str | None) -> None:
        """Note a record; with `key` None it needs no work of its own and only moves the position."""
        state = self._partitions.setdefault(TopicPartition(topic, partition), _Partition())
        state.next_offset = max(state.next_offset, offset + 1)
        if key is not None:
            state.first_of_open.setdefault(key, offset)

    def close(self, key: str) -> None:
        """All effects of `key` are being published with the next commit."""
        for state in self._partitions.values():
            state.first_of_open.pop(key, None)

    def positions(self) -> dict[TopicPartition, int]:
        """Partition → the offset to commit (the first record that must be read again)."""
        return {
            where: min(state.first_of_open.values(), default=state.next_offset)
            for where, state in self._partitions.items()
        }

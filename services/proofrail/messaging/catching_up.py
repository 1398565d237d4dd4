"""How far a reader has come on its way to where topics ended when it set out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from aiokafka import TopicPartition


class CatchingUp:
    """Counts offsets: a few of them are no records but the marks of transactions."""

    def __init__(
        self, starts: Mapping[TopicPartition, int], targets: Mapping[TopicPartition, int], now: float
    ) -> None:
        self._starts = dict(starts)
        self._targets = dict(targets)
        self._reached = dict(starts)
        self._since = now

    def reach(self, positions: Mapping[TopicPartition, int]) -> None:
        """Note the offset of the next record in each partition."""
        self._reached = dict(positions)

    @property
    def left(self) -> int:
        """How many offsets are still to come; what was written after the targets does not count."""
        return sum(max(0, target - self._reached[tp]) for tp, target in self._targets.items())

    def seconds(self, now: float) -> float:
        """How long it has taken so far."""
        return now - self._since

    def by_topic(self) -> dict[str, tuple[int, int]]:
        """For each topic that is not read to its target: how many records were read, and of how many."""
        read: Counter[str] = Counter()
        of: Counter[str] = Counter()
        for tp, target in self._targets.items():
            span = max(0, target - self._starts[tp])
            of[tp.topic] += span
            read[tp.topic] += min(span, self._reached[tp] - self._starts[tp])
        return {topic: (read[topic], of[topic]) for topic in of if read[topic] < of[topic]}

    def __str__(self) -> str:
        return ", ".join(
            f"{read} of {of} records of {topic}" for topic, (read, of) in self.by_topic().items()
        )

"""Attestations that were read and are not settled yet, and how far the position may move past the settled ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from proofrail.client import Item, Unreadable
from proofrail.messaging.records import TopicPartition

_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 60.0


@dataclass(eq=False)
class Case:
    """One line of attestations.v1, and when it is to be looked at (again), in seconds of a monotonic clock."""

    item: Item | Unreadable
    due_at: float
    attempts: int = 0
    again: bool = False
    """Whether it had its end once: it was read again, from before the position, which it does not move."""

    def defer(self, now: float) -> None:
        """Look again later, and each time later still."""
        self.due_at = now + min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(self.attempts, 10))
        self.attempts += 1


class OpenCases:
    """In the order in which they were read, by partition."""

    def __init__(self) -> None:
        self._partitions: dict[tuple[TopicPartition, bool], dict[Case, bool]] = {}

    def __len__(self) -> int:
        return sum(not settled for cases in self._partitions.values() for settled in cases.values())

    def add(self, case: Case) -> None:
        self._partitions.setdefault((case.item.record.tp, case.again), {})[case] = False

    def due(self, now: float, most: int) -> list[Case]:
        """Those to look at now, oldest first."""
        found = (
            case
            for cases in self._partitions.values()
            for case, settled in cases.items()
            if not settled and case.due_at <= now
        )
        return [case for case, _ in zip(found, range(most), strict=False)]

    def again(self) -> set[str]:
        """Digests of the attestations that were read again and are not settled."""
        return {
            case.item.digest
            for cases in self._partitions.values()
            for case, settled in cases.items()
            if case.again and not settled and isinstance(case.item, Item)
        }

    def next_due(self) -> float | None:
        """When the next one is to be looked at."""
        return min(
            (
                case.due_at
                for cases in self._partitions.values()
                for case, settled in cases.items()
                if not settled
            ),
            default=None,
        )

    def settle(self, case: Case) -> Item | Unreadable | None:
        """Note that a case has its end. The line up to which, from the beginning, all of its partition have theirs;
        None while an earlier one has not, and of one that was read again."""
        cases = self._partitions[case.item.record.tp, case.again]
        cases[case] = True
        last: Item | Unreadable | None = None
        for first, settled in list(cases.items()):
            if not settled:
                break
            del cases[first]
            last = first.item
        return None if case.again else last

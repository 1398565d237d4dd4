"""What a service has in hand: how much, since when, and for how long nothing of it was finished."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Hashable

from proofrail.messaging.metrics import Metrics


class InFlight:
    """Pieces of work by key, shown as metrics that are computed when they are read. Times are seconds of a monotonic
    clock: those of work that a predecessor had in hand count from its being read again.

    A key that begins again (its records were rewound and read once more) keeps its age: that is no progress.
    """

    def __init__(self, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun: dict[Hashable, float] = {}
        self._moved_at = clock()
        metrics.in_flight.set_function(lambda: len(self._begun))
        metrics.oldest_in_flight.set_function(self._oldest)
        metrics.stalled.set_function(self._stalled)

    def begin(self, key: Hashable) -> None:
        """A piece of work was taken up."""
        if not self._begun:
            self._moved_at = self._clock()
        self._begun.setdefault(key, self._clock())

    def end(self, key: Hashable) -> None:
        """A piece of work was finished, whatever came of it."""
        if self._begun.pop(key, None) is not None:
            self._moved_at = self._clock()

    def become(self, keys: Collection[Hashable]) -> None:
        """Exactly these are in flight now."""
        for key in self._begun.keys() - keys:
            self.end(key)
        for key in keys:
            self.begin(key)

    def clear(self) -> None:
        """All of it went to another instance."""
        self._begun.clear()

    def _oldest(self) -> float:
        # In the order of their beginnings, as dicts are.
        first = next(iter(self._begun.values()), None)
        return 0.0 if first is None else self._clock() - first

    def _stalled(self) -> float:
        return self._clock() - self._moved_at if self._begun else 0.0

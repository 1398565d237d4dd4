"""How far behind a reader is in seconds, from where a partition ended at earlier moments.

A record's own timestamp would be its writer's word, and known only once it is read: a reader that is paused for an
hour sees none. Where the log ended is asked for every few seconds anyway, for the lag in records.
"""

from __future__ import annotations

from collections import deque
from typing import Final

_PRECISION: Final = 128
"""A moment is kept when the time since the last one is this part of all that is kept: a lag of a day takes some 900,
and is right to a percent."""


class LagClock:
    """One partition. Times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._ends: deque[tuple[float, int]] = deque()

    def behind(self, now: float, position: int, end: int) -> float:
        """For how long the record at `position` has been there, as far as was seen; 0 when `position` is the end. The
        true time may be longer by the time between two calls, and by what came before the first."""
        if self._ends and end < self._ends[-1][1]:
            self._ends.clear()  # the topic was made anew
        if not self._ends or (end > self._ends[-1][1] and self._is_worth_keeping(now, position)):
            self._ends.append((now, end))
        while self._ends and self._ends[0][1] <= position:
            # All that was there at that moment has been read; of the last end nothing more needs to be known.
            if len(self._ends) == 1:
                break
            self._ends.popleft()
        seen, first_end = self._ends[0]
        return max(0.0, now - seen) if first_end > position else 0.0

    def _is_worth_keeping(self, now: float, position: int) -> bool:
        (first, _), (last, last_end) = self._ends[0], self._ends[-1]
        return position >= last_end or now - last >= (now - first) / _PRECISION

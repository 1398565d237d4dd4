"""What the next value must be, after one that was wrong: the checker goes on from either, so that one wrong value is
one violation, not one for each value behind it."""

from __future__ import annotations

from typing import Any, Final

_NONE: Final = object()


class Counting:
    """Numbers that go on by one."""

    __slots__ = ("_lost", "_other", "expected")

    def __init__(self) -> None:
        self.expected = 0
        self._other: int | None = None
        self._lost = False

    def wrong(self, claimed: int) -> int | None:
        """Take the next number: None when it is right, else the one that was expected.

        After a wrong number the next may follow it or the one expected in its place.
        """
        if self._lost or claimed in (self.expected, self._other):
            self.expected, self._other, self._lost = claimed + 1, None, False
            return None
        expected = self.expected
        self.expected, self._other = expected + 1, claimed + 1
        return expected

    def lose(self) -> None:
        """Something is missing: whatever comes next is right."""
        self._lost = True

    def skip(self) -> None:
        """Take a number that cannot be read."""
        self.expected += 1
        self._other = None if self._other is None else self._other + 1


class Constant:
    """A value that stays the same."""

    __slots__ = ("_other", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self._other: Any = _NONE

    def wrong(self, claimed: Any) -> bool:
        """Take the next value: true when it differs. The same other value twice in a row is the new constant."""
        if claimed == self.value:
            self._other = _NONE
            return False
        if claimed == self._other:
            self.value, self._other = claimed, _NONE
            return False
        self._other = claimed
        return True

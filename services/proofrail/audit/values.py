"""How the two sides of a difference are shown in a report: whole when small, an excerpt around the first
difference when not, so that a report stays far below the 64 KiB a line may have."""

from __future__ import annotations

from typing import Any, Final

from proofrail.wire.canonical import MAX_SAFE_INTEGER, canonical
from proofrail.wire.errors import MalformedError


class Absent:
    """The value of a member that is not there (absent is not null)."""

    def __repr__(self) -> str:
        return "absent"


ABSENT: Final = Absent()

LIMIT: Final = 1024
"""Characters of canonical JSON up to which a value is shown whole."""

_BEFORE: Final = 64


def shown(expected: Any, claimed: Any) -> dict[str, Any]:
    """The members `expected` and `claimed` of a report; either is left out when it is ABSENT.

    Where one of them has more than LIMIT characters, both are shown as excerpts that begin a little before
    the first difference: `excerpt_from` is the offset of the excerpts' first character in the string (or in
    the canonical JSON of anything but a string), `truncated` is true.
    """
    members: dict[str, Any] = {}
    left, right = _text(expected), _text(claimed)
    if max(len(left), len(right)) <= LIMIT:
        if expected is not ABSENT:
            members["expected"] = _visible(expected)
        if claimed is not ABSENT:
            members["claimed"] = _visible(claimed)
        return members
    start = max(0, _first_difference(left, right) - _BEFORE)
    if expected is not ABSENT:
        members["expected"] = left[start : start + LIMIT]
    if claimed is not ABSENT:
        members["claimed"] = right[start : start + LIMIT]
    return members | {"truncated": True, "excerpt_from": start}


def same(expected: Any, claimed: Any) -> bool:
    """Equal as JSON values: true is not 1, absent is not null."""
    if expected is ABSENT or claimed is ABSENT:
        return expected is claimed
    if type(expected) is not type(claimed):
        return False
    if isinstance(expected, dict):
        return expected.keys() == claimed.keys() and all(same(expected[k], claimed[k]) for k in expected)
    if isinstance(expected, list):
        return len(expected) == len(claimed) and all(map(same, expected, claimed))
    return bool(expected == claimed)


def _visible(value: Any) -> Any:
    # A report has no null members; that null was claimed must be seen all the same. A count of nanoseconds may
    # stand bare in its own member only.
    if type(value) is int and abs(value) > MAX_SAFE_INTEGER:
        return hex(value)
    return "null" if value is None else value


def _text(value: Any) -> str:
    if value is ABSENT:
        return ""
    if isinstance(value, str):
        return value
    try:
        return canonical(value).decode()
    except MalformedError:  # a nanosecond count outside its member
        return str(value)


def _first_difference(left: str, right: str) -> int:
    shorter = min(len(left), len(right))
    return next((i for i in range(shorter) if left[i] != right[i]), shorter)

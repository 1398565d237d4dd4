"""Times as people give and read them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from proofrail.wire.errors import UnusableInputError

_AGE: Final = re.compile(r"(\d{1,9})(ms|s|m|h|d)", re.ASCII)
_MS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def since_ms(text: str, now_ms: int) -> int:
    """The moment that `text` names, in milliseconds since the epoch: an age such as 90s, 10m, 2h, 3d before `now_ms`,
    or a time in RFC 3339 or as a date, in UTC where it names no zone. Raises UnusableInputError `time-malformed`."""
    match = _AGE.fullmatch(text.strip().lower())
    if match:
        return now_ms - int(match[1]) * _MS[match[2]]
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise UnusableInputError(
            "time-malformed",
            f"{text!r:.60} is no time",
            "Give an age such as 90s, 10m, 2h or 3d, or a time such as 2026-01-31T12:00:00Z.",
        ) from error
    return round((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)


def rfc3339(ms: int) -> str:
    """Milliseconds since the epoch as a time in UTC, to the second."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def span(ms: float) -> str:
    """A length of time in its two largest units: 4 s, 3 min 20 s, 2 h 5 min, 3 d 4 h."""
    seconds = max(0, int(ms // 1000))
    for size, name, lower, small in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= size:
            rest = seconds % size // lower
            return f"{seconds // size} {name}" + (f" {rest} {small}" if rest else "")
    return f"{seconds} s"

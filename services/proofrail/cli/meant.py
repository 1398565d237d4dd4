"""What names there are, for who has begun one, or has one that is none."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches


def completing(known: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """What a shell completes a name to."""
    return lambda incomplete: [name for name in known() if name.startswith(incomplete)]


def meant(name: str, known: Iterable[str]) -> str:
    """The next step for an error: the names that are spelled most alike, then all there are."""
    names = list(known)
    by_lower = {one.lower(): one for one in names}
    alike = [by_lower[one] for one in get_close_matches(name.lower(), by_lower, n=2)]
    asked = f"Did you mean {' or '.join(alike)}? " if alike else ""
    return f"{asked}There are {', '.join(names)}."

"""The runs that commands have shown lately, kept in the home folder so that a shell can complete them without asking
the broker."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Final

from proofrail.artifacts.files import write_atomically
from proofrail.cli.home import Home

_FILE: Final = "recent-runs"
_MOST: Final = 200


def recent_runs(home: Home) -> list[str]:
    """Their run_ids, the latest first; none where nothing is known."""
    try:
        return (home.root / _FILE).read_text(encoding="ascii").split()
    except (OSError, UnicodeError):
        return []


def note_runs(home: Home, runs: Iterable[str]) -> None:
    """Remember runs, the latest first. A home that is not there, or cannot be written, remembers nothing."""
    if not home.root.is_dir():
        return
    known = list(dict.fromkeys([*runs, *recent_runs(home)]))[:_MOST]
    with contextlib.suppress(OSError, UnicodeError):
        write_atomically(home.root / _FILE, "".join(f"{run}\n" for run in known).encode("ascii"))

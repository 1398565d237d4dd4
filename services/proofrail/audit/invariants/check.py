"""Check a stream of trace events on its own: what needs no other file, no program and no execution."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from proofrail.audit.invariants.checker import Checker
from proofrail.audit.invariants.summary import Summary
from proofrail.audit.invariants.violations import Violation
from proofrail.wire.errors import MalformedError

MAX_LISTED: Final = 100
"""Violations that are listed unless the caller asks for another number."""


def check_events_alone(
    events: Callable[[], Iterable[bytes]], limit: int = MAX_LISTED
) -> tuple[list[Violation], Summary]:
    """Check every invariant of schemas/trace-v1.md section 4 that a stream of events can break by itself.

    - `events` opens the stream anew, as lines without their line feeds; it is read once. A line that is longer than
      MAX_LINE may end with its first MAX_LINE + 1 bytes. A MalformedError raised by the iterator counts as a violation
      of the next line, and nothing is read after it.
    - `limit`: violations that are listed; all are counted, in `Summary.violations` and by code in `Summary.codes`.

    The violations are in order of lines; an empty list means that the stream is clean (`Summary.clean`). Unknown
    members are no violation: `Summary.unknown_members` counts them. A stream without TraceEnd has `not-ended`
    at the line after its last. Never raises for what stands in the stream.

    Memory grows with the depth of open spans, not with the length of the stream.
    """
    checker = Checker(limit)
    try:
        for line in events():
            checker.line(line)
    except MalformedError as error:
        checker.lost(error)
    return checker.finish()

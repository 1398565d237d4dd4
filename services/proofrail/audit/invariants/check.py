"""Check a stream of trace events on its own: what needs no other file, no program and no execution.

The native checker decides whether a stream is clean; what is not is read once more by the plain one, which names
every violation. The tests hold the two together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, Final

from proofrail import _native
from proofrail.audit.claimed_events import pieces_of
from proofrail.audit.invariants.checker import Checker
from proofrail.audit.invariants.summary import Summary
from proofrail.audit.invariants.violations import Violation
from proofrail.wire.errors import MalformedError
from proofrail.wire.topics import MAX_LINE

MAX_LISTED: Final = 100
"""Violations that are listed unless the caller asks for another number."""

Checked = tuple[list[Violation], Summary]

_PIECE: Final = 1 << 18


def check_events_alone(events: Callable[[], Iterable[bytes]], limit: int = MAX_LISTED) -> Checked:
    """Check every invariant of schemas/trace-v1.md section 4 that a stream of events can break by itself.

    - `events` opens the stream anew, as lines without their line feeds. A line that is longer than MAX_LINE may end
      with its first MAX_LINE + 1 bytes. A MalformedError raised by the iterator counts as a violation of the next
      line, and nothing is read after it.
    - `limit`: violations that are listed; all are counted, in `Summary.violations` and by code in `Summary.codes`.

    The violations are in order of lines; an empty list means that the stream is clean (`Summary.clean`). Unknown
    members are no violation: `Summary.unknown_members` counts them. A stream without TraceEnd has `not-ended`
    at the line after its last. Never raises for what stands in the stream.

    Memory grows with the depth of open spans, not with the length of the stream.
    """
    try:
        summary = _fast(pieces_of(events))
    except MalformedError:
        summary = None
    return ([], summary) if summary is not None else check_plainly(events, limit)


def check_file(open_file: Callable[[], BinaryIO], limit: int = MAX_LISTED) -> Checked:
    """`check_events_alone` of an NDJSON file, which `open_file` opens anew."""
    with open_file() as file:
        summary = _fast(iter(lambda: file.read(_PIECE), b""))
    if summary is not None:
        return [], summary
    return check_plainly(lambda: _lines(open_file), limit)


def check_plainly(events: Callable[[], Iterable[bytes]], limit: int = MAX_LISTED) -> Checked:
    """`check_events_alone` by the plain checker alone, which reads the stream once."""
    checker = Checker(limit)
    try:
        for line in events():
            checker.line(line)
    except MalformedError as error:
        checker.lost(error)
    return checker.finish()


def _fast(pieces: Iterable[bytes]) -> Summary | None:
    """The summary of a stream that is clean and has no unknown members; None for any other."""
    checker = _native.Checker()
    for piece in pieces:
        if not checker.feed(piece):
            return None
    if checker.finish() is not None:
        return None
    seen = checker.summary()
    return Summary(**seen, violations=0, codes={}) if not seen["unknown_members"] else None


def _lines(open_file: Callable[[], BinaryIO]) -> Iterator[bytes]:
    """The lines of a file; of one that is too long its beginning, which is too long still."""
    with open_file() as file:
        while line := file.readline(MAX_LINE + 1):
            if line.endswith(b"\n"):
                yield line[:-1]
                continue
            yield line
            while len(line) > MAX_LINE and (rest := file.readline(_PIECE)):
                if rest.endswith(b"\n"):
                    break

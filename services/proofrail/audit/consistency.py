"""Holds events that cannot be recomputed against themselves: the invariants of a trace.

Events that equal the recomputed ones need no such check: the invariants hold of what the auditor's own run gives,
and equal items keep or break them alike.
"""

from __future__ import annotations

from typing import Any, Final

from proofrail.audit.claimed_events import Events
from proofrail.audit.findings import Finding, FoundError, Notes, Where
from proofrail.audit.invariants.check import check_events_alone
from proofrail.audit.invariants.violations import CODES, Violation
from proofrail.audit.items import Unknown
from proofrail.audit.raw import Buffer
from proofrail.audit.subject import Subject
from proofrail.audit.unknown import note_unknown_in_events
from proofrail.audit.values import ABSENT

_CUT: Final = "not-ended"
_NOT_COMPARED: Final = "held against themselves alone: whether they are what the run did was not compared"
_NOT_EXECUTED: Final = "the run was not executed again, so there is nothing to compare it with"
_OF_THE_WIRE: Final = {"unknown-version": "version", "unknown-type": "type"}


def not_executed(subject: Subject | None, where: Where) -> Finding:
    """Why a run was not executed again: for want of the program, or else of its inputs."""
    if subject is None:
        why = "the program of the run cannot be had, so it was not executed again"
        return Finding("program-missing", where, why)
    return Finding(
        "inputs-missing", where, "the inputs of the run cannot be had, so it was not executed again"
    )


def leave_raw(trace: Buffer | None, memory: Buffer | None, notes: Notes) -> None:
    """Say of raw files at hand that they were not looked at, for want of a run."""
    for part, file in (("trace.bin", trace), ("memory.bin", memory)):
        if file is not None:
            notes.leave(part, _NOT_EXECUTED)


def check_invariants(events: Events, notes: Notes) -> None:
    """Raises FoundError at the first event that cannot be right, whatever the run was: kind `invariant`, or
    `malformed`, `version` or `type` for a line that breaks the wire format.

    Events that end too early, or have members that are not defined, leave the verdict open.
    """
    violations, summary = check_events_alone(events, limit=1)
    if violations and violations[0].code != _CUT:
        raise FoundError(_finding(violations[0]))
    if violations:
        why = "the events end before TraceEnd: the run has not ended, or its end has not arrived"
        notes.unsure("events", Finding("unfinished", "event", why, line=violations[0].line))
    elif "events" not in notes.checked:
        notes.leave("events", _NOT_COMPARED)
    notes.done("invariants")
    first = [(unknown["line"] - 1, str(unknown["member"]), ABSENT) for unknown in summary.unknown]
    note_unknown_in_events(Unknown(first, summary.unknown_members), notes)


def _finding(violation: Violation) -> Finding:
    code, place = violation.code, violation.place
    kind = "invariant" if code in CODES else _OF_THE_WIRE.get(code)
    excerpt: dict[str, Any] = {n: place[n] for n in ("truncated", "excerpt_from") if n in place}
    return Finding(
        kind or "malformed",
        "event",
        violation.message,
        item=violation.line - 1,
        line=violation.line,
        path=place.get("path"),
        member=place.get("member"),
        expected=place.get("expected", ABSENT),
        claimed=place.get("claimed", ABSENT),
        more={"code": code} | excerpt,
    )

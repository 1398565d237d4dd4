"""Codes of Python programs that are traced. What each says stands with the tracing library."""

from __future__ import annotations

from typing import Final

from proofrail.cli.codes.entry import Area, Entry
from proofrail.tracing.errors import CODES

_VALUES = ("Only what has one encoding can be committed to.", "Pass integers, texts, bytes, lists, dicts.")
_DECORATED = (
    "Spans are calls of functions with a known source.",
    "Decorate plain functions with @tile or @sequence.",
)
_ONE = (
    "A trace is one call with all that happens inside it.",
    "Call everything from one @sequence, one Tracer each.",
)
_BRANCHES = (
    "Spans of concurrent work must nest, or the trace would depend on timing.",
    "Run it in a branch of its own, and wait for it before the caller returns.",
)
_BROKER = ("The broker is away or slow.", "Check the broker; nothing of this trace was sealed.")

_MORE: Final[dict[str, tuple[str, str]]] = {
    "trace-interrupted": ("Such an end says nothing about the program.", "Run it again."),
    "subscriber-failed": (
        "The subscriber has a defect, or its target is away.",
        "The message has its words.",
    ),
    "audit-no-match": ("The traced run is not the one that was expected.", "See the audit's report."),
    "queue-full": _BROKER,
    "not-published": _BROKER,
    "outcome-unknown": _BROKER,
    "program-duplicate": ("Functions are told apart by their names.", "Give one another name: @tile(id=…)."),
    "program-foreign": ("The program's identity covers its own functions only.", "Pass program=[…] with it."),
}
_BY_BEGINNING: Final = {
    "value-": _VALUES,
    "traced-": _DECORATED,
    "trace-": _ONE,
    "tile-": ("A tile is an invocation that calls none.", "Make it a @sequence."),
    "span-": _BRANCHES,
    "branch-": _BRANCHES,
    "loop-": (
        "Iterations are told by the loop's own form.",
        "Write `with loop(…) as items: for item in items`.",
    ),
}


def _about(code: str) -> tuple[str, str]:
    beginnings = (about for begin, about in _BY_BEGINNING.items() if code.startswith(begin))
    return _MORE.get(code) or next(beginnings, ("See the message.", "See the message."))


TRACING: Final = Area.of(
    "tracing",
    "Python programs that cannot be traced",
    "services/proofrail/tracing/errors.py",
    [
        *(Entry(code, f"{means[0].upper()}{means[1:]}.", *_about(code)) for code, means in CODES.items()),
        Entry(
            "native-entry",
            "None of the functions that were given has the name of the run's outermost call.",
            "The module that has it was not given.",
            "Give the module or the function that was traced.",
        ),
        Entry(
            "native-input",
            "The commitments do not say with which arguments a native run was begun.",
            "They are of another backend, or the functions that were given take other arguments.",
            "Give commitments and functions of one run that proofrail.tracing made.",
        ),
    ],
)

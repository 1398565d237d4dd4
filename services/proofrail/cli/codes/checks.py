"""Codes of `proofrail check`: invariants of a trace that its events break. What each says stands with the checker."""

from __future__ import annotations

from typing import Final

from proofrail.audit.invariants.violations import CODES
from proofrail.cli.codes.entry import TRACE, Area, Entry

_STREAM = "Lines were dropped, added, moved, or joined from two runs; or the tracer numbers wrongly."
_SPANS = "An event was dropped, moved or altered; or the tracer does not nest its spans."
_LOOPS = "An iteration was dropped, moved or altered; or the tracer counts its loops wrongly."
_CYCLES = "A number was altered; or the tracer counts steps otherwise."
_FAILURES = "A failed run was made up or altered; or the tracer does not close its spans."
_BLOCKS = "A block was dropped, moved or altered; or the stream's end belongs to another run."

_WHY: Final = (
    (("start-", "run-id-", "inputs-", "seq-", "order-", "after-end", "not-ended"), _STREAM),
    (("iteration-", "loop-", "output-missing", "output-unexpected"), _LOOPS),
    (("cycles-", "n-steps-", "steps-"), _CYCLES),
    (
        (
            "failure-",
            "artifact-missing",
            "error-",
            "detail-",
            "after-failure",
            "outcome-",
            "blocks-in-failed-run",
        ),
        _FAILURES,
    ),
    (("block-", "cells-", "output-wrong"), _BLOCKS),
)
"""Why it happens, by how the code begins; any other code is about spans."""

CHECKS: Final = Area.of(
    "check",
    "Invariants of a trace that `proofrail check` holds",
    f"{TRACE} section 4",
    [
        Entry(
            code,
            means,
            next((why for begins, why in _WHY if code.startswith(begins)), _SPANS),
            "The line in the report is the first that shows it; with the run's commitments `proofrail audit` tells "
            "what stood there.",
        )
        for code, means in CODES.items()
    ],
)

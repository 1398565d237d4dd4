"""What breaks an invariant of a trace: the codes, one violation, and the list of them.

Lines that break the wire format have the wire's own codes (schemas/trace-v1.md section 2) and `line-too-long`,
`unknown-version`, `unknown-type`, `malformed-message`; everything that well-formed lines can do wrong is in CODES.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from proofrail.audit.values import ABSENT, shown
from proofrail.wire.canonical import JsonObject

CODES: Final[dict[str, str]] = {
    # The stream
    "start-missing": "The first event is not TraceStart.",
    "start-again": "A second TraceStart stands in the stream.",
    "run-id-differs": "An event carries another run_id than the events before it.",
    "run-id-wrong": "The run_id of a Cairo, native or imported run is not the digest of what TraceStart says.",
    "layout-wrong": "The layout native stands with another backend, or raster with one that is not risc0 or native.",
    "inputs-wrong": "inputs_count is 0 and inputs_sha256 not that of no inputs, or the other way round; or a native "
    "run's are not those of its outermost span.",
    "seq-wrong": "seq does not go on by one from 0.",
    "order-wrong": "Spans, StepBlocks, MemoryBlocks, TraceEnd do not stand in this order.",
    "after-end": "Something follows TraceEnd.",
    "not-ended": "The stream ends without TraceEnd.",
    # Starts and their ends
    "span-open": "A span is still open where no span may be.",
    "end-missing": "The span around an open span begins or ends something before the open one has ended.",
    "end-without-start": "An End or Failure belongs to no open span.",
    "end-span-wrong": "An End or Failure has another span_id than the Start it closes.",
    "end-kind-wrong": "A tile is closed as a sequence, or a sequence as a tile.",
    "name-differs": "An End or Failure has another name or tile_id than its Start.",
    "span-id-wrong": "A Start's span_id is not the digest of run_id and seq.",
    "parent-missing": "A Start names a parent whose own Start is not in the stream.",
    "parent-wrong": "parent_span_id is not the innermost open span.",
    "depth-wrong": "depth is not the number of open spans.",
    "path-wrong": "path does not join the names of the open spans, or stands below depth 64, or is absent above.",
    "tile-has-child": "A span begins inside a tile.",
    "outermost-again": "A native run has a second outermost span.",
    "sequence-empty": "A sequence ends without a span inside.",
    "artifact-differs": "A span's artifact is not the Cairo run's program, or has another backend than the program, or "
    "is no digest in a native run, or an iteration's is not its loop's.",
    "felts-wrong": "input_bytes or output_bytes of a Cairo run are not felts of 32 bytes below P.",
    "function-differs": "A function of a Cairo run takes or returns another number of felts than before, or is a loop "
    "in one place and none in another.",
    # Loops
    "iteration-wrong": "iteration does not count from 0 by one within its loop.",
    "iteration-misplaced": "iteration stands on a span that is no iteration.",
    "iteration-missing": "A span directly inside a loop is no iteration.",
    "iteration-name-differs": "An iteration has another name than its loop.",
    "loop-input-differs": "A loop's input_bytes are not those of its iteration 0.",
    "loop-output-differs": "A loop's output_bytes are not those of its last iteration.",
    "output-missing": "output_bytes are absent at the end of a span that is not an iteration before the last.",
    "output-unexpected": "output_bytes stand at the end of an iteration that is not the last.",
    # Cycles
    "cycles-missing": "A span of a Cairo run ends without cycles.",
    "cycles-wrong": "A span's cycles do not contain those of the spans inside, or a loop's are not their sum plus the "
    "trailing returns.",
    "cycles-misplaced": "A span of a native run has cycles, which nobody counts.",
    "proof-misplaced": "A tile of a Cairo run has proof_cycles, receipt or verified.",
    "n-steps-too-few": "n_steps are fewer than the cycles of the outermost spans.",
    # Failures
    "failure-differs": "A Failure's depth, path, iteration, artifact or input_bytes are not those of its Start.",
    "artifact-missing": "A Failure of a Cairo or native run has no artifact.",
    "error-differs": "A Failure of a Cairo run has another error than the innermost one.",
    "error-code-missing": "A Failure of a Cairo or native run has an error without code.",
    "error-wrong": "A Cairo run's error has a code that none has, or a message that is not code, function and place; "
    "or what was found at the end of the run fails another span than the outermost.",
    "detail-misplaced": "detail stands in another Failure than the innermost.",
    "after-failure": "After a Failure in a Cairo run a span begins, or one ends as if nothing had failed.",
    "outcome-wrong": "The outcome is completed although a span of a Cairo run has failed, or is not what became of the "
    "outermost span of a native run.",
    # Blocks and the end
    "block-wrong": "block does not count from 0 by one.",
    "block-first-wrong": "first_step or first_cell is not 4096 times block.",
    "block-short": "A block that is not the last has fewer than 4096 steps or cells.",
    "blocks-in-failed-run": "A failed run has StepBlocks or MemoryBlocks.",
    "steps-wrong": "The steps of the StepBlocks do not add up to n_steps.",
    "cells-missing": "A completed Cairo run has no MemoryBlock.",
    "output-wrong": "output_count is 0 and output_sha256 not that of no output, or the other way round, or a failed "
    "run has output, or a native one another than its outermost span.",
}
"""Every code of a violation by well-formed lines, and what it says. Codes are stable."""


@dataclass(frozen=True)
class Violation:
    """One invariant broken at one line (from 1; its item is one less)."""

    code: str
    line: int
    message: str
    place: dict[str, Any] = field(default_factory=dict)
    """What is known of the event there: `event` (its type), `span_id`, `path`; `member`, `expected`, `claimed` (as
    `audit.values.shown` cuts them)."""

    def to_object(self) -> JsonObject:
        """The violation as one JSON object."""
        about = {"code": self.code, "line": self.line, "item": self.line - 1, "message": self.message}
        return {"v": 1, "type": "Violation"} | about | self.place


class Violations:
    """Violations as they are found: the first `limit` kept, all counted."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.kept: list[Violation] = []
        """In the order in which they were found."""
        self.by_code: Counter[str] = Counter()

    @property
    def count(self) -> int:
        return self.by_code.total()

    def add(
        self,
        code: str,
        line: int,
        message: str,
        event: JsonObject | None = None,
        member: str | None = None,
        expected: Any = ABSENT,
        claimed: Any = ABSENT,
    ) -> None:
        """Note a violation; `event` is the event at that line, where it can be read."""
        self.by_code[code] += 1
        if len(self.kept) >= self._limit:
            return
        place: dict[str, Any] = {}
        if event is not None:
            place["event"] = event["type"]
            for name in ("span_id", "path"):
                if isinstance(value := event.get(name), str):  # of a type that does not define it, anything
                    place[name] = value[:_SHOWN]
        if member is not None:
            place["member"] = member[:_SHOWN]
        self.kept.append(Violation(code, line, message, place | shown(expected, claimed)))


_SHOWN: Final = 200

"""The invariants of the raw blocks and of the end of a run (schemas/trace-v1.md section 4)."""

from __future__ import annotations

from typing import Final

from proofrail.audit.invariants.expecting import Counting
from proofrail.audit.invariants.spans import Spans
from proofrail.audit.invariants.violations import Violations
from proofrail.wire.canonical import JsonObject, canonical, sha256_hex
from proofrail.wire.events import CELLS_PER_BLOCK, STEPS_PER_BLOCK

_NO_OUTPUT: Final = sha256_hex(b"[]")


class RawBlocks:
    """The StepBlocks or the MemoryBlocks of a run, in order."""

    def __init__(self, size: int, first: str, count: str, log: Violations) -> None:
        self._size, self._first, self._count, self._log = size, first, count, log
        self._numbers = Counting()
        self._last: tuple[int, JsonObject] | None = None
        self.line: int | None = None
        """Of the first block."""
        self.total = 0
        """Steps or cells in the blocks so far."""

    def take(self, line: int, event: JsonObject) -> None:
        add, size, block = self._log.add, self._size, event["block"]
        if self.line is None:
            self.line = line
        if self._last is not None and self._last[1][self._count] != size:
            short_line, short = self._last
            text = f"only the last block may have fewer than {size} {self._count}"
            add("block-short", short_line, text, short, self._count, size, short[self._count])
        expected = self._numbers.wrong(block)
        if expected is not None:
            add("block-wrong", line, "blocks count from 0 by one", event, "block", expected, block)
        numbers = (block,) if expected is None else (block, expected)
        if event[self._first] not in {size * number for number in numbers}:
            text = f"{self._first} is {size} times block"
            add("block-first-wrong", line, text, event, self._first, size * block, event[self._first])
        self._last = (line, event)
        self.total += event[self._count]


class Ending:
    """The blocks of a run and its TraceEnd."""

    def __init__(self, log: Violations) -> None:
        self._log = log
        self.steps = RawBlocks(STEPS_PER_BLOCK, "first_step", "steps", log)
        self.cells = RawBlocks(CELLS_PER_BLOCK, "first_cell", "cells", log)

    def end(self, line: int, event: JsonObject, spans: Spans) -> None:
        """TraceEnd of a run whose spans are these."""
        add, cairo = self._log.add, spans.cairo
        failed, n_steps = event["outcome"] == "failed", event["n_steps"]
        if cairo and not failed and spans.failures.first_line is not None:
            text = f"a span fails at line {spans.failures.first_line}, so the run has failed"
            add("outcome-wrong", line, text, event, "outcome", "failed", "completed")
        elif spans.native and spans.failed not in (None, failed):
            text = "a run fails exactly when its outermost span does"
            expected = "failed" if spans.failed else "completed"
            add("outcome-wrong", line, text, event, "outcome", expected, event["outcome"])
        self._output(line, event, failed)
        if spans.native and not failed:
            self._native_output(line, event, spans.output)
        block_line = min((b.line for b in (self.steps, self.cells) if b.line is not None), default=None)
        if failed:
            if block_line is not None:
                text = f"a failed run has no blocks; the first stands at line {block_line}"
                add("blocks-in-failed-run", line, text, event, "outcome", "completed", "failed")
        elif n_steps != self.steps.total and (
            cairo or spans.backend is not None or self.steps.line is not None
        ):
            text = "n_steps is the sum of the StepBlocks' steps"
            add("steps-wrong", line, text, event, "n_steps", self.steps.total, n_steps)
        if cairo and not failed and self.cells.line is None:
            add("cells-missing", line, "no MemoryBlock stands before the end of a completed run", event)
        if cairo and n_steps < spans.least_steps:
            text = f"the outermost spans alone take {spans.least_steps} steps"
            add("n-steps-too-few", line, text, event, "n_steps", spans.least_steps, n_steps)

    def _output(self, line: int, event: JsonObject, failed: bool) -> None:
        count, digest = event["output_count"], event["output_sha256"]
        add = self._log.add
        if failed and count != 0:
            add("output-wrong", line, "a failed run has no output", event, "output_count", 0, count)
        elif count == 0 and digest != _NO_OUTPUT:
            text = "output_sha256 is not that of no output"
            add("output-wrong", line, text, event, "output_sha256", _NO_OUTPUT, digest)
        elif count != 0 and digest == _NO_OUTPUT:
            text = "output_sha256 is that of no output"
            add("output-wrong", line, text, event, "output_count", 0, count)

    def _native_output(self, line: int, event: JsonObject, output: str | None) -> None:
        """The output of a native run is that of its outermost span."""
        expected = sha256_hex(canonical([output] if output else []))
        if event["output_sha256"] != expected:
            text = "output_sha256 is that of the outermost span's output_bytes"
            self._log.add(
                "output-wrong", line, text, event, "output_sha256", expected, event["output_sha256"]
            )
        elif event["output_count"] > 1:
            text = "a native run has one output at most"
            self._log.add("output-wrong", line, text, event, "output_count", 1, event["output_count"])

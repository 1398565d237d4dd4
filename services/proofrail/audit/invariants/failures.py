"""The invariants of Failures (schemas/trace-v1.md section 4, Failed runs, and Native traces)."""

from __future__ import annotations

from typing import Any, Final

from proofrail.audit.invariants.open_span import OpenSpan, artifact_object, artifact_of, kept, shown_kept
from proofrail.audit.invariants.violations import Violations
from proofrail.audit.values import ABSENT
from proofrail.wire.canonical import JsonObject

_ERROR_CODES: Final = frozenset(
    {
        "assert-failed",
        "memory-unknown",
        "memory-inconsistent",
        "out-of-range",
        "builtin-inconsistent",
        "hint-failed",
        "step-limit",
        "vm-error",
    }
)
_AT_END: Final = " at the end of the run"


class Failures:
    """The Failures of a run."""

    def __init__(self, log: Violations) -> None:
        self._log = log
        self._error: JsonObject | None = None
        self.first_line: int | None = None

    def take(self, line: int, event: JsonObject, *, cairo: bool, native: bool, outermost: bool) -> None:
        """The next Failure; whether its span is an outermost one."""
        add, error = self._log.add, event["error"]
        if cairo or native:
            if "code" not in error and self._error is None:
                add("error-code-missing", line, "the error of a Failure has a code", event, "error.code")
            if "artifact" not in event:
                add("artifact-missing", line, "a Failure has an artifact", event, "artifact")
        if cairo:
            if self._error is None:
                self._cairo_error(line, event, error, outermost)
            else:
                self._repeated(line, event, error)
        if self.first_line is None:
            self.first_line = line

    def _repeated(self, line: int, event: JsonObject, error: JsonObject) -> None:
        if error != self._error:
            text = f"all Failures carry the error of line {self.first_line}"
            self._log.add("error-differs", line, text, event, "error", self._error, error)
        if "detail" in event:
            text = f"detail stands in the innermost Failure only, at line {self.first_line}"
            self._log.add("detail-misplaced", line, text, event, "detail")

    def _cairo_error(self, line: int, event: JsonObject, error: JsonObject, outermost: bool) -> None:
        self._error = error
        code, message = error.get("code"), error["message"]
        if code is None:
            return
        rest = message.removeprefix(code)
        placed = rest.startswith(" at ") or (rest.startswith(" in ") and " at " in rest)
        if code not in _ERROR_CODES:
            text, member = "this is no error of a Cairo run", "code"
        elif rest == message or not placed:
            text, member = "the message is code, function and place", "message"
        elif message.endswith(_AT_END) and not outermost:
            text, member = "what is found at the end of the run fails the outermost span alone", "message"
        else:
            return
        self._log.add("error-wrong", line, text, event, f"error.{member}", claimed=error[member])

    def as_started(
        self, line: int, event: JsonObject, span: OpenSpan, depth: int, program: tuple[str, str] | None
    ) -> None:
        """A Failure repeats its Start; a wrong Start is a violation of its own, so what is derived counts too."""
        differs: list[tuple[str, Any, Any]] = []
        if event["depth"] != depth:
            differs.append(("depth", depth, event["depth"]))
        if span.tile is not None:
            path = event.get("path")
            if (path is not None or span.paths) and path not in span.paths:
                differs.append(("path", span.paths[0] if span.paths else ABSENT, _absent(path)))
            iteration = event.get("iteration")
            if iteration != span.iteration:
                differs.append(("iteration", _absent(span.iteration), _absent(iteration)))
            if "artifact" in event and artifact_of(event) not in (span.artifact, program):
                differs.append(("artifact", artifact_object(span.artifact), event["artifact"]))
            if kept(event["input_bytes"]) != span.input:
                differs.append(("input_bytes", shown_kept(span.input), event["input_bytes"]))
        for member, expected, claimed in differs:
            text = f"{member} is that of the Start at line {span.line}"
            self._log.add("failure-differs", line, text, event, member, expected, claimed)


def _absent(value: Any) -> Any:
    return ABSENT if value is None else value

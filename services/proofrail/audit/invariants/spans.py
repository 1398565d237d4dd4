"""The invariants of spans (schemas/trace-v1.md section 4): nesting, identity, place, loops, cycles, failures.

Only the open spans are remembered. After a violation the checker goes on from what the event most likely means, so
that one fault is named once and not at every line behind it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from proofrail.audit.invariants.expecting import Constant, Counting
from proofrail.audit.invariants.failures import Failures
from proofrail.audit.invariants.functions import Functions
from proofrail.audit.invariants.open_span import (
    Ended,
    OpenSpan,
    artifact_object,
    artifact_of,
    kept,
    shown_kept,
)
from proofrail.audit.invariants.violations import Violations
from proofrail.audit.values import ABSENT
from proofrail.commitment.runid import span_id
from proofrail.wire.canonical import JsonObject
from proofrail.wire.events import MAX_PATH_DEPTH

UNSEEN_PARENTS: Final = 8
"""Starts in a row that may be missing from the stream before their place is given up."""


@dataclass(slots=True)
class Origin:
    """What a Start's span_id is derived from: the run_ids and seqs it may have (see `expecting`)."""

    run_ids: tuple[str, ...]
    seqs: tuple[int, ...]


class Spans:
    """The open spans of a run."""

    def __init__(self, log: Violations) -> None:
        self._log = log
        self._open: list[OpenSpan] = []
        self._depths: dict[str, int] = {}
        self.cairo = False
        self.native = False
        """A trace by the rules of "Native traces"; not merely one whose backend is native."""
        self.backend: Constant | None = None
        """The program's, in a native or imported run: all spans have it too."""
        self.artifact: Constant | None = None
        """The program's backend and method_id, in a Cairo run that says them."""
        self._said_cairo = False
        self._functions = Functions(log)
        self.failures = Failures(log)
        self.failed: bool | None = None
        """Whether the outermost span that ended last has failed."""
        self.count = 0
        self.iterations = 0
        self.max_depth: int | None = None
        self.least_steps = 0
        """What the outermost spans must have taken, the calls of them included."""
        self.entry: tuple[str, str] | None = None
        """Name and input_bytes of the first outermost span."""
        self.output: str | None = None
        """output_bytes of the outermost span that ended last."""

    @property
    def _strict(self) -> bool:
        """The whole of section 4 holds, not only what it asks of traces from elsewhere."""
        return self.cairo or self.native

    def __len__(self) -> int:
        return len(self._open)

    def innermost(self) -> JsonObject:
        """The innermost open span, for a message; there must be one."""
        span = self._open[-1]
        return {"line": span.line, "span_id": span.ids[0] if span.ids else "?"}

    # Starts

    def start(self, line: int, event: JsonObject, origin: Origin) -> None:
        add = self._log.add
        tile = event["type"] == "TileStart"
        name = event["tile_id" if tile else "name"]
        if self.cairo and self.failures.first_line is not None:
            text = f"nothing is called after the failure at line {self.failures.first_line}"
            add("after-failure", line, text, event)
        self._find_parent(line, event)
        depth = len(self._open)
        parent = self._open[-1] if self._open else None
        if parent is not None and parent.tile and not parent.mixed:
            add("tile-has-child", line, f"the span around it, of line {parent.line}, is a tile", event)
            parent.mixed = True
        ids = self._ids(line, event, origin)
        if event["depth"] != depth:
            add("depth-wrong", line, f"{depth} spans are open", event, "depth", depth, event["depth"])
        span = OpenSpan(line, ids, ())
        span.tile, span.name, span.input = tile, name, kept(event["input_bytes"])
        span.iteration = event.get("iteration")
        span.artifact = artifact_of(event)
        numbers = self._iteration(line, event, span, parent)
        span.paths = self._paths(line, event, name, parent, numbers)
        self._program(line, event, span, parent)
        if self.cairo:
            self._functions.felts(line, event, name, "input_bytes")
        if self._strict and parent is not None and parent.loop and parent.children == 0 and not parent.torn:
            self._same_as_loop(line, event, "input_bytes", "loop-input-differs", parent.input)
        if self.native and parent is None:
            self._outermost(line, event, name)
        if parent is not None:
            parent.children += 1
        self._push(span)
        self.count += 1
        self.iterations += span.iteration is not None
        self.max_depth = max(depth, self.max_depth or 0)

    def _outermost(self, line: int, event: JsonObject, name: str) -> None:
        if self.entry is not None:
            self._log.add("outermost-again", line, "a native trace has one outermost span", event)
        else:
            self.entry = (name, event["input_bytes"])

    def _find_parent(self, line: int, event: JsonObject) -> None:
        """Compare parent_span_id with the innermost open span. Where it and depth agree that the parent is another
        open span, or one whose Start is not there, go on from that."""
        claimed, depth = event.get("parent_span_id"), event["depth"]
        here = len(self._open)
        parent = self._open[-1] if self._open else None
        if claimed is None:
            if parent is None:
                return
            place: int | None = -1
        else:
            if parent is not None and self._is(parent, claimed):
                return
            place = self._depths.get(claimed)
        if place is not None and depth == place + 1 <= here - 1:
            self._not_ended(line, event, place + 1)
        elif place is None and here < depth <= here + UNSEEN_PARENTS:
            text = "the Start of the span around it is not in the stream"
            self._log.add("parent-missing", line, text, event, "parent_span_id", claimed=claimed)
            if parent is not None:
                parent.tear()
            for _ in range(depth - here - 1):
                self._push(OpenSpan(line, (), ()))
            unseen = OpenSpan(line, (str(claimed),), _without_last(event.get("path")))
            self._push(unseen)
        else:
            expected = parent.ids[0] if parent is not None and parent.ids else ABSENT
            text = "the parent is the innermost open span" if parent else "no span is open"
            shown = ABSENT if claimed is None else claimed
            self._log.add("parent-wrong", line, text, event, "parent_span_id", expected, shown)

    def _ids(self, line: int, event: JsonObject, origin: Origin) -> tuple[str, ...]:
        claimed = event["span_id"]
        right = [span_id(run_id, seq) for run_id in origin.run_ids for seq in origin.seqs]
        if claimed in right:
            return (claimed,)
        text = "span_id is not the digest of run_id and seq"
        self._log.add("span-id-wrong", line, text, event, "span_id", right[0], claimed)
        return (claimed, right[0])

    def _program(self, line: int, event: JsonObject, span: OpenSpan, parent: OpenSpan | None) -> None:
        add, artifact = self._log.add, span.artifact
        if self.artifact is not None and self.artifact.wrong(artifact):
            text = "a span of a Cairo run has the program's backend and method_id"
            expected = artifact_object(self.artifact.value)
            add("artifact-differs", line, text, event, "artifact", expected, event["artifact"])
        elif not self.cairo and artifact is not None and artifact[0] == "cairo" and not self._said_cairo:
            self._said_cairo = True
            text = "a span of backend cairo stands in a run whose program is none of Cairo"
            add("artifact-differs", line, text, event, "artifact", claimed=event["artifact"])
        elif self.backend is not None and artifact is not None and self.backend.wrong(artifact[0]):
            text = "a span has the backend of its program"
            add("artifact-differs", line, text, event, "artifact", claimed=event["artifact"])
        elif self.native and artifact is not None and not _DIGEST.fullmatch(artifact[1]):
            text = "the method_id of a native function is a SHA-256 digest"
            add("artifact-differs", line, text, event, "artifact", claimed=event["artifact"])
        elif self.native and parent is not None and parent.loop and artifact != parent.artifact:
            text = f"an iteration has the artifact of its loop, of line {parent.line}"
            add(
                "artifact-differs",
                line,
                text,
                event,
                "artifact",
                artifact_object(parent.artifact),
                event["artifact"],
            )

    def _iteration(
        self, line: int, event: JsonObject, span: OpenSpan, parent: OpenSpan | None
    ) -> tuple[int | None, ...]:
        """Check iteration; the numbers that the path may have, none where it cannot be told."""
        claimed, add, name = event.get("iteration"), self._log.add, span.name
        if claimed is None:
            if parent is None or parent.tile is None:
                return (None,)
            if not (self._strict and parent.loop):
                self._last_output(parent)
                parent.loop = False
                return (None,)
            # Most likely it is one that does not say so.
            text = f"the span around it, of line {parent.line}, is a loop: all spans in it are iterations"
            span.iteration = 0 if parent.numbers is None else parent.numbers.expected
            add("iteration-missing", line, text, event, "iteration", span.iteration, ABSENT)
            parent.tear()
            return ()
        if parent is None:
            add("iteration-misplaced", line, "no loop is open", event, "iteration", ABSENT, claimed)
            span.iteration = None
            return (claimed, None)
        if parent.tile is None:
            return (claimed,)
        if self._strict:
            beside = event.get("path") not in [f"{path}[{claimed}]" for path in parent.paths]
            stranger = parent.loop is None and name != parent.name and beside
            if parent.loop is False or parent.iteration is not None or stranger:
                text = f"the span around it, of line {parent.line}, is no loop"
                add("iteration-misplaced", line, text, event, "iteration", ABSENT, claimed)
                parent.loop = parent.iteration is None and name == parent.name
                if not parent.loop:
                    span.iteration = None
                parent.tear()
                return (claimed, None)
            parent.loop = True
            if name not in (parent.name, parent.renamed):
                parent.renamed = name
                text = f"the loop, of line {parent.line}, has another name"
                add("iteration-name-differs", line, text, event, _name(event), parent.name, name)
            if self.cairo and parent.children == 0:
                self._functions.same(line, event, parent.name, "loop", True)
        if parent.numbers is None:
            parent.numbers = Counting()
            if parent.torn:
                parent.numbers.lose()
        elif not self._strict and claimed == 0:  # elsewhere, loops may follow one another within one span
            self._last_output(parent)
            parent.numbers = Counting()
        self._output_before_last(parent)
        expected = parent.numbers.wrong(claimed)
        if expected is None:
            return (claimed,)
        text = "iterations count from 0 by one within their loop"
        add("iteration-wrong", line, text, event, "iteration", expected, claimed)
        return (claimed, expected)

    def _output_before_last(self, loop: OpenSpan) -> None:
        ended, loop.last = loop.last, None
        if self._strict and ended is not None and ended.output is not None:
            text = "output_bytes are absent at an iteration that is not the last"
            self._log.add("output-unexpected", ended.line, text, ended.event, "output_bytes")

    def _paths(
        self,
        line: int,
        event: JsonObject,
        name: str,
        parent: OpenSpan | None,
        numbers: tuple[int | None, ...],
    ) -> tuple[str, ...]:
        claimed = event.get("path")
        if len(self._open) > MAX_PATH_DEPTH:
            if claimed is not None:
                text = f"below depth {MAX_PATH_DEPTH} there is no path"
                self._log.add("path-wrong", line, text, event, "path", ABSENT, claimed)
            return ()
        right = [path for number in numbers for path in self._paths_of(name, parent, number)]
        if claimed in right:
            return (str(claimed),)
        if not right:
            return () if claimed is None else (claimed,)
        text = "path joins the names of the open spans with /"
        shown = ABSENT if claimed is None else claimed
        self._log.add("path-wrong", line, text, event, "path", right[0], shown)
        return (right[0],) if claimed is None else (claimed, right[0])

    def _paths_of(self, name: str, parent: OpenSpan | None, number: int | None) -> list[str]:
        if parent is None:
            return [name if number is None else f"{name}[{number}]"]
        if number is None:
            return [f"{path}/{name}" for path in parent.paths]
        paths = [f"{path}[{number}]" for path in parent.paths]
        if not self._strict:
            paths += [f"{path}/{name}[{number}]" for path in parent.paths]
        return paths

    def _same_as_loop(self, line: int, event: JsonObject, member: str, code: str, digest: bytes) -> None:
        if kept(event[member]) != digest:
            text = f"{member} are those of the loop and of its iteration"
            self._log.add(code, line, text, event, member, shown_kept(digest), event[member])

    # Ends

    def end(self, line: int, event: JsonObject) -> None:
        """SequenceEnd or TileEnd."""
        span = self._closing(line, event)
        self._note_outermost(False, event.get("output_bytes"))
        if self.cairo and self.failures.first_line is not None:
            text = f"open spans end with a Failure each after the one at line {self.failures.first_line}"
            self._log.add("after-failure", line, text, event)
        if span is None:
            return
        if self._strict:
            self._empty(line, event, span)
        parent = self._open[-1] if self._open else None
        self._output(line, event, span, parent)
        proven = next((member for member in _PROVEN if member in event), None)
        if self.cairo and event["type"] == "TileEnd" and proven is not None:
            self._log.add(
                "proof-misplaced", line, "no tile of a Cairo run is proven by itself", event, proven
            )
        if self.native and "cycles" in event:
            self._log.add(
                "cycles-misplaced", line, "nobody counts the cycles of a native trace", event, "cycles"
            )
        cycles = self._cycles(line, event, span) if self.cairo else None
        self._add_cycles(parent, cycles)

    def failure(self, line: int, event: JsonObject) -> None:
        """SequenceFailure or TileFailure."""
        span = self._closing(line, event)
        self._note_outermost(True, None)
        self.failures.take(line, event, cairo=self.cairo, native=self.native, outermost=not self._open)
        if self._strict and span is not None:
            self._empty(line, event, span)
        if span is None:
            return
        program = None if self.artifact is None else self.artifact.value
        self.failures.as_started(line, event, span, len(self._open), program)
        # Each span inside was entered by a call; how far this one came is not known.
        calls = 0 if span.loop else span.children
        self._add_cycles(
            self._open[-1] if self._open else None, None if span.cycles is None else span.cycles + calls
        )

    def _note_outermost(self, failed: bool, output: str | None) -> None:
        if not self._open:
            self.failed, self.output = failed, output

    def _closing(self, line: int, event: JsonObject) -> OpenSpan | None:
        """Take the span that an End or Failure closes off the open ones; None when it closes none."""
        add, claimed = self._log.add, event["span_id"]
        if not self._open:
            add("end-without-start", line, "no span is open", event)
            return None
        tile, name = event["type"] in _TILE_ENDS, event[_name(event)]
        span = self._open[-1]
        if not self._is(span, claimed):
            place = self._depths.get(claimed)
            if place is not None:
                self._not_ended(line, event, place + 1)
                span = self._open[-1]
            elif (span.tile, span.name) == (tile, name):
                text = f"the innermost open span, of line {span.line}, has another span_id"
                add("end-span-wrong", line, text, event, "span_id", span.ids[0], claimed)
            else:
                text = "no open span has this span_id"
                add("end-without-start", line, text, event, "span_id", claimed=claimed)
                span.tear()
                return None
        if span.tile is not None:
            self._as_named(line, event, span, tile, name)
        self._pop()
        return span

    def _as_named(self, line: int, event: JsonObject, span: OpenSpan, tile: bool, name: str) -> None:
        if tile != span.tile and not span.mixed:
            kinds = ("a tile", "a sequence")
            text = f"the Start of line {span.line} began {kinds[not span.tile]}, this ends {kinds[not tile]}"
            self._log.add("end-kind-wrong", line, text, event, "type")
        if name != span.name:
            text = f"the Start of line {span.line} has another name"
            self._log.add("name-differs", line, text, event, _name(event), span.name, name)

    def _empty(self, line: int, event: JsonObject, span: OpenSpan) -> None:
        if span.tile is False and span.children == 0 and not span.torn:
            self._log.add("sequence-empty", line, "an invocation without a recorded call is a tile", event)

    def _output(self, line: int, event: JsonObject, span: OpenSpan, parent: OpenSpan | None) -> None:
        output = event.get("output_bytes")
        name = span.name if span.tile is not None else None
        if output is not None and self.cairo:
            self._functions.felts(line, event, name, "output_bytes")
        last = self._last_output(span)
        if self.cairo and name is not None and span.iteration is None and not span.loop:
            self._functions.same(line, event, name, "loop", False)
        if self._strict and span.loop and last is not None and output is not None:
            self._same_as_loop(line, event, "output_bytes", "loop-output-differs", last)
        if span.iteration is not None and parent is not None:
            parent.last = Ended(line, event, None if output is None else kept(output))
        elif output is None and span.tile is not None:
            self._no_output(line, event)

    def _last_output(self, loop: OpenSpan) -> bytes | None:
        """The output of the last iteration, which must have one; None where no iteration has just ended."""
        ended, loop.last = loop.last, None
        if ended is not None and ended.output is None:
            self._no_output(ended.line, ended.event)
        return None if ended is None else ended.output

    def _no_output(self, line: int, event: JsonObject) -> None:
        text = "output_bytes are absent only at an iteration that is not the last"
        self._log.add("output-missing", line, text, event, "output_bytes")

    # Cycles

    def _cycles(self, line: int, event: JsonObject, span: OpenSpan) -> int | None:
        claimed: int | None = event.get("cycles")
        if claimed is None:
            self._log.add("cycles-missing", line, "a Cairo span ends with its cycles", event, "cycles")
            return None
        if span.tile is None or span.cycles is None:
            return claimed
        if span.loop:
            expected = span.cycles + span.children - 1
            text = f"the cycles of {span.children} iterations and a return for each but the last"
            right = claimed == expected
        else:
            expected = span.cycles + span.children + 1
            text = f"at least the cycles of the {span.children} spans inside, their calls, and a return"
            right = claimed >= expected
        if not right:
            self._log.add("cycles-wrong", line, text, event, "cycles", expected, claimed)
        return claimed

    def _add_cycles(self, parent: OpenSpan | None, cycles: int | None) -> None:
        if parent is None:
            self.least_steps += 0 if cycles is None else cycles + 1
        elif cycles is None or parent.cycles is None:
            parent.cycles = None
        else:
            parent.cycles += cycles

    # The stack

    def _is(self, span: OpenSpan, claimed: str) -> bool:
        if not span.ids:  # its Start was not seen: this is the first time that its id is named
            span.ids = (claimed,)
        return claimed in span.ids

    def _push(self, span: OpenSpan) -> None:
        for name in span.ids:
            self._depths.setdefault(name, len(self._open))
        self._open.append(span)

    def _pop(self) -> None:
        span = self._open.pop()
        for name in span.ids:
            if self._depths.get(name) == len(self._open):
                del self._depths[name]

    def _not_ended(self, line: int, event: JsonObject, depth: int) -> None:
        inner = self._open[-1]
        count = len(self._open) - depth
        text = f"{count} inner spans have not ended, the innermost of them that of line {inner.line}"
        self._log.add("end-missing", line, text, event, "span_id", inner.ids[0] if inner.ids else ABSENT)
        while len(self._open) > depth:
            self._pop()
        if self._open:
            self._open[-1].tear()


_DIGEST: Final = re.compile("[0-9a-f]{64}")
_PROVEN: Final = ("proof_cycles", "receipt", "verified")
_TILE_ENDS: Final = frozenset({"TileEnd", "TileFailure"})


def _name(event: JsonObject) -> str:
    return "tile_id" if event["type"].startswith("Tile") else "name"


def _without_last(path: Any) -> tuple[str, ...]:
    """The path of the span around, as far as it can be told."""
    if not isinstance(path, str):
        return ()
    around = path[: path.rindex("[")] if path.endswith("]") and "[" in path else path.rpartition("/")[0]
    return (around,) if around else ()

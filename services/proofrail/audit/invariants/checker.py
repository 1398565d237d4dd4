"""The invariant checker: one pass over the trace events of a run, in memory that grows with the open spans alone."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from proofrail.audit.invariants.ending import Ending
from proofrail.audit.invariants.expecting import Constant, Counting
from proofrail.audit.invariants.spans import Origin, Spans
from proofrail.audit.invariants.summary import Summary
from proofrail.audit.invariants.violations import Violation, Violations
from proofrail.audit.values import ABSENT
from proofrail.audit.vocabulary import Members, event_members
from proofrail.commitment.runid import inputs_sha256, run_id
from proofrail.wire.canonical import JsonObject, canonical, parse_object, sha256_hex
from proofrail.wire.errors import MalformedError
from proofrail.wire.events import parse_event
from proofrail.wire.topics import MAX_LINE

UNKNOWN_KEPT: Final = 16
"""Unknown members that are listed; further ones are only counted."""

_PHASES: Final = {"StepBlock": 2, "MemoryBlock": 3, "TraceEnd": 4}
_SPANS: Final = 1
_STARTS: Final = frozenset({"SequenceStart", "TileStart"})
_OWN_LAYOUTS: Final = {"native": ("native",), "raster": ("risc0", "native")}
"""Layouts of our own traces that are no Cairo runs, and the backends they are for. Their run_ids are digests too."""
_NO_INPUTS: Final = sha256_hex(b"")


class Checker:
    """Takes a run's lines in order; says what they break.

    A line that cannot be read counts as an item. After a violation the checker goes on from what the line most likely
    means, so that a fault is named where it is and not at every line behind it.
    """

    def __init__(self, limit: int = 100) -> None:
        self._log = Violations(limit)
        self._spans = Spans(self._log)
        self._ending = Ending(self._log)
        self._line = 0
        self._types: Counter[str] = Counter()
        self._seq = Counting()
        self._run_id: Constant | None = None
        self._backend: str | None = None
        self._inputs: tuple[int, str] | None = None
        """Count and digest of a native run's inputs, until its outermost span has begun."""
        self._phase = 0
        self._end: JsonObject | None = None
        self._begun = self._said_open = self._said_after = False
        self._unknown: list[tuple[int, str]] = []
        self._unknown_count = 0

    def line(self, data: bytes) -> None:
        """Take the next line, without its line feed; the first MAX_LINE + 1 bytes of a longer one will do."""
        self._line += 1
        if len(data) > MAX_LINE:
            self._unreadable(MalformedError("line-too-long", f"it is longer than {MAX_LINE} bytes"))
            return
        try:
            event = parse_object(data)
            parse_event(event)
        except MalformedError as error:
            self._unreadable(error)
            return
        self._event(event)

    def lost(self, error: MalformedError) -> None:
        """Note that the next line breaks the wire format such that nothing after it can be read."""
        self._line += 1
        self._unreadable(error)

    @property
    def first(self) -> Violation | None:
        """The violation that was found first; one that shows only later may stand at an earlier line."""
        return self._log.kept[0] if self._log.kept else None

    def finish(self) -> tuple[list[Violation], Summary]:
        """The stream is over: its violations by line, the first `limit` found of them, and what was seen."""
        if self._end is None:
            text = "the stream ends without TraceEnd: the run has not ended, or its end is missing"
            self._log.add("not-ended", self._line + 1, text)
        kept = sorted(self._log.kept, key=lambda violation: violation.line)
        end = self._end or {}
        return kept, Summary(
            run_id=None if self._run_id is None else self._run_id.value,
            backend=self._backend,
            lines=self._line,
            events=dict(sorted(self._types.items())),
            spans=self._spans.count,
            iterations=self._spans.iterations,
            max_depth=self._spans.max_depth,
            steps=self._ending.steps.total,
            cells=self._ending.cells.total,
            n_steps=end.get("n_steps"),
            outcome=end.get("outcome"),
            violations=self._log.count,
            codes=dict(sorted(self._log.by_code.items())),
            unknown_members=self._unknown_count,
            unknown=[{"line": line, "member": pointer} for line, pointer in self._unknown],
        )

    def _unreadable(self, error: MalformedError) -> None:
        member = error.context.get("member")
        self._log.add(error.code, self._line, error.message, member=None if member is None else str(member))
        self._begun = True
        self._seq.skip()

    def _event(self, event: JsonObject) -> None:
        kind = event["type"]
        self._types[kind] += 1
        self._note_unknown(event)
        if self._end is not None:
            if not self._said_after:
                self._log.add("after-end", self._line, "the run has ended; nothing follows TraceEnd", event)
            self._said_after = True
            return
        self._first(event, kind)
        origin = self._identity(event)
        if kind == "TraceStart":
            return
        self._order(event, kind)
        if kind in _STARTS:
            self._spans.start(self._line, event, origin)
            self._native_input(event)
        elif kind in ("SequenceEnd", "TileEnd"):
            self._spans.end(self._line, event)
        elif kind in ("SequenceFailure", "TileFailure"):
            self._spans.failure(self._line, event)
        elif kind == "StepBlock":
            self._ending.steps.take(self._line, event)
        elif kind == "MemoryBlock":
            self._ending.cells.take(self._line, event)
        else:
            self._end = event
            self._ending.end(self._line, event, self._spans)

    def _first(self, event: JsonObject, kind: str) -> None:
        first, self._begun = not self._begun, True
        if kind == "TraceStart":
            if first:
                self._start(event)
            else:
                self._log.add("start-again", self._line, "a run has one TraceStart, its first event", event)
        elif first:
            self._log.add(
                "start-missing",
                self._line,
                "the first event is TraceStart",
                event,
                "type",
                "TraceStart",
                kind,
            )
        if self._backend is None and kind in _STARTS:  # a stream without its TraceStart
            self._backend = event["artifact"]["backend"]
            self._spans.cairo = self._backend == "cairo"

    def _start(self, event: JsonObject) -> None:
        add, program = self._log.add, event["program"]
        self._backend = program["backend"]
        count, digest = event["inputs_count"], event["inputs_sha256"]
        if (count == 0) != (digest == _NO_INPUTS):
            text = f"inputs_sha256 is that of {'some' if count == 0 else 'no'} inputs"
            add("inputs-wrong", self._line, text, event, "inputs_count", claimed=count)
        backends = _OWN_LAYOUTS.get(event["layout"])
        self._spans.native = event["layout"] == "native"
        if backends is not None:
            self._spans.backend = Constant(program["backend"])
            if program["backend"] not in backends:
                text = f"a run of layout {event['layout']} has the backend {' or '.join(backends)}"
                add("layout-wrong", self._line, text, event, "layout", claimed=event["layout"])
        if self._spans.native:
            self._inputs = (count, digest)
        if self._backend == "cairo":
            self._spans.cairo = True
            self._spans.artifact = Constant((program["backend"], program["method_id"]))
        elif backends is None:
            return
        expected = run_id(
            artifact_sha256=program["artifact_sha256"],
            method_id=program["method_id"],
            layout=event["layout"],
            spans=event["spans"],
            inputs_sha256=digest,
            bits=event["commitment"]["bits"],
            block_items=event["commitment"]["block_items"],
        )
        if event["run_id"] != expected:
            text = "run_id is not the digest of program, inputs, layout, spans and commitment"
            add("run-id-wrong", self._line, text, event, "run_id", expected, event["run_id"])

    def _native_input(self, event: JsonObject) -> None:
        """The input of a native run is its entry and what that is given."""
        if self._inputs is None or self._spans.entry is None:
            return
        claimed, self._inputs = self._inputs, None
        name, arguments = self._spans.entry
        expected = (1, inputs_sha256([canonical({"arguments": arguments, "entry": name})]))
        if claimed != expected:
            text = "the one input of TraceStart is the outermost span's name and input_bytes"
            self._log.add("inputs-wrong", self._line, text, event, "input_bytes", expected[1], claimed[1])

    def _identity(self, event: JsonObject) -> Origin:
        """Check run_id and seq."""
        claimed_id, claimed_seq = event["run_id"], event["seq"]
        if self._run_id is None:
            self._run_id = Constant(claimed_id)
        elif self._run_id.wrong(claimed_id):
            text = "the events before carry another run_id"
            self._log.add("run-id-differs", self._line, text, event, "run_id", self._run_id.value, claimed_id)
        expected = self._seq.wrong(claimed_seq)
        if expected is not None:
            text = "seq counts the events of a run from 0 without gaps"
            self._log.add("seq-wrong", self._line, text, event, "seq", expected, claimed_seq)
        ids = (claimed_id,) if claimed_id == self._run_id.value else (claimed_id, self._run_id.value)
        seqs = (claimed_seq,) if expected is None else (claimed_seq, expected)
        return Origin(ids, seqs)

    def _order(self, event: JsonObject, kind: str) -> None:
        phase = _PHASES.get(kind, _SPANS)
        if phase < self._phase:
            text = "spans come first, then StepBlocks, then MemoryBlocks, then TraceEnd"
            self._log.add("order-wrong", self._line, text, event, "type", claimed=kind)
            return
        self._phase = phase
        if phase > _SPANS and len(self._spans) and not self._said_open:
            self._said_open = True
            inner, count = self._spans.innermost(), len(self._spans)
            text = f"{count} spans have not ended, the innermost of them that of line {inner['line']}"
            self._log.add("span-open", self._line, text, event, "span_id", inner["span_id"], ABSENT)

    def _note_unknown(self, event: JsonObject) -> None:
        for pointer in _unknown(event, event_members(event["type"]), ""):
            self._unknown_count += 1
            if len(self._unknown) < UNKNOWN_KEPT:
                self._unknown.append((self._line, pointer[:200]))


def _unknown(value: JsonObject, known: Members, at: str) -> list[str]:
    """JSON pointers to members that this version does not define."""
    found: list[str] = []
    for name, member in value.items():
        if name not in known:
            found.append(f"{at}/{name.replace('~', '~0').replace('/', '~1')}")
            continue
        inner: Any = known[name]
        if inner is not None and isinstance(member, dict):
            found += _unknown(member, inner, f"{at}/{name}")
    return found

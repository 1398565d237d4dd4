"""The tracer: from calls of traced functions to the trace events of one run (schemas/trace-v1.md, "Native traces").

What every subscriber may rely on: events come one at a time, in the order of `seq`, from TraceStart to TraceEnd; then
`on_complete`, once, or `on_abandon`, once, when the trace is not to be sealed.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType, TracebackType
from typing import Any, Final, Self

from proofrail.commitment.blocks import DEFAULT_BITS, DEFAULT_BLOCK_ITEMS
from proofrail.commitment.runid import inputs_sha256, run_id, span_id
from proofrail.tracing.errors import TracingError
from proofrail.tracing.failures import is_fact, span_error
from proofrail.tracing.functions import NativeProgram, TracedFunction, check_name, program_of
from proofrail.tracing.spans import Moment, Position, Span, SpanError, position
from proofrail.tracing.values import encode_arguments
from proofrail.wire.canonical import canonical, sha256_hex
from proofrail.wire.errors import ProofrailError
from proofrail.wire.events import CommitmentParameters
from proofrail.wire.topics import MAX_LINE

LAYOUT: Final = "native"
"""`layout` of every native trace."""

SPANS: Final = "own"

_ENCODER: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, check_circular=False
)


@dataclass(frozen=True)
class CompletedTrace:
    """A trace that reached TraceEnd.

    `input_lines` are the run's Input lines, `facts` the members that a seal has beside its core, `manifest` the
    program's manifest, whose SHA-256 is artifact_sha256.
    """

    run_id: str
    outcome: str
    input_lines: tuple[bytes, ...]
    facts: dict[str, Any]
    manifest: bytes


class Subscriber:
    """Takes a trace as it is made. Override what you need.

    Nothing here may block for long: the traced program waits meanwhile. An exception ends the trace, unsealed; the
    program goes on, and `Tracer.close` raises it.
    """

    def on_trace(self, event: dict[str, Any], line: bytes) -> None:
        """A trace event, and the same in canonical form without line feed. Do not alter it: others get it too."""

    def on_complete(self, trace: CompletedTrace) -> None:
        """TraceEnd was the last event, whether the run completed or failed."""

    def on_abandon(self, error: ProofrailError) -> None:
        """The trace is not to be sealed; there may have been no event at all."""


class Tracer:
    """Traces one outermost call of a decorated function, made within its `with` block.

        with Tracer(JsonSubscriber(file), CommitSubscriber(path)) as tracer:
            result = main(1, 2)

    The block ends with `close`. An exception of the traced program passes: the trace then ends in Failures and
    TraceEnd `failed`, and is sealed like any other. `program` names functions, or modules of them, that are called
    but that the entry's module neither defines nor imports by name. `bits` and `block_items` are those of the
    commitment. `clock` gives nanoseconds since the Unix epoch.

    Subscribers are told in their order, also of the end: put one whose failure must keep others from sealing before
    them. Raises ValueError for `bits` and `block_items` out of range, MalformedError for a label that is no text.

    Usable once, in the thread or task that makes the outermost call, or around one that does (`asyncio.run`).
    """

    def __init__(
        self,
        *subscribers: Subscriber,
        program: Sequence[Callable[..., Any] | ModuleType] = (),
        label: str | None = None,
        bits: int = DEFAULT_BITS,
        block_items: int = DEFAULT_BLOCK_ITEMS,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        # A run that could not be sealed for its parameters should not begin.
        CommitmentParameters(bits=bits, block_items=block_items)
        canonical(label)
        self._subscribers = subscribers
        self._more = tuple(program)
        self._label = label
        self._commitment = {"bits": bits, "block_items": block_items}
        self._clock = clock
        self._state = "new"
        self._previous: Position | None = None
        self.lock = threading.RLock()
        """Held while a span begins or ends where other threads may begin one."""
        self._root: Span | None = None
        self._program: NativeProgram | None = None
        self._completed: CompletedTrace | None = None
        self._input_line = b""
        self._facts: dict[str, Any] = {}
        self._seq = 0
        self._telling: int | None = None
        self._run_id = ""
        self.fault: ProofrailError | None = None
        """Why the trace is not sealed, once it is known."""
        self.sealed = False
        """Whether every subscriber took the whole trace."""

    def __enter__(self) -> Self:
        if self._state != "new":
            raise TracingError("trace-used", "a tracer traces one call", "Make another Tracer")
        self._state = "open"
        here = position.get()
        # A closed tracer is of no use to return to; kept, it would keep what it returned to, and so on.
        self._previous = here if here is not None and here.tracer.tracing else None
        position.set(Position(self, None, self._stream, None))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        position.set(self._previous)
        self._previous = None
        if error is None:
            self.close()
            return
        try:
            self.close()
        except ProofrailError as fault:
            # The program's own exception matters more, and a note on it is not overlooked.
            if fault is not error:
                error.add_note(f"The trace was not sealed: {fault}")

    def close(self) -> None:
        """End tracing and let every subscriber finish. A second call does nothing.

        Raises what keeps the trace from being sealed: TracingError (see `errors.CODES`), or what a subscriber raised
        when that is a ProofrailError. In an async program whose subscribers wait for the network, call it off the
        event loop: `await asyncio.to_thread(tracer.close)`.
        """
        if self._state == "closed":
            return
        self._state = "closed"
        if self.fault is None and self._completed is None:
            self.fault = self._unfinished()
        for subscriber in self._subscribers:
            try:
                if self.fault is None and self._completed is not None:
                    subscriber.on_complete(self._completed)
                elif self.fault is not None:
                    subscriber.on_abandon(self.fault)
            except Exception as error:  # whatever it is, the others must still be told
                self._subscriber_failed(subscriber, error)
        if self.fault is not None:
            raise self.fault
        self.sealed = True

    @property
    def run_id(self) -> str | None:
        """None while the outermost call has not begun."""
        return self._run_id or None

    @property
    def outcome(self) -> str | None:
        """completed or failed; None while the outermost call has not ended."""
        return None if self._completed is None else self._completed.outcome

    # What spans ask of their tracer

    @property
    def tracing(self) -> bool:
        """Whether calls are traced: the block is open and nothing has spoilt the trace."""
        return self._state == "open" and self.fault is None

    @property
    def listening(self) -> bool:
        """False in the thread of a subscriber while it is told of an event: what it calls is not traced."""
        return self._telling != threading.get_ident()

    def now(self) -> int:
        return self._clock()

    def begin_call(
        self, here: Position, function: TracedFunction, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Span | None:
        """The span of a call, begun; None for a call that is not to be traced. Raises TracingError."""
        if not self.listening:
            return None
        try:
            arguments = function.arguments(args, kwargs)
        except TypeError:
            return None  # the call itself says it better
        encoded = self.encoded(encode_arguments, arguments, function.name)
        try:
            if here.span is None:
                self._start(function, encoded)
            self._check_membership(function)
            artifact = function.identify()
            with self.lock:
                span = Span(here.admit(), function.name, artifact, encoded, tile=function.kind == "tile")
        except TracingError as error:
            raise self._spoilt(error) from error.__cause__
        if here.span is None:
            self._root = span
        return span

    def begin_loop(self, here: Position, name: str, encoded: str) -> Span:
        """The span of a loop, begun. Raises TracingError."""
        if here.span is None:
            raise self.misused(
                "loop-misused", f"the loop {name} stands outside of a sequence", "Put it into one"
            )
        try:
            check_name(name)
        except TracingError as error:
            raise self._spoilt(error) from None
        with self.lock:
            return Span(here.admit(), name, here.span.artifact, encoded, loop=True)

    def begin_iteration(self, loop: Span, number: int, encoded: str) -> Span:
        """The span of a loop's next iteration, begun. Raises TracingError."""
        with self.lock:
            loop.check_next()
            return Span(loop, loop.name, loop.artifact, encoded, iteration=number)

    def encoded(self, encode: Callable[[Any], bytes], value: Any, name: str) -> str:
        """`value` of the span `name` as hex. Raises TracingError: the trace is spoilt by what has no encoding."""
        try:
            return encode(value).hex()
        except TracingError as error:
            raise self._spoilt(error.within(name)) from None

    def misused(self, code: str, message: str, next_step: str) -> TracingError:
        """The error to raise: the trace is spoilt by it."""
        error = TracingError(code, message, next_step)
        self._spoilt(error)
        return error

    def explains(self, error: BaseException) -> bool:
        """Whether `error` is a failure of the run that a trace can state; if not, the trace is spoilt."""
        if not self.tracing:
            return False
        if is_fact(error):
            return True
        self.misused(
            "trace-interrupted",
            f"{type(error).__name__} ended the run, which says nothing about it",
            "Run it again",
        )
        return False

    def span_error(self, error: BaseException, *, told_before: bool) -> SpanError:
        codes = self._program.codes if self._program is not None else {}
        return span_error(error, codes, told_before=told_before)

    # The stream

    def _start(self, entry: TracedFunction, encoded: str) -> None:
        with self.lock:
            if self._run_id:
                raise TracingError(
                    "trace-second-root",
                    f"{entry.name} is a second outermost call; a trace has one",
                    "Call both from one @sequence, or give each a Tracer",
                )
            self._program = program = program_of(entry, self._more)
            given = {"arguments": encoded, "entry": entry.name}
            digest = inputs_sha256([canonical(given)])
            self._run_id = run_id(
                artifact_sha256=program.identity["artifact_sha256"],
                method_id=program.identity["method_id"],
                layout=LAYOUT,
                spans=SPANS,
                inputs_sha256=digest,
                **self._commitment,
            )
        self._input_line = canonical(
            {"v": 1, "type": "Input", "run_id": self._run_id, "index": 0, "input": given}
        )
        self._facts = {
            "program": program.identity,
            "layout": LAYOUT,
            "spans": SPANS,
            "inputs_count": 1,
            "inputs_sha256": digest,
        }
        label = {} if self._label is None else {"label": self._label}
        self._emit("TraceStart", self.now(), self._facts | {"commitment": self._commitment} | label)

    def _stream(self, moment: Moment) -> None:
        """The next moment of the trace, in its final place."""
        span = moment.span
        name = {"tile_id" if span.kind == "Tile" else "name": span.name}
        if moment.what == "start":
            span.span_id = span_id(self._run_id, self._seq)
            self._emit(f"{span.kind}Start", moment.at, name | _place(span, parent=True) | _origin(span))
        elif moment.what == "end":
            output = {} if moment.output is None else {"output_bytes": moment.output}
            spent = max(0, moment.at - span.started)
            self._emit(
                f"{span.kind}End", moment.at, name | {"span_id": span.span_id, "duration_ns": spent} | output
            )
        else:
            said = moment.error
            if said is None:
                raise AssertionError(moment)
            detail = {} if said.detail is None else {"detail": said.detail}
            error = {"error": {"code": said.code, "message": said.message}}
            members = name | _place(span, parent=False) | _origin(span) | error | detail
            self._emit(f"{span.kind}Failure", moment.at, members)
        if span.depth == 0 and moment.what != "start":
            self._end(moment)

    def _end(self, moment: Moment) -> None:
        output = [moment.output] if moment.output else []
        results = {
            "outcome": "completed" if moment.what == "end" else "failed",
            "n_steps": 0,
            "output_count": len(output),
            "output_sha256": sha256_hex(canonical(output)),
        }
        self._emit("TraceEnd", self.now(), results)
        if self._program is not None:
            self._completed = CompletedTrace(
                self._run_id,
                str(results["outcome"]),
                (self._input_line,),
                self._facts | results,
                self._program.manifest,
            )

    def _emit(self, kind: str, at: int, members: dict[str, Any]) -> None:
        if not self.tracing:
            return
        event = {"v": 1, "type": kind, "run_id": self._run_id, "seq": self._seq, "timestamp": at} | members
        # What stands in the events of spans is text that was checked and integers in range, so that the encoder alone
        # writes their canonical form, at a quarter of the cost.
        line = canonical(event) if kind == "TraceStart" else _ENCODER.encode(event).encode()
        if len(line) > MAX_LINE:
            raise self.misused(
                "value-too-large",
                f"{kind} {self._seq} would take a line of {len(line)} bytes; {MAX_LINE} are the most",
                "Pass a digest of what is large, and keep the rest in a store",
            )
        self._seq += 1
        self._telling = threading.get_ident()
        try:
            for subscriber in self._subscribers:
                try:
                    subscriber.on_trace(event, line)
                except Exception as error:  # no fault of the program, which goes on
                    self._subscriber_failed(subscriber, error)
                    return
        finally:
            self._telling = None

    # What spoils a trace

    def _check_membership(self, function: TracedFunction) -> None:
        known = self._program.functions.get(function.name) if self._program is not None else None
        if known is None or known.code != function.code:
            raise TracingError(
                "program-foreign",
                f"{function.name} is no part of the program that {self._entry_name} begins",
                f"Import it by name where {self._entry_name} is defined, or pass program=[{function.name}]",
            )

    @property
    def _entry_name(self) -> str:
        return "?" if self._program is None else self._program.entry.name

    def _unfinished(self) -> TracingError:
        if not self._run_id:
            return TracingError(
                "trace-empty",
                "no traced function was called in the tracer's block",
                "Decorate what you call with @tile or @sequence; new threads begin outside of the tracer",
            )
        return TracingError(
            "trace-open", f"{self._entry_name} has not returned", "Close the tracer behind the outermost call"
        )

    def _spoilt(self, error: TracingError) -> TracingError:
        if self.fault is None:
            self.fault = error
        return error

    def _subscriber_failed(self, subscriber: Subscriber, error: Exception) -> None:
        if self.fault is not None:
            return
        if isinstance(error, ProofrailError):
            self.fault = error
            return
        self.fault = TracingError(
            "subscriber-failed",
            f"{type(subscriber).__name__} raised {type(error).__name__}: {error}",
            "Correct the subscriber; nothing of this trace was sealed",
        )
        self.fault.__cause__ = error


def _place(span: Span, *, parent: bool) -> dict[str, Any]:
    place: dict[str, Any] = {"span_id": span.span_id, "depth": span.depth}
    above = span.within.span
    if parent and above is not None:
        place["parent_span_id"] = above.span_id
    if span.path is not None:
        place["path"] = span.path
    if span.iteration is not None:
        place["iteration"] = span.iteration
    return place


def _origin(span: Span) -> dict[str, Any]:
    return {"artifact": span.artifact, "input_bytes": span.input}

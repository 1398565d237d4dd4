"""Open spans, and where the calls of a program stand among them.

A *position* is what a call begins its span under: the tracer itself, an open span, or a branch of one. It is kept in
a context variable, so that threads and tasks have one each. Every position belongs to the thread and task that runs
it and takes one child at a time: that is what keeps ends nested and depth the number of open spans, whatever runs
at the same time. A call from another thread or task begins a branch of the span.

What happens to a span goes as a `Moment` into the position's sink: the tracer's stream, or, within a branch, a list
that joins the stream when the span goes on by itself. Only the stream gives out `seq` and span_ids.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from proofrail.tracing.errors import TracingError
from proofrail.tracing.functions import TracedFunction
from proofrail.wire.events import MAX_PATH_DEPTH

if TYPE_CHECKING:
    from proofrail.tracing.tracer import Tracer

Owner = tuple[int, object]
Sink = Callable[["Moment"], None]


@dataclass(frozen=True)
class SpanError:
    """What a Failure says: `code` and `message` are committed to, `detail` is the exception's own text."""

    code: str
    message: str
    detail: str | None


class Moment(NamedTuple):
    """Something that happened to a span: `what` is start, end or failure."""

    what: str
    span: Span
    at: int
    """Nanoseconds since the epoch."""
    output: str | None = None
    """Of an end: output_bytes; None for an iteration that is not the last."""
    error: SpanError | None = None

    def contents(self) -> tuple[str, ...]:
        """Type, name, then input, output, or code and message of the error."""
        kind, name = f"{self.span.kind}{self.what.capitalize()}", self.span.name
        if self.error is not None:
            return kind, name, self.error.code, self.error.message
        return kind, name, self.span.input if self.what == "start" else self.output or ""


def current_owner() -> Owner:
    """The thread and the task that run now."""
    # Most calls are made outside of any event loop, where get_running_loop and current_task raise: slow.
    loop = asyncio._get_running_loop()
    return threading.get_ident(), None if loop is None else asyncio.current_task(loop)


class Position:
    """Where spans begin. `span` is the parent they get: None for the outermost."""

    __slots__ = ("child", "owner", "seen", "sink", "span", "tracer")

    def __init__(self, tracer: Tracer, span: Span | None, sink: Sink, owner: Owner | None) -> None:
        self.tracer = tracer
        self.span = span
        self.sink = sink
        self.owner = owner
        """None: whoever comes first."""
        self.child: object | None = None
        """What is open right below: a span, or a block of branches."""
        self.seen: BaseException | None = None
        """The exception that left the last child, already told in full."""

    def admit(self) -> Position:
        """Where a span, loop or block of branches that comes here and now begins: in this position, or in a new
        branch when it comes from another thread or task. The caller holds the tracer's lock until it has begun.

        Raises TracingError: `tile-calls`, `loop-misused`, `span-overlap`, `span-ended`.
        """
        if self.span is not None:
            self.span.check_open()
        if self.owner is None:
            self.owner = current_owner()
        elif self.owner != current_owner():
            return self._branched()
        if self.child is not None:
            raise self._overlap()
        return self

    def _branched(self) -> Position:
        if self.span is None:
            raise self.tracer.misused(
                "trace-second-root",
                "another thread or task makes a second outermost call",
                "Call both from one @sequence, or give each a Tracer",
            )
        return self.span.branch(current_owner())

    def _overlap(self) -> TracingError:
        return self.tracer.misused(
            "span-overlap",
            f"a call below {self._shown} begins while another one there is open",
            "Await what runs at the same time before calling on, or run all of it as branches: "
            "`with branches() as branch:`",
        )

    @property
    def _shown(self) -> str:
        return "the outermost call" if self.span is None else self.span.shown


class Span(Position):
    """One invocation, loop or iteration; a position for the spans inside it.

    A tile is announced when it begins. Anything else is announced with its first child, or when it ends: only then is
    it known whether it called anything, which is what makes it a sequence.
    """

    __slots__ = (
        "announced",
        "artifact",
        "branches",
        "depth",
        "ended",
        "input",
        "is_loop",
        "is_tile",
        "iteration",
        "kind",
        "name",
        "path",
        "span_id",
        "started",
        "within",
    )

    def __init__(
        self,
        within: Position,
        name: str,
        artifact: dict[str, str],
        input_hex: str,
        *,
        tile: bool = False,
        loop: bool = False,
        iteration: int | None = None,
    ) -> None:
        super().__init__(within.tracer, self, within.sink, within.owner)
        self.within = within
        self.name = name
        self.artifact = artifact
        self.input = input_hex
        self.is_tile = tile
        self.is_loop = loop
        self.iteration = iteration
        self.ended = False
        self.announced = False
        self.branches: list[Branch] = []
        """Of threads and tasks that were not declared as branches, and have not joined yet."""
        self.kind = "Tile"
        self.span_id = ""
        parent = within.span
        self.depth: int = 0 if parent is None else parent.depth + 1
        self.path = self._joined(parent)
        if parent is within:
            # Now, not when this span is announced: or the starts of deep recursion would all wait for its end.
            parent.becomes_sequence()
        within.child = self
        within.seen = None
        self.started = self.tracer.now()
        if tile:
            self._announce()

    def admit(self) -> Position:
        here = super().admit()
        if here is self and self.branches:
            self._join()
        return here

    def check_open(self) -> None:
        """Raises TracingError `span-ended`, `tile-calls`, `loop-misused`, when no call can begin inside any more, or
        ever."""
        if self.ended:
            raise self.tracer.misused(
                "span-ended",
                f"a call comes from work that {self.shown} started and did not wait for",
                "Wait for threads and tasks before the sequence returns",
            )
        if self.is_tile:
            raise self.tracer.misused(
                "tile-calls",
                f"the tile {self.shown} calls another traced function, or opens a loop",
                f"Decorate {self.name} with @sequence",
            )
        if self.is_loop:
            raise self.tracer.misused(
                "loop-misused",
                f"a call stands in the block of the loop {self.shown} and in none of its iterations",
                "Move it into the `for` statement, or out of the `with` block",
            )

    def check_next(self) -> None:
        """The loop's next iteration can begin. Raises TracingError `span-foreign`, `span-overlap`."""
        if self.owner != current_owner():
            raise self.tracer.misused(
                "span-foreign",
                f"the loop {self.shown} goes on in another thread or task than it began in",
                "Ask for the next item where the loop was entered",
            )
        if self.child is not None:
            raise self._overlap()

    def branch(self, owner: Owner) -> Branch:
        """A branch for a thread or task that begins its first span below this one."""
        self.check_open()
        if self.child is not None:
            raise self._overlap()
        branch = Branch(self, owner)
        self.branches.append(branch)
        return branch

    def take(self, branches: Iterable[Branch]) -> None:
        """Let branches join the trace here, in this order."""
        for branch in branches:
            branch.joined = True
            for moment in branch.moments:
                self.becomes_sequence()
                self.sink(moment)
            branch.moments.clear()

    def end(self, output_hex: str | None) -> None:
        """The span ends without failure. Raises TracingError `span-overlap` when something in it is open."""
        if not self._closes():
            return
        self.sink(Moment("end", self, self.tracer.now(), output_hex))
        self.within.child = None

    def fail(self, error: BaseException) -> None:
        """`error` leaves the span."""
        told_before = self.seen is error or any(branch.seen is error for branch in self.branches)
        if not self.tracer.explains(error) or not self._closes():
            self.ended = True
            return
        self.within.seen = error
        said = self.tracer.span_error(error, told_before=told_before)
        self.sink(Moment("failure", self, self.tracer.now(), error=said))
        self.within.child = None

    def becomes_sequence(self) -> None:
        """A span begins inside."""
        if not self.announced:
            self.kind = "Sequence"
            self._announce()

    @property
    def shown(self) -> str:
        return self.path or self.name

    def _announce(self) -> None:
        self.announced = True
        self.sink(Moment("start", self, self.started))

    def _closes(self) -> bool:
        if self.ended or not self.tracer.tracing:
            return False
        with self.tracer.lock:
            if self.child is not None:
                raise self.tracer.misused(
                    "span-overlap",
                    f"{self.shown} ends while a call, a loop or a branch inside it is open",
                    "Await what it calls, and leave loops and branches by their `with` block",
                )
            if self.branches:
                self._join()
            if not self.announced:
                self._announce()
            self.ended = True
        return True

    def _join(self) -> None:
        if any(branch.child is not None for branch in self.branches):
            raise self.tracer.misused(
                "span-overlap",
                f"{self.shown} goes on while a call of another thread or task inside it is open",
                "Wait for threads and tasks before the sequence goes on",
            )
        # By what they did, not by when: who comes first is an accident.
        self.take(sorted(self.branches, key=Branch.contents))
        self.branches.clear()

    def _joined(self, parent: Span | None) -> str | None:
        if self.depth > MAX_PATH_DEPTH:
            return None
        if parent is None:
            return self.name
        if self.iteration is not None:
            return f"{parent.path}[{self.iteration}]"
        return f"{parent.path}/{self.name}"


class Branch(Position):
    """Where the spans of one thread or task begin, below the sequence that it runs beside."""

    __slots__ = ("joined", "moments")

    def __init__(self, span: Span, owner: Owner | None) -> None:
        self.moments: list[Moment] = []
        super().__init__(span.tracer, span, self.moments.append, owner)
        self.joined = False

    def admit(self) -> Position:
        return self._branched() if self.joined else super().admit()

    def contents(self) -> list[tuple[str, ...]]:
        """What it did: branches in which this is equal have the same items."""
        return [moment.contents() for moment in self.moments]


def note_failure(span: Span, error: BaseException) -> None:
    """`error` leaves the span. Where that cannot be recorded, the trace is spoilt and `error` passes all the same."""
    try:
        span.fail(error)
    except TracingError as fault:
        error.add_note(f"The trace was not sealed: {fault}")


position: Final[ContextVar[Position | None]] = ContextVar("proofrail_position", default=None)
"""Where the running code stands; None outside of every tracer."""


def leave(here: Position, to: Position | None) -> None:
    """Stand at `to` again, unless the running code does not stand at `here`: a coroutine that is thrown away ends in
    whatever context the garbage collector happens to run."""
    if position.get() is here:
        position.set(to)


def begin(function: TracedFunction, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Span | None:
    """Begin the span of a call, where one is to be traced. Raises TracingError."""
    here = position.get()
    if here is None or not here.tracer.tracing:
        return None
    return here.tracer.begin_call(here, function, args, kwargs)

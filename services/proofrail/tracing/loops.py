"""`loop`: a sequence whose spans are its iterations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

from proofrail.tracing.errors import TracingError
from proofrail.tracing.spans import Position, Span, leave, note_failure, position
from proofrail.tracing.values import encode_arguments

T = TypeVar("T")

_END: Final[Any] = object()


class Loop(Generic[T]):
    """What `loop` returns; enter it, then iterate over it, once."""

    def __init__(self, name: str, items: Iterable[T]) -> None:
        self._name = name
        self._items = items
        self._source: Iterator[T] | None = None
        self._next: Any = _END
        self._count = 0
        self._entered = False
        self._span: Span | None = None
        self._iteration: Span | None = None

    def __enter__(self) -> Self:
        if self._entered:
            raise _misused("a loop is entered twice")
        self._entered = True
        self._source = iter(self._items)
        # The first item is had before the loop begins: what making it calls is no part of any iteration.
        self._next = next(self._source, _END)
        above = position.get()
        if above is not None and above.tracer.tracing and above.tracer.listening:
            self._span = above.tracer.begin_loop(above, self._name, self._encoded(above))
            position.set(self._span)
        return self

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        if self._source is None:
            raise _misused("a loop is iterated over outside of its `with` block")
        if self._count:
            self._next = next(self._source, _END)
        if self._next is _END:
            self._end_iteration("")
            raise StopIteration
        if self._span is not None and self._span.tracer.tracing:
            self._end_iteration(None)
            self._iteration = self._span.tracer.begin_iteration(
                self._span, self._count, self._encoded(self._span)
            )
            position.set(self._iteration)
        self._count += 1
        item: T = self._next
        return item

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._source = None
        if self._span is None:
            return
        if error is None:
            self._end_iteration("")
        elif self._iteration is not None:
            leave(self._iteration, self._span)
            note_failure(self._iteration, error)
        leave(self._span, self._span.within)
        if error is None:
            self._span.end("")
        else:
            note_failure(self._span, error)

    def _end_iteration(self, output: str | None) -> None:
        if self._iteration is not None:
            leave(self._iteration, self._span)
            self._iteration.end(output)
            self._iteration = None

    def _encoded(self, where: Position) -> str:
        if self._next is _END:
            return ""
        return where.tracer.encoded(encode_arguments, {"item": self._next}, self._name)


def _misused(message: str) -> TracingError:
    where = position.get()
    next_step = "Write `with loop(name, items) as steps:` and `for item in steps:` inside"
    if where is None:
        return TracingError("loop-misused", message, next_step)
    return where.tracer.misused("loop-misused", message, next_step)


def loop(name: str, items: Iterable[T]) -> Loop[T]:
    """The items of a loop, each iteration a span of its own:

        with loop("scores", protocols) as steps:
            for protocol in steps:
                ...

    The loop is a sequence named `name`; iteration i, from 0, has the path `name[i]`, the item as its input, and ends
    when the next item is asked for. `break` and `return` end it like any other; an exception that leaves the `with`
    block fails the iteration it leaves and the loop. Within a sequence only; outside of a tracer it just iterates.

    A `with` block, because a bare `for` cannot tell a loop that is left from one that goes on.
    """
    return Loop(name, items)

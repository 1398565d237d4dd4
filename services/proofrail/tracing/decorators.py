"""`@tile` and `@sequence`: functions whose calls become spans."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Literal, ParamSpec, TypeVar, cast, overload

from proofrail.tracing.functions import ATTRIBUTE, TracedFunction
from proofrail.tracing.spans import Span, begin, leave, note_failure, position
from proofrail.tracing.values import encode_result

P = ParamSpec("P")
R = TypeVar("R")


@overload
def tile(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def tile(*, id: str) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def tile(function: Any = None, /, *, id: str | None = None) -> Any:  # noqa: A002 - the word of the wire format
    """Make a function's calls tiles: invocations that call no other traced function.

    Plain and async functions, methods (`self` is an argument like any other), static and class methods (below their
    decorators). `id` is the name in traces; without it, the function's name, `Class.method` for a method. Outside of
    a `Tracer` the function runs as if it were not decorated.

    Raises TracingError: `traced-not-a-function`, `traced-generator`, `traced-name`; when it is called in a trace,
    the codes of `errors.CODES`.
    """
    return _decorator("tile", function, id)


@overload
def sequence(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def sequence(*, name: str) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def sequence(function: Any = None, /, *, name: str | None = None) -> Any:
    """Make a function's calls sequences: invocations that call tiles, sequences and loops.

    As `tile`, but for `name` in place of `id`. A call that makes no traced call is recorded as a tile: what it is
    depends on what it does, as in every trace.
    """
    return _decorator("sequence", function, name)


def _decorator(kind: Literal["tile", "sequence"], function: Any, name: str | None) -> Any:
    if function is None:
        return lambda decorated: _wrap(TracedFunction(decorated, kind, name))
    return _wrap(TracedFunction(function, kind, name))


def _wrap(traced: TracedFunction) -> Callable[..., Any]:
    wrapped = _async(traced) if inspect.iscoroutinefunction(traced.function) else _plain(traced)
    setattr(wrapped, ATTRIBUTE, traced)
    return wrapped


def _plain(traced: TracedFunction) -> Callable[..., Any]:
    function = traced.function

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        span = begin(traced, args, kwargs)
        if span is None:
            return function(*args, **kwargs)
        position.set(span)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            _failed(span, error)
            raise
        _ended(span, result)
        return result

    return call


def _async(traced: TracedFunction) -> Callable[..., Any]:
    function = cast(Callable[..., Awaitable[Any]], traced.function)

    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        span = begin(traced, args, kwargs)
        if span is None:
            return await function(*args, **kwargs)
        position.set(span)
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            _failed(span, error)
            raise
        _ended(span, result)
        return result

    return call


def _ended(span: Span, result: object) -> None:
    leave(span, span.within)
    if span.tracer.tracing:
        span.end(span.tracer.encoded(encode_result, result, span.name))


def _failed(span: Span, error: BaseException) -> None:
    leave(span, span.within)
    note_failure(span, error)

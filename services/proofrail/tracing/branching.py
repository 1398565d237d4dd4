"""`branches`: work that runs at the same time, in one trace with one order."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar, cast

from proofrail.tracing.errors import TracingError
from proofrail.tracing.spans import Branch, Position, Span, leave, position

P = ParamSpec("P")
R = TypeVar("R")

_NEXT_STEP = "Call branch(function) anew for each piece of work, inside the `with branches()` block"


class _Declared(Branch):
    """A branch whose place among the others was declared."""

    __slots__ = ("state",)

    def __init__(self, span: Span) -> None:
        super().__init__(span, None)
        self.state = "made"


class Branches:
    """What `branches` returns; enter it, then call it with each function that is to run as a branch."""

    def __init__(self) -> None:
        self._above: Span | None = None
        self._branches: list[_Declared] = []
        self._open = False

    def __enter__(self) -> Self:
        self._open = True
        above = position.get()
        if above is None or not above.tracer.tracing or not above.tracer.listening:
            return self
        with above.tracer.lock:
            here = above.admit()
            if not isinstance(here, Span):
                raise here.tracer.misused(
                    "branch-misused",
                    "branches begin in a sequence, not outside of one or directly in a branch",
                    _NEXT_STEP,
                )
            self._above = here
            here.child = self
        return self

    def __call__(self, function: Callable[P, R], /) -> Callable[P, R]:
        """`function`, to be called once, in whatever thread or task. The order of these calls is the order of the
        branches in the trace."""
        if not self._open:
            raise _misused("a branch is made outside of its `with` block")
        if self._above is None:
            return function
        branch = _Declared(self._above)
        self._branches.append(branch)
        wrap = _async if inspect.iscoroutinefunction(function) else _plain
        return cast(Callable[P, R], wrap(function, branch))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open = False
        above = self._above
        if above is None or not above.tracer.tracing:
            return
        running = sum(branch.state == "running" for branch in self._branches)
        if running:
            fault = above.tracer.misused(
                "branch-open",
                f"{running} branches of {above.shown} run on behind their `with` block",
                "Wait for their threads or tasks inside of it",
            )
            if error is None:
                raise fault
            return
        with above.tracer.lock:
            above.child = None
            for branch in self._branches:
                branch.state = "joined"
                if error is not None and branch.seen is error:
                    above.seen = error
            above.take(self._branches)


def _misused(message: str) -> TracingError:
    here = position.get()
    if here is None:
        return TracingError("branch-misused", message, _NEXT_STEP)
    return here.tracer.misused("branch-misused", message, _NEXT_STEP)


def _start(branch: _Declared) -> Position | None:
    if branch.state != "made":
        message = (
            "a branch is run twice" if branch.state != "joined" else "a branch is run behind its `with` block"
        )
        raise branch.tracer.misused("branch-misused", message, _NEXT_STEP)
    branch.state = "running"
    before = position.get()
    position.set(branch)
    return before


def _stop(branch: _Declared, before: Position | None) -> None:
    branch.state = "done"
    leave(branch, before)


def _plain(function: Callable[..., Any], branch: _Declared) -> Callable[..., Any]:
    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        before = _start(branch)
        try:
            return function(*args, **kwargs)
        finally:
            _stop(branch, before)

    return run


def _async(function: Callable[..., Any], branch: _Declared) -> Callable[..., Any]:
    @functools.wraps(function)
    async def run(*args: Any, **kwargs: Any) -> Any:
        before = _start(branch)
        try:
            return await function(*args, **kwargs)
        finally:
            _stop(branch, before)

    return run


def branches() -> Branches:
    """Run work concurrently inside a sequence, in a declared order and in any thread:

        with branches() as branch, ThreadPoolExecutor() as pool:
            futures = [pool.submit(branch(score), protocol) for protocol in protocols]

    The spans of each branch join the trace when the block ends, branch after branch in the order in which
    `branch(…)` was called: the same order in every run, whoever was faster. Until then they are kept in memory.
    All branches must have ended by then. Outside of a tracer, `branch(function)` is `function`.

    Tasks and threads that have the sequence's context (`asyncio.gather`, `asyncio.to_thread`) need no declaration:
    what each of them does is a branch, and they join, in ascending order of what they did, where the sequence calls on
    or ends. Threads of a pool have no such context: undeclared, they run outside of the tracer.
    """
    return Branches()

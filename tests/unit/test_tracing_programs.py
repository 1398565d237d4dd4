"""Programs nobody thought of: random trees of calls, loops, branches and failures, traced and executed again."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tracing_runs import Collected, events_of

from proofrail.tracing import CommitSubscriber, branches, decode, loop, reexecute, sequence, tile

Tree = list[Any]
"""[what, child…]; a tile and a failure have no children."""

TREES: st.SearchStrategy[Tree] = st.recursive(
    st.sampled_from([["tile"], ["tile"], ["fail"]]),
    lambda inner: st.tuples(
        st.sampled_from(["call", "loop", "threads", "inline", "catch", "break"]), st.lists(inner, max_size=3)
    ).map(lambda pair: [pair[0], *pair[1]]),
    max_leaves=10,
)


class PlannedError(Exception):
    """A failure that the tree asks for."""


@tile
def leaf() -> int:
    return 1


@tile
def fail() -> int:
    raise PlannedError


@sequence
def call(tree: Tree) -> int:
    """How many tiles ran."""
    what, *children = tree
    if what == "tile":
        return leaf()
    if what == "fail":
        return fail()
    if what == "catch":
        return sum(map(_caught, children))
    if what in ("loop", "break"):
        total = 0
        with loop("each", children) as steps:
            for child in steps:
                total += call(child)
                if what == "break":
                    break
        return total
    if what == "inline":
        with branches() as branch:
            return sum(branch(call)(child) for child in children)
    if what == "threads":
        with branches() as branch, ThreadPoolExecutor(3) as pool:
            futures = [pool.submit(branch(call), child) for child in children]
        return sum(future.result() for future in futures)
    return sum(call(child) for child in children)


@sequence
async def call_later(tree: Tree) -> int:
    """The same in tasks; everything that has several children runs them at once."""
    what, *children = tree
    await asyncio.sleep(0)
    if what == "tile":
        return leaf()
    if what == "fail":
        return fail()
    if what == "loop":
        total = 0
        with loop("each", children) as steps:
            for child in steps:
                total += await call_later(child)
        return total
    with branches() as branch:
        # All of them end, whatever one of them raises: a cancelled task would be no fact about the run.
        results = await asyncio.gather(
            *(branch(call_later)(child) for child in children), return_exceptions=True
        )
    for result in results:
        if isinstance(result, BaseException) and what != "catch":
            raise result
    return sum(result for result in results if isinstance(result, int))


def _caught(tree: Tree) -> int:
    try:
        return call(tree)
    except PlannedError:
        return 0


def _traced(run: Any, tree: Tree) -> tuple[Collected, CommitSubscriber]:
    commit = CommitSubscriber()
    try:
        run(tree)
    except PlannedError:
        return events_of(lambda: run(tree), commit, raises=PlannedError, block_items=7), commit
    return events_of(lambda: run(tree), commit, block_items=7), commit


@settings(max_examples=60, deadline=None)
@given(TREES)
def test_random_programs(tree: Tree) -> None:
    """Every rule of the format holds, the result is the untraced one, and the run executed again matches in all."""
    trace, commit = _traced(call, tree)
    completed = trace.events[-1]["outcome"] == "completed"
    if completed:
        assert call(tree) == decode(bytes.fromhex(trace.events[-2]["output_bytes"]))
    report = reexecute([call], commit.lines, events=trace.lines)
    assert ("MATCH", []) == (report.verdict, report.unchecked)


@settings(max_examples=40, deadline=None)
@given(TREES)
def test_random_async_programs(tree: Tree) -> None:
    """The same with tasks that run at once: one order, the same in every run."""
    trace, commit = _traced(lambda t: asyncio.run(call_later(t)), tree)
    report = reexecute([call_later], commit.lines, events=trace.lines)
    assert ("MATCH", []) == (report.verdict, report.unchecked)

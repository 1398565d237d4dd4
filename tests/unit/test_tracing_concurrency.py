"""Threads and tasks: spans never mix, and the order of a trace is the program's, not the clock's."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from random import Random
from typing import Any

import plain_native
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tracing_runs import Collected, events_of, names

from proofrail.tracing import (
    CommitSubscriber,
    Tracer,
    TracingError,
    branches,
    loop,
    reexecute,
    sequence,
    tile,
)
from proofrail.tracing.spans import Position, position


@tile
def leaf(value: int) -> int:
    return value + 1


@tile
async def leaf_later(value: int, turns: int) -> int:
    for _ in range(turns):
        await asyncio.sleep(0)
    return value + 1


@sequence
def work(value: int, rounds: int) -> int:
    with loop("rounds", range(rounds)) as steps:
        for _ in steps:
            value = leaf(value)
    return value


@sequence
async def work_later(value: int, turns: list[int]) -> int:
    with loop("turns", turns) as steps:
        for count in steps:
            value = await leaf_later(value, count)
    return value


@sequence
def in_threads(jobs: list[int], depth: int) -> int:
    with branches() as branch, ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(branch(work), job, job % 5) for job in jobs]
        if depth:
            futures.append(pool.submit(branch(in_threads), jobs[:2], depth - 1))
    return sum(future.result() for future in futures) + leaf(0)


@sequence
async def in_tasks(jobs: list[list[int]]) -> int:
    with branches() as branch:
        results = await asyncio.gather(*(branch(work_later)(index, job) for index, job in enumerate(jobs)))
    return sum(results)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.lists(st.integers(0, 3), max_size=3), max_size=6), st.randoms(use_true_random=False))
def test_tasks_give_one_order(jobs: list[list[int]], shuffled: Any) -> None:
    """However the event loop interleaves them, tasks give the trace that the same calls one after another give."""
    trace = events_of(lambda: asyncio.run(in_tasks(jobs)))
    again = events_of(lambda: asyncio.run(in_tasks(jobs)))
    assert _facts(trace) == _facts(again)
    shuffled.shuffle(jobs)
    events_of(lambda: asyncio.run(in_tasks(jobs)))


def test_threads_give_one_order() -> None:
    """Many threads, branches within branches: every rule of the format holds, and every run gives the same items."""
    jobs = list(range(40))
    expected = _facts(events_of(lambda: in_threads(jobs, 2)))
    for _ in range(5):
        assert expected == _facts(events_of(lambda: in_threads(jobs, 2)))


def test_traces_at_the_same_time() -> None:
    """Tracers in many threads at once, and in many tasks of one loop, each get their own run and nothing else."""

    def run(job: int) -> list[bytes]:
        return events_of(lambda: in_threads([job, job + 1], 1)).lines

    async def run_tasks(job: int) -> list[bytes]:
        collected = Collected()
        with Tracer(collected):
            await in_tasks([[job % 3, 1], [2]])
        plain_native.check(collected.lines)
        return collected.lines

    async def all_tasks() -> list[list[bytes]]:
        return await asyncio.gather(*map(run_tasks, range(30)))

    with ThreadPoolExecutor(8) as pool:
        threads = list(pool.map(run, range(24)))
    assert 24 == len({lines[-1].split(b'"run_id":"')[1][:32] for lines in threads})
    assert [len(lines) for lines in threads] == [len(run(job)) for job in range(24)]
    tasks = asyncio.run(all_tasks())
    assert {len(tasks[0])} == {len(lines) for lines in tasks}


def test_outside_of_a_tracer_branches_are_the_functions() -> None:
    """Untraced, the same program runs the same."""
    assert in_threads([1, 2, 3], 1) == _result(events_of(lambda: in_threads([1, 2, 3], 1)))
    assert 1 + 3 == asyncio.run(in_tasks([[1], [0, 0]]))


def _result(trace: Collected) -> Any:
    from proofrail.tracing import decode

    return decode(bytes.fromhex(trace.events[-2]["output_bytes"]))


def _facts(trace: Collected) -> list[dict[str, Any]]:
    return [plain_native.without_volatile(event) for event in trace.events]


@sequence
async def undeclared(jobs: list[int]) -> int:
    async with asyncio.timeout(20):
        first = leaf(len(jobs))
        tasks = await asyncio.gather(*(_wandering(job) for job in jobs))
        threads = await asyncio.gather(*(asyncio.to_thread(work, job, 2) for job in jobs))
        async with asyncio.TaskGroup() as group:
            groups = [group.create_task(_wandering(job)) for job in jobs[:2]]
    return first + sum(tasks) + sum(threads) + sum(task.result() for task in groups) + leaf(0)


async def _wandering(job: int) -> int:
    """Untraced, at a pace of its own in every run, with traced calls and tasks of its own."""
    for _ in range(_PACE.randrange(4)):
        await asyncio.sleep(0)
    one = leaf(job)
    for _ in range(_PACE.randrange(4)):
        await asyncio.sleep(0)
    inner = await asyncio.gather(work_later(job, [0, job % 3]), leaf_later(job, _TURNS))
    return one + sum(inner)


_PACE = Random(7)  # noqa: S311
_TURNS = 2


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 3), max_size=6))
def test_undeclared_tasks_and_threads(jobs: list[int]) -> None:
    """What runs in tasks and threads of the sequence's context is traced without further ado, and in an order that
    does not depend on who was faster."""
    commit = CommitSubscriber()
    trace = events_of(lambda: asyncio.run(undeclared(jobs)), commit)
    for _ in range(3):
        report = reexecute([undeclared], commit.lines, events=trace.lines)
        assert ("MATCH", []) == (report.verdict, report.unchecked)
    assert asyncio.run(undeclared(jobs)) == _result(trace)


def test_a_failing_branch_fails_its_sequence() -> None:
    """The exception of a branch is recorded in the branch and in what it leaves, with one origin; the others stay."""

    @tile
    def refuse(value: int) -> int:
        if value == 1:
            raise ValueError(value)
        return value

    @sequence
    def all_of(values: list[int]) -> int:
        with branches() as branch, ThreadPoolExecutor(4) as pool:
            futures = [pool.submit(branch(refuse), value) for value in values]
        return sum(future.result() for future in futures)

    trace = events_of(lambda: all_of([0, 1, 2]), raises=ValueError)
    assert [
        "TraceStart",
        "SequenceStart all_of",
        "TileStart refuse",
        "TileEnd refuse",
        "TileStart refuse",
        "TileFailure refuse",
        "TileStart refuse",
        "TileEnd refuse",
        "SequenceFailure all_of",
        "TraceEnd",
    ] == names(trace.events)
    assert trace.events[5]["error"] == trace.events[8]["error"]


def test_inline_branches() -> None:
    """A branch may run in the thread that made it; branches that call nothing leave no mark."""

    @sequence
    def inline() -> int:
        with branches() as branch:
            first = branch(leaf)(1)
            branch(lambda: None)()
            branch(leaf)
        return first

    trace = events_of(inline)
    assert ["TraceStart", "SequenceStart inline", "TileStart leaf", "TileEnd leaf"] == names(trace.events)[:4]

    @sequence
    def nothing() -> None:
        with branches() as branch:
            branch(lambda: None)()

    assert "TileStart nothing" in names(events_of(nothing).events)


@sequence
async def calls_beside_tasks() -> None:
    task = asyncio.create_task(leaf_later(1, 5))
    await asyncio.sleep(0)
    try:
        leaf(1)
    finally:
        await task


@sequence
async def ends_beside_tasks() -> None:
    _LEFT.append(asyncio.create_task(leaf_later(1, 5)))
    await asyncio.sleep(0)


async def calls_after_its_end() -> None:
    release = asyncio.Event()

    async def twice() -> None:
        leaf(1)
        await release.wait()
        leaf(2)

    @sequence
    async def leaves() -> asyncio.Task[None] | None:
        _TASKS.append(asyncio.create_task(twice()))
        await asyncio.sleep(0)
        return None

    await leaves()
    release.set()
    await _TASKS.pop()


_TASKS: list[asyncio.Task[None]] = []


@sequence
def loops_across_threads() -> None:
    with loop("x", [1, 2]) as steps:
        next(steps)
        context = copy_context()
        thread = threading.Thread(target=lambda: context.run(_quietly, next, steps))
        thread.start()
        thread.join()


def _quietly(call: Callable[..., Any], *args: Any) -> None:
    with contextlib.suppress(TracingError):
        call(*args)


@sequence
def stepped_by_hand() -> None:
    one, other = leaf_later(1, 1), leaf_later(2, 1)
    try:
        one.send(None)
        other.send(None)
    finally:
        one.close()
        other.close()


@sequence
def runs_on() -> None:
    started, release = threading.Event(), threading.Event()

    def stay() -> None:
        started.set()
        release.wait(10)

    with ThreadPoolExecutor(1) as pool:
        try:
            with branches() as branch:
                pool.submit(branch(stay))
                assert started.wait(10)
        finally:
            release.set()


@sequence
def calls_beside_branches() -> None:
    with branches() as branch:
        branch(leaf)(1)
        leaf(2)


@sequence
def runs_a_branch_twice() -> None:
    with branches() as branch:
        once = branch(leaf)
        once(1)
        once(2)


@sequence
def makes_a_branch_too_late() -> None:
    with branches() as branch:
        pass
    branch(leaf)


@sequence
def runs_a_branch_too_late() -> None:
    with branches() as branch:
        late = branch(leaf)
    late(1)


@sequence
def forks_in_a_bare_branch() -> None:
    def fork() -> None:
        with branches():
            pass

    with branches() as branch:
        branch(fork)()


@sequence
async def leaves_a_task() -> None:
    task = asyncio.get_running_loop().create_task(leaf_later(1, 0))
    _LEFT.append(task)


_LEFT: list[asyncio.Task[int]] = []


async def _wait_for_left() -> None:
    await leaves_a_task()
    with pytest.raises(TracingError, match="span-ended"):
        await _LEFT.pop()


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: asyncio.run(calls_beside_tasks()), "span-overlap"),
        (lambda: asyncio.run(ends_beside_tasks()), "span-overlap"),
        (lambda: asyncio.run(calls_after_its_end()), "span-ended"),
        (loops_across_threads, "span-foreign"),
        (stepped_by_hand, "tile-calls"),
        (runs_on, "branch-open"),
        (calls_beside_branches, "span-overlap"),
        (runs_a_branch_twice, "branch-misused"),
        (makes_a_branch_too_late, "branch-misused"),
        (runs_a_branch_too_late, "branch-misused"),
        (forks_in_a_bare_branch, "branch-misused"),
        (lambda: asyncio.run(_wait_for_left()), "span-ended"),
    ],
)
def test_concurrency_that_has_no_order_is_refused(call: Callable[[], Any], code: str) -> None:
    """A call whose place in the trace would be an accident of timing spoils the trace, whatever the timing was."""
    collected = Collected()
    with pytest.raises(TracingError) as caught, Tracer(collected):
        call()
    assert code == caught.value.code
    assert collected.completed is None


def test_a_new_thread_is_outside_of_the_tracer() -> None:
    """A thread without the tracer's context runs its functions plainly: its calls are nobody's spans."""

    @sequence
    def starts_a_thread() -> int:
        found: list[int] = []
        thread = threading.Thread(target=lambda: found.append(leaf(1)))
        thread.start()
        thread.join()
        return found[0]

    assert "TileStart leaf" not in names(events_of(starts_a_thread).events)


def test_a_coroutine_that_is_thrown_away_in_another_trace() -> None:
    """Where it ends is an accident: it moves nobody else's position, and no call of the other trace is lost."""
    stepped: list[Any] = []

    @sequence
    def begins() -> None:
        stepped.append(leaf_later(1, 5))
        stepped[0].send(None)

    @sequence
    def throws_away() -> None:
        leaf(0)
        stepped.clear()
        gc.collect()
        leaf(1)

    with pytest.raises(TracingError, match="span-overlap"), Tracer():
        begins()
    assert 2 == names(events_of(throws_away).events).count("TileStart leaf")


def test_closed_tracers_are_let_go() -> None:
    """However a trace ended, the next one does not hold on to it."""
    closed = []
    for _ in range(3):
        with contextlib.suppress(TracingError), Tracer() as tracer:
            copy_context().run(leaf, 1)
            position.set(Position(tracer, None, lambda _: None, None))
        closed.append(weakref.ref(tracer))
        position.set(Position(tracer, None, lambda _: None, None))
        del tracer
    with Tracer():
        leaf(1)
    gc.collect()
    assert [None] * 3 == [found() for found in closed]


def test_closing_while_calls_are_open() -> None:
    """A tracer that is closed from within the outermost call is not sealed."""
    collected = Collected()
    tracer = Tracer(collected)

    @sequence
    def closes() -> None:
        with pytest.raises(TracingError, match="trace-open"):
            tracer.close()

    with tracer:
        closes()
    assert collected.completed is None
    assert not tracer.sealed

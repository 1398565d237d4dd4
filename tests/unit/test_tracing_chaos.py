"""Programs that use everything wrongly: whatever they do, a trace that is sealed keeps every rule of the format."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

import plain_native
from hypothesis import given, settings
from hypothesis import strategies as st
from tracing_runs import Collected

from proofrail.audit.invariants.check import check_events_alone
from proofrail.tracing import Tracer, branches, loop, sequence, tile

Op = tuple[str, int]

_LEFT: list[Any] = []
"""Coroutines that are thrown away later, while something else is traced."""
_SEALED = {True: 0, False: 0}


@tile
def leaf(value: int) -> int:
    if value == 3:
        raise ValueError(value)
    return value


@tile
async def leaf_later(value: int) -> int:
    for _ in range(value):
        await asyncio.sleep(0)
    return value


@sequence
async def sequence_later(value: int) -> int:
    first = await leaf_later(value)
    return first + leaf(0)


@sequence
def inner(ops: list[list[Any]]) -> None:
    _run([(name, which) for name, which in ops])


@sequence
def chaos(ops: list[list[Any]]) -> None:
    _run([(name, which) for name, which in ops])


def _run(ops: list[Op]) -> None:
    loops: list[Any] = []
    blocks: list[Any] = []
    del _LEFT[3:]
    forked: list[Callable[[], Any]] = []
    stepped: list[Any] = []

    def in_thread(call: Callable[[], Any]) -> None:
        def quietly() -> None:
            with contextlib.suppress(Exception):
                call()

        thread = threading.Thread(target=quietly)
        thread.start()
        thread.join()

    for name, which in ops:
        if name == "tile":
            leaf(which)
        elif name == "caught":
            with contextlib.suppress(Exception):
                leaf(which)
        elif name == "inner":
            inner([["tile", 0]] * which)
        elif name == "raise":
            raise KeyError(which)
        elif name == "enter loop":
            loops.append(loop("loop", range(which)))
            loops[-1].__enter__()
        elif name == "next" and loops:
            next(loops[which % len(loops)], None)
        elif name == "exit loop" and loops:
            loops.pop(which % len(loops)).__exit__(None, None, None)
        elif name == "fail loop" and loops:
            error = OSError()
            loops.pop(which % len(loops)).__exit__(OSError, error, None)
        elif name == "enter branches":
            blocks.append(branches())
            blocks[-1].__enter__()
        elif name == "fork" and blocks:
            made = blocks[which % len(blocks)](leaf)
            forked.append(lambda made=made, which=which: made(which))
        elif name == "run branch" and forked:
            with contextlib.suppress(ValueError):
                forked[which % len(forked)]()
        elif name == "branch in thread" and forked:
            in_thread(forked[which % len(forked)])
        elif name == "exit branches" and blocks:
            blocks.pop(which % len(blocks)).__exit__(None, None, None)
        elif name == "thread":
            context = copy_context()
            in_thread(lambda context=context, which=which: context.run(leaf, which))
        elif name == "bare thread":
            in_thread(lambda which=which: leaf(which))
        elif name == "begin step":
            stepped.append((leaf_later if which % 2 else sequence_later)(which))
            with contextlib.suppress(StopIteration):
                stepped[-1].send(None)
        elif name == "step" and stepped:
            with contextlib.suppress(StopIteration):
                stepped[which % len(stepped)].send(None)
        elif name == "close step" and stepped:
            stepped.pop(which % len(stepped)).close()
        elif name == "leave step" and stepped:
            _LEFT.append(stepped.pop())
    for coroutine in stepped:
        coroutine.close()


_NAMES = """
tile/caught/inner/raise/enter loop/next/next/exit loop/exit loop/fail loop/enter branches/fork/run branch/
branch in thread/exit branches/thread/bare thread/begin step/step/close step/leave step
"""
OPS = st.lists(
    st.tuples(st.sampled_from(_NAMES.replace("\n", "").split("/")), st.integers(0, 3)), max_size=14
)


@settings(max_examples=150, deadline=None)
@given(OPS)
def test_what_is_sealed_is_sound(ops: list[Op]) -> None:
    """A trace is sealed and keeps every rule, or it is not sealed, has no TraceEnd a subscriber could commit to as
    complete, and its fault has a code."""
    collected = Collected()
    tracer = Tracer(collected)
    with contextlib.suppress(Exception), tracer:
        chaos([[name, which] for name, which in ops])
    assert tracer.sealed == (collected.completed is not None)
    assert tracer.sealed == (tracer.fault is None)
    if tracer.sealed:
        plain_native.check(collected.lines)
        violations, _ = check_events_alone(lambda: collected.lines)
        assert [] == violations
    else:
        assert collected.abandoned is tracer.fault
    _SEALED[tracer.sealed] += 1


def test_both_kinds_of_programs_were_made() -> None:
    """The programs above are neither all sound nor all spoilt, or the test above would say little."""
    if not all(_SEALED.values()):  # this test alone
        test_what_is_sealed_is_sound()
    assert min(_SEALED.values()) > 10

"""A block ends with the work beside it, and that work with the block."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from proofrail.messaging.following import beside
from proofrail.proving import child


class GoneError(Exception):
    """The work beside the block has failed."""


class Work:
    """Works until it is told to fail, or is cancelled, which it notes."""

    def __init__(self) -> None:
        self.fail = asyncio.Event()
        self.cancelled = False

    async def __call__(self) -> None:
        try:
            await self.fail.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        raise GoneError


async def _in_block(work: Work, block: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async with beside(work()):
        await block()


async def _for_ever() -> None:
    await asyncio.Event().wait()


async def test_a_block_ends_with_the_error_of_the_work_beside_it() -> None:
    """At once, however long the block would go on; the task that was in it is not left cancelled."""
    work = Work()
    asyncio.get_running_loop().call_soon(work.fail.set)
    with pytest.raises(GoneError):
        await _in_block(work, _for_ever)
    task = asyncio.current_task()
    assert task is not None
    assert 0 == task.cancelling()


async def test_a_block_that_swallows_its_end_still_ends_with_the_error() -> None:
    """Nothing may be made of what was done while nobody kept the membership."""
    work = Work()

    async def stubborn() -> None:
        with pytest.raises(asyncio.CancelledError):
            await asyncio.Event().wait()

    asyncio.get_running_loop().call_soon(work.fail.set)
    with pytest.raises(GoneError):
        await _in_block(work, stubborn)


@pytest.mark.parametrize("how", ["returns", "raises"])
async def test_the_work_ends_with_the_block(how: str) -> None:
    """Whether the block comes to its end or fails, with an error of its own then."""
    work = Work()
    if how == "returns":
        await _in_block(work, lambda: asyncio.sleep(0))
    else:

        async def failing() -> None:
            await asyncio.sleep(0)
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await _in_block(work, failing)
    assert work.cancelled


@pytest.mark.parametrize("also_failed", [False, True])
async def test_whoever_is_cancelled_from_outside_stays_cancelled(also_failed: bool) -> None:
    """Also when the work beside the block fails in the same moment."""
    work = Work()
    task = asyncio.create_task(_in_block(work, _for_ever))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    if also_failed:
        work.fail.set()
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert work.cancelled is not also_failed


async def test_work_that_fails_as_the_block_ends_is_not_overlooked() -> None:
    """In the turn of the loop in which the block ends, there is nothing left to cancel."""
    work = Work()

    async def ends_with_it() -> None:
        await asyncio.sleep(0)
        work.fail.set()
        await asyncio.sleep(0)

    with pytest.raises(GoneError):
        await _in_block(work, ends_with_it)
    task = asyncio.current_task()
    assert task is not None
    assert 0 == task.cancelling()


async def test_a_process_started_in_the_block_ends_with_it(tmp_path: Path) -> None:
    """As a prover's does when its service can no longer publish the proof."""
    work = Work()
    pids: list[int] = []

    def started(line: str) -> None:
        pids.append(int(line))
        work.fail.set()

    code = "import os, sys, time; print(os.getpid(), file=sys.stderr, flush=True); time.sleep(600)"
    with pytest.raises(GoneError):
        async with asyncio.timeout(20), beside(work()):
            await child.run([sys.executable, "-c", code], cwd=str(tmp_path), timeout=None, on_line=started)
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)

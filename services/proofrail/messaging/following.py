"""Work beside other work, such as views that follow their topics: the first failure of any ends all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from proofrail.messaging.views import View


async def run_beside(work: Coroutine[Any, Any, None], *views: View) -> None:
    """Run `work` to its end while `views` follow. Raises what the work or a view raised first."""
    await first_of(work, *(view.follow() for view in views))


async def first_of(*works: Coroutine[Any, Any, object]) -> None:
    """Run all of `works` until one of them ends, and end the others. Raises what the first one raised."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run `work` beside the block, and end it with the block. When `work` fails, the block is cancelled and ends with
    the error of `work`; a task that somebody else cancels meanwhile stays cancelled.

    By hand, as asyncio.TaskGroup wraps the block's own errors into groups, and before Python 3.13 lets an error of a
    task win over a cancellation from outside.
    """
    owner = asyncio.current_task()
    if owner is None:
        raise RuntimeError("a block that other work can end must be in a task")
    cancelled_before = owner.cancelling()
    in_block, ended_it = True, False

    def end_block(task: asyncio.Task[None]) -> None:
        nonlocal ended_it
        if not task.cancelled() and task.exception() is not None and in_block:
            ended_it = owner.cancel()

    task = asyncio.create_task(work)
    task.add_done_callback(end_block)
    try:
        yield
    finally:
        in_block = False
        task.cancel()
        others = (owner.uncancel() if ended_it else owner.cancelling()) > cancelled_before
        await asyncio.wait({task})
        if ended_it and not others:
            task.result()
    if not task.cancelled():
        task.result()

"""Work beside other work, such as views that follow their topics: the first failure of any ends all."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
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

"""Work beside views that follow their topics: the first failure of either ends both."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from proofrail.messaging.views import View


async def run_beside(work: Coroutine[Any, Any, None], *views: View) -> None:
    """Run `work` to its end while `views` follow. Raises what the work or a view raised first."""
    tasks = [asyncio.create_task(work), *(asyncio.create_task(view.follow()) for view in views)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

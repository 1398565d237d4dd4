"""What a command is doing, for whoever waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from rich.console import Console
from rich.status import Status

_EVERY_S: Final = 0.1


class LiveLine:
    """A line that changes in place on a terminal; elsewhere, with `lines`, a line for each new thing that is done."""

    def __init__(self, console: Console, *, lines: bool = True) -> None:
        self._console = console
        self._lines = lines
        self._status: Status | None = None
        self._said = ""

    def say(self, text: str) -> None:
        """The words up to the first comma say what is done, the rest how far it is."""
        if self._console.is_terminal:
            if self._status is None:
                self._status = self._console.status(text)
                self._status.start()
            self._status.update(text)
        elif self._lines and (stage := text.split(",")[0]) != self._said:
            self._said = stage
            self._console.print(stage)

    def end(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None


@asynccontextmanager
async def telling(line: LiveLine, doing: Callable[[], str], *, after_s: float = 0.0) -> AsyncIterator[None]:
    """Say what `doing` gives, again and again, while the block runs for longer than `after_s` seconds."""

    async def tell() -> None:
        await asyncio.sleep(after_s)
        while True:
            line.say(doing())
            await asyncio.sleep(_EVERY_S)

    task = asyncio.create_task(tell())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        line.end()

"""How far a proof is, for who waits: a clock on a terminal, lines elsewhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.progress import Progress as Display
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

from proofrail.cli.output import note, stderr
from proofrail.proving.backend import Progress
from proofrail.proving.cost import in_words

_SILENCE_S: Final = 60
"""A reader of a log who saw no line for so long would wonder."""
_WORTH_A_LINE_S: Final = 1


class ProvingProgress:
    """Tells the stages of one proof on stderr, beside the seconds that are expected for all of them."""

    def __init__(self, expected_seconds: float) -> None:
        self._expected = f"about {in_words(expected_seconds)} expected"
        self._display = Display(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            TextColumn(f"({self._expected})"),
            console=stderr,
            transient=True,
            disable=not stderr.is_terminal,
        )
        self._task = self._display.add_task("prove")
        self._stage = "prove"
        self._began = time.monotonic()

    def tell(self, progress: Progress) -> None:
        """A stage began or ended."""
        if progress.seconds is None:
            self._stage = progress.stage
            self._display.update(self._task, description=progress.stage)
        elif progress.seconds >= _WORTH_A_LINE_S and not stderr.is_terminal:
            note(f"{progress.stage}: {progress.seconds:.1f} s")

    @contextmanager
    def shown(self) -> Iterator[None]:
        """While this lasts, time is told too. Only in a running event loop."""
        beating = asyncio.create_task(self._beat()) if not stderr.is_terminal else None
        try:
            with self._display:
                yield
        finally:
            if beating is not None:
                beating.cancel()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(_SILENCE_S)
            note(f"{self._stage} … {in_words(time.monotonic() - self._began)}, {self._expected}")

"""What a command is doing, for whoever waits for it."""

from __future__ import annotations

from rich.console import Console
from rich.status import Status


class LiveLine:
    """A line that changes in place on a terminal; elsewhere a line for each new thing that is done."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None
        self._said = ""

    def say(self, text: str) -> None:
        """The words up to the first comma say what is done, the rest how far it is."""
        if self._console.is_terminal:
            if self._status is None:
                self._status = self._console.status(text)
                self._status.start()
            self._status.update(text)
        elif (stage := text.split(",")[0]) != self._said:
            self._said = stage
            self._console.print(stage)

    def end(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None

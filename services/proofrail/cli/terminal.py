"""Consoles that published text cannot steer, on terminals of any encoding."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment


def prepare_stdout() -> None:
    """Write `?` for a character that stdout's encoding lacks, where Python would raise UnicodeEncodeError: the words
    beside a mark say the same. JSON is written as bytes, always in UTF-8. Where stdout is closed, what is said is lost,
    and the status still tells."""
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - for as long as the process lives
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


class SafeConsole(Console):
    """Shows control characters as U+FFFD: what was published must not steer the terminal it is looked at on."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            text = segment.text
            if segment.control is None and not text.isprintable() and text != "\n":
                text = "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)
                yield Segment(text, segment.style)
            else:
                yield segment

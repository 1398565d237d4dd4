"""Consoles that published text cannot steer."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment


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

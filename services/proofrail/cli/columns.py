"""Rows in columns of a fixed width, each on one line: for lists that grow while they are printed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from rich.text import Text

from proofrail.cli.terminal import SafeConsole

Cell = str | tuple[str, str]
"""A text, or a text and its style."""


class Columns:
    """Prints rows on stdout under a head. A cell that is too long is cut, the last one at the edge of the terminal."""

    def __init__(self, columns: Sequence[tuple[str, int]], last: str) -> None:
        """`columns` are names and widths; `last` is the name of the one that has the rest of the line."""
        self._widths: Final = [width for _, width in columns]
        self._head: Final = [name for name, _ in columns] + [last]
        self._console: Final = SafeConsole(file=sys.stdout, highlight=False)
        self._begun = False

    def row(self, *cells: Cell) -> None:
        """Print a row; with the first one, the head."""
        if not self._begun:
            self._begun = True
            self._print([(name, "bold") for name in self._head])
        self._print(cells)

    def _print(self, cells: Sequence[Cell]) -> None:
        row = Text()
        for place, cell in enumerate(cells):
            text, style = (cell, "") if isinstance(cell, str) else cell
            row.append(self._fitted(text, place), style=style)
        self._console.print(row, no_wrap=True, overflow="ellipsis", crop=True)

    def _fitted(self, text: str, place: int) -> str:
        if place >= len(self._widths):
            return text
        width = self._widths[place]
        cut = text if len(text) <= width else text[: width - 1] + "…"
        return f"{cut:<{width}} "

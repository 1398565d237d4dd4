"""Rows in columns of a fixed width, each on one line: for lists that grow while they are printed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.text import Text

from proofrail.cli.terminal import SafeConsole

Cell = str | tuple[str, str]
"""A text, or a text and its style."""

_LAST: Final = 20
"""What the last column has at least."""


@dataclass(frozen=True)
class Column:
    """One of them. `least`: how narrow it may become on a narrow terminal; 0 for one that may be left out there; None
    for one that keeps its width."""

    name: str
    width: int
    least: int | None = None
    mark: str = "…"
    """Stands where a cell was cut."""


class Columns:
    """Prints rows on stdout under a head. A cell that is too long is cut, the last one at the edge of the terminal."""

    def __init__(self, columns: Sequence[Column], last: str) -> None:
        """`last` is the name of the column that has the rest of the line."""
        self._console: Final = SafeConsole(file=sys.stdout, highlight=False)
        self._columns: Final = columns
        self._widths: Final = fitted(columns, self._console.width)
        self._head: Final = [one.name for one in columns] + [last]
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
            row.append(self._cut(text, place), style=style)
        self._console.print(row, no_wrap=True, overflow="ellipsis", crop=True)

    def _cut(self, text: str, place: int) -> str:
        if place >= len(self._widths):
            return text
        width = self._widths[place]
        if not width:
            return ""
        mark = self._columns[place].mark
        cut = text if len(text) <= width else text[: width - len(mark)] + mark
        return f"{cut:<{width}} "


def fitted(columns: Sequence[Column], room: int) -> list[int]:
    """Their widths where a line has so much room: some are left out, then the widest become narrower, until the last
    column has enough of it or there is nothing left to take."""
    widths = [one.width for one in columns]

    def missing() -> int:
        return sum(width + 1 for width in widths if width) + _LAST - room

    for place in reversed(range(len(columns))):
        if missing() > 0 and columns[place].least == 0:
            widths[place] = 0
    while missing() > 0:
        narrower = [
            place
            for place, one in enumerate(columns)
            if one.least is not None and widths[place] > max(1, one.least)
        ]
        if not narrower:
            break
        widths[max(narrower, key=lambda place: widths[place])] -= 1
    return widths

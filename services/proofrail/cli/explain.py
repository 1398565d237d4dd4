"""`proofrail explain`: what a code means, why it happens, what to do."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from proofrail.cli.codes.catalogue import AREAS, ENTRIES, nearest
from proofrail.cli.codes.entry import Area, Entry
from proofrail.cli.meant import completing
from proofrail.cli.output import command, emit_json, wants_json
from proofrail.cli.terminal import SafeConsole
from proofrail.wire.errors import UnusableInputError


def known_codes() -> list[str]:
    """All of them, by the alphabet."""
    return sorted(ENTRIES)


def explain(
    code: Annotated[
        str | None,
        typer.Argument(
            metavar="CODE",
            help="A code, or the beginning of several.",
            show_default=False,
            autocompletion=completing(known_codes),
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line for each code.")] = False,
) -> None:
    """Explain a code: of an error, a mismatch, an undecided part, a violation, a dead letter, a failed run.

    Says what it means, why it happens, what to do, and where it is defined. Without CODE it lists all of them
    by area; with the beginning of several codes, such as `proposal-`, those. A code that two parts give is
    explained for both.

    \b
    Exit status:
      0  explained
      2  there is no such code: the nearest ones are named

    \b
    Examples:
      proofrail explain assert-failed
      proofrail explain malformed-
      proofrail explain --json | jq -r .code
    """
    with command():
        exact = None if code is None else code.strip().strip("[]").lower()
        areas = AREAS if exact is None else matching(exact)
        if wants_json(as_json):
            for area in areas:
                for entry in area.entries:
                    emit_json(entry.to_object())
            return
        console = SafeConsole(file=sys.stdout, highlight=False)
        for area in areas:
            if exact not in ENTRIES:
                _print_area(console, area)
                continue
            for entry in area.entries:
                _print_entry(console, area, entry)


def matching(code: str) -> list[Area]:
    """The entries of a code, or of those that begin so, in their areas. Raises UnusableInputError `code-unknown`."""
    exact = code in ENTRIES
    found = [
        Area(area.name, area.title, area.spec, chosen)
        for area in AREAS
        if (
            chosen := tuple(
                entry
                for entry in area.entries
                if (entry.code == code if exact else code.endswith("-") and entry.code.startswith(code))
            )
        )
    ]
    if not found:
        alike = nearest(code)
        raise UnusableInputError(
            "code-unknown",
            f"there is no code {code}",
            f"Did you mean {', '.join(alike)}?" if alike else "`proofrail explain` lists all codes.",
        )
    return found


def _print_area(console: Console, area: Area) -> None:
    console.print(Text(f"{area.title}", style="bold"))
    table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 2))
    table.add_column(style="cyan", no_wrap=True)
    table.add_column()
    for entry in area.entries:
        table.add_row(Text(entry.code), Text(entry.means))
    console.print(table)
    console.print()


def _print_entry(console: Console, area: Area, entry: Entry) -> None:
    title = Text(entry.code, style="bold cyan")
    title.append(f"  {area.title}", style="not bold dim")
    console.print(title)
    table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, text in (
        ("means", entry.means),
        ("why", entry.why),
        ("do", entry.remedy),
        ("defined", entry.spec),
    ):
        table.add_row(Text(name), Text(text))
    console.print(table)

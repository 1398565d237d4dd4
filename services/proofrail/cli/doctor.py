"""`proofrail doctor`: whether this host has what Proofrail needs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from rich.table import Table
from rich.text import Text

from proofrail.cli.home import Home
from proofrail.cli.output import Exit, ExitError, command, emit_json, file_error, wants_json
from proofrail.cli.run_options import HomeOption, JsonOption
from proofrail.cli.terminal import SafeConsole

if TYPE_CHECKING:
    from proofrail.cli.doctor_checks import Found

_MARKS: Final = {"ok": "✓", "warning": "!", "broken": "✗", "absent": "·"}
_STYLES: Final = {"ok": "green", "warning": "yellow", "broken": "bold red", "absent": "dim"}
_WIDTHS: Final = (9, 24)


def doctor(as_json: JsonOption = False, home: HomeOption = None) -> None:
    """Look at everything that Proofrail needs on this host, and say how to mend what is wrong.

    The native part and the prover (and whether they run on this processor), memory and disks, Java and Kafka's files
    for the embedded broker, keys; the broker, its topics and clock where one runs; Stone and a chain where they are
    configured. What is optional and not there is named, and is no fault.

    \b
    Exit status:
      0  all that is needed works
      1  something that is needed is broken

    \b
    Examples:
      proofrail doctor
      proofrail doctor --json | jq 'select(.state == "broken")'
    """
    with command():
        console = SafeConsole(file=sys.stdout, highlight=False)
        broken = 0
        for found in _all(Home.at(home)):
            broken += found.state == "broken"
            if wants_json(as_json):
                emit_json(found.to_object())
            else:
                console.print(_row(found))
        raise ExitError(Exit.NEGATIVE if broken else Exit.OK)


def _all(home: Home) -> Iterator[Found]:
    """As they are found: some take a second."""
    from proofrail.cli.doctor_broker import broker
    from proofrail.cli.doctor_checks import CHECKS, Found

    for check in CHECKS:
        try:
            yield check(home)
        except OSError as error:
            # What cannot be looked at is a finding like any other: the rest is looked at all the same.
            refused = file_error(error)
            yield Found(check.__name__.replace("_", " "), "broken", refused.message, refused.next_step or "")
    yield from asyncio.run(broker(home))


def _row(found: Found) -> Table:
    """Each is a table of its own, of the same widths: they are shown as they are found."""
    says = Text(found.says, overflow="fold")
    if found.fix and found.state != "ok":
        says.append(f"\nfix: {found.fix}", style="dim" if found.state == "absent" else "")
    row = Table.grid(padding=(0, 1))
    for width in _WIDTHS:
        row.add_column(width=width)
    row.add_column(ratio=1)
    row.add_row(
        Text(f"{_MARKS[found.state]} {found.state}", style=_STYLES[found.state]),
        Text(found.part, style="bold"),
        says,
    )
    return row

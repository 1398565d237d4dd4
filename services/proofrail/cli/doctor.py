"""`proofrail doctor`: whether this host has what Proofrail needs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from rich.text import Text

from proofrail.cli.home import Home
from proofrail.cli.output import Exit, ExitError, command, emit_json, wants_json
from proofrail.cli.run_options import HomeOption, JsonOption
from proofrail.cli.terminal import SafeConsole

if TYPE_CHECKING:
    from proofrail.cli.doctor_checks import Found

_MARKS: Final = {"ok": "✓", "warning": "!", "broken": "✗", "absent": "·"}
_STYLES: Final = {"ok": "green", "warning": "yellow", "broken": "bold red", "absent": "dim"}


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
                console.print(_line(found), soft_wrap=True)
        raise ExitError(Exit.NEGATIVE if broken else Exit.OK)


def _all(home: Home) -> Iterator[Found]:
    """As they are found: some take a second."""
    from proofrail.cli.doctor_broker import broker
    from proofrail.cli.doctor_checks import CHECKS

    for check in CHECKS:
        yield check(home)
    yield from asyncio.run(broker(home))


def _line(found: Found) -> Text:
    line = Text()
    line.append(f"{_MARKS[found.state]} {found.state:<8}", style=_STYLES[found.state])
    line.append(f"{found.part:<26}", style="bold")
    line.append(found.says)
    if found.fix and found.state != "ok":
        line.append(f"\n{'':<36}fix: {found.fix}", style="dim" if found.state == "absent" else "")
    return line

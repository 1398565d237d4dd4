"""How commands for operators are told which run, and where."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final

import typer

from proofrail.cli.home import Home
from proofrail.cli.recent import recent_runs
from proofrail.wire.errors import UnusableInputError

_PREFIX: Final = re.compile(r"[0-9a-f]{4,32}")


def complete_run(incomplete: str) -> list[str]:
    """The runs shown lately that begin so: a shell asks this at each press of the tab key, so no broker is asked."""
    return [run for run in recent_runs(Home.at(None)) if run.startswith(incomplete)]


RunArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="A run_id, or its first four or more characters.", autocompletion=complete_run
    ),
]
HomeOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Home folder of the system.", show_default="PROOFRAIL_HOME or ./.proofrail"
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="NDJSON on stdout (the default when piped).")]


def run_prefix(given: str) -> str:
    """The beginning of a run_id. Raises UnusableInputError `run-id-malformed`."""
    found = given.strip().lower()
    if not _PREFIX.fullmatch(found):
        raise UnusableInputError(
            "run-id-malformed",
            f"{given!r:.80} is no run_id, nor the beginning of one",
            "Give four or more of its hexadecimal characters; `proofrail status` lists the runs.",
        )
    return found

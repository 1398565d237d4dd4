"""Commands for operators: what a running system does, what is stuck in it, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import typer

from proofrail.cli import dlq, key_files
from proofrail.cli.export import export
from proofrail.cli.offline import help_of
from proofrail.cli.tail import tail

_COMMANDS: Final[tuple[Callable[..., None], ...]] = (tail, export)

_GROUPS: Final[dict[str, tuple[str, dict[str, Callable[..., None]]]]] = {
    "dlq": (dlq.HELP, dlq.COMMANDS),
    "keys": (key_files.HELP, key_files.COMMANDS),
}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for function in _COMMANDS:
        app.command(help=help_of(function))(function)
    for name, (text, commands) in _GROUPS.items():
        group = typer.Typer(no_args_is_help=True)
        for verb, function in commands.items():
            group.command(verb, help=help_of(function))(function)
        app.add_typer(group, name=name, help=text)

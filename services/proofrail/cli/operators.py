"""Commands for operators: what a running system does, what is stuck in it, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import typer

from proofrail.cli import dlq, key_files, topics_command
from proofrail.cli.config import config
from proofrail.cli.doctor import doctor
from proofrail.cli.export import export
from proofrail.cli.offline import help_of
from proofrail.cli.replay import replay
from proofrail.cli.requeue import requeue
from proofrail.cli.status_command import status
from proofrail.cli.tail import tail

_COMMANDS: Final[tuple[Callable[..., None], ...]] = (status, tail, requeue, export, replay, doctor, config)

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
    made = typer.Typer(invoke_without_command=True, callback=topics_command.topics)
    for verb, function in topics_command.COMMANDS.items():
        made.command(verb, help=help_of(function))(function)
    app.add_typer(made, name="topics", help=help_of(topics_command.topics), short_help=topics_command.HELP)

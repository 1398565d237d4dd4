"""Commands for operators: what a running system does, what is stuck in it, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import typer

from proofrail.cli.export import export
from proofrail.cli.offline import help_of

_COMMANDS: Final[tuple[Callable[..., None], ...]] = (export,)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for function in _COMMANDS:
        app.command(help=help_of(function))(function)

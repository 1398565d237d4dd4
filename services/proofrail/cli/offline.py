"""Commands without Kafka: to make, check, audit, prove, verify and read runs, and to put contracts on a chain."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Final

import typer

from proofrail.cli import chain, raster
from proofrail.cli.audit import audit
from proofrail.cli.calibrate import calibrate
from proofrail.cli.check import check
from proofrail.cli.commit import commit
from proofrail.cli.diff import diff
from proofrail.cli.explain import explain
from proofrail.cli.params import params
from proofrail.cli.prove import prove
from proofrail.cli.show import show
from proofrail.cli.trace import trace
from proofrail.cli.verify import verify

_COMMANDS: Final[tuple[Callable[..., None], ...]] = (
    trace,
    commit,
    audit,
    check,
    params,
    calibrate,
    prove,
    verify,
    show,
    diff,
    explain,
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for function in _COMMANDS:
        app.command(help=help_of(function))(function)
    for title, group in (("raster", raster), ("chain", chain)):
        commands = typer.Typer(no_args_is_help=True)
        for name, function in group.COMMANDS.items():
            commands.command(name, help=help_of(function))(function)
        app.add_typer(commands, name=title, help=group.HELP)


def help_of(function: Callable[..., None]) -> str:
    """The docstring with each paragraph on one line: the terminal wraps it, save paragraphs that begin with
    \\b.
    """
    paragraphs = inspect.cleandoc(function.__doc__ or "").split("\n\n")
    return "\n\n".join(p if p.startswith("\b") else " ".join(p.split("\n")) for p in paragraphs)

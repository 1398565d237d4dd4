"""All commands of `proofrail`, as one application."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from proofrail.cli import offline, online, operators

app = typer.Typer(
    name="proofrail",
    help=(
        "Allocation decisions that are executed, traced, proven and audited.\n\n"
        "Start with `proofrail demo`. `up` runs the whole system, `propose` gives it work; `trace`, `commit`, "
        "`check`, `audit`, `prove` and `verify` work on files, without Kafka; `show` and `diff` let people read a run, "
        "`explain` says what a code means.\n\n"
        "Exit status: 0 done or accepted, 1 a negative verdict, 2 unusable input, 3 undecided because a part is "
        "missing, 130 interrupted."
    ),
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"proofrail {version('proofrail')}")
        raise typer.Exit


@app.callback()
def _all(
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_tell_version, is_eager=True, help="Say which Proofrail this is, and end."
        ),
    ] = False,
) -> None: ...


online.register(app)
offline.register(app)
operators.register(app)

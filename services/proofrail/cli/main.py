"""The command `proofrail`."""

from __future__ import annotations

import sys

import typer

from proofrail.cli import offline, online, operators
from proofrail.cli.output import Exit, report_error
from proofrail.cli.settings_file import load_settings_file
from proofrail.wire.errors import UnusableInputError

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
online.register(app)
offline.register(app)
operators.register(app)


def main() -> None:
    try:
        load_settings_file()
    except UnusableInputError as error:
        report_error(error)
        sys.exit(int(Exit.UNUSABLE))
    app()


if __name__ == "__main__":
    main()

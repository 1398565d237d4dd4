"""Commands on files, without Kafka: `trace`, `commit`, `audit`, `prove`, `verify`."""

from __future__ import annotations

import typer

from proofrail.cli.audit import audit
from proofrail.cli.commit import commit
from proofrail.cli.trace import trace


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(trace)
    app.command()(commit)
    app.command()(audit)

"""`proofrail topics`: the topics as they should be, and what differs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from proofrail.cli.columns import Column, Columns
from proofrail.cli.home import Home
from proofrail.cli.output import Exit, ExitError, command, emit_json, note, wants_json
from proofrail.cli.run_options import HomeOption, JsonOption
from proofrail.wire.errors import UnusableInputError
from proofrail.wire.topics import TopicSpec, topic_specs

if TYPE_CHECKING:
    from proofrail.messaging.settings import KafkaSettings
    from proofrail.messaging.topic_plan import Actual, Change
    from proofrail.messaging.topics import Drift

HELP = "The topics: make those that are missing, show what differs, change what can be changed."

_COLUMNS = (
    Column("topic", 27, 20),
    Column("what", 18, 10),
    Column("is", 14, 8),
    Column("should be", 14, 8),
    Column("", 8, 6),
)
_STYLES = {"create": "green", "change": "yellow", "refuse": "red"}

_STARTS_S: Final = 60.0
"""To make the topics is a deployment's first step: the broker may have been started with it."""

_PartitionsOption = Annotated[
    int, typer.Option(min=1, metavar="N", help="Partitions of each topic but the index, which has one.")
]
_ReplicasOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Replicas that each needs at least.",
        show_default="PROOFRAIL_KAFKA_REPLICATION_FACTOR",
    ),
]


def topics(context: typer.Context) -> None:
    """Create the topics that are missing on the broker; report where existing ones differ.

    Without a subcommand nothing that exists is changed: `plan` shows what would be, `apply` does it.

    \b
    Exit status:
      0  all topics are there and as specified
      1  some differ: each is named
      2  unusable input: no broker is named
      3  no broker answers

    \b
    Examples:
      proofrail topics
      proofrail topics plan --partitions 4
      proofrail topics apply
    """
    if context.invoked_subcommand is not None:
        return
    with command():
        drifts = asyncio.run(_ensured(_kafka(None, None)))
        for drift in drifts:
            note(str(drift))
        if not drifts:
            note("all topics are there and as they should be")
        raise ExitError(Exit.NEGATIVE if drifts else Exit.OK)


def plan_topics(
    partitions: _PartitionsOption = 1,
    replicas: _ReplicasOption = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Show what differs between the topics that are there and those that should be, and change nothing.

    Partitions, retention, compaction, the size of records, replicas. What `apply` would refuse is marked, with the
    reason: fewer partitions, a shorter retention, fewer bytes.

    \b
    Exit status:
      0  all is as it should be
      1  something differs
      3  no broker answers

    \b
    Examples:
      proofrail topics plan
      proofrail topics plan --partitions 4 --json | jq 'select(.change == "refuse")'
    """
    with command():
        changes, _, _ = asyncio.run(_planned(home, partitions, replicas))
        _show(changes, wants_json(as_json))
        raise ExitError(Exit.NEGATIVE if changes else Exit.OK)


def apply_topics(
    partitions: _PartitionsOption = 1,
    replicas: _ReplicasOption = None,
    allow_loss: Annotated[
        bool,
        typer.Option("--allow-loss", help="Also what removes records: a shorter retention, smaller records."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Make the topics as they should be: create, add partitions, change settings. The rest is refused and named.

    Settings that the project does not specify stay as they are. Records that may be lost are lost only with
    --allow-loss; partitions are never taken away.

    \b
    Exit status:
      0    all is as it should be now
      1    something was refused: the rest was done
      2    unusable input: nobody can be asked, and --yes is missing
      3    no broker answers
      130  not confirmed

    \b
    Examples:
      proofrail topics apply --yes
      proofrail topics apply --partitions 4
    """
    with command():
        changes, specs, actual = asyncio.run(_planned(home, partitions, replicas))
        done = [
            change for change in changes if change.risk == "none" or (allow_loss and change.risk == "loses")
        ]
        _show(changes, wants_json(as_json))
        if done:
            _confirm(len(done), yes)
            from proofrail.messaging.topic_changes import apply_changes

            asyncio.run(apply_changes(_kafka(home, replicas), done, specs, actual))
            note(f"{len(done)} changes were made")
        left = len(changes) - len(done)
        if left:
            losing = sum(change.risk == "loses" for change in changes if change not in done)
            note(
                f"{left} were refused: the note of each says why"
                + (f"; --allow-loss makes {losing} of them all the same" if losing else "")
            )
        raise ExitError(Exit.NEGATIVE if left else Exit.OK)


COMMANDS: Final[dict[str, Callable[..., None]]] = {"plan": plan_topics, "apply": apply_topics}


async def _ensured(kafka: KafkaSettings) -> list[Drift]:
    from proofrail.cli.broker import reached
    from proofrail.messaging.topics import ensure_topics

    await reached(kafka, _STARTS_S)
    return await ensure_topics(kafka)


async def _planned(
    home: Path | None, partitions: int, replicas: int | None
) -> tuple[list[Change], list[TopicSpec], dict[str, Actual]]:
    from proofrail.cli.broker import reached
    from proofrail.messaging.topic_changes import actual_topics
    from proofrail.messaging.topic_plan import plan

    kafka = _kafka(home, replicas)
    await reached(kafka, _STARTS_S)
    specs = list(topic_specs(partitions).values())
    actual = await actual_topics(kafka, [spec.name for spec in specs])
    return plan(specs, actual, kafka.replication_factor), specs, actual


def _kafka(home: Path | None, replicas: int | None) -> KafkaSettings:
    from proofrail.cli.broker import kafka_at

    settings = kafka_at(Home.at(home))
    return settings if replicas is None else settings.model_copy(update={"replication_factor": replicas})


def _show(changes: list[Change], as_json: bool) -> None:
    if as_json:
        for change in changes:
            emit_json(change.to_object())
        return
    table = Columns(_COLUMNS, "note")
    for change in changes:
        kind = (change.kind, _STYLES[change.kind])
        if change.what == "topic":
            table.row(change.topic, "topic", change.actual, "there", kind, change.wanted)
        else:
            table.row(change.topic, change.what, change.actual, change.wanted, kind, change.note)
    if not changes:
        note("all topics are as they should be")


def _confirm(count: int, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise UnusableInputError(
            "not-confirmed",
            f"{count} changes would be made to topics, and nobody can be asked",
            "Say so with --yes; `proofrail topics plan` shows them.",
        )
    if not typer.confirm(f"Make {count} changes?", err=True):
        raise ExitError(Exit.INTERRUPTED)

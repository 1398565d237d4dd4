"""`proofrail status`: what each stage does and what is stuck; or how far runs and allocations have come."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text
from rich.tree import Tree

from proofrail.cli.home import Home
from proofrail.cli.output import Exit, ExitError, command, emit_json, wants_json
from proofrail.cli.recent import note_runs
from proofrail.cli.run_options import HomeOption, JsonOption, complete_run
from proofrail.cli.terminal import SafeConsole
from proofrail.cli.times import since_ms, span

if TYPE_CHECKING:
    from proofrail.cli.status_pipeline import Pipeline, Stage

_COLOURS = {"needs a person": "bold red", "stuck": "yellow", "busy": "cyan", "idle": "green"}
_MARKS = {"needs a person": "✗", "stuck": "!", "busy": "▸", "idle": "·"}
_SHOWN = 8


def status(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN|ALLOCATION_ID",
            help="Of these alone: run_ids, or the beginnings of some, and allocations.",
            show_default="the whole pipeline",
            autocompletion=complete_run,
        ),
    ] = None,
    allocations: Annotated[bool, typer.Option("--allocations", help="All allocations, a line each.")] = False,
    since: Annotated[
        str, typer.Option(metavar="TIME", help="What went wrong before that has been seen to.")
    ] = "1d",
    stuck_after: Annotated[
        str, typer.Option(metavar="AGE", help="What is in hand for longer is stuck; proofs may take hours.")
    ] = "15m",
    as_json: JsonOption = False,
    auditor_key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Whose attestations count: a file of public keys.",
            show_default="the home folder's auditor",
        ),
    ] = None,
    home: HomeOption = None,
) -> None:
    """Show what each stage has in hand, what is stuck, why, and since when, from topics and offsets alone.

    With names: the history of these runs and allocations, each attempt with its reason. What ledgers hold is the
    registrar's word: ask the ledger itself before you rely on it.

    \b
    Exit status:
      0  nothing needs a person; with names, all are known
      1  something is stuck or needs a person; with names, nothing on the topics is about one
      2  unusable input
      3  no broker answers

    \b
    Examples:
      proofrail status
      proofrail status 3fa9
      proofrail status my-allocation --json | jq .state
      proofrail status --json | jq '.stages[] | select(.state != "idle")'
    """
    with command():
        from proofrail.cli.broker import kafka_at

        place, now = Home.at(home), time.time_ns() // 1_000_000
        if names or allocations:
            from proofrail.cli.believed import trust_in
            from proofrail.cli.status import run_status

            kafka, trust = kafka_at(place), trust_in(place, auditor_key)
            raise ExitError(asyncio.run(run_status(kafka, names or [], wants_json(as_json), trust)))
        from proofrail.cli.status_read import read_pipeline

        kafka = kafka_at(place)
        stuck_ms = now - since_ms(stuck_after, now)
        pipeline, runs = asyncio.run(read_pipeline(kafka, now, stuck_ms, since_ms(since, now)))
        note_runs(place, runs)
        if wants_json(as_json):
            emit_json(pipeline.to_object())
        else:
            SafeConsole(file=sys.stdout, highlight=False).print(pipeline_tree(pipeline, kafka.bootstrap))
        raise ExitError(Exit.NEGATIVE if pipeline.needs_person else Exit.OK)


def pipeline_tree(pipeline: Pipeline, where: str) -> Tree:
    """The pipeline for a person."""
    tree = Tree(Text(f"Proofrail at {where}", style="bold"))
    for stage in pipeline.stages:
        branch = tree.add(_head(stage, pipeline.now_ms))
        for wrong in stage.needs_person[:_SHOWN]:
            branch.add(Text(f"✗ {wrong}", style="red"))
        for held in stage.held[:_SHOWN]:
            line = Text(
                f"{'! stuck: ' if held.stuck else ''}{held.what} ", style="yellow" if held.stuck else ""
            )
            line.append(f"since {span(pipeline.now_ms - held.since_ms)}", style="bold")
            line.append(f"  {held.why}", style="dim")
            branch.add(line)
        more = max(0, len(stage.held) - _SHOWN) + max(0, len(stage.needs_person) - _SHOWN)
        if more:
            branch.add(Text(f"and {more} more: --json names all", style="dim"))
        for noted in stage.noted:
            branch.add(Text(noted, style="dim"))
    return tree


def _head(stage: Stage, now_ms: int) -> Text:
    head = Text(f"{_MARKS[stage.state]} {stage.name:<10}")
    head.append(f"{stage.state:<15}", style=_COLOURS[stage.state])
    if stage.lag is not None:
        behind = "" if stage.lag.oldest_ms is None else f", {span(now_ms - stage.lag.oldest_ms)}"
        head.append(f"lag {stage.lag.messages} messages{behind}; {stage.lag.members} running")
    return head

"""`proofrail requeue`: the proposals of a run that was given up are run again."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from proofrail.cli.home import Home
from proofrail.cli.output import Exit, ExitError, command, note, wants_json
from proofrail.cli.run_options import HomeOption, JsonOption, RunArgument, run_prefix
from proofrail.wire.errors import UnusableInputError

if TYPE_CHECKING:
    from proofrail.cli.dlq_letters import Letter
    from proofrail.messaging.settings import KafkaSettings


def requeue(
    run: RunArgument,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before several.")] = False,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Run the proposals of a run again that ended without a proof.

    A run that cannot be proven is split by the tracer until each culprit stands alone as a dead letter; those of RUN
    are published again, with a request that names the run they ended in. The tracer makes a new run of them, with a
    run_id of its own, once: a request that comes twice, or for a proposal that went on meanwhile, starts nothing. Do
    it when what stood against the proof is mended: memory, time, the prover.

    \b
    Exit status:
      0  published, or with --dry-run there is something to publish
      1  nothing of the run was given up: why is said
      2  unusable input: no such run, or several that begin so
      3  no broker answers

    \b
    Examples:
      proofrail requeue 3fa9 --dry-run
      proofrail requeue 3fa9 --yes
    """
    with command():
        from proofrail.cli.broker import kafka_at

        kafka = kafka_at(Home.at(home))
        letters, why_none = asyncio.run(_given_up(kafka, run_prefix(run)))
        if not letters:
            note(why_none)
            raise ExitError(Exit.NEGATIVE)
        from proofrail.cli.dlq import confirm, say
        from proofrail.cli.dlq_replay import publish_replays, replays_of

        replays = asyncio.run(replays_of(kafka, letters))
        if not dry_run:
            confirm(replays, yes)
        say(replays, None if dry_run else asyncio.run(publish_replays(kafka, replays)), wants_json(as_json))
        sys.stdout.flush()


async def _given_up(kafka: KafkaSettings, prefix: str) -> tuple[list[Letter], str]:
    """The open dead letters of the run's proposals; without any, why there are none. Raises UnusableInputError
    `run-not-found`, `run-ambiguous`."""
    from proofrail.cli.dlq_letters import Filter
    from proofrail.cli.dlq_read import read_letters
    from proofrail.cli.run_records import run_not_found
    from proofrail.cli.status_history import History

    history = await History.read(kafka, [prefix])
    runs = history.named(prefix)
    if len(runs) > 1:
        raise UnusableInputError(
            "run-ambiguous", f"{len(runs)} runs begin with {prefix}", "Give more of the run_id."
        )
    if not runs:
        raise run_not_found(kafka, prefix)
    told = history.run_object(runs[0])
    names = history.allocations(runs[0])
    letters = (await read_letters(kafka)).chosen([], Filter(only_open=True))
    found = [one for one in letters if one.given_up_run is not None and one.message.key in names]
    later = ", ".join(run[:8] for run in told["later_runs"])
    went_on = f"; its proposals went on in {later}" if later else ""
    return found, f"run {runs[0]} is {told['state']}: none of its proposals is given up now{went_on}"

"""Reads one run from the topics of a running system into files."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from proofrail.messaging.records import Record
from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.views import View
from proofrail.wire import topics
from proofrail.wire.errors import UnusableInputError

_NAMED: Final = 4
"""Runs that are named where several fit."""


async def fetch_run(bootstrap: str, prefix: str, events: Path, commitments: Path) -> str:
    """Write the events and the commitments of the run whose run_id begins so; the run_id.

    Raises UnusableInputError `run-not-found`, `run-ambiguous`, BrokerUnavailableError.
    """
    files = {topics.EVENTS: events, topics.COMMITMENTS: commitments}
    found: dict[str, None] = {}
    events_read = [False]

    def take(records: list[Record]) -> None:
        for record in records:
            key = record.key_text
            if not key.startswith(prefix):
                continue
            found.setdefault(key)
            if len(found) == 1:
                events_read[0] |= record.topic == topics.EVENTS
                with files[record.topic].open("ab") as file:
                    file.write(record.value.removesuffix(b"\n") + b"\n")

    async with View(KafkaSettings(bootstrap=bootstrap), list(files), take) as view:
        await view.catch_up()
    if len(found) > 1:
        named = ", ".join(list(found)[:_NAMED])
        raise UnusableInputError(
            "run-ambiguous",
            f"{len(found)} runs begin with {prefix}: {named}{' …' if len(found) > _NAMED else ''}",
            "Give more of the run_id.",
        )
    if not events_read[0]:
        raise UnusableInputError(
            "run-not-found",
            f"no run on the topics of {bootstrap} begins with {prefix}",
            "Events are kept for a limited time. `proofrail demo --keep` prints the runs it made.",
        )
    return next(iter(found))

"""Reads topics for commands: in good time, with what is there, and telling on a terminal how far it is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache

from proofrail.cli.broker import ANSWERS_S, SILENT_S, asked
from proofrail.cli.live import LiveLine, telling
from proofrail.cli.output import note, stderr
from proofrail.messaging.log_reader import LogReader
from proofrail.messaging.offsets import Extent
from proofrail.messaging.records import Record, TopicPartition
from proofrail.messaging.settings import KafkaSettings
from proofrail.wire.errors import UnusableInputError


async def read(
    kafka: KafkaSettings,
    names: Sequence[str],
    wanted: Callable[[Record], bool] | None = None,
    *,
    since_ms: int = 0,
) -> list[Record]:
    """The committed records of `names` that are wanted: all there are, or what was written since a moment (milliseconds
    since the epoch). A topic that is missing is taken for empty, and a note says so.

    Raises UnusableInputError `topics-missing` where none is there, BrokerUnavailableError.
    """
    async with asked(kafka) as offsets:
        extents = await offsets.extents(names)
        there = topics_there(kafka, names, extents)
        places = await offsets.at(there, since_ms) if since_ms > 0 else {}
    total = sum(extent.end - places.get(tp, extent.begin) for tp, extent in extents.items())
    found: list[Record] = []
    passed = 0
    async with LogReader(kafka, there, places) as reader:
        await reader.connect(ANSWERS_S)
        await reader.start()
        async with telling(
            LiveLine(stderr, lines=False),
            lambda: f"reading the topics, {passed:,} of {total:,} records",
            after_s=SILENT_S,
        ):
            async for records in reader.to_end(ANSWERS_S):
                passed += len(records)
                found += records if wanted is None else filter(wanted, records)
    return found


def topics_there(
    kafka: KafkaSettings, names: Sequence[str], extents: Mapping[TopicPartition, Extent]
) -> list[str]:
    """Those of `names` that the broker has. Raises UnusableInputError `topics-missing` where it has none."""
    present = {tp.topic for tp in extents}
    missing = tuple(name for name in names if name not in present)
    if not present:
        raise UnusableInputError(
            "topics-missing",
            f"{kafka.bootstrap} has no topic {' or '.join(missing)}",
            "Create the topics: proofrail topics; or name another broker in PROOFRAIL_KAFKA_BOOTSTRAP.",
        )
    if missing:
        _note_missing(kafka.bootstrap, missing)
    return [name for name in names if name in present]


@cache
def _note_missing(bootstrap: str, missing: Collection[str]) -> None:
    """Once a process, however often it reads."""
    note(
        f"{bootstrap} has no topic {', '.join(missing)}: taken for empty; `proofrail topics` creates what is missing"
    )

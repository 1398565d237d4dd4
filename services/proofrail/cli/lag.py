"""How far groups are behind the topics they read: in messages, and in time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from proofrail.cli.broker import ANSWERS_S, asked
from proofrail.cli.topic_reading import topics_there
from proofrail.messaging.log_reader import LogReader
from proofrail.messaging.offsets import Extent, Offsets
from proofrail.messaging.records import Record, TopicPartition
from proofrail.messaging.settings import KafkaSettings

_LOOK_S: Final = 5.0


@dataclass(frozen=True)
class Lag:
    """What a group has before it."""

    messages: int
    """Offsets behind the first record that it has not settled: markers of transactions count, too."""
    oldest_ms: int | None
    """When that record was written, in milliseconds since the epoch; None when nothing waits."""
    members: int
    known: bool = True
    """Whether the group has ever said how far it is; all that is there waits for one that has not."""


async def lags(kafka: KafkaSettings, groups: Mapping[str, Sequence[str]]) -> dict[str, Lag]:
    """The lag of each group on the topics it reads. Raises UnusableInputError `topics-missing` where the broker has
    none of them, BrokerUnavailableError."""
    names = list(dict.fromkeys(topic for read in groups.values() for topic in read))
    async with asked(kafka) as offsets:
        extents = await offsets.extents(names)
        topics_there(kafka, names, extents)
        found = await asyncio.gather(
            *(_lag(kafka, offsets, group, read, extents) for group, read in groups.items())
        )
    return dict(zip(groups, found, strict=True))


async def _lag(
    kafka: KafkaSettings,
    offsets: Offsets,
    group: str,
    read: Sequence[str],
    extents: Mapping[TopicPartition, Extent],
) -> Lag:
    committed, members = await offsets.committed(group), await offsets.members(group)
    places = {
        tp: place
        for tp, extent in extents.items()
        if tp.topic in read and (place := max(committed.get(tp, extent.begin), extent.begin)) < extent.end
    }
    first = await _first_records(kafka, places)
    messages = sum(extents[tp].end - record.offset for tp, record in first.items())
    oldest = min((record.timestamp for record in first.values()), default=None)
    return Lag(messages, oldest, members, bool(committed))


async def _first_records(
    kafka: KafkaSettings, places: Mapping[TopicPartition, int]
) -> dict[TopicPartition, Record]:
    """The first record at or behind each place; none where only markers follow."""
    found: dict[TopicPartition, Record] = {}
    if not places:
        return found
    topics = sorted({tp.topic for tp in places})
    async with LogReader(kafka, topics, places, otherwise="end") as reader:
        await reader.connect(ANSWERS_S)
        await reader.start()
        deadline = asyncio.get_running_loop().time() + _LOOK_S
        while len(found) < len(places) and asyncio.get_running_loop().time() < deadline:
            for record in await reader.read():
                if record.tp in places:
                    found.setdefault(record.tp, record)
            if await reader.at_end():
                break
    return found

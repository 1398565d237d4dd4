"""How far groups are behind the topics they read: in messages, and in time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from proofrail.messaging.log_reader import LogReader
from proofrail.messaging.offsets import Offsets
from proofrail.messaging.records import Record, TopicPartition
from proofrail.messaging.settings import KafkaSettings

_CONNECT_S: Final = 30.0
_LOOK_S: Final = 5.0


@dataclass(frozen=True)
class Lag:
    """What a group has before it."""

    messages: int
    """Offsets behind the first record that it has not settled: markers of transactions count, too."""
    oldest_ms: int | None
    """When that record was written, in milliseconds since the epoch; None when nothing waits."""
    members: int


async def lags(kafka: KafkaSettings, groups: Mapping[str, Sequence[str]]) -> dict[str, Lag]:
    """The lag of each group on the topics it reads. Raises BrokerUnavailableError."""
    names = list(dict.fromkeys(topic for read in groups.values() for topic in read))
    async with Offsets(kafka) as offsets:
        extents = await offsets.extents(names)
        committed = {group: await offsets.committed(group) for group in groups}
        members = {group: await offsets.members(group) for group in groups}
    places = {
        group: {
            tp: place
            for tp, extent in extents.items()
            if tp.topic in read
            and (place := max(committed[group].get(tp, extent.begin), extent.begin)) < extent.end
        }
        for group, read in groups.items()
    }
    found: dict[str, Lag] = {}
    firsts = await asyncio.gather(*(_first_records(kafka, behind) for behind in places.values()))
    for group, first in zip(places, firsts, strict=True):
        messages = sum(extents[tp].end - record.offset for tp, record in first.items())
        oldest = min((record.timestamp for record in first.values()), default=None)
        found[group] = Lag(messages, oldest, members[group])
    return found


async def _first_records(
    kafka: KafkaSettings, places: Mapping[TopicPartition, int]
) -> dict[TopicPartition, Record]:
    """The first record at or behind each place; none where only markers follow."""
    found: dict[TopicPartition, Record] = {}
    if not places:
        return found
    topics = sorted({tp.topic for tp in places})
    async with LogReader(kafka, topics, places, otherwise="end") as reader:
        await reader.connect(_CONNECT_S)
        await reader.start()
        deadline = asyncio.get_running_loop().time() + _LOOK_S
        while len(found) < len(places) and asyncio.get_running_loop().time() < deadline:
            for record in await reader.read():
                if record.tp in places:
                    found.setdefault(record.tp, record)
            if await reader.at_end():
                break
    return found

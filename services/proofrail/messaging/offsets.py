"""Where topics begin and end, and how far groups have come: asked of the broker, with no record read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from aiokafka import AIOKafkaConsumer
from aiokafka import errors as kafka_errors
from aiokafka.admin import AIOKafkaAdminClient

from proofrail.messaging.client import wait_for_broker
from proofrail.messaging.errors import BrokerUnavailableError
from proofrail.messaging.records import TopicPartition
from proofrail.messaging.settings import KafkaSettings

_CONNECT_S: Final = 30.0


@dataclass(frozen=True)
class Extent:
    """What a partition holds: offsets from `begin` up to, not including, `end`, the first that is not committed yet."""

    begin: int
    end: int


class Offsets:
    """Asks for offsets; an async context manager. Every method raises BrokerUnavailableError."""

    def __init__(self, kafka: KafkaSettings, *, connect_s: float = _CONNECT_S) -> None:
        self._kafka = kafka
        self._connect_s = connect_s
        self._consumer: AIOKafkaConsumer | None = None
        self._admin: AIOKafkaAdminClient | None = None

    async def __aenter__(self) -> Self:
        await wait_for_broker(self._kafka, self._connect_s)
        with self._translated("connect"):
            self._consumer = AIOKafkaConsumer(**self._kafka.reader_options())
            self._admin = AIOKafkaAdminClient(**self._kafka.client_options())
            try:
                await self._consumer.start()
                await self._admin.start()
            except BaseException:
                await self._stop()
                raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()

    async def extents(self, topics: Sequence[str]) -> dict[TopicPartition, Extent]:
        """What the partitions of `topics` hold; nothing of a topic that does not exist."""
        partitions = await self._partitions(topics)
        with self._translated("ask where topics begin and end"):
            begins = await self._started.beginning_offsets(partitions)
            ends = await self._started.end_offsets(partitions)
        return {tp: Extent(begins[tp], ends[tp]) for tp in partitions}

    async def at(self, topics: Sequence[str], timestamp_ms: int) -> dict[TopicPartition, int]:
        """The first offset of each partition written at or after a moment (milliseconds since the epoch); its end where
        nothing was."""
        partitions = await self._partitions(topics)
        with self._translated("ask for offsets by time"):
            found = await self._started.offsets_for_times(dict.fromkeys(partitions, max(0, timestamp_ms)))
            ends = await self._started.end_offsets(partitions)
        return {tp: place.offset if (place := found.get(tp)) is not None else ends[tp] for tp in partitions}

    async def committed(self, group: str) -> dict[TopicPartition, int]:
        """How far a group has come, by partition; empty for one that has committed nothing."""
        if self._admin is None:
            raise BrokerUnavailableError("view-stopped", "the reader is not running", "Start it first")
        with self._translated(f"ask how far the group {group} has come"):
            found = await self._admin.list_consumer_group_offsets(group)
        return {tp: place.offset for tp, place in found.items() if place.offset >= 0}

    async def members(self, groups: Sequence[str]) -> Mapping[str, int]:
        """How many members each group has now."""
        if self._admin is None:
            raise BrokerUnavailableError("view-stopped", "the reader is not running", "Start it first")
        with self._translated("ask who is in the groups"):
            responses: list[Any] = await self._admin.describe_consumer_groups(list(groups))
        return {str(group[1]): len(group[5]) for response in responses for group in response.groups}

    async def _partitions(self, topics: Sequence[str]) -> list[TopicPartition]:
        with self._translated("ask for the topics"):
            present = await self._started.topics()
            known = [topic for topic in topics if topic in present]
            # How many partitions a topic has, the consumer knows as soon as it was asked for one of them.
            if known:
                await self._started.beginning_offsets([TopicPartition(topic, 0) for topic in known])
        return [
            TopicPartition(topic, number)
            for topic in known
            for number in sorted(self._started.partitions_for_topic(topic) or ())
        ]

    @property
    def _started(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise BrokerUnavailableError("view-stopped", "the reader is not running", "Start it first")
        return self._consumer

    async def _stop(self) -> None:
        for client in (self._consumer, self._admin):
            if client is not None:
                with contextlib.suppress(Exception):
                    await (client.stop() if isinstance(client, AIOKafkaConsumer) else client.close())
        self._consumer = self._admin = None

    @contextlib.contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            yield
        except (TimeoutError, kafka_errors.KafkaError) as error:
            raise BrokerUnavailableError(
                "broker-unavailable",
                f"could not {what} at {self._kafka.bootstrap}: {error!r}",
                "Check that the broker runs, and what the client is permitted",
            ) from error

"""Where topics begin and end, and how far groups have come: asked of the broker, with no record read."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self, TypeVar

from aiokafka import AIOKafkaConsumer
from aiokafka import errors as kafka_errors
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import DescribeGroupsRequest_v2
from aiokafka.protocol.api import Request

from proofrail.messaging.client import wait_for_broker
from proofrail.messaging.closing import close_consumer
from proofrail.messaging.errors import BrokerUnavailableError
from proofrail.messaging.partitions import partitions_of
from proofrail.messaging.records import TopicPartition
from proofrail.messaging.settings import KafkaSettings

T = TypeVar("T")

_CONNECT_S: Final = 30.0
_PATIENCE_S: Final = 20.0
_BREATH_S: Final = 0.2


class _DescribeGroup(Request[DescribeGroupsRequest_v2]):
    """aiokafka 0.14 asks in version 3 and reads the answer as one of version 2, which breaks the connection."""

    API_KEY = 15

    def __init__(self, group: str) -> None:
        self._group = group

    def build(self, request_struct_class: type[DescribeGroupsRequest_v2]) -> DescribeGroupsRequest_v2:
        return request_struct_class([self._group])


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
        return {
            tp: min(place.offset, ends[tp]) if (place := found.get(tp)) is not None else ends[tp]
            for tp in partitions
        }

    async def committed(self, group: str) -> dict[TopicPartition, int]:
        """How far a group has come, by partition; empty for one that has committed nothing."""
        admin = self._asking

        async def ask() -> dict[TopicPartition, int]:
            node = await admin.find_coordinator(group)
            found = await admin.list_consumer_group_offsets(group, node)
            return {tp: place.offset for tp, place in found.items() if place.offset >= 0}

        return await self._patiently(f"ask how far the group {group} has come", ask)

    async def members(self, group: str) -> int:
        """How many members a group has now."""
        admin = self._asking

        async def ask() -> int:
            node = await admin.find_coordinator(group)
            response: Any = await admin._send_request(_DescribeGroup(group), node)
            return sum(len(members) for *_, members in response.groups)

        return await self._patiently(f"ask who is in the group {group}", ask)

    async def _patiently(self, what: str, ask: Callable[[], Awaitable[T]]) -> T:
        """The first group that a broker is asked about has it make the topic of the groups, which takes a while."""
        deadline = asyncio.get_running_loop().time() + _PATIENCE_S
        with self._translated(what):
            while True:
                try:
                    return await ask()
                except kafka_errors.KafkaError as error:
                    if not error.retriable or asyncio.get_running_loop().time() > deadline:
                        raise
                await asyncio.sleep(_BREATH_S)

    @property
    def _asking(self) -> AIOKafkaAdminClient:
        if self._admin is None:
            raise BrokerUnavailableError("view-stopped", "the reader is not running", "Start it first")
        return self._admin

    async def _partitions(self, topics: Sequence[str]) -> list[TopicPartition]:
        with self._translated("ask for the topics"):
            present = await self._started.topics()
            known = [topic for topic in topics if topic in present]
            return await partitions_of(self._started, known)

    @property
    def _started(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise BrokerUnavailableError("view-stopped", "the reader is not running", "Start it first")
        return self._consumer

    async def _stop(self) -> None:
        if self._consumer is not None:
            await close_consumer(self._consumer)
        if self._admin is not None:
            with contextlib.suppress(Exception):
                await self._admin.close()
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

"""Reads single records from their topics: the events of runs that somebody looks at."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import groupby
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka import errors as kafka_errors

from proofrail.explorer.model.base import Place
from proofrail.messaging.closing import close_consumer
from proofrail.messaging.errors import BrokerUnavailableError
from proofrail.messaging.settings import KafkaSettings

_WITHIN_S: Final = 15.0
_POLL_MS: Final = 500
_AT_ONCE: Final = 50


class TopicSource:
    """A consumer of its own that jumps to where it is sent. For the event loop; one reading at a time."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._consumer: AIOKafkaConsumer | None = None
        self._busy = asyncio.Lock()

    async def values(self, places: Sequence[Place]) -> list[bytes] | None:
        """See `run_events.Source`."""
        async with self._busy:
            try:
                async with asyncio.timeout(_WITHIN_S):
                    found: dict[Place, bytes] = {}
                    for tp, some in groupby(places, lambda one: TopicPartition(one.topic, one.partition)):
                        wanted = list(some)
                        if not await self._read(await self._started(), tp, wanted, found):
                            return None
            except kafka_errors.OffsetOutOfRangeError:
                return None
            except (TimeoutError, kafka_errors.KafkaError) as error:
                await self._stop()
                raise BrokerUnavailableError(
                    "broker-unavailable",
                    f"events cannot be read at {self._kafka.bootstrap}: {error!r}",
                    "Check that the broker runs; the page can be loaded again",
                ) from error
        return [found[place] for place in places]

    async def stop(self) -> None:
        """Close the connection."""
        async with self._busy:
            await self._stop()

    async def _read(
        self, consumer: AIOKafkaConsumer, tp: TopicPartition, wanted: list[Place], found: dict[Place, bytes]
    ) -> bool:
        """Whether all of `wanted`, which lie in one partition in order, are there."""
        consumer.assign([tp])
        consumer.seek(tp, wanted[0].offset)
        missing = {place.offset: place for place in wanted}
        try:
            while missing:
                batches = await consumer.getmany(tp, timeout_ms=_POLL_MS, max_records=_AT_ONCE)
                for record in (one for some in batches.values() for one in some):
                    place = missing.pop(record.offset, None)
                    if place is not None:
                        found[place] = record.value or b""
                if missing and await consumer.position(tp) > max(missing):
                    return False
        finally:
            # Assigned partitions are fetched ahead, whether anybody asks or not.
            consumer.unsubscribe()
        return True

    async def _started(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(**self._kafka.reader_options(), auto_offset_reset="none")
            try:
                await consumer.start()
            except BaseException:
                await close_consumer(consumer)
                raise
            self._consumer = consumer
        return self._consumer

    async def _stop(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await close_consumer(consumer)

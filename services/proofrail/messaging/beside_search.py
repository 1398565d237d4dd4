"""Finds the records of a key beside one of the same key in another topic, for a reader that has passed them or never
had them: what was written in one transaction lies close together in time, too."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aiokafka import AIOKafkaConsumer
from aiokafka import errors as kafka_errors

from proofrail.messaging.closing import close_consumer
from proofrail.messaging.errors import BrokerUnavailableError
from proofrail.messaging.partitions import partitions_of
from proofrail.messaging.records import Record, TopicPartition
from proofrail.messaging.settings import KafkaSettings

_AROUND_MS: Final = 600_000
"""A transaction lasts 10 s; clocks of several writers may differ."""
_ANSWERS_S: Final = 30.0
_POLL_MS: Final = 100
_AT_ONCE: Final = 500


@dataclass(frozen=True)
class Found:
    """The records' values, in order within a partition. `lost`: records have been removed from the beginning of a
    partition, so that what is not here may have expired. `read`: how many records were looked at."""

    values: list[bytes]
    lost: bool
    read: int


async def find_beside(
    kafka: KafkaSettings, topic: str, beside: TopicPartition, key: bytes, at_ms: int
) -> Found:
    """The committed records of `key` in `topic` that were written within ten minutes of `at_ms` (milliseconds since the
    epoch), the timestamp of a record of that key in the partition `beside` of another topic.

    Topics of equally many partitions have a key in the same one: only that is read; all of them are, where the numbers
    differ. Raises BrokerUnavailableError when the broker gives no answer for 30 s.
    """
    consumer = AIOKafkaConsumer(
        **kafka.reader_options(), auto_offset_reset="earliest", fetch_max_wait_ms=_POLL_MS
    )
    try:
        async with asyncio.timeout(_ANSWERS_S):
            await consumer.start()
            partitions = await _partitions(consumer, topic, beside)
        found = [await _in_partition(consumer, tp, key, at_ms) for tp in partitions]
    except (TimeoutError, kafka_errors.KafkaError) as error:
        raise BrokerUnavailableError(
            "broker-unavailable",
            f"{topic} cannot be searched at {kafka.bootstrap}: {error!r}",
            "Check that the broker runs and that the topics exist",
        ) from error
    finally:
        await close_consumer(consumer)
    return Found(
        [value for one in found for value in one.values],
        any(one.lost for one in found),
        sum(one.read for one in found),
    )


async def _partitions(
    consumer: AIOKafkaConsumer, topic: str, beside: TopicPartition
) -> Sequence[TopicPartition]:
    both = await partitions_of(consumer, [topic, beside.topic])
    own = [tp for tp in both if tp.topic == topic]
    return [TopicPartition(topic, beside.partition)] if 2 * len(own) == len(both) else own


async def _in_partition(consumer: AIOKafkaConsumer, tp: TopicPartition, key: bytes, at_ms: int) -> Found:
    consumer.assign([tp])
    async with asyncio.timeout(_ANSWERS_S):
        begin = (await consumer.beginning_offsets([tp]))[tp]
        end = (await consumer.end_offsets([tp]))[tp]
        first = (await consumer.offsets_for_times({tp: max(0, at_ms - _AROUND_MS)}))[tp]
    values: list[bytes] = []
    read, lost = 0, begin > 0
    if first is None:
        return Found(values, lost, read)
    consumer.seek(tp, first.offset)
    reached, until_ms = first.offset, at_ms + _AROUND_MS
    while reached < end:
        async with asyncio.timeout(_ANSWERS_S):
            records = await _next(consumer, tp, reached)
        reached = await consumer.position(tp)
        read += len(records)
        values.extend(one.value for one in records if one.key == key and one.timestamp <= until_ms)
        if any(one.timestamp > until_ms for one in records):
            break
    return Found(values, lost, read)


async def _next(consumer: AIOKafkaConsumer, tp: TopicPartition, reached: int) -> list[Record]:
    """The records that come next, or none where only markers were passed."""
    while True:
        batches = await consumer.getmany(tp, timeout_ms=_POLL_MS, max_records=_AT_ONCE)
        if batches or await consumer.position(tp) > reached:
            return [Record.of(raw) for raws in batches.values() for raw in raws]

"""The search for the records of a key beside one in another topic, on a real broker."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from proofrail.messaging import beside_search
from proofrail.messaging.beside_search import Found, find_beside
from proofrail.messaging.errors import BrokerUnavailableError
from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.transactions import TopicPartition

pytestmark = pytest.mark.kafka

MakeTopic = Callable[..., Awaitable[str]]

AT_MS = 1_700_000_000_000
MINUTE_MS = 60_000


async def _write(kafka: KafkaSettings, topic: str, *records: tuple[int, str, str, float]) -> None:
    """Records of partition, key, value, and minutes from AT_MS."""
    async with AIOKafkaProducer(**kafka.client_options()) as producer:
        for partition, key, value, minutes in records:
            await producer.send_and_wait(
                topic,
                value.encode(),
                key.encode(),
                partition=partition,
                timestamp_ms=AT_MS + round(minutes * MINUTE_MS),
            )


async def _found(kafka: KafkaSettings, topic: str, beside: str) -> Found:
    return await find_beside(kafka, topic, TopicPartition(beside, 1), b"k", AT_MS)


async def test_only_the_partition_is_read_and_only_around_the_moment(
    kafka: KafkaSettings, make_topic: MakeTopic
) -> None:
    """Neither what is long before nor what is long after, however much it is; other keys are passed over."""
    topic, beside = await make_topic(partitions=2), await make_topic(partitions=2)
    await _write(
        kafka,
        topic,
        *((1, "k", f"before {number}", -99) for number in range(30)),
        (1, "k", "first", -0.1),
        (1, "other", "no", 0),
        (0, "k", "elsewhere", 0),
        (1, "k", "second", 0.1),
        *((1, "k", f"after {number}", 99 + number) for number in range(1500)),
    )
    found = await _found(kafka, topic, beside)
    assert [b"first", b"second"] == found.values
    assert not found.lost
    assert 3 <= found.read <= 1003, "at most what came with the first of those after"


async def test_topics_of_other_numbers_of_partitions_are_read_in_all_of_them(
    kafka: KafkaSettings, make_topic: MakeTopic
) -> None:
    """There the partition of one says nothing of the other's."""
    topic, beside = await make_topic(partitions=3), await make_topic(partitions=2)
    await _write(kafka, topic, (2, "k", "found", 0), (1, "other", "no", 0))
    assert [b"found"] == (await _found(kafka, topic, beside)).values


async def test_it_is_said_that_the_partition_has_lost_records(
    kafka: KafkaSettings, make_topic: MakeTopic
) -> None:
    """What is not there may have expired then; an empty partition has lost none."""
    topic, beside = await make_topic(partitions=2), await make_topic(partitions=2)
    assert Found([], lost=False, read=0) == await _found(kafka, topic, beside)
    await _write(kafka, topic, (1, "k", "gone", -1), (1, "k", "there", 0))
    admin = AIOKafkaAdminClient(**kafka.client_options())
    try:
        await admin.start()
        await admin.delete_records({TopicPartition(topic, 1): RecordsToDelete(before_offset=1)})
    finally:
        await admin.close()
    assert Found([b"there"], lost=True, read=1) == await _found(kafka, topic, beside)


async def test_a_broker_that_gives_no_answer_is_not_waited_for_without_end(
    kafka: KafkaSettings, make_topic: MakeTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search ends with an error that asks to be tried again."""
    topic = await make_topic(partitions=2)
    monkeypatch.setattr(beside_search, "_ANSWERS_S", 0.001)
    with pytest.raises(BrokerUnavailableError, match="broker-unavailable"):
        await _found(kafka, topic, topic)

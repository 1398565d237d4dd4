"""Which partitions topics have, as readers learn it of a real broker."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.client import AIOKafkaClient

from proofrail.messaging.closing import close_consumer
from proofrail.messaging.partitions import partitions_of
from proofrail.messaging.settings import KafkaSettings

pytestmark = [pytest.mark.kafka]


async def test_topics_are_learned_of_together(
    kafka: KafkaSettings, make_topic: Callable[..., Awaitable[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All partitions of all topics, in their order, with one question: one for each topic makes an operator wait for
    each."""
    topics = [await make_topic("of", partitions=count) for count in (1, 3, 2, 1, 1)]
    questions: list[object] = []
    ask = AIOKafkaClient._metadata_update

    async def counted(client: AIOKafkaClient, cluster: Any, about: Any) -> bool:
        questions.append(about)
        return bool(await ask(client, cluster, about))

    consumer = AIOKafkaConsumer(**kafka.reader_options())
    await consumer.start()
    try:
        monkeypatch.setattr(AIOKafkaClient, "_metadata_update", counted)
        found = await partitions_of(consumer, topics)
    finally:
        await close_consumer(consumer)
    expected = [
        TopicPartition(topic, number)
        for topic, count in zip(topics, (1, 3, 2, 1, 1), strict=True)
        for number in range(count)
    ]
    assert expected == found
    assert 1 == len(questions)

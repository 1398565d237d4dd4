"""Which partitions topics have, as a consumer that is assigned by hand learns it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition


def known_partitions(consumer: AIOKafkaConsumer, topics: Sequence[str]) -> list[TopicPartition]:
    """Those that the consumer knows by now, in the order of `topics` and their numbers."""
    return [
        TopicPartition(topic, number)
        for topic in topics
        for number in sorted(consumer.partitions_for_topic(topic) or ())
    ]


async def partitions_of(consumer: AIOKafkaConsumer, topics: Sequence[str]) -> list[TopicPartition]:
    """All of these topics, which exist. Raises KafkaError."""
    if topics:
        # Asked for offsets of topics that it does not know, the consumer learns of one after the other, with a pause of
        # 0.1 s for each: it is told of all of them first.
        client: Any = consumer._client
        await client.set_topics(topics)
        await consumer.beginning_offsets([TopicPartition(topic, 0) for topic in topics])
    return known_partitions(consumer, topics)

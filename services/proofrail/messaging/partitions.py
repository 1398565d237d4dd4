"""Which partitions topics have, as a consumer that is assigned by hand learns it."""

from __future__ import annotations

from collections.abc import Sequence

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
    # How many partitions a topic has, the consumer knows as soon as it was asked for one of them.
    if topics:
        await consumer.beginning_offsets([TopicPartition(topic, 0) for topic in topics])
    return known_partitions(consumer, topics)

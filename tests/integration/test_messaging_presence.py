"""A sign of life on a real broker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from proofrail.messaging.client import publish
from proofrail.messaging.offsets import Offsets
from proofrail.messaging.presence import present
from proofrail.messaging.records import Message, TopicPartition
from proofrail.messaging.settings import KafkaSettings

pytestmark = pytest.mark.kafka


async def test_a_member_is_seen_while_it_is_there(
    kafka: KafkaSettings, unique: Callable[[str], str], make_topic: Callable[..., Awaitable[str]]
) -> None:
    """One member while the block runs, also where records come that it never reads; none at once after it."""
    topic, group = await make_topic(partitions=2), unique("group")
    async with Offsets(kafka) as offsets:
        async with present(kafka, group, topic):
            assert 1 == await offsets.members(group)
            await publish(kafka, [Message(topic, b"key", b"value\n") for _ in range(10)])
            assert 1 == await offsets.members(group)
            assert {} == await offsets.committed(group)
        assert 0 == await offsets.members(group)


async def test_a_member_tells_how_far_it_is(
    kafka: KafkaSettings, unique: Callable[[str], str], make_topic: Callable[..., Awaitable[str]]
) -> None:
    """As the group's position: soon after each change, and once more when it leaves; of other topics nothing."""
    topic, group = await make_topic(), unique("group")
    ours, place = TopicPartition(topic, 0), 3
    async with Offsets(kafka) as offsets:

        async def told(expected: int) -> None:
            async with asyncio.timeout(20):
                while {ours: expected} != await offsets.committed(group):  # noqa: ASYNC110 - the broker tells nobody
                    await asyncio.sleep(0.02)

        async with present(kafka, group, topic, places=lambda: {ours: place, TopicPartition("other", 0): 9}):
            await told(3)
            place = 5
            await told(5)
            place = 8
        assert {ours: 8} == await offsets.committed(group)

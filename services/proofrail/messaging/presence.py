"""A sign of life for services that keep their positions themselves: membership in a consumer group, and how far they
have come, for whoever asks the broker."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from proofrail.messaging.backoff import retry_transient
from proofrail.messaging.closing import close_consumer
from proofrail.messaging.settings import KafkaSettings

Places = Callable[[], Mapping[TopicPartition, int]]

_TELL_S: Final = 2.0

_log = structlog.get_logger(__name__)


@contextlib.asynccontextmanager
async def present(
    kafka: KafkaSettings,
    group: str,
    topic: str,
    stop: asyncio.Event | None = None,
    places: Places = dict,
) -> AsyncIterator[None]:
    """Be a member of `group`, which reads nothing of `topic`, while the block runs. The broker tells whoever asks that
    we are there, and within the session's timeout that we no longer are; and `places`, the offsets of what has not its
    end yet, as the group's position. Nobody goes on from there: the service's own position is what counts. Raises
    KafkaError when `stop` is set before the broker answers."""

    async def join() -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(
            **kafka.reader_options(),
            group_id=group,
            session_timeout_ms=kafka.session_timeout_ms,
            heartbeat_interval_ms=kafka.session_timeout_ms // 3,
            max_poll_interval_ms=kafka.max_poll_interval_ms,
        )
        consumer.subscribe([topic], listener=_Pausing(consumer))
        try:
            await consumer.start()
        except BaseException:
            await close_consumer(consumer)
            raise
        return consumer

    consumer = await retry_transient(join, stop=stop)
    staying = asyncio.create_task(_stay(consumer, min(_TELL_S, kafka.max_poll_interval_ms / 3000), places))
    try:
        yield
    finally:
        staying.cancel()
        await asyncio.gather(staying, return_exceptions=True)
        await _tell(consumer, places())
        await close_consumer(consumer)


async def _stay(consumer: AIOKafkaConsumer, every_s: float, places: Places) -> None:
    """Ask for records, of which there are none, as often as a member must; tell the places when they have changed."""
    told: Mapping[TopicPartition, int] = {}
    while True:
        try:
            await consumer.getmany(timeout_ms=0)
        except KafkaError as error:
            _log.warning("presence", error=repr(error))
        now = dict(places())
        if now != told and await _tell(consumer, now):
            told = now
        await asyncio.sleep(every_s)


async def _tell(consumer: AIOKafkaConsumer, places: Mapping[TopicPartition, int]) -> bool:
    """Whether the broker took them: those of partitions that are ours."""
    ours = {tp: offset for tp, offset in places.items() if tp in consumer.assignment()}
    if not ours:
        return False
    try:
        await consumer.commit(ours)
    except KafkaError as error:
        _log.warning("presence", error=repr(error))
        return False
    return True


class _Pausing(ConsumerRebalanceListener):
    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        pass

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._consumer.pause(*assigned)

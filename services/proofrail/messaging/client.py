"""For callers outside the services: publish records, and watch what follows from them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer
from aiokafka import errors as kafka_errors
from aiokafka.admin import AIOKafkaAdminClient

from proofrail.messaging._producer import close_producer
from proofrail.messaging.errors import BrokerUnavailableError
from proofrail.messaging.reach import refusal
from proofrail.messaging.records import Message
from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.views import View
from proofrail.wire.topics import MAX_MESSAGE_BYTES


@dataclass(frozen=True, slots=True)
class Written:
    """Where a message was written."""

    topic: str
    partition: int
    offset: int


async def publish(
    kafka: KafkaSettings,
    messages: Iterable[Message],
    timeout: float = 30.0,  # noqa: ASYNC109
) -> list[Written]:
    """Write `messages`, each once, acknowledged by all replicas; returns where, in their order.

    Raises BrokerUnavailableError `not-published` when not all were acknowledged within `timeout` seconds:
    some of them may have been written, so a caller that repeats must be deduplicated by content (proposals
    are).
    """
    producer = AIOKafkaProducer(
        **kafka.client_options(),
        enable_idempotence=True,
        acks="all",
        linger_ms=0,
        compression_type="lz4",
        max_batch_size=MAX_MESSAGE_BYTES - 64 * 1024,
        max_request_size=MAX_MESSAGE_BYTES,
    )
    try:
        async with asyncio.timeout(timeout):
            await producer.start()
            waiting = [
                await producer.send(
                    message.topic,
                    value=message.value,
                    key=message.key,
                    partition=message.partition,
                    headers=list(message.headers),
                )
                for message in messages
            ]
            done = await asyncio.gather(*waiting)
    except (TimeoutError, kafka_errors.KafkaError) as error:
        raise BrokerUnavailableError(
            "not-published",
            f"not all records were acknowledged by {kafka.bootstrap}: {error!r}",
            "Check that the broker runs, that PROOFRAIL_KAFKA_BOOTSTRAP names it and that the topics exist",
        ) from error
    finally:
        await close_producer(producer)
    return [Written(meta.topic, meta.partition, meta.offset) for meta in done]


def tail(kafka: KafkaSettings, topics: Sequence[str]) -> View:
    """A view of what is written from its `start()` on: start it, publish, then iterate over `records()`."""
    return View(kafka, topics, start="end")


async def wait_for_broker(kafka: KafkaSettings, timeout: float = 30.0) -> str:  # noqa: ASYNC109
    """Return the cluster's id as soon as the broker answers a metadata request. Raises BrokerUnavailableError, and
    UnusableInputError when a broker answers and will not have us (see reach.py)."""
    error: Exception | None = None
    try:
        async with asyncio.timeout(timeout):
            while True:
                admin = AIOKafkaAdminClient(**kafka.client_options())
                try:
                    await admin.start()
                    described = await admin.describe_cluster()
                except kafka_errors.KafkaError as caught:
                    error = caught
                    if refused := await refusal(kafka):
                        raise refused from caught
                else:
                    return str(described.get("cluster_id"))
                finally:
                    await admin.close()
                await asyncio.sleep(0.1)
    except TimeoutError as late:
        raise BrokerUnavailableError(
            "broker-unavailable",
            f"no answer from {kafka.bootstrap} within {timeout:.0f} s ({error!r})",
            "Start a broker (proofrail kafka) or name one in PROOFRAIL_KAFKA_BOOTSTRAP; where one listens there, "
            "check PROOFRAIL_KAFKA_SECURITY_PROTOCOL",
        ) from late

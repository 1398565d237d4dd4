"""One transactional producer: all messages and offsets of a step become visible together, or none does.

Four traps of aiokafka 0.14 are closed here. `commit_transaction` commits although a batch of the
transaction was refused, so every send is awaited first. `abort_transaction` after a refusal tells the broker
nothing, so what was begun is remembered. A producer whose sender task died never recovers, so it is replaced
under the same transactional id, which aborts or completes what it left open. And a commit that was not answered
may have happened, so the caller gets `UnknownOutcome` and asks the broker.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from typing import Final

import structlog
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka import errors as kafka_errors

from proofrail.messaging._protocol import Member, abort_what_was_refused, fence_offsets, forget_failure
from proofrail.messaging.errors import BrokerUnavailableError, fenced, producer_fenced
from proofrail.messaging.records import Message
from proofrail.messaging.settings import KafkaSettings
from proofrail.wire.errors import PoisonError
from proofrail.wire.topics import MAX_MESSAGE_BYTES

TRANSACTION_TIMEOUT_MS: Final = 10_000
RETRY_BACKOFF_MS: Final = 10
"""aiokafka waits this long when a transaction begins while the markers of the one before are being
written; its default of 100 ms would be the latency of a transaction. Connections that fail are retried at
the pace of their timeouts, not at this one."""

_BATCH_BYTES: Final = MAX_MESSAGE_BYTES - 64 * 1024
_COMMIT_SECONDS: Final = 30.0
_START_SECONDS: Final = 60.0
_ABORT_SECONDS: Final = 5.0
_STOP_SECONDS: Final = 3.0
_YIELD_EVERY: Final = 32

_log = structlog.get_logger(__name__)


class UnknownOutcome(Exception):  # noqa: N818 - neither success nor failure: that is the point
    """The commit was sent and not answered: it may have happened."""


class TransactionalProducer:
    """A producer with a stable transactional id."""

    def __init__(self, kafka: KafkaSettings, transactional_id: str) -> None:
        self._kafka = kafka
        self._id = transactional_id
        self._member: Member | None = None
        self._producer: AIOKafkaProducer | None = None
        self._busy = asyncio.Lock()

    async def start(self, warm: Sequence[str] = ()) -> AIOKafkaProducer:
        """Connect, fence off every older producer of this id and settle the transaction it left open.

        `warm` names topics whose metadata is fetched already now, so that the first transaction does not
        wait for it. Raises BrokerUnavailableError.
        """
        producer = AIOKafkaProducer(
            **self._kafka.client_options(),
            transactional_id=self._id,
            transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
            acks="all",
            linger_ms=0,
            compression_type="lz4",
            max_batch_size=_BATCH_BYTES,
            max_request_size=MAX_MESSAGE_BYTES,
            retry_backoff_ms=RETRY_BACKOFF_MS,
        )
        try:
            async with asyncio.timeout(_START_SECONDS):
                await producer.start()
                for topic in warm:
                    await producer.partitions_for(topic)
        except BaseException as error:
            await close_producer(producer)
            if isinstance(error, TimeoutError | kafka_errors.KafkaError):
                raise BrokerUnavailableError(
                    "broker-unavailable",
                    f"no transactional producer at {self._kafka.bootstrap}: {error!r}",
                    "Check that the broker runs and PROOFRAIL_KAFKA_BOOTSTRAP names it",
                ) from error
            raise
        fence_offsets(producer, self._committing_member)
        abort_what_was_refused(producer)
        self._producer = producer
        return producer

    def _committing_member(self) -> Member:
        if self._member is None:
            raise RuntimeError("offsets are committed within a transaction only")
        return self._member

    async def stop(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await close_producer(producer)

    async def renew(self) -> None:
        """Replace the producer; when this returns, the outcome of its last transaction is settled."""
        await self.stop()
        await self.start()

    async def verify(self, offsets: Mapping[TopicPartition, int], group: str, member: Member) -> None:
        """Raise RestartRequiredError `producer-fenced` if another process has our transactional id now; a
        transaction under way finds out by itself."""
        if self._busy.locked() or self._producer is None or not offsets:
            return
        async with self._busy:
            producer, self._member = self._producer, member
            try:
                async with asyncio.timeout(TRANSACTION_TIMEOUT_MS / 1000):
                    await producer.begin_transaction()
                    await producer.send_offsets_to_transaction(dict(offsets), group)
            except (TimeoutError, kafka_errors.KafkaError) as error:
                if fenced(error):
                    await self.stop()
                    raise producer_fenced(self._id) from error
            await self._give_up(producer)

    async def transact(
        self,
        messages: Iterable[Message] | AsyncIterable[Message],
        offsets: Mapping[TopicPartition, int],
        group: str,
        member: Member,
    ) -> None:
        """Send `messages` and, as `member` of `group`, `offsets` (next offset to read) in one transaction and
        commit it.

        Raises, with nothing published: BrokerUnavailableError, kafka CommitFailedError (the member is not
        current), PoisonError `record-refused`; RestartRequiredError when fenced; UnknownOutcome when the
        commit was not answered.
        """
        async with self._busy:
            self._member = member
            await self._transact(messages, offsets, group)

    async def _transact(
        self,
        messages: Iterable[Message] | AsyncIterable[Message],
        offsets: Mapping[TopicPartition, int],
        group: str,
    ) -> None:
        if self._producer is not None and (dead := _death(self._producer)) is not None:
            await self.stop()
            if fenced(dead):
                raise producer_fenced(self._id) from dead
        producer = self._producer or await self.start()
        try:
            async with asyncio.timeout(TRANSACTION_TIMEOUT_MS / 1000):
                await producer.begin_transaction()
                await self._send(producer, messages, offsets, group)
        except BaseException as error:
            await self._give_up(producer)
            if fenced(error):
                raise producer_fenced(self._id) from error
            if isinstance(error, kafka_errors.CommitFailedError):
                raise
            if isinstance(error, kafka_errors.MessageSizeTooLargeError):
                raise PoisonError("record-refused", f"the broker refused a record: {error}") from error
            if isinstance(error, TimeoutError | kafka_errors.KafkaError):
                raise BrokerUnavailableError(
                    "broker-unavailable",
                    f"the transaction was given up: {error!r}",
                    "It is tried again. If none ever succeeds, ask `proofrail doctor`: a broker that cannot reach its "
                    "own advertised.listeners takes records, but no transactions",
                ) from error
            raise
        try:
            async with asyncio.timeout(_COMMIT_SECONDS):
                await producer.commit_transaction()
        except (TimeoutError, kafka_errors.KafkaError) as error:
            if fenced(error):
                await self.stop()
                raise producer_fenced(self._id) from error
            raise UnknownOutcome from error

    async def _send(
        self,
        producer: AIOKafkaProducer,
        messages: Iterable[Message] | AsyncIterable[Message],
        offsets: Mapping[TopicPartition, int],
        group: str,
    ) -> None:
        waiting: list[asyncio.Future[object]] = []
        try:
            async for message in _each(messages):
                waiting.append(
                    await producer.send(
                        message.topic,
                        value=message.value,
                        key=message.key,
                        partition=message.partition,
                        headers=list(message.headers),
                    )
                )
                if len(waiting) % _YIELD_EVERY == 0:
                    await asyncio.sleep(0)
            if offsets:
                waiting.append(
                    asyncio.ensure_future(producer.send_offsets_to_transaction(dict(offsets), group))
                )
        finally:
            results = await asyncio.gather(*waiting, return_exceptions=True)
        failures = [result for result in results if isinstance(result, BaseException)]
        if failures:
            raise next((failure for failure in failures if fenced(failure)), failures[0])

    async def _give_up(self, producer: AIOKafkaProducer) -> None:
        """Abort; where that is impossible, drop the producer: its successor's start aborts for it."""
        forget_failure(producer)
        try:
            async with asyncio.timeout(_ABORT_SECONDS):
                await producer.abort_transaction()
        except Exception as error:
            _log.warning("producer-dropped", transactional_id=self._id, error=repr(error))
            await self.stop()


def _death(producer: AIOKafkaProducer) -> BaseException | None:
    """What ended the task that sends, which nothing restarts."""
    task = producer._sender.sender_task
    return task.exception() if task is not None and task.done() and not task.cancelled() else None


async def _each(messages: Iterable[Message] | AsyncIterable[Message]) -> AsyncIterable[Message]:
    if isinstance(messages, AsyncIterable):
        async for message in messages:
            yield message
    else:
        for message in messages:
            yield message


async def close_producer(producer: AIOKafkaProducer) -> None:
    """Stop without waiting for a broker that may be gone: nothing unsent may leave any more."""
    forget_failure(producer)
    with contextlib.suppress(Exception):
        async with asyncio.timeout(_STOP_SECONDS):
            await producer.stop()
            return
    sender = producer._sender.sender_task
    if sender is not None:
        sender.cancel()
    with contextlib.suppress(Exception):
        async with asyncio.timeout(_STOP_SECONDS):
            await producer.client.close()

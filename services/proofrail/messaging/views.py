"""Views: whole topics read from their beginning, without a consumer group, to rebuild what a service keeps in
memory and to stay current."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final, Literal

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka import errors as kafka_errors

from proofrail.messaging.catching_up import CatchingUp
from proofrail.messaging.closing import close_consumer
from proofrail.messaging.errors import BrokerUnavailableError
from proofrail.messaging.records import Record
from proofrail.messaging.settings import KafkaSettings

__all__ = ["Handler", "Record", "View"]

Handler = Callable[[list[Record]], Awaitable[None] | None]
"""Takes records in order within each partition; plain or async. It is given a lot at a time and the event loop turns
between lots, so it may compute, but must not wait. What it was given when it was cancelled it is given again."""

_POLL_MS: Final = 100
# Markers wake nobody: a position that only passes markers is seen at the next poll.
_AT_ONCE: Final = 500
_LOT_BYTES: Final = 64 * 1024
"""Few enough for heartbeats: the slowest handlers take some 4 MiB a second."""
_CONNECT_SECONDS: Final = 60.0
_STALLED_SECONDS: Final = 60.0
_TELL_SECONDS: Final = 5.0

_log = structlog.get_logger(__name__)


class View:
    """Reads `topics` in whole (`start="beginning"`) or from what is written after `start()` on
    (`start="end"`), committed transactions only, and gives all records to `handler`.

        async with View(kafka, [topics.INDEX], handler) as view:
            await view.catch_up()                  # everything there is now has been handled
            task_group.create_task(view.follow())  # and what comes, until cancelled
            ...
            await view.catch_up()                  # also while following: a barrier

    Without a handler, iterate over `records()`.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        topics: Sequence[str],
        handler: Handler | None = None,
        *,
        start: Literal["beginning", "end"] = "beginning",
    ) -> None:
        self._kafka = kafka
        self._topics = list(topics)
        self._handler = handler
        self._start = start
        self._consumer: AIOKafkaConsumer | None = None
        self._probe: AIOKafkaConsumer | None = None
        self._partitions: list[TopicPartition] = []
        self._unhandled: deque[Record] = deque()
        self._catching: list[CatchingUp] = []
        self._reading = asyncio.Lock()
        self._polled_at = time.monotonic()

    async def __aenter__(self) -> View:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Connect and take up the positions. Raises BrokerUnavailableError, also for a topic that does not
        exist."""
        self._consumer = AIOKafkaConsumer(
            *self._topics,
            **self._kafka.reader_options(),
            auto_offset_reset="earliest",
            fetch_max_wait_ms=500,
        )
        # The end of a log as writers see it, past the transactions still open: only a reader that is not
        # read_committed is told.
        self._probe = AIOKafkaConsumer(
            **self._kafka.client_options(), enable_auto_commit=False, retry_backoff_ms=20
        )
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await self._probe.start()
                await self._consumer.start()
                self._partitions = sorted(self._consumer.assignment())
                if self._start == "end":
                    for tp, offset in (await self._ends()).items():
                        self._consumer.seek(tp, offset)
        except (TimeoutError, kafka_errors.KafkaError) as error:
            await self.stop()
            raise BrokerUnavailableError(
                "broker-unavailable",
                f"cannot read {', '.join(self._topics)} at {self._kafka.bootstrap}: {error!r}",
                "Check that the broker runs and that the topics exist",
            ) from error
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Close the connections."""
        for consumer in (self._consumer, self._probe):
            if consumer is not None:
                await close_consumer(consumer)
        self._consumer = self._probe = None

    @property
    def last_poll_age(self) -> float:
        """Seconds since the view last asked for records or handled some."""
        return time.monotonic() - self._polled_at

    def behind(self) -> str | None:
        """How far the view has come, while catching up takes long."""
        for catching in self._catching:
            if catching.seconds(time.monotonic()) >= _TELL_SECONDS:
                return f"catching up: {catching}"
        return None

    async def positions_and_ends(self) -> dict[TopicPartition, tuple[int, int]]:
        """For each partition, the offset of the next record and the end of what can be read now. Raises
        BrokerUnavailableError, KafkaError."""
        consumer = self._started(self._consumer)
        ends = await consumer.end_offsets(self._partitions)
        return {tp: (await consumer.position(tp), end) for tp, end in ends.items()}

    async def catch_up(self, timeout: float = _STALLED_SECONDS) -> None:  # noqa: ASYNC109
        """Return when all that was written before this call has been handled, however much it is.

        Counted are also transactions that were still open or being committed at that moment: whichever way
        they end, the view is past them. Raises BrokerUnavailableError `view-behind` when nothing has moved for
        `timeout` seconds.
        """
        try:
            async with asyncio.timeout(timeout) as limit:
                targets = await self._ends()
                async with self._reading:
                    catching = CatchingUp(await self._positions(), targets, time.monotonic())
                self._catching.append(catching)
                try:
                    await self._reach(catching, limit, timeout)
                finally:
                    self._catching.remove(catching)
        except (TimeoutError, kafka_errors.KafkaError) as error:
            raise BrokerUnavailableError(
                "view-behind",
                f"{', '.join(self._topics)} could not be read to the end: {error!r}",
                "A transaction that was left open ends after 10 s; otherwise check the broker",
            ) from error

    async def _reach(self, catching: CatchingUp, limit: asyncio.Timeout, timeout: float) -> None:  # noqa: ASYNC109
        loop = asyncio.get_running_loop()
        left = told = first = catching.left
        told_at = time.monotonic()
        while not await self._step(catching):
            if catching.left < left:
                left = catching.left
                limit.reschedule(loop.time() + timeout)
            if left < told and time.monotonic() - told_at >= _TELL_SECONDS:
                told, told_at = left, time.monotonic()
                for topic, (read, of) in catching.by_topic().items():
                    _log.info("catching-up", topic=topic, records=read, of=of)
        if told < first:
            seconds = round(catching.seconds(time.monotonic()), 1)
            _log.info("caught-up", topics=self._topics, seconds=seconds)

    async def has_lost_records(self, topic: str) -> bool:
        """Whether the broker has removed records from the beginning of the topic: what is not there may have expired.
        Raises BrokerUnavailableError."""
        asked = [tp for tp in self._partitions if tp.topic == topic]
        try:
            begins = await self._started(self._probe).beginning_offsets(asked)
        except kafka_errors.KafkaError as error:
            raise BrokerUnavailableError(
                "broker-unavailable", f"where {', '.join(self._topics)} begins is not known: {error!r}"
            ) from error
        return any(begins.values())

    async def follow(self) -> None:
        """Handle what comes, until cancelled. Survives a broker that is away."""
        while True:
            try:
                await self._step()
            except kafka_errors.KafkaError as error:
                if not error.retriable:
                    raise
                _log.warning("view-retry", topics=self._topics, error=repr(error))
                await asyncio.sleep(1)

    async def records(self) -> AsyncIterator[Record]:
        """Iterate over the records, without a handler, until the caller stops."""
        while True:
            for record in await self._read():
                yield record

    async def _step(self, catching: CatchingUp | None = None) -> bool:
        """Read, or handle a lot of what was read; True when, instead, what is to be caught up with is behind us. Under
        the lock no handler is half way through, so that a position reached means its records were handled."""
        async with self._reading:
            if catching is not None:
                catching.reach(await self._positions())
                if not catching.left:
                    return True
            if not self._unhandled:
                self._unhandled.extend(await self._read())
            lot = self._lot()
            if lot and self._handler is not None:
                result = self._handler(lot)
                if inspect.isawaitable(result):
                    await result
            for _ in lot:
                self._unhandled.popleft()
            self._polled_at = time.monotonic()
            # Within the lock: two readers that turned after it could take a lot each in one turn of the loop.
            await asyncio.sleep(0)
        return False

    def _lot(self) -> list[Record]:
        """The next records to handle, of `_LOT_BYTES` together or one that is longer."""
        lot: list[Record] = []
        size = 0
        for record in self._unhandled:
            size += len(record.value)
            if lot and size > _LOT_BYTES:
                break
            lot.append(record)
        return lot

    async def _read(self) -> list[Record]:
        batches = await self._started(self._consumer).getmany(timeout_ms=_POLL_MS, max_records=_AT_ONCE)
        self._polled_at = time.monotonic()
        return [Record.of(raw) for raws in batches.values() for raw in raws]

    async def _positions(self) -> dict[TopicPartition, int]:
        """For each partition, the offset of the next record to be handled."""
        consumer = self._started(self._consumer)
        positions = {tp: await consumer.position(tp) for tp in self._partitions}
        for record in reversed(self._unhandled):
            positions[record.tp] = record.offset
        return positions

    async def _ends(self) -> dict[TopicPartition, int]:
        found: dict[TopicPartition, int] = await self._started(self._probe).end_offsets(self._partitions)
        return found

    @staticmethod
    def _started(consumer: AIOKafkaConsumer | None) -> AIOKafkaConsumer:
        if consumer is None:
            raise BrokerUnavailableError("view-stopped", "the view is not running", "Start it first")
        return consumer

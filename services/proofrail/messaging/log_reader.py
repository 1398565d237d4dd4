"""Reads topics from places that the caller keeps, without a consumer group: for readers whose progress is theirs to
store, beside what they do with the records.

It never goes on anywhere else than where it was: a place that the broker no longer has is an error.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Final, Literal, Self

from aiokafka import AIOKafkaConsumer
from aiokafka import errors as kafka_errors

from proofrail.messaging.backoff import retry_transient
from proofrail.messaging.client import wait_for_broker
from proofrail.messaging.closing import close_consumer
from proofrail.messaging.errors import BrokerUnavailableError
from proofrail.messaging.partitions import known_partitions, partitions_of
from proofrail.messaging.records import Record, TopicPartition
from proofrail.messaging.settings import KafkaSettings
from proofrail.wire.errors import ProofrailError

_POLL_MS: Final = 100
_AT_ONCE: Final = 500
_SILENT_S: Final = 2.0
"""After so long without a record the broker is asked whether it is there: aiokafka waits for it without a word."""
_METADATA_MS: Final = 30_000
"""How soon partitions that were added to a topic are read, too."""


class PlaceLostError(ProofrailError):
    """A place in a topic is not in its log: the records there were removed (`position-expired`), or the log ends
    before it (`position-ahead`)."""


class LogReader:
    """Reads the committed records of `topics`: partitions in `places` from the offset there on, all others from their
    beginning or, with `otherwise="end"`, from what is written after `start`.

    Partitions that are added later are read from their beginning.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        topics: Sequence[str],
        places: Mapping[TopicPartition, int],
        *,
        otherwise: Literal["beginning", "end"] = "beginning",
    ) -> None:
        self._kafka = kafka
        self._topics = list(topics)
        self._next = dict(places)
        self._otherwise = otherwise
        self._consumer: AIOKafkaConsumer | None = None
        self._ends: dict[TopicPartition, int] = {}
        self.cluster = ""
        """The id of the cluster whose offsets these are."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def places(self) -> dict[TopicPartition, int]:
        """The offset of the next record, by partition."""
        return dict(self._next)

    async def connect(self, timeout: float) -> None:  # noqa: ASYNC109
        """Connect to the broker, and learn what cluster it is of. Raises BrokerUnavailableError."""
        self.cluster = await wait_for_broker(self._kafka, timeout)
        # "none": where a place is gone, the broker's word is an error and no new place.
        self._consumer = AIOKafkaConsumer(
            **self._kafka.reader_options(),
            auto_offset_reset="none",
            fetch_max_wait_ms=500,
            metadata_max_age_ms=_METADATA_MS,
        )
        with self._translated():
            await self._consumer.start()
        # A task that aiokafka has just made must have begun: cancelled before that, it breaks `stop` half way.
        await asyncio.sleep(0)

    async def start(self) -> None:
        """Take up the places. Raises PlaceLostError, BrokerUnavailableError (also for a topic that does not exist)."""
        consumer = self._started()
        with self._translated():
            if missing := sorted(set(self._topics) - await consumer.topics()):
                raise BrokerUnavailableError(
                    "broker-unavailable",
                    f"there is no topic {', '.join(missing)} at {self._kafka.bootstrap}",
                    "Create the topics (proofrail topics), or name another broker",
                )
            partitions = await partitions_of(consumer, self._topics)
            begins = await consumer.beginning_offsets(partitions)
            ends = await consumer.end_offsets(partitions)
        for tp in self._next.keys() - set(partitions):
            _check(tp, self._next[tp], 0, -1)
        for tp in partitions:
            place = self._next.setdefault(tp, begins[tp] if self._otherwise == "beginning" else ends[tp])
            _check(tp, place, begins[tp], ends[tp])
        self._ends = dict(ends)
        self._otherwise = "beginning"
        self._take_up(partitions)

    async def read(self) -> list[Record]:
        """The next records, in order within each partition; none after a while without any. A broker that is away is
        waited for. Raises PlaceLostError, ProofrailError `topic-unreadable`."""
        return await retry_transient(self._read)

    async def to_end(self, answers_s: float) -> AsyncIterator[list[Record]]:
        """What was committed at `start` and is not read yet, as it comes. Raises as `read`, and BrokerUnavailableError
        where records stay away and the broker does not say within `answers_s` seconds where they end."""
        heard = time.monotonic()
        while not await self.at_end():
            records = await self.read()
            if records:
                yield records
            elif time.monotonic() - heard < _SILENT_S:
                continue
            else:
                with self._translated():
                    async with asyncio.timeout(answers_s):
                        await self.positions_and_ends()
            heard = time.monotonic()

    async def positions_and_ends(self) -> dict[TopicPartition, tuple[int, int]]:
        """For each partition, where reading is (markers behind the last record are passed) and the end of what can be
        read now. Raises BrokerUnavailableError."""
        consumer = self._started()
        with self._translated():
            ends = await consumer.end_offsets(list(self._next))
            return {tp: (await consumer.position(tp), end) for tp, end in ends.items()}

    async def at_end(self) -> bool:
        """Whether all that was committed at `start` has been read."""
        consumer = self._started()
        return all([await consumer.position(tp) >= end for tp, end in self._ends.items()])

    async def stop(self) -> None:
        """Close the connection."""
        if self._consumer is not None:
            await close_consumer(self._consumer)
        self._consumer = None

    async def _read(self) -> list[Record]:
        consumer = self._started()
        self._take_up_added()
        try:
            batches = await consumer.getmany(timeout_ms=_POLL_MS, max_records=_AT_ONCE)
        except kafka_errors.OffsetOutOfRangeError as error:
            # A replica that lags behind says so, too: only what the log's ends confirm is true.
            await self._check_places()
            raise BrokerUnavailableError("broker-unavailable", f"a replica is behind: {error!r}") from error
        except kafka_errors.KafkaError as error:
            if error.retriable:
                raise
            raise ProofrailError(
                "topic-unreadable",
                f"{', '.join(self._topics)} at {self._kafka.bootstrap} cannot be read: {error!r}",
                "Check the reader's permissions, and what the broker's log says",
            ) from error
        records = [Record.of(raw) for raws in batches.values() for raw in raws]
        for record in records:
            self._next[record.tp] = record.offset + 1
        return records

    async def _check_places(self) -> None:
        consumer = self._started()
        with self._translated():
            begins = await consumer.beginning_offsets(list(self._next))
            ends = await consumer.end_offsets(list(self._next))
        for tp, place in self._next.items():
            _check(tp, place, begins[tp], ends[tp])
        self._take_up(list(self._next))

    def _take_up_added(self) -> None:
        partitions = known_partitions(self._started(), self._topics)
        added = [tp for tp in partitions if tp not in self._next]
        if added:
            self._next.update(dict.fromkeys(added, 0))
            self._take_up(list(self._next))

    def _take_up(self, partitions: list[TopicPartition]) -> None:
        consumer = self._started()
        consumer.assign(partitions)
        for tp in partitions:
            consumer.seek(tp, self._next[tp])

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (TimeoutError, kafka_errors.KafkaError) as error:
            raise BrokerUnavailableError(
                "broker-unavailable",
                f"cannot read {', '.join(self._topics)} at {self._kafka.bootstrap}: {error!r}",
                "Check that the broker runs and that the topics exist",
            ) from error

    def _started(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise BrokerUnavailableError("view-stopped", "the reader is not running", "Start it first")
        return self._consumer


def _check(tp: TopicPartition, place: int, begin: int, end: int) -> None:
    if place < begin:
        raise PlaceLostError(
            "position-expired",
            f"{tp.topic}/{tp.partition} was read to offset {place} and now begins at {begin}: "
            "what stood between has been removed",
            "Find out elsewhere what it was, then start anew from the beginning",
            topic=tp.topic,
            partition=tp.partition,
            offset=place,
            begins=begin,
        )
    if place > end:
        raise PlaceLostError(
            "position-ahead",
            f"{tp.topic}/{tp.partition} was read to offset {place}, but "
            + (f"its log ends at {end}" if end >= 0 else "there is no such partition now"),
            "The topic was made anew or has lost its end; the position is another log's",
            topic=tp.topic,
            partition=tp.partition,
            offset=place,
            ends=end,
        )

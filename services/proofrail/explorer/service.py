"""The explorer's loop: everything on the topics into the view, and word of it to whoever looks.

It publishes nothing and belongs to no group: positions are kept in the view, in the transactions that they belong to.
A process killed at any moment goes on where its view ends.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import structlog
from aiokafka import TopicPartition

from proofrail.explorer.database import Database
from proofrail.explorer.groups import watch_groups
from proofrail.explorer.reader import ViewReader
from proofrail.explorer.schema import TOPICS
from proofrail.explorer.view import Changed, View
from proofrail.messaging.backoff import retry_transient
from proofrail.messaging.following import first_of
from proofrail.messaging.host import ServiceContext
from proofrail.messaging.log_reader import LogReader, PlaceLostError
from proofrail.messaging.records import Record

T = TypeVar("T")

_LOTS_AHEAD: Final = 8
"""Lots of records that are read before the first of them is in the view."""
_AT_ONCE: Final = 4000
"""Records in one transaction, about: more are no faster, and readers wait for what is new."""
_STRIP_S: Final = 1.0
_CONNECT_S: Final = 30.0

_log = structlog.get_logger(__name__)


class Explorer:
    """Follows the topics into a view."""

    def __init__(self, database: Database, view: View, reader: ViewReader, context: ServiceContext) -> None:
        self._database = database
        self._view = view
        self._reader = reader
        self._context = context
        self._kafka = context.kafka
        self._polled_at = time.monotonic()
        self._log_reader: LogReader | None = None
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="explorer-write")
        context.watch("topics", self)
        context.measure(self)

    @property
    def last_poll_age(self) -> float:
        """Seconds since records were asked for, or could not be because the broker was away."""
        return time.monotonic() - self._polled_at

    async def positions_and_ends(self) -> dict[TopicPartition, tuple[int, int]]:
        """How far the reading is, and how far it can be. Raises BrokerUnavailableError while there is none."""
        return {} if self._log_reader is None else await self._log_reader.positions_and_ends()

    async def work(self) -> None:
        """Follow until draining. Raises ProofrailError for a file or topics that cannot be used."""
        try:
            await first_of(
                self._follow_for_ever(),
                self._tell_strip(),
                watch_groups(self._kafka, self._reader.health),
                self._context.stopping.wait(),
            )
        finally:
            self._writing.shutdown()

    # --- following ------------------------------------------------------------------------------------------

    async def _follow_for_ever(self) -> None:
        while True:
            try:
                await retry_transient(self._follow, metrics=self._context.metrics)
            except PlaceLostError as error:
                await self._begin_anew(error)

    async def _follow(self) -> None:
        """Read on from where the view ends. Raises PlaceLostError, TransientError."""
        self._polled_at = time.monotonic()
        places = await self._in_thread(self._view.positions)
        async with LogReader(self._kafka, TOPICS, places) as log:
            await log.connect(_CONNECT_S)
            if await self._is_another(log.cluster):
                return
            await log.start()
            self._log_reader = log
            lots: asyncio.Queue[list[Record]] = asyncio.Queue(_LOTS_AHEAD)
            reading = asyncio.create_task(self._read(log, lots))
            try:
                await self._write(log, lots, reading)
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    async def _read(self, log: LogReader, lots: asyncio.Queue[list[Record]]) -> None:
        while True:
            records = await log.read()
            self._polled_at = time.monotonic()
            for topic in {record.topic for record in records}:
                count = sum(record.topic == topic for record in records)
                self._context.metrics.records_consumed.labels(topic=topic).inc(count)
            await lots.put(records)

    async def _write(
        self, log: LogReader, lots: asyncio.Queue[list[Record]], reading: asyncio.Task[None]
    ) -> None:
        health = self._reader.health
        while True:
            records = await self._next(lots, reading)
            if records:
                ends = {record.tp: record.offset + 1 for record in records}
                changed = await self._in_thread(lambda: self._view.apply(records, ends))  # noqa: B023
                self._reader.feed.tell(changed)
            if not health.caught_up and lots.empty():
                await self._look_how_far(log)

    async def _next(self, lots: asyncio.Queue[list[Record]], reading: asyncio.Task[None]) -> list[Record]:
        getting = asyncio.create_task(lots.get())
        try:
            await asyncio.wait({getting, reading}, return_when=asyncio.FIRST_COMPLETED)
            if not getting.done():
                reading.result()
            records = await getting
        finally:
            getting.cancel()
        while not lots.empty() and len(records) < _AT_ONCE:
            records = records + lots.get_nowait()
        return records

    async def _look_how_far(self, log: LogReader) -> None:
        health = self._reader.health
        found = await log.positions_and_ends()
        health.behind = sum(max(0, end - position) for position, end in found.values())
        if await log.at_end():
            health.caught_up = True
            _log.info("caught-up", seconds=round(time.monotonic() - self._context.started_at, 3))
            self._reader.feed.tell(Changed(too_many=True))
            self._context.ready()

    async def _is_another(self, cluster: str) -> bool:
        """Whether the broker is another cluster's than the view's, which then is dropped."""
        known = await self._in_thread(self._view.cluster)
        if known not in (None, cluster):
            await self._drop(f"the view is of the Kafka cluster {known}, and this is {cluster}")
            return True
        await self._in_thread(lambda: self._view.begin(cluster))
        return False

    async def _begin_anew(self, error: PlaceLostError) -> None:
        """What the broker has lost, stays in the view; where the topic was made anew, nothing of the old one does."""
        if error.code != "position-expired":
            await self._drop(error.message)
            return
        _log.warning("gap", why=error.message)
        place = TopicPartition(str(error.context["topic"]), int(error.context["partition"]))
        now = int(time.time() * 1000)
        await self._in_thread(lambda: self._view.note_gap(now, error.message, place))

    async def _drop(self, why: str) -> None:
        _log.warning("built-anew", why=why)
        self._reader.health.caught_up = False
        await self._in_thread(self._database.clear)

    # --- telling --------------------------------------------------------------------------------------------

    async def _tell_strip(self) -> None:
        """The strip, once a second, to those who listen."""
        while True:
            if self._reader.feed.readers:
                self._reader.feed.tell_pipeline(await self._reader.pipeline())
            await asyncio.sleep(_STRIP_S)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._writing, work)

"""Subscriptions: several topics as one stream of typed messages, resumed from where the consumer has come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Final, Generic, Literal, Self, TypeVar, overload

from proofrail.client.position import Place, Position, PositionStore
from proofrail.client.reading import Item, Line, Unreadable, items
from proofrail.messaging.log_reader import LogReader, PlaceLostError
from proofrail.messaging.records import Record, TopicPartition
from proofrail.messaging.settings import KafkaSettings

T = TypeVar("T", bound=Line)
Start = Literal["beginning", "now"]

_CONNECT_S: Final = 30.0
_BREATH: Final = 64
"""Items between two turns of the event loop."""


class Subscription(Generic[T]):
    """What stands on some topics; see `subscribe`. An async context manager, and then an async iterator.

    Only committed records are seen, in order within each partition. A broker that is away is waited for. Leaving the
    context, or cancelling the task, ends it.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        topics: tuple[str, ...],
        start: Start,
        positions: PositionStore | None,
        deliver_unreadable: bool,
        follow: bool,
        connect_s: float,
    ) -> None:
        self._kafka = kafka
        self._topics = topics
        self._start = start
        self._positions = positions
        self._deliver_unreadable = deliver_unreadable
        self._follow = follow
        self._connect_s = connect_s
        self._position = Position()
        self._saving = asyncio.Lock()
        self._reader: LogReader | None = None
        self._waiting: Iterator[Line] = iter(())
        self._delivered = 0
        self._handed_out: dict[TopicPartition, Place] = {}
        self._refused: Exception | None = None

    @property
    def position(self) -> Position:
        """How far the consumer has come: where a subscription that is given it goes on."""
        return self._position

    async def __aenter__(self) -> Self:
        """Connect and take up the position.

        Raises BrokerUnavailableError (also for a topic that does not exist); PlaceLostError `position-expired`,
        `position-ahead`, `position-foreign`; UnusableInputError `position-malformed`, `position-file`.
        """
        kept = await asyncio.to_thread(self._positions.load) if self._positions else None
        self._position = kept or Position()
        places = {tp: place.offset for tp, place in self._position.places.items() if tp.topic in self._topics}
        known = {tp.topic for tp in places}
        # The beginning, for partitions that were added to a topic already read: what is there is all new.
        otherwise: Literal["beginning", "end"] = "end" if self._start == "now" and not known else "beginning"
        self._reader = LogReader(self._kafka, self._topics, places, otherwise=otherwise)
        try:
            await self._reader.connect(self._connect_s)
            self._check_cluster(self._reader.cluster)
            await self._reader.start()
            await self._settle_start(self._reader)
        except BaseException:
            await self._reader.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._reader is not None:
            await self._reader.stop()

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        """The next item. Raises the error of a line that cannot be read, unless those are to be delivered, and raises
        it again from then on: nothing is passed over; PlaceLostError, ProofrailError `topic-unreadable`."""
        if self._refused is not None:
            raise self._refused
        self._delivered += 1
        if self._delivered % _BREATH == 0:
            await asyncio.sleep(0)
        while (line := next(self._waiting, None)) is None:
            self._waiting = self._lines(await self._read())
        if isinstance(line, Unreadable) and not self._deliver_unreadable:
            self._refused = line.error
            raise line.error
        self._handed_out[line.record.tp] = line.after
        return line  # type: ignore[return-value]

    async def positions_and_ends(self) -> dict[TopicPartition, tuple[int, int]]:
        """How far behind reading is: for each partition its position and the end of what can be read now. Raises
        BrokerUnavailableError."""
        if self._reader is None:
            return {}
        return await self._reader.positions_and_ends()

    async def done(self, item: Line | None = None) -> None:
        """Say that `item` and all before it in its partition, or all that was delivered so far, has had its effect: a
        subscription that resumes goes on behind it. Returns when the position is kept: for a file that is a write to
        the disk, so whoever has many small effects says so once for several. Raises UnusableInputError
        `position-file`."""
        async with self._saving:
            moves = dict(self._handed_out) if item is None else {item.record.tp: item.after}
            for tp, place in moves.items():
                self._position = self._position.moved(tp, place)
            await self._save()

    async def _save(self) -> None:
        if self._positions is None:
            return
        saving = asyncio.create_task(asyncio.to_thread(self._positions.save, self._position))
        try:
            await asyncio.shield(saving)
        except asyncio.CancelledError:
            # A thread cannot be cancelled: the next position must not be kept beside, and then under, this one.
            await asyncio.wait({saving})
            raise

    def _check_cluster(self, cluster: str) -> None:
        known = self._position.cluster
        if known and known != cluster:
            raise PlaceLostError(
                "position-foreign",
                f"the position was kept for the cluster {known}, this is the cluster {cluster}",
                "Name the broker it belongs to, or give this one a position of its own",
            )
        self._position = Position(cluster, self._position.places)

    async def _settle_start(self, reader: LogReader) -> None:
        """Keep where reading began, so that "now" stays what it was however often the consumer is killed."""
        before = self._position
        for tp, offset in reader.places.items():
            if tp not in self._position.places:
                self._position = self._position.moved(tp, Place(offset))
        if self._position is not before:
            await self._save()

    async def _read(self) -> list[Record]:
        reader = self._reader
        if reader is None:
            raise RuntimeError("enter the subscription first: async with subscribe(…) as stream")
        if not self._follow and await reader.at_end():
            raise StopAsyncIteration
        return await reader.read()

    def _lines(self, records: list[Record]) -> Iterator[Line]:
        for record in records:
            done = self._lines_done(record.tp, record.offset)
            for line in items(record):
                if line.number >= done:
                    yield line

    def _lines_done(self, tp: TopicPartition, offset: int) -> int:
        place = self._position.places.get(tp)
        return place.lines if place is not None and place.offset == offset else 0


@overload
def subscribe(
    kafka: KafkaSettings,
    topic: str,
    *topics: str,
    start: Start = ...,
    positions: PositionStore | None = ...,
    unreadable: Literal["raise"] = ...,
    follow: bool = ...,
    connect_s: float = ...,
) -> Subscription[Item]: ...


@overload
def subscribe(
    kafka: KafkaSettings,
    topic: str,
    *topics: str,
    start: Start = ...,
    positions: PositionStore | None = ...,
    unreadable: Literal["deliver"],
    follow: bool = ...,
    connect_s: float = ...,
) -> Subscription[Item | Unreadable]: ...


def subscribe(
    kafka: KafkaSettings,
    topic: str,
    *topics: str,
    start: Start = "beginning",
    positions: PositionStore | None = None,
    unreadable: Literal["raise", "deliver"] = "raise",
    follow: bool = True,
    connect_s: float = _CONNECT_S,
) -> Subscription[Item] | Subscription[Item | Unreadable]:
    """Subscribe to one topic or several, such as ATTESTATIONS, as one stream.

        async with subscribe(kafka, ATTESTATIONS, positions=PositionFile("registrar.position")) as stream:
            async for item in stream:
                ...                      # the effect first,
                await stream.done(item)  # then the position: at least once

    `positions`: where the consumer's progress is kept; a position found there is resumed from, and `start` counts only
    where there is none (without `positions`, always). A topic that is new to a kept position is read from its
    beginning. `unreadable`: whether a line that is no message of its topic ends the stream with its error, or is
    delivered as an Unreadable. Without `follow` the stream ends when all that was committed at its start has been
    delivered. `connect_s`: how long a broker that does not answer is waited for at the start.
    """
    return Subscription(
        kafka,
        tuple(dict.fromkeys((topic, *topics))),
        start,
        positions,
        unreadable == "deliver",
        follow,
        connect_s,
    )

"""Subscriptions on a real broker: complete, resumed where the consumer was, and never past what it cannot read."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, RecordsToDelete

from proofrail.client import (
    DeadLetter,
    Item,
    Place,
    PlaceLostError,
    Position,
    PositionFile,
    ProofFailure,
    ProofrailError,
    Subscription,
    Unreadable,
    subscribe,
)
from proofrail.messaging import log_reader
from proofrail.messaging.client import publish
from proofrail.messaging.embedded import EmbeddedKafka
from proofrail.messaging.errors import BrokerUnavailableError
from proofrail.messaging.records import Message, Record, TopicPartition
from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.topics import ensure_topics
from proofrail.wire.messages import to_line
from proofrail.wire.topics import TopicSpec

pytestmark = pytest.mark.kafka

MakeTopic = Callable[..., Awaitable[str]]
NOVEL = b'{"v":1,"type":"Novel"}'
NEWER = b'{"v":2,"type":"Proof"}'


def failure(name: str) -> bytes:
    return to_line(
        ProofFailure(run_id=name, backend="stwo", code="out-of-luck", message="", final=True, attempts=1)
    )


async def write(kafka: KafkaSettings, topic: str, *names: str, partition: int | None = None) -> None:
    """Records of one message each, with the name as key."""
    messages = [Message(topic, name.encode(), failure(name) + b"\n", partition=partition) for name in names]
    await publish(kafka, messages)


async def keys(stream: Subscription[Item], count: int | None = None) -> list[str]:
    """The keys of the next items, all of them without `count`; each is done."""
    found: list[str] = []
    if count == 0:
        return found
    async for item in stream:
        found.append(item.key)
        await stream.done(item)
        if len(found) == count:
            break
    return found


async def _some(reader: log_reader.LogReader) -> list[Record]:
    """The next records of a reader."""
    while not (records := await reader.read()):
        pass
    return records


@contextlib.asynccontextmanager
async def admin(kafka: KafkaSettings):
    client = AIOKafkaAdminClient(**kafka.client_options())
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def expire(kafka: KafkaSettings, topic: str, before: int) -> None:
    """Remove records as retention does."""
    async with admin(kafka) as client:
        await client.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=before)})


async def test_several_topics_are_one_stream_of_typed_items(
    kafka: KafkaSettings, make_topic: MakeTopic
) -> None:
    """Each line of each record is an item with its place, key, time, message and the line itself; without `follow`
    the stream ends behind what there was."""
    one, two = await make_topic("one", 2), await make_topic("two")
    letter = DeadLetter(topic="t", partition=0, offset=7, code="c", message="m", value="00", attempts=1)
    lines = [failure("a"), to_line(letter)]
    await publish(kafka, [Message(one, b"key", b"\n".join(lines) + b"\n", partition=1)])
    await write(kafka, two, "b")
    async with subscribe(kafka, one, two, follow=False) as stream:
        items = sorted([item async for item in stream], key=lambda item: (item.topic, item.number))
    assert [(one, 1, 0, "key"), (one, 1, 0, "key"), (two, 0, 0, "b")] == [
        (item.topic, item.partition, item.offset, item.key) for item in items
    ]
    assert [*lines, failure("b")] == [item.line for item in items]
    assert [ProofFailure, DeadLetter, ProofFailure] == [type(item.message) for item in items]
    assert letter == items[1].message
    assert all(item.timestamp > 1_700_000_000_000 for item in items)


async def test_from_now_on_stays_where_it_was(
    kafka: KafkaSettings, make_topic: MakeTopic, tmp_path: Path
) -> None:
    """ "now" is the moment of the first start, also for partitions in which nothing was done before the consumer was
    gone."""
    topic, file = await make_topic("topic", 2), PositionFile(tmp_path / "position")
    await write(kafka, topic, "old", partition=0)
    await write(kafka, topic, "old", partition=1)
    async with subscribe(kafka, topic, start="now", positions=file):
        pass
    await write(kafka, topic, "new-0", partition=0)
    await write(kafka, topic, "new-1", partition=1)
    async with subscribe(kafka, topic, start="now", positions=file, follow=False) as stream:
        assert ["new-0", "new-1"] == sorted(await keys(stream))


async def test_resumes_behind_what_is_done_within_a_record_too(
    kafka: KafkaSettings, make_topic: MakeTopic, tmp_path: Path
) -> None:
    """A consumer that comes back gets the first line that was not done, in the middle of a record if it was there;
    a position without a file serves as well."""
    topic, file = await make_topic(), PositionFile(tmp_path / "position")
    names = ["a", "b", "c"]
    await publish(kafka, [Message(topic, b"k", b"\n".join(map(failure, names)) + b"\n")])
    await write(kafka, topic, "d")
    read: list[str] = []
    for _ in range(4):
        async with subscribe(kafka, topic, positions=file) as stream:
            item = await anext(stream)
            read.append(getattr(item.message, "run_id", ""))
            await stream.done(item)
    assert [*names, "d"] == read
    async with subscribe(kafka, topic, positions=file, follow=False) as stream:
        assert [] == await keys(stream)


async def test_all_that_was_delivered_can_be_done_at_once(
    kafka: KafkaSettings, make_topic: MakeTopic, tmp_path: Path
) -> None:
    """Of all partitions, and of nothing that was not delivered."""
    topic, file = await make_topic("topic", 2), PositionFile(tmp_path / "position")
    for partition in (0, 1):
        await write(kafka, topic, "a", "b", partition=partition)
    async with subscribe(kafka, topic, positions=file) as stream:
        first = [(await anext(stream)).key for _ in range(3)]
        await stream.done()
        await anext(stream)
    async with subscribe(kafka, topic, positions=file, follow=False) as stream:
        rest = await keys(stream)
    assert (3, 1) == (len(first), len(rest))
    assert ["a", "a", "b", "b"] == sorted(first + rest)


async def test_aborted_records_are_never_seen(
    kafka: KafkaSettings, make_topic: MakeTopic, unique: Callable[[str], str]
) -> None:
    """What a transaction took back is not delivered, and does not keep a stream from its end."""
    topic = await make_topic()
    producer = AIOKafkaProducer(**kafka.client_options(), transactional_id=unique("writer"))
    await producer.start()
    try:
        for commit in (True, False):
            await producer.begin_transaction()
            await producer.send_and_wait(topic, key=str(commit).encode(), value=failure("x"))
            await (producer.commit_transaction if commit else producer.abort_transaction)()
    finally:
        await producer.stop()
    async with subscribe(kafka, topic, follow=False) as stream:
        assert ["True"] == await keys(stream)


async def test_a_line_that_cannot_be_read_ends_the_stream_and_is_never_passed_over(
    kafka: KafkaSettings, make_topic: MakeTopic, tmp_path: Path
) -> None:
    """The error names the code and the place; the same stream, and one that resumes, raise it again."""
    topic, file = await make_topic(), PositionFile(tmp_path / "position")
    await write(kafka, topic, "good")
    await publish(kafka, [Message(topic, b"k", failure("a") + b"\n" + NEWER + b"\n")])
    await write(kafka, topic, "behind")
    for expected in (["good", "k"], []):
        async with subscribe(kafka, topic, positions=file) as stream:
            assert expected == await keys(stream, len(expected))
            for _ in range(2):
                with pytest.raises(ProofrailError) as caught:
                    await anext(stream)
                assert "unknown-version" == caught.value.code
                place = {"topic": topic, "partition": 0, "offset": 1, "line": 2}
                assert place == caught.value.context


async def test_lines_that_cannot_be_read_are_delivered_on_demand(
    kafka: KafkaSettings, make_topic: MakeTopic
) -> None:
    """A subscriber that asks for them gets each with its error, between the others and in order."""
    topic = await make_topic()
    values = [NOVEL, b"", b"{", failure("a"), b"x" * 70_000, failure("b") + b"\n\xff", NEWER]
    await publish(kafka, [Message(topic, b"k", value) for value in values])
    async with subscribe(kafka, topic, unreadable="deliver", follow=False) as stream:
        items = [item async for item in stream]
    codes = [item.error.code if isinstance(item, Unreadable) else "fine" for item in items]
    assert [
        "unknown-type",
        "malformed-json",
        "malformed-json",
        "fine",
        "line-too-long",
        "fine",
        "malformed-utf8",
        "unknown-version",
    ] == codes
    assert (NOVEL, 4, 70_000) == (items[0].line, items[4].offset, len(items[4].line))


async def test_a_position_that_retention_has_passed_is_an_error(
    kafka: KafkaSettings, make_topic: MakeTopic, tmp_path: Path
) -> None:
    """A consumer that was away for too long is told so: it neither jumps ahead nor loses its position."""
    topic, file = await make_topic(), PositionFile(tmp_path / "position")
    await write(kafka, topic, "a", "b", "c", "d")
    async with subscribe(kafka, topic, positions=file) as stream:
        assert ["a"] == await keys(stream, 1)
    kept = file.load()
    await expire(kafka, topic, 2)
    for _ in range(2):
        with pytest.raises(PlaceLostError) as caught:
            await subscribe(kafka, topic, positions=file).__aenter__()
        assert "position-expired" == caught.value.code
        assert {"topic": topic, "partition": 0, "offset": 1, "begins": 2} == caught.value.context
    assert kept == file.load()
    async with subscribe(kafka, topic, follow=False) as stream:
        assert ["c", "d"] == await keys(stream)


async def test_retention_that_passes_a_reader_at_work_is_an_error(
    kafka: KafkaSettings, make_topic: MakeTopic
) -> None:
    """Also between two reads nothing is passed over."""
    topic = await make_topic()
    await write(kafka, topic, "a")
    async with log_reader.LogReader(kafka, [topic], {}) as reader:
        await reader.connect(10)
        await reader.start()
        assert [b"a"] == [record.key for record in await _some(reader)]
        await write(kafka, topic, "b", "c")
        await expire(kafka, topic, 2)
        reader._take_up([TopicPartition(topic, 0)])  # what was fetched ahead is dropped
        with pytest.raises(PlaceLostError, match="position-expired"):
            await _some(reader)


async def test_a_position_of_another_log_is_an_error(
    kafka: KafkaSettings, make_topic: MakeTopic, tmp_path: Path
) -> None:
    """Behind the log's end or in a partition that is gone (the topic was made anew), or of another cluster:
    `position-ahead`, `position-foreign`."""
    topic, other, file = await make_topic(), await make_topic(), PositionFile(tmp_path / "position")
    await write(kafka, topic, "a")
    async with subscribe(kafka, topic, positions=file) as stream:
        await keys(stream, 1)
        here = stream.position
    (place,) = here.places.values()
    for position, code in (
        (Position(here.cluster, {TopicPartition(other, 0): place}), "position-ahead"),
        (Position(here.cluster, {TopicPartition(other, 1): Place(0)}), "position-ahead"),
        (Position("elsewhere", here.places), "position-foreign"),
    ):
        file.save(position)
        with pytest.raises(PlaceLostError) as caught:
            await subscribe(kafka, topic, other, positions=file).__aenter__()
        assert code == caught.value.code


async def test_partitions_that_are_added_are_read_too(
    kafka: KafkaSettings, make_topic: MakeTopic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From their beginning, by a stream at work and by one that resumes, whatever `start` says."""
    monkeypatch.setattr(log_reader, "_METADATA_MS", 100)
    topic, file = await make_topic(), PositionFile(tmp_path / "position")
    await write(kafka, topic, "a")
    async with subscribe(kafka, topic, positions=file) as stream, asyncio.timeout(20):
        assert ["a"] == await keys(stream, 1)
        async with admin(kafka) as client:
            await client.create_partitions({topic: NewPartitions(total_count=2)})
        reading = asyncio.create_task(keys(stream, 2))
        await write(kafka, topic, "b", partition=0)
        while True:
            with contextlib.suppress(BrokerUnavailableError, AssertionError, IndexError):
                await write(kafka, topic, "c", partition=1)
                break
        assert ["b", "c"] == sorted(await reading)
    file.save(Position("", {TopicPartition(topic, 0): stream.position.places[TopicPartition(topic, 0)]}))
    async with subscribe(kafka, topic, positions=file, start="now", follow=False) as stream:
        assert ["c"] == await keys(stream)


async def test_positions_are_kept_one_after_the_other(kafka: KafkaSettings, make_topic: MakeTopic) -> None:
    """Also when a consumer is cancelled while one is being kept: the store is never asked twice at a time, and the
    latest position stays."""
    topic = await make_topic()
    await write(kafka, topic, "a", "b")
    gate, busy, kept = threading.Event(), threading.Lock(), []

    class Slow:
        def load(self) -> None:
            return None

        def save(self, position: Position) -> None:
            assert busy.acquire(blocking=False)
            kept.append(position)
            if len(kept) == 2:
                loop.call_soon_threadsafe(begun.set)
                assert gate.wait(20)
            busy.release()

    begun, loop = asyncio.Event(), asyncio.get_running_loop()
    async with subscribe(kafka, topic, positions=Slow()) as stream:
        one, two = [await anext(stream) for _ in range(2)]
        first = asyncio.create_task(stream.done(one))
        await begun.wait()
        first.cancel()
        second = asyncio.create_task(stream.done(two))
        gate.set()
        await second
        assert stream.position == kept[-1]
    assert [Place(0), Place(1), Place(2)] == [next(iter(one.places.values())) for one in kept]


@pytest.mark.usefixtures("no_loose_ends")
async def test_cancelling_a_consumer_ends_it(kafka: KafkaSettings, make_topic: MakeTopic) -> None:
    """A consumer that waits for the next item is gone as soon as it is cancelled, connections and all."""
    topic, begun = await make_topic(), asyncio.Event()

    async def consume() -> None:
        async with subscribe(kafka, topic) as stream:
            begun.set()
            await anext(stream)

    task = asyncio.create_task(consume())
    await begun.wait()
    task.cancel()
    async with asyncio.timeout(5):
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_broker_that_is_away_is_waited_for(
    kafka: KafkaSettings, unique: Callable[[str], str]
) -> None:
    """At the start for as long as asked, with a code that says so; a topic that is not there is as bad."""
    for settings in (KafkaSettings(bootstrap="127.0.0.1:1"), kafka):
        with pytest.raises(BrokerUnavailableError) as caught:
            await subscribe(settings, unique("absent"), connect_s=1).__aenter__()
        assert "broker-unavailable" == caught.value.code


@pytest.mark.slow
async def test_a_broker_that_dies_is_waited_for(
    own_broker: EmbeddedKafka, unique: Callable[[str], str], tmp_path: Path
) -> None:
    """A stream survives the death of its broker, and goes on with the next item as soon as there is one."""
    kafka = KafkaSettings(bootstrap=await own_broker.astart())
    topic = unique("topic")
    await ensure_topics(kafka, [TopicSpec(topic, 1, "key", {})])
    await write(kafka, topic, "a")
    async with subscribe(kafka, topic, positions=PositionFile(tmp_path / "position")) as stream:
        assert ["a"] == await keys(stream, 1)
        reading = asyncio.create_task(keys(stream, 1))
        await asyncio.to_thread(own_broker.kill)
        assert kafka.bootstrap == await own_broker.astart()
        await write(kafka, topic, "b")
        async with asyncio.timeout(60):
            assert ["b"] == await reading


async def test_killed_between_effect_and_position_nothing_is_lost(
    kafka: KafkaSettings, make_topic: MakeTopic, tmp_path: Path
) -> None:
    """A consumer killed outright after an effect and before its position does that one again, and no other: each
    effect is there, in order."""
    topic, effects = await make_topic(), tmp_path / "effects"
    names = [f"k{number}" for number in range(9)]
    await write(kafka, topic, *names)

    def run(pause_at: str) -> subprocess.Popen[bytes]:
        arguments = [kafka.bootstrap, topic, tmp_path / "position", effects, pause_at]
        command: Sequence[object] = [sys.executable, "-m", "tests.integration.client_worker", *arguments]
        return subprocess.Popen([str(one) for one in command], stdout=subprocess.PIPE)

    for name in ("k0", "k5"):
        with run(name) as worker:
            assert worker.stdout is not None
            assert b"paused\n" == await asyncio.to_thread(worker.stdout.readline)
            worker.kill()
    async with subscribe(kafka, topic, positions=PositionFile(tmp_path / "position"), follow=False) as stream:
        rest = await keys(stream)
    assert ["k0", *names[:6]] == effects.read_text().split()
    assert names[5:] == rest

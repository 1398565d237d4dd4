"""Views on a real broker: complete despite aborted and open transactions, and current."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from proofrail.messaging import views
from proofrail.messaging.client import publish, tail
from proofrail.messaging.errors import BrokerUnavailableError
from proofrail.messaging.records import Message
from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.topics import Drift, ensure_topics
from proofrail.messaging.transactions import Pipeline, Record, TopicPartition
from proofrail.messaging.views import View
from proofrail.wire.topics import TOPICS, TopicSpec

pytestmark = pytest.mark.kafka

MakeTopic = Callable[..., Awaitable[str]]
Unique = Callable[[str], str]


class _Seen(list[str]):
    def __call__(self, records: list[Record]) -> None:
        self.extend(record.value.decode() for record in records)


@contextlib.asynccontextmanager
async def _producer(kafka: KafkaSettings, name: str) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        **kafka.client_options(), transactional_id=name, transaction_timeout_ms=2000, linger_ms=0
    )
    await producer.start()
    try:
        yield producer
    finally:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(3):
                await producer.stop()


async def _send(producer: AIOKafkaProducer, topic: str, *values: str) -> None:
    for value in values:
        await producer.send_and_wait(topic, key=b"k", value=value.encode())


async def test_catches_up_past_aborted_transactions_and_markers(
    kafka: KafkaSettings, make_topic: MakeTopic, unique: Unique
) -> None:
    """Catching up ends although the log ends with an aborted transaction and its marker, and shows what was
    committed alone."""
    topic, seen = await make_topic(), _Seen()
    async with _producer(kafka, unique("writer")) as producer:
        async with producer.transaction():
            await _send(producer, topic, "kept")
        for _ in range(3):
            await producer.begin_transaction()
            await _send(producer, topic, "aborted")
            await producer.abort_transaction()
        async with View(kafka, [topic], seen) as view:
            await view.catch_up(timeout=10)
            assert ["kept"] == seen
            await producer.begin_transaction()
            await _send(producer, topic, "aborted too")
            await producer.abort_transaction()
            await view.catch_up(timeout=10)
        assert ["kept"] == seen


async def test_catches_up_with_an_empty_topic(kafka: KafkaSettings, make_topic: MakeTopic) -> None:
    """An empty topic is caught up with at once."""
    seen = _Seen()
    async with View(kafka, [await make_topic(), await make_topic("two", 3)], seen) as view:
        await view.catch_up(timeout=5)
    assert [] == seen


async def test_catching_up_waits_for_what_is_being_committed(
    kafka: KafkaSettings, make_topic: MakeTopic, unique: Unique
) -> None:
    """What was sent before the call counts, also when its transaction is still open: the call returns when
    that has ended, with its records."""
    topic, seen = await make_topic(), _Seen()
    async with _producer(kafka, unique("writer")) as producer, View(kafka, [topic], seen) as view:
        await producer.begin_transaction()
        await _send(producer, topic, "one")
        catching = asyncio.create_task(view.catch_up(timeout=10))
        done, _ = await asyncio.wait({catching}, timeout=0.5)
        assert not done
        await producer.commit_transaction()
        await catching
        assert ["one"] == seen


async def test_a_transaction_left_open_holds_up_readers_for_its_timeout_only(
    kafka: KafkaSettings, make_topic: MakeTopic, unique: Unique
) -> None:
    """A producer that vanished in mid-transaction delays readers until its timeout (2 s here), not for
    good."""
    topic, seen = await make_topic(), _Seen()
    async with _producer(kafka, unique("gone")) as gone:
        await gone.begin_transaction()
        await _send(gone, topic, "never")
        await publish(kafka, [Message(topic, b"k", b"behind it")])
        async with View(kafka, [topic], seen) as view:
            with pytest.raises(BrokerUnavailableError) as caught:
                await view.catch_up(timeout=0.5)
            assert "view-behind" == caught.value.code
            await view.catch_up(timeout=10)
    assert ["behind it"] == seen


async def test_follows_and_is_a_barrier_meanwhile(kafka: KafkaSettings, make_topic: MakeTopic) -> None:
    """While a view follows, `catch_up` returns only when the handler is done with what was there."""
    topic, seen = await make_topic("topic", 2), _Seen()

    async def slowly(records: list[Record]) -> None:
        await asyncio.sleep(0.1)
        seen(records)

    async with View(kafka, [topic], slowly) as view:
        following = asyncio.create_task(view.follow())
        for n in range(5):
            await publish(kafka, [Message(topic, str(n).encode(), str(n).encode())])
            await view.catch_up(timeout=10)
            assert n + 1 == len(seen)
        assert view.last_poll_age < 5
        following.cancel()


async def test_a_view_from_the_end_sees_only_what_comes(kafka: KafkaSettings, make_topic: MakeTopic) -> None:
    """`tail` gives each record written after its start, none from before, with headers and key."""
    topic = await make_topic("topic", 2)
    await publish(kafka, [Message(topic, str(n).encode(), b"old") for n in range(10)])
    async with tail(kafka, [topic]) as view, asyncio.timeout(10):
        headers = [("traceparent", b"00-1"), ("other", b"\xff")]
        (written,) = await publish(kafka, [Message(topic, "schlüssel".encode(), b"new", headers)])
        record = await anext(view.records())
        assert b"new" == record.value
        assert "schlüssel" == record.key_text
        assert "00-1" == record.traceparent
        assert "�" == record.headers["other"]
        assert (written.topic, written.partition, written.offset) == (
            record.topic,
            record.partition,
            record.offset,
        )


async def test_takes_over_behind_a_pending_transaction(
    kafka: KafkaSettings, make_topic: MakeTopic, unique: Unique
) -> None:
    """A pipeline that takes over a partition waits until a transaction on its offset has ended, and starts
    behind it: the guard that aiokafka's own OffsetFetch lacks."""
    topic, group = await make_topic(), unique("group")
    await publish(kafka, [Message(topic, b"k", str(n).encode()) for n in range(5)])
    pipeline = Pipeline(kafka, group_id=group, transactional_id=unique("heir"), topics=[topic])
    async with _producer(kafka, unique("before")) as before:
        await before.begin_transaction()
        await before.send_offsets_to_transaction({TopicPartition(topic, 0): 3}, group)
        starting = asyncio.create_task(pipeline.start())
        done, _ = await asyncio.wait({starting}, timeout=0.7)
        assert not done
        await before.commit_transaction()
        await starting
    records = await pipeline.records(timeout_ms=5000)
    await pipeline.stop()
    assert [3, 4] == [record.offset for record in records]


async def test_a_missing_topic_is_an_error(kafka: KafkaSettings, unique: Unique) -> None:
    """A view of a topic that does not exist says so."""
    settings = kafka.model_copy(update={"request_timeout_ms": 1000})
    with pytest.raises(BrokerUnavailableError, match="topics exist"):
        await View(settings, [unique("absent")]).start()


async def test_topics_are_made_once_and_drift_is_told(kafka: KafkaSettings, unique: Unique) -> None:
    """Creating topics again changes nothing; what differs from the specification is reported."""
    name = unique("topic")
    spec = TopicSpec(name, 2, "key", {"cleanup.policy": "compact", "retention.ms": "-1"})
    assert [] == await ensure_topics(kafka, [spec])
    assert [] == await ensure_topics(kafka, [spec])
    other = TopicSpec(name, 3, "key", {"cleanup.policy": "delete", "retention.ms": "-1"})
    expected = [Drift(name, "partitions", "3", "2"), Drift(name, "cleanup.policy", "delete", "compact")]
    assert expected == await ensure_topics(kafka, [other])


async def test_the_topics_of_the_design_exist_as_specified(kafka: KafkaSettings) -> None:
    """All topics of the wire format can be created, twice, without drift."""
    assert [] == await ensure_topics(kafka)
    assert [] == await ensure_topics(kafka, TOPICS.values())


async def test_publishing_into_nothing_fails_in_time() -> None:
    """Without a broker, publishing fails with a code and says what to do."""
    begun = time.monotonic()
    with pytest.raises(BrokerUnavailableError) as caught:
        await publish(KafkaSettings(bootstrap="127.0.0.1:1"), [Message("t", b"k", b"v")], timeout=2)
    assert "not-published" == caught.value.code
    assert "PROOFRAIL_KAFKA_BOOTSTRAP" in str(caught.value)
    assert time.monotonic() - begun < 10


async def test_a_topic_that_lost_its_beginning_says_so(kafka: KafkaSettings, make_topic: MakeTopic) -> None:
    """Records that the broker removed are told from records that were never there."""
    topic = await make_topic()
    for value in (b"a", b"b"):
        await publish(kafka, [Message(topic, b"k", value)])
    async with View(kafka, [topic]) as view:
        assert not await view.has_lost_records(topic)
        admin = AIOKafkaAdminClient(**kafka.client_options())
        await admin.start()
        try:
            await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=1)})
        finally:
            await admin.close()
        assert await view.has_lost_records(topic)


async def _publish_many(kafka: KafkaSettings, topic: str, count: int, size: int = 70_000) -> None:
    """Records that are a lot each."""
    await publish(kafka, [Message(topic, b"k", f"{n:{size}}".encode()) for n in range(count)])


async def test_catching_up_takes_as_long_as_it_goes_on(kafka: KafkaSettings, make_topic: MakeTopic) -> None:
    """What takes longer altogether than the time within which something must move is read to the end."""
    topic, seen = await make_topic(), _Seen()
    await _publish_many(kafka, topic, 12)

    async def slowly(records: list[Record]) -> None:
        await asyncio.sleep(0.25 * len(records))
        seen(records)

    async with View(kafka, [topic], slowly) as view:
        await view.catch_up(timeout=2)
    assert 12 == len(seen)


async def test_what_was_cut_short_is_handled_later(kafka: KafkaSettings, make_topic: MakeTopic) -> None:
    """Catching up that ends in the middle of a lot, and of what was read at once, leaves no record out."""
    topic, seen = await make_topic(), _Seen()
    await _publish_many(kafka, topic, 5)
    opened = asyncio.Event()

    async def once_opened(records: list[Record]) -> None:
        if len(seen) == 2:
            await opened.wait()
        seen(records)

    async with View(kafka, [topic], once_opened) as view:
        with pytest.raises(BrokerUnavailableError) as caught:
            await view.catch_up(timeout=1)
        assert "view-behind" == caught.value.code
        opened.set()
        await view.catch_up()
    assert [0, 1, 2, 3, 4] == list(map(int, seen))


async def test_the_event_loop_turns_between_lots(kafka: KafkaSettings, make_topic: MakeTopic) -> None:
    """Handlers that compute for long hold nothing else up for longer than a lot takes, catching up or following."""
    topic = await make_topic()
    turns: list[int] = []
    turned = 0

    async def turn() -> None:
        nonlocal turned
        while True:
            turned += 1
            await asyncio.sleep(0)

    turning = asyncio.create_task(turn())
    async with View(kafka, [topic], lambda records: turns.extend(turned for _ in records)) as view:
        await _publish_many(kafka, topic, 20)
        await view.catch_up()
        following = asyncio.create_task(view.follow())
        await _publish_many(kafka, topic, 20)
        await view.catch_up()
        following.cancel()
    turning.cancel()
    assert 40 == len(set(turns))


async def test_catching_up_that_takes_long_is_told(
    kafka: KafkaSettings, make_topic: MakeTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By topic, records and of how many: in the log, and to whoever asks meanwhile; nothing before it takes long, and
    nothing after it is over."""
    first, second = await make_topic("first"), await make_topic("second")
    for topic in (first, second):
        await _publish_many(kafka, topic, 3)
    said: list[str | None] = []

    def ask(records: list[Record]) -> None:
        said.append(view.behind())

    async with View(kafka, [first, second], ask) as view:
        await view.catch_up()
        assert [None] * 6 == said
    monkeypatch.setattr(views, "_TELL_SECONDS", 0.0)
    said.clear()
    async with View(kafka, [first, second], ask) as view:
        assert view.behind() is None
        with structlog.testing.capture_logs() as logs:
            await view.catch_up()
        assert view.behind() is None
    assert {f"0 of 3 records of {topic}" for topic in (first, second)} == set(
        str(said[0]).removeprefix("catching up: ").split(", ")
    )
    assert (said[-1] or "").startswith("catching up: 2 of 3 records of ")
    told = [entry for entry in logs if entry["event"] == "catching-up"]
    assert {(first, 2, 3), (second, 2, 3)} <= {(one["topic"], one["records"], one["of"]) for one in told}
    assert "caught-up" == logs[-1]["event"]

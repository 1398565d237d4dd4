"""Exactly once on a real broker: kills, zombies, rebalances, refused records, long work."""

from __future__ import annotations

import asyncio
import collections
import random
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka.errors import CommitFailedError
from tests.faults.watching import committed_values

from proofrail.messaging._protocol import member_of
from proofrail.messaging.client import publish
from proofrail.messaging.errors import EXIT_RESTART, PartitionLostError, RestartRequiredError
from proofrail.messaging.metrics import Metrics
from proofrail.messaging.records import Message
from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.transactions import Outbox, Pipeline, Record, TopicPartition
from proofrail.messaging.views import View
from proofrail.wire.errors import PoisonError

pytestmark = [pytest.mark.kafka, pytest.mark.usefixtures("no_loose_ends")]

MakeTopic = Callable[..., Awaitable[str]]
Unique = Callable[[str], str]
Eventually = Callable[..., Awaitable[None]]

_WORKER = Path(__file__).with_name("messaging_worker.py")


async def _fill(kafka: KafkaSettings, topic: str, count: int) -> list[str]:
    values = [str(number) for number in range(count)]
    await publish(kafka, [Message(topic, value.encode(), value.encode()) for value in values])
    return values


@asynccontextmanager
async def _worker(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(_WORKER),
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _said(process: asyncio.subprocess.Process, word: str) -> None:
    assert process.stdout is not None
    async with asyncio.timeout(30):
        while line := await process.stdout.readline():
            if line.decode().startswith(word):
                return
    raise AssertionError(f"the worker ended without saying {word}")


async def _copied(process: asyncio.subprocess.Process, count: int) -> None:
    assert process.stdout is not None
    total = 0
    async with asyncio.timeout(30):
        while total < count and (line := await process.stdout.readline()):
            word, _, number = line.decode().partition(" ")
            total += int(number) if word == "copied" else 0


async def test_kill_in_mid_transaction_shows_nothing_and_repeats_nothing(
    kafka: KafkaSettings, make_topic: MakeTopic, unique: Unique
) -> None:
    """Outputs of a transaction that a kill cut off are never seen, and its successor writes each once."""
    source, output, group = await make_topic("in"), await make_topic("out"), unique("group")
    values = await _fill(kafka, source, 7)
    arguments = (kafka.bootstrap, group, group, source, output)
    async with _worker(*arguments, "hang") as hanging:
        await _said(hanging, "sent")
        hanging.kill()
    begun = time.monotonic()
    async with _worker(*arguments, "copy") as copying:
        await _copied(copying, len(values))
    took = time.monotonic() - begun
    assert values == await committed_values(kafka, output)
    # Static membership and the abort at the successor's start: no session or transaction timeout is waited
    # for (10 s each).
    assert took < 8


async def test_repeated_kills_lose_and_repeat_nothing(
    kafka: KafkaSettings, make_topic: MakeTopic, unique: Unique, eventually: Eventually
) -> None:
    """A processor killed five times at random moments still writes each output exactly once."""
    source, output, group = await make_topic("in", 3), await make_topic("out", 2), unique("group")
    values = await _fill(kafka, source, 2000)
    arguments = (kafka.bootstrap, group, group, source, output)
    moments = random.Random(7)  # noqa: S311
    for _ in range(5):
        async with _worker(*arguments, "copy") as victim:
            await _said(victim, "copied")
            await asyncio.sleep(moments.uniform(0.0, 0.15))
            victim.kill()
    async with _worker(*arguments, "copy") as last:
        await _said(last, "started")
        seen: list[Record] = []
        async with View(kafka, [output], seen.extend) as view:
            following = asyncio.create_task(view.follow())
            await eventually(lambda: len(seen) >= len(values), 40)
            following.cancel()
    counts = collections.Counter(await committed_values(kafka, output))
    assert collections.Counter(values) == counts


async def test_zombie_is_fenced(kafka: KafkaSettings, make_topic: MakeTopic, unique: Unique) -> None:
    """A process whose place another took cannot commit any more, and ends with the status for a restart."""
    source, output, group = await make_topic("in"), await make_topic("out"), unique("group")
    values = await _fill(kafka, source, 5)
    arguments = (kafka.bootstrap, group, group, source, output)
    async with _worker(*arguments, "freeze") as zombie:
        await _said(zombie, "taken")
        async with _worker(*arguments, "copy") as heir:
            await _copied(heir, len(values))
            assert zombie.stdin is not None
            zombie.stdin.write(b"go on\n")
            await zombie.stdin.drain()
            async with asyncio.timeout(20):
                assert EXIT_RESTART == await zombie.wait()
    assert values == await committed_values(kafka, output)


async def test_idle_zombie_notices(kafka: KafkaSettings, make_topic: MakeTopic, unique: Unique) -> None:
    """Of two live processes with one instance name the older one gives up, even without work to commit."""
    source, group = await make_topic("in"), unique("group")
    await _fill(kafka, source, 1)

    async def idle(pipeline: Pipeline) -> None:
        while True:
            await pipeline.records(timeout_ms=100)

    first = Pipeline(kafka, group_id=group, transactional_id=group, topics=[source])
    second = Pipeline(kafka, group_id=group, transactional_id=group, topics=[source])
    async with first:
        assert await first.records(timeout_ms=5000)
        await first.commit()
        async with second, asyncio.timeout(20):
            heir = asyncio.create_task(idle(second))
            with pytest.raises(RestartRequiredError) as caught:
                await idle(first)
            assert "producer-fenced" == caught.value.code
            assert not heir.done()
            heir.cancel()


async def test_refused_record_publishes_nothing(
    kafka: KafkaSettings, make_topic: MakeTopic, unique: Unique
) -> None:
    """When the broker refuses one record of a step, the others of the step are not seen and no position
    moves."""
    source, output = await make_topic("in"), await make_topic("out")
    small = await make_topic("small", **{"max.message.bytes": "2000"})
    group = unique("group")
    values = await _fill(kafka, source, 3)
    noise = random.Random(1).randbytes(100_000)  # noqa: S311 - lz4 must not make it fit
    async with Pipeline(kafka, group_id=group, transactional_id=group, topics=[source]) as pipeline:
        records = await pipeline.records(timeout_ms=5000)
        outbox = Outbox()
        outbox.add(output, "k", b"half")
        outbox.add(small, "k", noise)
        with pytest.raises(PoisonError) as caught:
            await pipeline.commit(outbox)
        assert "record-refused" == caught.value.code
        await pipeline.rewind()
        assert records == await pipeline.records(timeout_ms=5000)
        outbox = Outbox()
        for record in records:
            outbox.add(output, record.key, record.value)
        await pipeline.commit(outbox)
    assert values == await committed_values(kafka, output)


async def test_positions_choose_what_is_committed(
    kafka: KafkaSettings, make_topic: MakeTopic, unique: Unique
) -> None:
    """Only the positions named are committed: the rest is read again by the next process."""
    source, group = await make_topic("in"), unique("group")
    await _fill(kafka, source, 5)
    options = {"group_id": group, "transactional_id": group, "topics": [source]}
    async with Pipeline(kafka, **options) as pipeline:
        assert 5 == len(await pipeline.records(timeout_ms=5000))
        await pipeline.commit((), {TopicPartition(source, 0): 2})
    async with Pipeline(kafka, **options) as pipeline:
        assert [2, 3, 4] == [record.offset for record in await pipeline.records(timeout_ms=5000)]


async def test_cancelled_commit_still_decides(
    kafka: KafkaSettings, make_topic: MakeTopic, unique: Unique
) -> None:
    """A task cancelled while it commits waits for the outcome, so that no transaction is left open."""
    source, output, group = await make_topic("in"), await make_topic("out"), unique("group")
    await _fill(kafka, source, 1)
    async with Pipeline(kafka, group_id=group, transactional_id=group, topics=[source]) as pipeline:
        await pipeline.records(timeout_ms=5000)
        outbox = Outbox()
        outbox.add(output, "k", b"done")
        task = asyncio.create_task(pipeline.commit(outbox))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ["done"] == await committed_values(kafka, output)


async def test_long_work_keeps_membership(
    kafka: KafkaSettings, make_topic: MakeTopic, unique: Unique
) -> None:
    """Work of 15 s under a poll interval of 3 s and a session of 6 s costs no rebalance when held."""
    source, output, group = await make_topic("in"), await make_topic("out"), unique("group")
    await _fill(kafka, source, 1)
    metrics = Metrics()
    pipeline = Pipeline(
        kafka,
        group_id=group,
        transactional_id=group,
        topics=[source],
        metrics=metrics,
        max_poll_interval_ms=3000,
        session_timeout_ms=6000,
    )
    async with pipeline:
        (record,) = await pipeline.records(timeout_ms=5000)
        async with pipeline.held():
            await asyncio.sleep(15)
            assert pipeline.last_poll_age < 2
            assert frozenset([source]) == pipeline.paused
        assert frozenset() == pipeline.paused
        outbox = Outbox()
        outbox.add(output, record.key, record.value)
        await pipeline.commit(outbox)
        assert 1 == metrics.registry.get_sample_value("proofrail_rebalances_total")
        await _fill(kafka, source, 1)
        assert [1] == [record.offset for record in await pipeline.records(timeout_ms=5000)]


async def test_held_work_ends_when_its_membership_cannot_be_kept(
    kafka: KafkaSettings, make_topic: MakeTopic, unique: Unique
) -> None:
    """However long it would take: what another process took over could not be committed any more."""
    source, group = await make_topic("in"), unique("group")
    await _fill(kafka, source, 1)
    options = {"group_id": group, "transactional_id": group, "topics": [source]}
    async with Pipeline(kafka, **options) as first:
        assert await first.records(timeout_ms=5000)
        await first.commit()
        async with Pipeline(kafka, **options):
            begun = time.monotonic()
            with pytest.raises(RestartRequiredError) as caught:
                async with first.held():
                    await asyncio.sleep(20)
            assert time.monotonic() - begun < 20
    assert "producer-fenced" == caught.value.code


async def test_pause_holds_back_and_resume_is_prompt(
    kafka: KafkaSettings, make_topic: MakeTopic, unique: Unique
) -> None:
    """Paused topics give nothing; a resumed one gives its records at once and in order."""
    one, two, group = await make_topic("one"), await make_topic("two"), unique("group")
    async with Pipeline(kafka, group_id=group, transactional_id=group, topics=[one, two]) as pipeline:
        pipeline.pause(one)
        await _fill(kafka, one, 3)
        await _fill(kafka, two, 1)
        assert [two] == [record.topic for record in await pipeline.records(timeout_ms=2000)]
        assert [] == await pipeline.records(timeout_ms=300)
        pipeline.resume(one)
        begun = time.monotonic()
        assert [0, 1, 2] == [record.offset for record in await pipeline.records(timeout_ms=5000)]
        assert time.monotonic() - begun < 0.5


async def test_work_in_hand_survives_a_joining_instance(
    kafka: KafkaSettings, make_topic: MakeTopic, unique: Unique, eventually: Eventually
) -> None:
    """An instance that joins for nothing, and goes again, does not cost another its work in hand."""
    source, output, group = await make_topic("in"), await make_topic("out"), unique("group")
    values = await _fill(kafka, source, 3)
    lost: list[object] = []
    metrics = Metrics()
    first = Pipeline(
        kafka,
        group_id=group,
        transactional_id=f"{group}-a",
        topics=[source],
        metrics=metrics,
        on_lost=lost.append,
        session_timeout_ms=6000,
    )
    second = Pipeline(kafka, group_id=group, transactional_id=f"{group}-b", topics=[source])
    async with first:
        records = await first.records(timeout_ms=5000)
        async with first.held(), second:
            assert frozenset() == second.assignment
        await _copy(first, records, output)
        assert [] == lost
        assert (metrics.registry.get_sample_value("proofrail_rebalances_total") or 0) > 1
        assert [] == await first.records(timeout_ms=300)
    assert values == await committed_values(kafka, output)


async def test_work_on_a_partition_that_goes_is_void(
    kafka: KafkaSettings, make_topic: MakeTopic, unique: Unique, eventually: Eventually
) -> None:
    """When a partition goes to another instance with its records in hand, nothing of what is in hand can be
    committed; both read theirs again, and each output is there once."""
    source, output, group = await make_topic("in", 2), await make_topic("out"), unique("group")
    lost: set[TopicPartition] = set()
    messages = [Message(source, b"k", str(n).encode(), partition=n % 2) for n in range(6)]
    await publish(kafka, messages)

    def pipeline(name: str) -> Pipeline:
        return Pipeline(
            kafka,
            group_id=group,
            transactional_id=f"{group}-{name}",
            topics=[source],
            on_lost=lost.update,
            session_timeout_ms=6000,
        )

    async with pipeline("a") as first:
        in_hand: list[Record] = []
        while len(in_hand) < 6:
            in_hand += await first.records(timeout_ms=2000)
        async with pipeline("b") as second:
            await eventually(lambda: len(lost) == 1 and len(first.assignment) == 1)
            with pytest.raises(PartitionLostError):
                await _copy(first, in_hand, output)
            kept = [record for record in in_hand if record.tp not in lost]
            with pytest.raises(PartitionLostError):
                await first.commit([Message(output, b"k", record.value) for record in kept], {})
            await first.rewind()
            assert kept == await first.records(timeout_ms=5000)
            await _copy(first, kept, output)
            await _copy(second, await second.records(timeout_ms=5000), output)
    assert [str(n) for n in range(6)] == sorted(await committed_values(kafka, output))


async def test_what_follows_from_an_assignment_is_published_under_no_other(
    kafka: KafkaSettings, make_topic: MakeTopic, unique: Unique, eventually: Eventually
) -> None:
    """Another instance may have done the same while the partition was its own, and moved no position: that it came back
    untouched proves nothing."""
    source, output, group = await make_topic("in"), await make_topic("out"), unique("group")
    shared: list[int] = []

    def pipeline(name: str) -> Pipeline:
        return Pipeline(
            kafka,
            group_id=group,
            transactional_id=f"{group}-{name}",
            topics=[source],
            on_shared=lambda: shared.append(1),
            session_timeout_ms=6000,
        )

    async with pipeline("a") as first:
        decided_in, owned = first.generation, first.assignment
        await first.commit([Message(output, b"k", b"first")], {}, decided_in)
        async with pipeline("b"):
            pass
        await eventually(lambda: len(shared) > 2 and first.assignment == owned)
        with pytest.raises(PartitionLostError):
            await first.commit([Message(output, b"k", b"late")], {}, decided_in)
        await first.rewind()
        await first.commit([Message(output, b"k", b"again")], {}, first.generation)
    assert ["first", "again"] == await committed_values(kafka, output)


async def test_equal_partitions_of_several_topics_stay_together(
    kafka: KafkaSettings, make_topic: MakeTopic, unique: Unique, eventually: Eventually
) -> None:
    """Two instances that read two topics share them by partition number, so that what belongs to one key
    comes to one instance."""
    topics, group = [await make_topic("left", 2), await make_topic("right", 2)], unique("group")

    def pipeline(name: str) -> Pipeline:
        return Pipeline(kafka, group_id=group, transactional_id=name, topics=topics, session_timeout_ms=6000)

    async with pipeline(unique("a")) as first, pipeline(unique("b")) as second:
        await eventually(lambda: len(first.assignment) == len(second.assignment) == 2)
        for instance in (first, second):
            assert 1 == len({tp.partition for tp in instance.assignment})
            assert set(topics) == {tp.topic for tp in instance.assignment}


async def _copy(pipeline: Pipeline, records: list[Record], output: str) -> None:
    outbox = Outbox()
    for record in records:
        outbox.add(output, record.key, record.value)
    await pipeline.commit(outbox, {record.tp: record.offset + 1 for record in records})


async def test_a_member_that_was_left_behind_cannot_commit(
    kafka: KafkaSettings, make_topic: MakeTopic, unique: Unique
) -> None:
    """The broker itself refuses offsets of an old generation, and what was sent with them is not seen: the
    guard that aiokafka's own TxnOffsetCommit lacks."""
    source, output, group = await make_topic("in"), await make_topic("out"), unique("group")
    await _fill(kafka, source, 1)
    async with Pipeline(kafka, group_id=group, transactional_id=group, topics=[source]) as pipeline:
        (record,) = await pipeline.records(timeout_ms=5000)
        coordinator = pipeline._running._coordinator
        generation, coordinator.generation = coordinator.generation, coordinator.generation - 1
        outbox = Outbox()
        outbox.add(output, record.key, b"stale")
        task = asyncio.create_task(pipeline.commit(outbox))
        # It aborts and joins anew, which gives it a current generation: then the partition is ours still.
        await task
        assert coordinator.generation > generation - 1
        aborted = await _aborted_markers(kafka, output)
    assert ["stale"] == await committed_values(kafka, output)
    assert aborted >= 1


async def test_what_was_refused_is_not_published_with_what_follows(
    kafka: KafkaSettings, make_topic: MakeTopic, unique: Unique
) -> None:
    """A transaction whose offsets the broker refused is aborted there before its producer begins the next one: it
    stayed open, and its records came with those of the next."""
    source, output, group = await make_topic("in"), await make_topic("out"), unique("group")
    await _fill(kafka, source, 1)
    async with Pipeline(kafka, group_id=group, transactional_id=group, topics=[source]) as pipeline:
        (record,) = await pipeline.records(timeout_ms=5000)
        member, offsets = member_of(pipeline._running), {record.tp: record.offset + 1}
        left_behind = replace(member, generation=member.generation - 1)
        with pytest.raises(CommitFailedError):
            await pipeline._producer.transact(
                [Message(output, record.key, b"refused")], offsets, group, left_behind
            )
        await pipeline._producer.transact([Message(output, record.key, b"taken")], offsets, group, member)
    assert ["taken"] == await committed_values(kafka, output)


async def _aborted_markers(kafka: KafkaSettings, topic: str) -> int:
    """How many more offsets a topic has than committed values and their commit marker."""
    async with View(kafka, [topic], start="end") as view:
        ends = await view._ends()
    return sum(ends.values()) - len(await committed_values(kafka, topic)) - 1

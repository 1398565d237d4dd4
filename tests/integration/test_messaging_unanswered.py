"""Commits that nobody answers: whether they happened is asked of the broker, never guessed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaTimeoutError
from tests.faults.watching import committed_values

from proofrail.messaging._producer import TransactionalProducer
from proofrail.messaging._protocol import member_of
from proofrail.messaging.client import publish
from proofrail.messaging.errors import BrokerUnavailableError, RestartRequiredError
from proofrail.messaging.records import Message, Record
from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.transactions import Outbox, Pipeline

pytestmark = [pytest.mark.kafka, pytest.mark.usefixtures("no_loose_ends")]

MakeTopic = Callable[..., Awaitable[str]]
Unique = Callable[[str], str]
Begun = Callable[[], AbstractAsyncContextManager["Step"]]


@dataclass(frozen=True)
class Step:
    """A pipeline with one record in hand, and where its outcome goes."""

    pipeline: Pipeline
    record: Record
    output: str
    group: str

    @property
    def outbox(self) -> Outbox:
        outbox = Outbox()
        outbox.add(self.output, self.record.key, b"once")
        return outbox


@pytest.fixture
def one_step(kafka: KafkaSettings, make_topic: MakeTopic, unique: Unique) -> Begun:
    """Begins a step of a new pipeline."""

    @asynccontextmanager
    async def begun() -> AsyncIterator[Step]:
        source, output, group = await make_topic("in"), await make_topic("out"), unique("group")
        await publish(kafka, [Message(source, b"key", value) for value in (b"first", b"second")])
        async with Pipeline(kafka, group_id=group, transactional_id=group, topics=[source]) as pipeline:
            (record,) = await pipeline.records(max_records=1, timeout_ms=5000)
            yield Step(pipeline, record, output, group)

    return begun


@pytest.fixture
def unanswered(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Lets the next commit remain without an answer: one that happens, or one that the broker never hears of."""
    commit = AIOKafkaProducer.commit_transaction

    def lose(happens: bool) -> None:
        async def lost(producer: AIOKafkaProducer) -> None:
            monkeypatch.setattr(AIOKafkaProducer, "commit_transaction", commit)
            if happens:
                await commit(producer)
            raise KafkaTimeoutError

        monkeypatch.setattr(AIOKafkaProducer, "commit_transaction", lost)

    return lose


async def test_what_happened_is_not_done_again(
    kafka: KafkaSettings, one_step: Begun, unanswered: Callable[[bool], None]
) -> None:
    """The commit returns as if it had been answered, and work goes on behind it."""
    async with one_step() as step:
        unanswered(True)
        await step.pipeline.commit(step.outbox)
        (following,) = await step.pipeline.records(timeout_ms=5000)
        assert b"second" == following.value
        assert ["once"] == await committed_values(kafka, step.output)


async def test_what_did_not_happen_is_done_again(
    kafka: KafkaSettings, one_step: Begun, unanswered: Callable[[bool], None]
) -> None:
    """The caller is told to try again, and the record that it follows from comes again."""
    async with one_step() as step:
        unanswered(False)
        with pytest.raises(BrokerUnavailableError, match="not committed"):
            await step.pipeline.commit(step.outbox)
        assert [] == await committed_values(kafka, step.output)
        await step.pipeline.rewind()
        (again,) = await step.pipeline.records(max_records=1, timeout_ms=5000)
        assert step.record.offset == again.offset
        await step.pipeline.commit(step.outbox)
        assert ["once"] == await committed_values(kafka, step.output)


async def test_without_a_position_nothing_tells(one_step: Begun, unanswered: Callable[[bool], None]) -> None:
    """A commit that moves no position leaves no sign: a new process reads what happened from the topics."""
    async with one_step() as step:
        unanswered(True)
        with pytest.raises(RestartRequiredError, match="nothing tells"):
            await step.pipeline.commit(step.outbox, {})


async def test_a_position_that_another_has_passed_tells_nothing(
    kafka: KafkaSettings, one_step: Begun, unanswered: Callable[[bool], None]
) -> None:
    """The other went on behind our commit, or did the work that we did not: guessing would forget a run or count
    one that was never published."""
    async with one_step() as step:
        member = member_of(step.pipeline._running)
        other = TransactionalProducer(kafka, f"{step.group}-other")
        await other.transact([], {step.record.tp: step.record.offset + 2}, step.group, member)
        await other.stop()
        unanswered(False)
        with pytest.raises(RestartRequiredError, match="has gone on"):
            await step.pipeline.commit(step.outbox)

"""Native traces on a real broker: complete, in order, with the house's headers; and what happens without one."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from proofrail.commitment.checkpoint import Signer, generate_key, verify_checkpoint
from proofrail.messaging.embedded import EmbeddedKafka
from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.views import Record, View
from proofrail.tracing import (
    CommitSubscriber,
    KafkaSubscriber,
    Subscriber,
    Tracer,
    TracingError,
    loop,
    reexecute,
    sequence,
    tile,
)
from proofrail.wire.canonical import sha256_hex
from proofrail.wire.ndjson import split

MakeTopic = Callable[..., Awaitable[str]]
PRIVATE, VKEY = generate_key("proofrail-tracer", bytes(range(32)))


@tile
def weigh(value: int) -> int:
    return value * 3


@sequence
def survey(count: int) -> int:
    total = 0
    with loop("values", range(count)) as steps:
        for value in steps:
            total += weigh(value)
    return total


async def _records(kafka: KafkaSettings, topic: str) -> list[Record]:
    seen: list[Record] = []
    async with View(kafka, [topic], seen.extend) as view:
        await view.catch_up()
    return seen


class _Lines(Subscriber):
    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def on_trace(self, event: dict[str, Any], line: bytes) -> None:
        self.lines.append(line)


@pytest.mark.kafka
async def test_a_run_is_published_whole(kafka: KafkaSettings, make_topic: MakeTopic) -> None:
    """Events and commitment arrive as they were made, keyed by run_id, in records of bounded size with every header;
    what is on the topics can be executed again and matches."""
    events, commitments = await make_topic("events"), await make_topic("commitments")
    own, commit = _Lines(), CommitSubscriber(signer=Signer.parse(PRIVATE))
    publisher = KafkaSubscriber(
        kafka,
        signer=Signer.parse(PRIVATE),
        events_topic=events,
        commitments_topic=commitments,
        linger_seconds=0.01,
    )
    tracer = Tracer(own, commit, publisher)

    def run() -> None:
        with tracer:
            survey(400)

    await asyncio.to_thread(run)
    assert tracer.sealed
    published = {topic: await _records(kafka, topic) for topic in (events, commitments)}
    assert own.lines == [line for record in published[events] for line in split(record.value)]
    assert commit.lines == [line for record in published[commitments] for line in split(record.value)]
    assert 1 < len(published[events])
    parents = set()
    for topic, records in published.items():
        for record in records:
            assert tracer.run_id == record.key_text
            assert {
                "content-type": "application/x-ndjson",
                "ce_specversion": "1.0",
                "ce_type": topic,
                "ce_id": sha256_hex(record.value),
                "ce_source": "/proofrail/tracing",
            } == {name: text for name, text in record.headers.items() if name != "traceparent"}
            parents.add(record.traceparent)
    assert 1 == len(parents)
    lines = [line for record in published[commitments] for line in split(record.value)]
    assert verify_checkpoint(json.loads(lines[-1])["checkpoint"], [VKEY]).size == len(own.lines)
    report = await asyncio.to_thread(reexecute, [survey], lines, events=own.lines, keys=[VKEY])
    assert "MATCH" == report.verdict


@pytest.mark.kafka
async def test_an_abandoned_run_has_no_seal(kafka: KafkaSettings, make_topic: MakeTopic) -> None:
    """Whatever of a spoilt run reached the topic, nothing of its commitment did."""
    events, commitments = await make_topic("events"), await make_topic("commitments")

    @sequence
    def spoilt() -> float:
        survey(300)
        return 0.5

    def run() -> None:
        with Tracer(KafkaSubscriber(kafka, events_topic=events, commitments_topic=commitments)):
            spoilt()

    with pytest.raises(TracingError, match="value-not-encodable"):
        await asyncio.to_thread(run)
    assert [] == await _records(kafka, commitments)
    lines = [line for record in await _records(kafka, events) for line in split(record.value)]
    assert b"TraceEnd" not in b"".join(lines)


@pytest.mark.kafka
async def test_a_broker_that_dies_is_an_error_at_the_end(own_broker: EmbeddedKafka) -> None:
    """The program runs to its end at its own pace; the tracer says that its run was not published."""
    await asyncio.to_thread(own_broker.start)
    kafka = KafkaSettings(bootstrap=own_broker.bootstrap, request_timeout_ms=1_000)
    result = []

    @sequence
    def with_a_dying_broker() -> int:
        survey(10)
        own_broker.kill()
        return survey(10)

    def run() -> None:
        with Tracer(KafkaSubscriber(kafka, patience_seconds=1.0)):
            result.append(with_a_dying_broker())

    with pytest.raises(TracingError, match="not-published"):
        await asyncio.to_thread(run)
    assert [135] == result


def test_no_broker_never_holds_the_program_up_for_long() -> None:
    """Without a broker the queue fills, the trace is given up after the agreed wait, and the program goes on."""
    kafka = KafkaSettings(bootstrap="127.0.0.1:1", request_timeout_ms=1_000)
    subscriber = KafkaSubscriber(kafka, queue_lines=50, wait_seconds=0.1, patience_seconds=0.5)
    started = time.monotonic()
    results = []

    def run() -> tuple[int, float]:
        return survey(2000), time.monotonic() - started

    with pytest.raises(TracingError) as caught, Tracer(subscriber):
        results.append(run())
    ((result, seconds),) = results
    assert 5997000 == result
    assert caught.value.code in ("queue-full", "not-published")
    assert seconds < 3

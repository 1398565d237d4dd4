"""The span of a proposal's record: the application's own OpenTelemetry is used, and nothing of it is needed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from proofrail.client import proposing
from proofrail.client.proposing import publish_proposals
from proofrail.client.sending import sending
from proofrail.messaging.client import Written
from proofrail.messaging.errors import BrokerUnavailableError
from proofrail.messaging.records import Message
from proofrail.messaging.settings import KafkaSettings
from proofrail.wire import topics
from proofrail.wire.headers import span_of

trace = pytest.importorskip("opentelemetry.trace")

PARENT = trace.SpanContext(0xA, 0xB, is_remote=True, trace_flags=trace.TraceFlags(1))
KAFKA = KafkaSettings(bootstrap="127.0.0.1:1")
VALUES = [b'{"allocation_id":"first"}', b"no proposal"]


@contextmanager
def _current(context: Any) -> Iterator[None]:
    with trace.use_span(trace.NonRecordingSpan(context)):
        yield


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What an application that records spans is told."""
    sdk = pytest.importorskip("opentelemetry.sdk.trace")
    export = pytest.importorskip("opentelemetry.sdk.trace.export")
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    told, provider = memory.InMemorySpanExporter(), sdk.TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(export.SimpleSpanProcessor(told))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    return told


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> list[Message]:
    """What is published, without a broker."""
    found: list[Message] = []

    async def publish(_: KafkaSettings, messages: list[Message]) -> list[Written]:
        found.extend(messages)
        return [Written(one.topic, 3, offset) for offset, one in enumerate(messages)]

    monkeypatch.setattr(proposing, "publish", publish)
    return found


async def test_each_proposal_begins_in_a_span_of_its_own(spans: Any, records: list[Message]) -> None:
    """Below the caller's current one, of kind PRODUCER, under the conventions' names, with the place where it stands;
    the record bears its ids."""
    from opentelemetry.semconv._incubating.attributes import messaging_attributes as semconv

    with _current(PARENT):
        await publish_proposals(KAFKA, VALUES)
    told = spans.get_finished_spans()
    assert [("send allocation.proposals.v1", trace.SpanKind.PRODUCER, PARENT)] * 2 == [
        (one.name, one.kind, one.parent) for one in told
    ]
    assert {
        semconv.MESSAGING_SYSTEM: semconv.MessagingSystemValues.KAFKA.value,
        semconv.MESSAGING_OPERATION_NAME: "send",
        semconv.MESSAGING_OPERATION_TYPE: semconv.MessagingOperationTypeValues.SEND.value,
        semconv.MESSAGING_DESTINATION_NAME: topics.PROPOSALS,
        semconv.MESSAGING_DESTINATION_PARTITION_ID: "3",
        semconv.MESSAGING_KAFKA_MESSAGE_KEY: "first",
        semconv.MESSAGING_KAFKA_OFFSET: 0,
    } == dict(told[0].attributes)
    assert semconv.MESSAGING_KAFKA_MESSAGE_KEY not in told[1].attributes
    assert [(one.context.trace_id, one.context.span_id, 1) for one in told] == _borne(records)
    assert 2 == len(set(_borne(records)))


async def test_a_broker_that_is_away_is_told(spans: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The span fails with the error's code, and ends."""

    async def refuse(*_: object) -> list[Written]:
        raise BrokerUnavailableError("not-published", "nobody there", "Start a broker")

    monkeypatch.setattr(proposing, "publish", refuse)
    with pytest.raises(BrokerUnavailableError):
        await publish_proposals(KAFKA, VALUES[:1])
    (told,) = spans.get_finished_spans()
    assert (trace.StatusCode.ERROR, "not-published") == (
        told.status.status_code,
        told.attributes["error.type"],
    )


async def test_a_trace_that_is_not_recorded_here_goes_on(records: list[Message]) -> None:
    """Without a provider the records stay in the caller's current context; without one each begins its own trace."""
    with _current(PARENT):
        await publish_proposals(KAFKA, VALUES)
    assert [(0xA, 0xB, 1)] * 2 == _borne(records)
    records.clear()
    await publish_proposals(KAFKA, VALUES)
    assert 2 == len({trace_id for trace_id, *_ in _borne(records)} - {0xA})


def test_opentelemetry_is_not_needed() -> None:
    """Where it is not installed, publishing is what it was."""
    code = (
        "import sys; sys.modules['opentelemetry'] = None; from proofrail.client.sending import sending\n"
        "with sending('topic', [b'key']) as (record,):\n    record.written(0, 0); assert record.traceparent is None"
    )
    assert 0 == subprocess.run([sys.executable, "-c", code], check=False, timeout=120).returncode
    with sending(topics.PROPOSALS, []) as none:
        assert [] == none


def _borne(records: list[Message]) -> list[tuple[int, int, int] | None]:
    return [span_of(dict(one.headers)["traceparent"].decode()) for one in records]

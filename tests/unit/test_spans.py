"""Spans: told with the ids that records bear, to a collector over real HTTP, and only when one is named."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from proofrail.messaging import groups
from proofrail.messaging.spans import Spans, spans_from_environment
from proofrail.wire import topics
from proofrail.wire.errors import UnusableInputError
from proofrail.wire.headers import child_traceparent, span_of

PARENT = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
OTHER = "00-" + "c" * 32 + "-" + "d" * 16 + "-01"
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.fixture(autouse=True)
def _no_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ENDPOINT", "TRACES_ENDPOINT", "PROTOCOL", "TRACES_PROTOCOL"):
        monkeypatch.delenv(f"OTEL_EXPORTER_OTLP_{name}", raising=False)


def test_a_span_arrives_where_its_records_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids, parent, links, outcome and times, as OpenTelemetry's own messages have them, and name and attributes by the
    names of its conventions for messaging."""
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    from opentelemetry.semconv._incubating.attributes import messaging_attributes as semconv
    from tests.deploy.otlp_collector import collector

    own = child_traceparent(PARENT, b"seed")
    with collector() as found:
        monkeypatch.setenv(ENDPOINT, found.url)
        spans = spans_from_environment("tracer", "one")
        assert spans is not None
        begun = time.time_ns() - 2_000_000_000
        spans.tell(
            "trace",
            topics.PROPOSALS,
            own,
            parent=PARENT,
            since_ns=begun,
            links=[PARENT, OTHER, None, "rubbish"],
            attributes={"proofrail.n_steps": 7, "proofrail.transaction": None},
        )
        spans.tell("prove", topics.COMMITMENTS, own, parent=OTHER, since_ns=begun, error="prover-timeout")
        spans.tell("not sampled", topics.PROOFS, own[:-1] + "0", parent=PARENT, since_ns=begun)
        spans.tell("of no trace", topics.PROOFS, None, parent=PARENT, since_ns=begun)
        spans.close()
    first, failed = found.spans
    assert ("proofrail-tracer", "a" * 32, own.split("-")[2], "b" * 16) == (
        first.service,
        first.trace_id,
        first.span_id,
        first.parent_id,
    )
    assert (("a" * 32, "b" * 16), ("c" * 32, "d" * 16)) == first.links
    assert "trace allocation.proposals.v1" == first.name
    assert {
        semconv.MESSAGING_SYSTEM: semconv.MessagingSystemValues.KAFKA.value,
        semconv.MESSAGING_OPERATION_NAME: "trace",
        semconv.MESSAGING_OPERATION_TYPE: semconv.MessagingOperationTypeValues.PROCESS.value,
        semconv.MESSAGING_DESTINATION_NAME: topics.PROPOSALS,
        semconv.MESSAGING_CONSUMER_GROUP_NAME: groups.TRACER,
        "proofrail.n_steps": 7,
    } == first.attributes
    assert "CONSUMER" == first.kind
    assert not first.failed
    assert 2 <= first.seconds < 60
    assert failed.failed
    assert "prover-timeout" == failed.attributes["error.type"]
    assert not failed.parent_id, "a parent in another trace is none"


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {ENDPOINT: ""},
        {ENDPOINT: "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
        {ENDPOINT: "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_nobody_asked_for_spans(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    """Without an endpoint, or switched off by OpenTelemetry's own variables, there is nothing to tell."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert spans_from_environment("tracer", "one") is None


def test_spans_cost_nothing_when_nobody_asks() -> None:
    """A service that is not to tell spans imports neither OpenTelemetry's SDK nor an exporter."""
    code = (
        "import sys; from proofrail.messaging import host, spans; spans.spans_from_environment('t', 'i'); "
        "import proofrail.tracer.app, proofrail.auditor.app; "
        "sys.exit(any(name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter')) for name in sys.modules))"
    )
    assert 0 == subprocess.run([sys.executable, "-c", code], check=False, timeout=120, env={}).returncode


def test_what_cannot_be_told_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another protocol, and a collector without the extra, are errors that say what to do, and not silence."""
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    with pytest.raises(UnusableInputError) as caught:
        spans_from_environment("tracer", "one")
    assert "otel-protocol" == caught.value.code
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(UnusableInputError) as caught:
        Spans("tracer", "one")
    assert "otel-extra" == caught.value.code


def test_a_collector_that_is_away_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Telling never waits, and a service ends within seconds although nobody took its spans."""
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:1")
    spans = spans_from_environment("tracer", "one")
    assert spans is not None
    for _ in range(3000):
        spans.tell("trace", topics.PROPOSALS, PARENT, parent=OTHER, since_ns=time.time_ns())
    begun = time.monotonic()
    spans.close()
    assert time.monotonic() - begun < 8


def test_ids_of_a_traceparent() -> None:
    """Trace id, span id and flags; nothing of what W3C Trace Context calls invalid."""
    assert (int("a" * 32, 16), int("b" * 16, 16), 1) == span_of(PARENT)
    for wrong in ("", "rubbish", "00-" + "0" * 32 + "-" + "b" * 16 + "-01", "ff" + PARENT[2:]):
        assert span_of(wrong) is None


@pytest.mark.parametrize("above", [True, False])
def test_a_command_tells_its_spans_below_its_callers(above: bool) -> None:
    """What a command tells OpenTelemetry's API arrives before it ends, in the trace of TRACEPARENT or one of its
    own; without a collector the API stays as it was."""
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    from tests.deploy.otlp_collector import collector

    code = (
        "from opentelemetry import trace; from proofrail.messaging.spans import tracing_of_command\n"
        "with tracing_of_command('propose'):\n"
        "    with trace.get_tracer('here').start_as_current_span('work'): pass"
    )
    with collector() as found:
        environment = {ENDPOINT: found.url} | ({"TRACEPARENT": PARENT} if above else {})
        for env in (environment, {}):
            subprocess.run([sys.executable, "-c", code], check=True, timeout=120, env=env)
    (told,) = found.spans
    assert ("proofrail-propose", "work") == (told.service, told.name)
    assert (told.parent_id, told.trace_id == "a" * 32) == ("b" * 16 if above else "", above)

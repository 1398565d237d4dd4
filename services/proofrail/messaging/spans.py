"""OpenTelemetry spans of what services do with records, exported where the environment names a collector.

The trace is in the records' headers already: each record's traceparent has the id of the work that wrote it, worked
out and not drawn, so that a record sent again is in the same place. So nothing is carried along in here: when work is
committed, its span is told with the ids that its records bear. Where no collector is named, nothing is imported and
nothing told.

Read from the environment, as the specification of OpenTelemetry says: OTEL_EXPORTER_OTLP_(TRACES_)ENDPOINT, _HEADERS,
_TIMEOUT, _CERTIFICATE …, OTEL_TRACES_EXPORTER (otlp, none), OTEL_EXPORTER_OTLP_(TRACES_)PROTOCOL (http/protobuf),
OTEL_SDK_DISABLED, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_BSP_…. Whether a trace is sampled says the flag in
its traceparent, so OTEL_TRACES_SAMPLER has no effect on services. Names are those of OpenTelemetry's conventions for
messaging: what a service does with records is an operation of type `process`, named by the service's own verb.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from proofrail.wire.errors import UnusableInputError
from proofrail.wire.headers import span_of

if TYPE_CHECKING:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import SpanContext

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_HTTP: Final = "http/protobuf"
_FLUSH_S: Final = 3.0
_MOST_LINKS: Final = 128

Value = str | int | float | bool


class Spans:
    """Tells spans to a collector, in the background. One that is away costs spans and nothing else."""

    def __init__(self, service: str, instance: str) -> None:
        """Raises UnusableInputError `otel-extra` where the extra is not installed."""
        self._resource, self._processor, self._exporter = _exporting(service, instance)
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope

        self._scope = InstrumentationScope("proofrail")
        self._group = f"proofrail-{service}"

    def tell(
        self,
        operation: str,
        topic: str,
        traceparent: str | None,
        *,
        parent: str | None,
        since_ns: int,
        links: Iterable[str | None] = (),
        attributes: Mapping[str, Value | None] | None = None,
        error: str | None = None,
    ) -> None:
        """Work on records of `topic` from `since_ns` (Unix time) to now, whose own records bear `traceparent`. `parent`
        and `links` are the traceparents of what it was made from, `error` the code it failed with. What is no
        traceparent is left out."""
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.trace import Link, SpanKind, Status, StatusCode

        context = _context(traceparent)
        if context is None:
            return
        above = _context(parent)
        linked = [one for link in links if (one := _context(link)) is not None]
        self._processor.on_end(
            ReadableSpan(
                f"{operation} {topic}",
                context,
                above if above is not None and above.trace_id == context.trace_id else None,
                self._resource,
                _present(
                    {
                        "messaging.system": "kafka",
                        "messaging.operation.name": operation,
                        "messaging.operation.type": "process",
                        "messaging.destination.name": topic,
                        "messaging.consumer.group.name": self._group,
                        "error.type": error,
                        **(attributes or {}),
                    }
                ),
                links=[Link(one) for one in linked[:_MOST_LINKS]],
                kind=SpanKind.CONSUMER,
                status=Status(StatusCode.OK) if error is None else Status(StatusCode.ERROR, error),
                start_time=since_ns,
                end_time=time.time_ns(),
                instrumentation_scope=self._scope,
            )
        )

    def close(self) -> None:
        """Send what is left; when nobody answers, that is given up after seconds, as the service has to end."""
        _flush(self._processor, self._exporter)


def spans_from_environment(service: str, instance: str) -> Spans | None:
    """Where spans go; None when nobody asks for them. Raises UnusableInputError `otel-extra`, `otel-protocol`."""
    return Spans(service, instance) if _asked_for() else None


@contextmanager
def tracing_of_command(name: str) -> Iterator[None]:
    """For a command, which is a process of its own: while it lasts, what is told to OpenTelemetry's API goes where the
    environment says, below the span that TRACEPARENT there names. Nothing where nobody asks for spans. Raises as
    `spans_from_environment`."""
    if not _asked_for():
        yield
        return
    resource, processor, exporter = _exporting(name, str(uuid.uuid4()))
    from opentelemetry import context, trace
    from opentelemetry.sdk.trace import TracerProvider

    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(processor)
    trace.set_tracer_provider(provider)
    above = _context(os.environ.get("TRACEPARENT"))
    held = None if above is None else trace.set_span_in_context(trace.NonRecordingSpan(above))
    token = context.attach(held or context.get_current())
    try:
        yield
    finally:
        context.detach(token)
        _flush(processor, exporter)


def _asked_for() -> bool:
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if disabled or _named(_ENDPOINTS) is None or os.environ.get("OTEL_TRACES_EXPORTER") == "none":
        return False
    named = _named(_PROTOCOLS)
    if named is not None and os.environ[named] != _HTTP:
        raise UnusableInputError(
            "otel-protocol", f"{named} is {os.environ[named]!r}; spans go by {_HTTP}", f"Set it to {_HTTP}"
        )
    return True


def _exporting(service: str, instance: str) -> tuple[Resource, BatchSpanProcessor, OTLPSpanExporter]:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise UnusableInputError(
            "otel-extra",
            f"{_named(_ENDPOINTS)} is set, and OpenTelemetry is not installed ({error.name})",
            "Install proofrail[otel], or unset it",
        ) from error
    own = {"service.name": f"proofrail-{service}", "service.instance.id": instance}
    if os.environ.get("OTEL_SERVICE_NAME"):
        del own["service.name"]
    exporter = OTLPSpanExporter()
    for library in (OTLPSpanExporter.__module__, "urllib3.connectionpool"):
        logging.getLogger(library).addFilter(_without_path)
    return Resource.create(own), BatchSpanProcessor(exporter), exporter


def _without_path(record: logging.LogRecord) -> bool:
    """Of the collector's URL, which libraries quote, the path and query: a key may stand there."""
    urls = [urlsplit(os.environ.get(variable, "")) for variable in _ENDPOINTS]
    said = record.getMessage()
    for path in (f"{url.path}?{url.query}".rstrip("/?") for url in urls):
        said = said.replace(path, "/…") if path else said
    record.msg, record.args = said, ()
    return True


def _flush(processor: BatchSpanProcessor, exporter: OTLPSpanExporter) -> None:
    given_up = threading.Timer(_FLUSH_S, exporter.shutdown)
    given_up.start()
    processor.shutdown()  # type: ignore[no-untyped-call]
    given_up.cancel()


def _present(attributes: Mapping[str, Value | None]) -> dict[str, Value]:
    return {key: value for key, value in attributes.items() if value is not None}


def _named(variables: Iterable[str]) -> str | None:
    return next((name for name in variables if os.environ.get(name)), None)


def _context(traceparent: str | None) -> SpanContext | None:
    from opentelemetry.trace import SpanContext, TraceFlags

    found = span_of(traceparent or "")
    if found is None:
        return None
    trace_id, span_id, flags = found
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))

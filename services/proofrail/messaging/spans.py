"""OpenTelemetry spans of what services do with records, exported where the environment names a collector.

The trace is in the records' headers already: each record's traceparent has the id of the work that wrote it, worked
out and not drawn, so that a record sent again is in the same place. So nothing is carried along in here: when work is
committed, its span is told with the ids that its records bear. Where no collector is named, nothing is imported and
nothing told.

Read from the environment, as the specification of OpenTelemetry says: OTEL_EXPORTER_OTLP_(TRACES_)ENDPOINT, _HEADERS,
_TIMEOUT, _CERTIFICATE …, OTEL_TRACES_EXPORTER (otlp, none), OTEL_EXPORTER_OTLP_(TRACES_)PROTOCOL (http/protobuf),
OTEL_SDK_DISABLED, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_BSP_…. Whether a trace is sampled says the flag in
its traceparent, so OTEL_TRACES_SAMPLER has no effect.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from proofrail.wire.errors import UnusableInputError
from proofrail.wire.headers import span_of

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_HTTP: Final = "http/protobuf"
_FLUSH_MS: Final = 5_000
_MOST_LINKS: Final = 128

Value = str | int | float | bool


class Spans:
    """Tells spans to a collector, in the background. One that is away costs spans and nothing else."""

    def __init__(self, service: str, instance: str) -> None:
        """Raises UnusableInputError `otel-extra` where the extra is not installed."""
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.sdk.util.instrumentation import InstrumentationScope
        except ImportError as error:
            raise UnusableInputError(
                "otel-extra",
                f"{_named(_ENDPOINTS)} is set, and OpenTelemetry is not installed ({error.name})",
                "Install proofrail[otel], or unset it",
            ) from error
        own = {"service.name": f"proofrail-{service}", "service.instance.id": instance}
        if os.environ.get("OTEL_SERVICE_NAME"):
            del own["service.name"]
        self._resource = Resource.create(own)
        self._scope = InstrumentationScope("proofrail")
        self._processor = BatchSpanProcessor(OTLPSpanExporter())

    def tell(
        self,
        name: str,
        traceparent: str | None,
        *,
        parent: str | None,
        since_ns: int,
        links: Iterable[str | None] = (),
        attributes: Mapping[str, Value | None] | None = None,
        error: str | None = None,
    ) -> None:
        """Work from `since_ns` (Unix time) to now, whose records bear `traceparent`. `parent` and `links` are the
        traceparents of what it was made from, `error` the code it failed with. What is no traceparent is left out."""
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.trace import Link, SpanKind, Status, StatusCode

        context = _context(traceparent)
        if context is None:
            return
        above = _context(parent)
        linked = [one for link in links if (one := _context(link)) is not None]
        self._processor.on_end(
            ReadableSpan(
                name,
                context,
                above if above is not None and above.trace_id == context.trace_id else None,
                self._resource,
                {
                    "messaging.system": "kafka",
                    **{key: value for key, value in (attributes or {}).items() if value is not None},
                },
                links=[Link(one) for one in linked[:_MOST_LINKS]],
                kind=SpanKind.CONSUMER,
                status=Status(StatusCode.OK) if error is None else Status(StatusCode.ERROR, error),
                start_time=since_ns,
                end_time=time.time_ns(),
                instrumentation_scope=self._scope,
            )
        )

    def close(self) -> None:
        """Send what is left; takes seconds when nobody answers."""
        self._processor.force_flush(_FLUSH_MS)
        self._processor.shutdown()  # type: ignore[no-untyped-call]


def spans_from_environment(service: str, instance: str) -> Spans | None:
    """Where spans go; None when nobody asks for them. Raises UnusableInputError `otel-extra`, `otel-protocol`."""
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if disabled or _named(_ENDPOINTS) is None or os.environ.get("OTEL_TRACES_EXPORTER") == "none":
        return None
    named = _named(_PROTOCOLS)
    if named is not None and os.environ[named] != _HTTP:
        raise UnusableInputError(
            "otel-protocol", f"{named} is {os.environ[named]!r}; spans go by {_HTTP}", f"Set it to {_HTTP}"
        )
    return Spans(service, instance)


def _named(variables: Iterable[str]) -> str | None:
    return next((name for name in variables if os.environ.get(name)), None)


def _context(traceparent: str | None) -> SpanContext | None:
    from opentelemetry.trace import SpanContext, TraceFlags

    found = span_of(traceparent or "")
    if found is None:
        return None
    trace_id, span_id, flags = found
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))

"""The allocator's end of a trace: a span for each record that is sent, where the application uses OpenTelemetry.

Only its API is asked, as from any library: which provider there is, if any, is the application's matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from proofrail.wire.errors import ProofrailError
from proofrail.wire.headers import traceparent_of

if TYPE_CHECKING:
    from opentelemetry.trace import Span

_OPERATION: Final = "send"


class SentRecord:
    """One record's span, if there is any."""

    def __init__(self, span: Span | None = None) -> None:
        self._span = span

    @property
    def traceparent(self) -> str | None:
        """What the record is to bear: the span's own ids, or the caller's where spans are not recorded; None without
        either."""
        if self._span is None or not (context := self._span.get_span_context()).is_valid:
            return None
        return traceparent_of(context.trace_id, context.span_id, context.trace_flags)

    def written(self, partition: int, offset: int) -> None:
        """Note where it stands now."""
        if self._span is not None:
            self._span.set_attribute("messaging.destination.partition.id", str(partition))
            self._span.set_attribute("messaging.kafka.offset", offset)


@contextmanager
def sending(topic: str, keys: Sequence[bytes]) -> Iterator[list[SentRecord]]:
    """A span of kind PRODUCER for each record that is sent to `topic` in this block, below the caller's current one."""
    try:
        from opentelemetry import trace
    except ImportError:
        yield [SentRecord() for _ in keys]
        return
    tracer = trace.get_tracer("proofrail")
    spans = [
        tracer.start_span(
            f"{_OPERATION} {topic}", kind=trace.SpanKind.PRODUCER, attributes=_attributes(topic, key)
        )
        for key in keys
    ]
    try:
        yield [SentRecord(span) for span in spans]
    except BaseException as error:
        code = error.code if isinstance(error, ProofrailError) else type(error).__qualname__
        for span in spans:
            span.set_attribute("error.type", code)
            span.set_status(trace.Status(trace.StatusCode.ERROR, code))
        raise
    finally:
        for span in spans:
            span.end()


def _attributes(topic: str, key: bytes) -> dict[str, str]:
    named = {"messaging.kafka.message.key": key.decode(errors="replace")} if key else {}
    return {
        "messaging.system": "kafka",
        "messaging.operation.name": _OPERATION,
        "messaging.operation.type": _OPERATION,
        "messaging.destination.name": topic,
        **named,
    }

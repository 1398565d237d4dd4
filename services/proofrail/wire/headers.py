"""Record headers: CloudEvents 1.0 in Kafka's binary mode and W3C Trace Context (design section 5).

Nothing here reads a clock or draws randomness: a record sent again carries the same headers.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from proofrail.wire.canonical import sha256_hex

CONTENT_TYPE: Final = "application/x-ndjson"
CE_SPECVERSION: Final = "1.0"

_TRACEPARENT: Final = re.compile(
    r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL
)


def record_headers(
    topic: str, value: bytes, *, source: str, traceparent: str | None
) -> list[tuple[str, bytes]]:
    """The headers of a record with `value` on `topic`.

    `source` is a URI reference naming the writer, such as "/proofrail/tracer". `ce_id` is the SHA-256 of
    the value. Without a usable `traceparent` the record starts a trace of its own, derived from its value.
    """
    parent = (
        traceparent if traceparent is not None and _parts(traceparent) else child_traceparent(None, value)
    )
    headers = {
        "content-type": CONTENT_TYPE,
        "ce_specversion": CE_SPECVERSION,
        "ce_type": topic,
        "ce_id": sha256_hex(value),
        "ce_source": source,
        "traceparent": parent,
    }
    return [(name, text.encode()) for name, text in headers.items()]


def child_traceparent(parent: str | None, seed: bytes) -> str:
    """A traceparent in the trace of `parent`, its span id derived from `seed`.

    Trace id and flags are kept. A parent that is absent or, by W3C Trace Context section 3.2, invalid is
    ignored: the trace id is then derived from `seed` too, and the trace is sampled.
    """
    digest = hashlib.sha256(b"proofrail/traceparent/v1\n" + seed).hexdigest()
    trace_id, flags = _parts(parent or "") or (digest[16:48], "01")
    return f"00-{trace_id}-{digest[:16]}-{flags}"


def span_of(traceparent: str) -> tuple[int, int, int] | None:
    """Trace id, span id and flags of a valid traceparent."""
    if _parts(traceparent) is None:
        return None
    _, trace_id, span_id, flags, *_ = traceparent.split("-")
    return int(trace_id, 16), int(span_id, 16), int(flags, 16)


def traceparent_of(trace_id: int, span_id: int, flags: int) -> str:
    """The traceparent of these, as `span_of` gives them."""
    return f"00-{trace_id:032x}-{span_id:016x}-{flags:02x}"


def _parts(traceparent: str) -> tuple[str, str] | None:
    """Trace id and flags of a valid traceparent."""
    match = _TRACEPARENT.fullmatch(traceparent)
    if match is None:
        return None
    version, trace_id, span_id, flags, rest = match.groups()
    if version == "ff" or (version == "00" and rest) or not int(trace_id, 16) or not int(span_id, 16):
        return None
    return trace_id, flags

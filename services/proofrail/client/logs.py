"""What the library logs, retries above all, goes where a library's logs go: to the standard library's logging, which
shows warnings on stderr. A program that has configured structlog is left alone."""

from __future__ import annotations

import structlog


def log_like_a_library() -> None:
    """Without this, structlog's own default would write among the program's results, on stdout."""
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.filter_by_level,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )

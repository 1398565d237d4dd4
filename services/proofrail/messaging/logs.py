"""Structured logs, to stderr: readable on a terminal, JSON lines elsewhere."""

from __future__ import annotations

import logging
import sys
from typing import Any, Final

import structlog

from proofrail.messaging.settings import ServiceSettings

bound = structlog.contextvars.bound_contextvars
"""`with bound(run_id=…):` puts the run_id on every line logged within, also in tasks started within."""

_QUIET: Final = {"aiokafka": logging.CRITICAL, "uvicorn": logging.WARNING, "faststream": logging.WARNING}
"""aiokafka logs each step of a reconnect as an error and raises what matters. At debug level all is shown."""
_SILENT: Final = "opentelemetry.util.re"
"""It says one thing: which header for the collector it cannot read, key and all."""


def configure_logging(service: str, settings: ServiceSettings) -> None:
    """Send structlog and the standard library's logging to stderr, one line an event, with `service` and
    `instance` on each."""
    console = settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]

    def name(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event.setdefault("service", service)
        event.setdefault("instance", settings.instance)
        return event

    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        name,
    ]
    if console:
        last: list[structlog.typing.Processor] = [structlog.dev.ConsoleRenderer()]
    else:
        last = [
            structlog.processors.dict_tracebacks,
            structlog.processors.JSONRenderer(sort_keys=True, ensure_ascii=False),
        ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for library, quiet in _QUIET.items():
        logging.getLogger(library).setLevel(quiet if level > logging.DEBUG else level)
    logging.getLogger(_SILENT).setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )

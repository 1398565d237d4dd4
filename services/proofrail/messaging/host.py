"""The host of a service: one process with health, metrics, logs, and an orderly end.

FastStream carries the application: its ASGI app with the health routes, its broker connection for the
readiness ping, start and stop hooks, and plain subscribers where a service wants any. What must be exactly
once does not go through FastStream's subscribers: they know no transactions, and each of their
acknowledgement policies loses or repeats records when a handler fails. That is `transactions.Pipeline`, on
aiokafka directly.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final, Protocol

import structlog
from faststream.asgi import AsgiFastStream, AsgiResponse, get
from faststream.kafka import KafkaBroker
from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from proofrail.messaging import heap
from proofrail.messaging.client import wait_for_broker
from proofrail.messaging.errors import EXIT_RESTART, BrokerUnavailableError, RestartRequiredError
from proofrail.messaging.logs import bound, configure_logging
from proofrail.messaging.metrics import Metrics
from proofrail.messaging.sampling import LaggingReader, measured
from proofrail.messaging.serving import bound_socket, served
from proofrail.messaging.settings import KafkaSettings, ServiceSettings
from proofrail.messaging.spans import Spans, spans_from_environment
from proofrail.messaging.transactions import Pipeline
from proofrail.messaging.views import View
from proofrail.wire.canonical import canonical
from proofrail.wire.errors import ProofrailError, UnusableInputError

__all__ = ["EXIT_RESTART", "ServiceContext", "bound", "run_service"]

Check = Callable[[], str | Awaitable[str | None] | None]
"""Says what is missing for readiness, or None."""

_READY_POLL_AGE: Final = 15.0
_ALIVE_POLL_AGE: Final = 120.0
_PING_SECONDS: Final = 2.0
_EXIT_FAILED: Final = 1
_EXIT_UNUSABLE: Final = 2

_log = structlog.get_logger(__name__)


class Reader(Protocol):
    """A Pipeline or a View."""

    @property
    def last_poll_age(self) -> float: ...


@dataclass
class ServiceContext:
    """What the host gives a service's `main`.

    `main` runs until `stopping` is set, then finishes or hands back what is in hand and returns; after the
    settings' `drain_seconds` it is cancelled.
    """

    name: str
    settings: ServiceSettings
    metrics: Metrics
    broker: KafkaBroker
    spans: Spans | None = None
    """Where spans are told; None when nobody asks for them."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    started_at: float = field(default_factory=time.monotonic)
    _checks: dict[str, Check] = field(default_factory=dict)
    _readers: dict[str, Reader] = field(default_factory=dict)
    _measured: list[LaggingReader] = field(default_factory=list)
    _ready: bool = False

    @property
    def kafka(self) -> KafkaSettings:
        return self.settings.kafka

    @property
    def transactional_id(self) -> str:
        """Stable over restarts, different for each instance."""
        return f"proofrail-{self.name}-{self.settings.instance}"

    def ready(self) -> None:
        """Say that intake has begun: views are caught up, the group is joined."""
        heap.spare()
        self._ready = True
        _log.info("ready", seconds=round(time.monotonic() - self.started_at, 3))

    def check(self, name: str, check: Check) -> None:
        """Add a condition of readiness; it must answer quickly."""
        self._checks[name] = check

    def watch(self, name: str, reader: Reader) -> None:
        """Make readiness (15 s) and liveness (120 s) depend on `reader` being polled."""
        self._readers[name] = reader
        if isinstance(reader, Pipeline | View):
            self.measure(reader)

    async def catch_up(self, views: Mapping[str, View], pipeline: Pipeline | None = None) -> None:
        """Have `views` read all there is, one after the other, while `pipeline` stays in its group; while that takes
        long, readiness says how far they are. Raises BrokerUnavailableError `view-behind`."""
        for name, view in views.items():
            self.check(name, view.behind)
        async with contextlib.nullcontext() if pipeline is None else pipeline.held():
            # The first round may take long, and what was written meanwhile must not be long unknown.
            for _ in range(2):
                for view in views.values():
                    await view.catch_up()

    def measure(self, reader: LaggingReader) -> None:
        """Show how far `reader` is behind."""
        self._measured.append(reader)

    async def missing(self) -> dict[str, str]:
        """What is missing for readiness, by check."""
        found: dict[str, str] = {}
        if not self._ready:
            found["started"] = "intake has not begun"
        if self.stopping.is_set():
            found["draining"] = "the service is stopping"
        for name, reader in self._readers.items():
            if reader.last_poll_age > _READY_POLL_AGE:
                found[name] = f"last polled {reader.last_poll_age:.0f} s ago"
        for name, check in {"broker": self._ping, **self._checks}.items():
            try:
                async with asyncio.timeout(_PING_SECONDS + 0.5):
                    result = check()
                    said = await result if inspect.isawaitable(result) else result
            except Exception as error:
                said = repr(error)
            if said is not None:
                found[name] = said
            self.metrics.ready.labels(check=name).set(said is None)
        self.metrics.serving.set(not found)
        return found

    def stuck(self) -> dict[str, str]:
        """The readers that were not polled for so long that only a restart helps."""
        return {
            name: f"last polled {reader.last_poll_age:.0f} s ago"
            for name, reader in self._readers.items()
            if reader.last_poll_age > _ALIVE_POLL_AGE
        }

    async def _ping(self) -> str | None:
        return None if await self.broker.ping(_PING_SECONDS) else "the broker does not answer"

    def _oldest_poll(self) -> float:
        return max((reader.last_poll_age for reader in self._readers.values()), default=0.0)


Main = Callable[[ServiceContext], Awaitable[None]]


def run_service(
    name: str, main: Main, settings: ServiceSettings, codes: Collection[str] | None = None
) -> int:
    """Run `main` as the service `name` until it returns or SIGTERM or SIGINT comes; returns the exit status. `codes`:
    those of errors that its metrics tell apart (see Metrics).

    0 after an orderly end, 75 (`EXIT_RESTART`) when the supervisor must start it anew, 2 for unusable
    settings or input, 1 for every other failure. A second signal ends it at once.
    """
    configure_logging(name, settings)
    try:
        return asyncio.run(_host(name, main, settings, Metrics(name, codes)))
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


async def _host(name: str, main: Main, settings: ServiceSettings, metrics: Metrics) -> int:
    broker = KafkaBroker(
        settings.kafka.servers,
        security=_security(settings.kafka),
        client_id=f"proofrail-{name}",
        logger=None,
    )
    context = ServiceContext(name, settings, metrics, broker)
    if settings.key_until is not None:
        metrics.key_change.labels(key=name).set(_midnight(settings.key_until))
    context.metrics.last_poll_age.set_function(context._oldest_poll)
    app = AsgiFastStream(broker, asgi_routes=_routes(context), logger=None)
    try:
        context.spans = spans_from_environment(name, settings.instance)
        async with _serving(app, settings), measured(metrics, context._measured, context.missing):
            task = asyncio.create_task(_work(context, app, main))
            with _signals(context, task):
                return await _outcome(context, task)
    except ProofrailError as error:
        _log.error("failed", code=error.code, error=str(error))
        return _EXIT_UNUSABLE if isinstance(error, UnusableInputError) else _EXIT_FAILED
    finally:
        if context.spans is not None:
            await asyncio.to_thread(context.spans.close)


async def _work(context: ServiceContext, app: AsgiFastStream, main: Main) -> None:
    while not context.stopping.is_set():
        try:
            await wait_for_broker(context.kafka, 2.0)
            break
        except BrokerUnavailableError as error:
            context.metrics.retried(error)
            _log.warning("broker-unavailable", error=str(error))
    if context.stopping.is_set():
        return
    await app.start()
    try:
        await main(context)
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                await app.stop()


async def _outcome(context: ServiceContext, task: asyncio.Task[None]) -> int:
    stop = asyncio.create_task(context.stopping.wait())
    await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
    if not task.done() and context._ready:
        _log.info("draining", at_most_s=context.settings.drain_seconds)
        await asyncio.wait({task}, timeout=context.settings.drain_seconds)
        if not task.done():
            _log.warning("drain-cut-short", after_s=context.settings.drain_seconds)
    if not task.done():  # cut short, or begun with nothing yet
        task.cancel()
        await asyncio.wait({task}, timeout=5)
    stop.cancel()
    if not task.done() or task.cancelled():
        return 0 if context.stopping.is_set() else _EXIT_FAILED
    error = task.exception()
    if error is None:
        _log.info("stopped")
        return 0
    context.metrics.failed(error)
    if isinstance(error, ProofrailError):
        _log.error("failed", code=error.code, error=str(error))
    else:
        _log.error("failed", error=repr(error), exc_info=error)
    if isinstance(error, RestartRequiredError):
        return EXIT_RESTART
    return _EXIT_UNUSABLE if isinstance(error, UnusableInputError) else _EXIT_FAILED


@contextlib.contextmanager
def _signals(context: ServiceContext, task: asyncio.Task[None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if context.stopping.is_set():
            task.cancel()
        context.stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def _midnight(day: date) -> float:
    return datetime.combine(day, datetime.min.time(), UTC).timestamp()


@contextlib.asynccontextmanager
async def _serving(app: Any, settings: ServiceSettings) -> AsyncIterator[None]:
    listener = bound_socket(
        "health-port", settings.health_host, settings.health_port, setting="PROOFRAIL_HEALTH_PORT"
    )
    # Health must be there while the broker is not: the host starts the app itself.
    async with served(app, listener):
        _log.info("listening", host=settings.health_host, port=listener.getsockname()[1])
        yield


def _routes(context: ServiceContext) -> list[tuple[str, Any]]:
    @get
    async def healthz(_: Any) -> AsgiResponse:
        stuck = context.stuck()
        uptime = int(time.monotonic() - context.started_at)
        return _json({"service": context.name, "uptime_seconds": uptime}, stuck)

    @get
    async def readyz(_: Any) -> AsgiResponse:
        return _json({"service": context.name}, await context.missing())

    @get
    async def metrics(_: Any) -> AsgiResponse:
        return AsgiResponse(
            generate_latest(context.metrics.registry), 200, {"content-type": CONTENT_TYPE_LATEST}
        )

    return [("/healthz", healthz), ("/readyz", readyz), ("/metrics", metrics)]


def _json(body: dict[str, Any], wrong: dict[str, str]) -> AsgiResponse:
    body |= {"status": "failing", "missing": wrong} if wrong else {"status": "ok"}
    return AsgiResponse(canonical(body), 503 if wrong else 200, {"content-type": "application/json"})


def _security(kafka: KafkaSettings) -> BaseSecurity | None:
    options = kafka.client_options()
    context = options.get("ssl_context")
    if kafka.security_protocol == "PLAINTEXT":
        return None
    if kafka.security_protocol == "SSL":
        return BaseSecurity(ssl_context=context, use_ssl=True)
    kinds = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}
    return kinds[kafka.sasl_mechanism](
        options["sasl_plain_username"],
        options["sasl_plain_password"],
        ssl_context=context,
        use_ssl=context is not None,
    )

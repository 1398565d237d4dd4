"""`proofrail up`: broker, topics, services and explorer under one supervisor, until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.markup import escape

from proofrail.artifacts.cache import cache_dir
from proofrail.cli.believed import accepts
from proofrail.cli.broker import kafka_of
from proofrail.cli.home import Home
from proofrail.cli.ledger_settings import LEDGER, ledger_defaults
from proofrail.cli.supervisor import ServiceProcess, Supervisor
from proofrail.cli.terminal import SafeConsole
from proofrail.commitment.checkpoint import AUDITOR_KEY_NAME, TRACER_KEY_NAME
from proofrail.commitment.keyfile import load_or_make_signer
from proofrail.messaging.client import wait_for_broker
from proofrail.messaging.embedded import EmbeddedKafka
from proofrail.messaging.topics import ensure_topics
from proofrail.wire.errors import ProofrailError

SERVICES = ("tracer", "prover", "auditor")
EXPLORER = "PROOFRAIL_EXPLORER"
"""`off`: without the explorer."""

_READY_S = 120.0
_BROKER_CHECK_S = 1.0
_STYLES = {
    "tracer": "cyan",
    "prover": "magenta",
    "auditor": "green",
    "registrar": "blue",
    "explorer": "bright_blue",
    "kafka": "yellow",
    "up": "bold",
}
_QUIET = frozenset(
    {"event", "level", "timestamp", "service", "traceparent", "exception", "logger", "instance"}
)


class System:
    """Everything `up` runs, in a home that is claimed."""

    def __init__(self, home: Home, log: Callable[[str, dict[str, Any]], None]) -> None:
        self._home = home
        self._log = log
        self._broker: EmbeddedKafka | None = None
        self._supervisor: Supervisor | None = None
        self._watch: asyncio.Task[None] | None = None
        self._state: dict[str, Any] = {}

    async def start(self) -> None:
        """Start broker and services; returns when all of them take work."""
        home = self._home
        self._tell(phase="starting the broker")
        bootstrap = await self._start_broker()
        kafka = kafka_of(bootstrap)
        self._tell(phase="creating the topics", bootstrap=bootstrap)
        for drift in await ensure_topics(kafka):
            self._log("up", {"event": "topic differs", "level": "warning", "what": str(drift)})
        env = self._service_env(bootstrap)
        if follow := ledger_defaults(os.environ):
            self._log("up", {"event": "settings that follow from the ledger", **follow})
        services = (*SERVICES, "registrar") if os.environ.get(LEDGER) else SERVICES
        processes = [ServiceProcess(name, env) for name in services]
        if os.environ.get(EXPLORER) != "off":
            # Nothing rests on it: the system takes work also while it does not start.
            processes.append(ServiceProcess("explorer", env, needed=False))
        self._supervisor = Supervisor(processes, self._log, self._tell_services)
        self._tell(phase="starting the services")
        await self._supervisor.start()
        try:
            await self._supervisor.wait_ready(_READY_S)
        except TimeoutError:
            waiting = [one.name for one in self._supervisor.services if one.needed and not one.ready.is_set()]
            raise ProofrailError(
                "services-not-ready",
                f"{', '.join(waiting)} did not become ready within {_READY_S:.0f} s",
                f"The log says why: {home.log_file}",
            ) from None
        self._tell(phase="ready", store=home.store_url, accepts=accepts({**os.environ, **env}))

    async def stop(self) -> None:
        """End the services, then the broker."""
        if self._watch is not None:
            self._watch.cancel()
        if self._supervisor is not None:
            await self._supervisor.stop()
        if self._broker is not None:
            await self._broker.astop()

    async def _start_broker(self) -> str:
        named = os.environ.get("PROOFRAIL_KAFKA_BOOTSTRAP")
        if named:
            await wait_for_broker(kafka_of(named))
            return named

        def progress(done: int, total: int) -> None:
            if done in (1, total) or done % 10 == 0:
                self._log("kafka", {"event": "jars", "done": done, "of": total})
                self._tell(phase=f"fetching Kafka's jars ({done} of {total})")

        self._broker = EmbeddedKafka(self._home.kafka, cache_dir(), progress=progress)
        started = time.monotonic()
        bootstrap = await self._broker.astart()
        self._log(
            "kafka", {"event": "broker up", "at": bootstrap, "seconds": round(time.monotonic() - started, 1)}
        )
        self._watch = asyncio.create_task(self._watch_broker(self._broker))
        return bootstrap

    async def _watch_broker(self, broker: EmbeddedKafka) -> None:
        """A broker that dies is started again on the same data; the services wait for it."""
        while True:
            await asyncio.sleep(_BROKER_CHECK_S)
            status = broker.status
            if status is None:
                continue
            self._log("kafka", {"event": "broker ended", "level": "warning", "status": status})
            try:
                bootstrap = await broker.astart()
            except ProofrailError as error:
                self._log("kafka", {"event": "broker not up", "level": "error", "why": str(error)})
                continue
            self._log("kafka", {"event": "broker up", "at": bootstrap})
            if bootstrap != self._state.get("bootstrap"):
                # Somebody took its port meanwhile; the services know only the old one.
                self._tell(bootstrap=bootstrap)
                if self._supervisor is not None:
                    self._supervisor.renew(self._service_env(bootstrap))

    def _service_env(self, bootstrap: str) -> dict[str, str]:
        home = self._home
        load_or_make_signer(home.tracer_key, TRACER_KEY_NAME, secrets.token_bytes)
        load_or_make_signer(home.auditor_key, AUDITOR_KEY_NAME, secrets.token_bytes)
        return {
            "PROOFRAIL_KAFKA_BOOTSTRAP": bootstrap,
            "PROOFRAIL_INSTANCE": os.environ.get("PROOFRAIL_INSTANCE", "local"),
            **home.service_defaults(),
            **ledger_defaults(os.environ),
            **{name: os.environ[name] for name in ("PROOFRAIL_STORE_URL",) if name in os.environ},
        }

    @property
    def pages(self) -> dict[str, str]:
        """Where services have pages for people."""
        return {} if self._supervisor is None else self._supervisor.pages

    def _tell_services(self) -> None:
        if self._supervisor is not None:
            self._tell(services=self._supervisor.urls, pages=self._supervisor.pages)

    def _tell(self, **state: Any) -> None:
        self._state.update(state)
        self._home.announce(self._state)


async def run_up(home: Home) -> None:
    """Run until SIGINT or SIGTERM; logs go to stderr and to the home's log file."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    with home.claimed(), home.log_file.open("a", buffering=1) as log_file:
        system = System(
            home, _log_to(SafeConsole(stderr=True, highlight=False, soft_wrap=True), log_file.write)
        )
        try:
            starting = asyncio.create_task(system.start())
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                print(f"Ready. Publish with: proofrail propose FILE --wait   ({home.root})", file=sys.stderr)
                for pages in system.pages.values():
                    print(f"Look at it:   {pages}", file=sys.stderr)
            await stopping
            starting.cancel()
            print("Stopping: services drain, then the broker ends.", file=sys.stderr)
        finally:
            await system.stop()


def _log_to(console: Console, write: Callable[[str], object]) -> Callable[[str, dict[str, Any]], None]:
    def log(name: str, entry: dict[str, Any]) -> None:
        now = time.strftime("%H:%M:%S")
        level = str(entry.get("level", "info"))
        facts = " ".join(f"{key}={_short(value)}" for key, value in entry.items() if key not in _QUIET)
        text = f"{now} {name:<8} {level:<7} {entry['event']} {facts}".rstrip()
        for line in (text, *str(entry.get("exception", "")).splitlines()):
            write(line + "\n")
        style = {"warning": "yellow", "error": "red"}.get(level, "")
        said = escape(f"{entry['event']} {facts}".rstrip())
        console.print(
            f"[dim]{now}[/] [{_STYLES.get(name, 'white')}]{name:<8}[/] "
            + (f"[{style}]{said}[/]" if style else said)
        )

    return log


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 200 else text[:199] + "…"

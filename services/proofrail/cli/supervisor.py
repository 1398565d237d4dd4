"""Run the services as processes of their own, under one parent that restarts what dies, or says that it is stuck.

The parent is the only one that knows all of them; they find each other through Kafka alone. It reads their JSON
logs: to show them, and to know who listens where and who is ready.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError

from proofrail.cli.leash import leashed
from proofrail.cli.local_service import fetched
from proofrail.messaging.following import beside

_GRACE_S = 30.0
_HEALTHY_AFTER_S = 60.0
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_LONGEST_LINE = 1 << 20
_LOOK_S = 10.0
_LOOKS = 3
_ANSWER_S = 5.0
_UNHEALTHY = 503

LogSink = Callable[[str, dict[str, Any]], None]
"""Takes the name of a service and one log entry; a line that is no JSON object comes as its `event`."""


@dataclass
class ServiceProcess:
    """One service: how it is started and what is known of it."""

    name: str
    env: Mapping[str, str]
    needed: bool = True
    """Whether the system takes no work without it."""
    url: str | None = None
    pages: str | None = None
    """Where it has pages for people."""
    process: asyncio.subprocess.Process | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.returncode is None


class Supervisor:
    """Starts services, passes their logs on, restarts them with growing pauses, ends them together."""

    def __init__(
        self, services: list[ServiceProcess], log: LogSink, changed: Callable[[], None] = lambda: None
    ) -> None:
        """`changed` is called when a service listens somewhere else than before."""
        self.services = services
        self._log = log
        self._changed = changed
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []
        self._reads_on: Callable[[], None] = lambda: None

    async def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._keep_running(service), name=f"supervise {service.name}")
            for service in self.services
        ]

    async def wait_ready(self, timeout_s: float) -> None:
        """Until every service that is needed takes work. Raises TimeoutError when they do not, and none has read on for
        `timeout_s` seconds in what there is; the logs say what is in the way."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout_s) as limit:
                self._reads_on = lambda: (
                    None if limit.expired() else limit.reschedule(loop.time() + timeout_s)
                )
                for service in self.services:
                    if service.needed:
                        await service.ready.wait()
        finally:
            self._reads_on = lambda: None

    @property
    def urls(self) -> dict[str, str]:
        """Where the services listen, of those that do."""
        return {service.name: service.url for service in self.services if service.url is not None}

    @property
    def pages(self) -> dict[str, str]:
        """Where services have pages for people."""
        return {service.name: service.pages for service in self.services if service.pages is not None}

    def renew(self, env: Mapping[str, str]) -> None:
        """Start all services anew in another environment. They are killed: what they have in hand belongs to a
        world that is gone, and draining would wait for it."""
        for service in self.services:
            service.env = env
            if service.process is not None and service.running:
                with contextlib.suppress(ProcessLookupError):
                    service.process.kill()

    async def stop(self) -> None:
        """SIGTERM to all, then SIGKILL to what has not drained in time."""
        self._stopping = True
        running = [service.process for service in self.services if service.running and service.process]
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        if running:
            await asyncio.wait([asyncio.create_task(process.wait()) for process in running], timeout=_GRACE_S)
        for process in running:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep_running(self, service: ServiceProcess) -> None:
        pause = _FIRST_PAUSE_S
        while not self._stopping:
            started = time.monotonic()
            service.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "proofrail",
                service.name,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                limit=_LONGEST_LINE,
                env=leashed({**os.environ, **service.env, "PROOFRAIL_LOG_FORMAT": "json"}),
                # Ctrl-C reaches the parent alone; it ends its children together.
                start_new_session=True,
            )
            async with beside(self._end_when_stuck(service, service.process)):
                await self._read_log(service, service.process)
                code = await service.process.wait()
            service.ready.clear()
            service.url = service.pages = None
            self._changed()
            if self._is_stopping():
                return
            if time.monotonic() - started > _HEALTHY_AFTER_S:
                pause = _FIRST_PAUSE_S
            entry = {"event": "ended", "level": "warning", "how": _describe(code), "again_in_s": pause}
            self._log(service.name, entry)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    async def _end_when_stuck(self, service: ServiceProcess, process: asyncio.subprocess.Process) -> None:
        """As an orchestrator's liveness probe would: kill a service that says again and again that only a restart
        helps. One that does not answer is left alone: a busy machine makes it slow."""
        said = 0
        while said < _LOOKS:
            await asyncio.sleep(_LOOK_S)
            why = await asyncio.to_thread(_wrong_with, service.url) if service.url is not None else None
            said = said + 1 if why is not None else 0
        self._log(service.name, {"event": "stuck", "level": "error", "why": why})
        with contextlib.suppress(ProcessLookupError):
            process.kill()

    def _is_stopping(self) -> bool:
        return self._stopping

    async def _read_log(self, service: ServiceProcess, process: asyncio.subprocess.Process) -> None:
        if process.stderr is None:
            return
        while True:
            try:
                raw = await process.stderr.readline()
            except ValueError:
                continue  # a line beyond the limit: its rest comes next
            if not raw:
                return
            entry = _entry(raw)
            if entry["event"] == "listening" and "port" in entry:
                service.url = f"http://{entry['host']}:{entry['port']}"
                self._changed()
            elif entry["event"] == "serving" and "url" in entry:
                service.pages = str(entry["url"])
                self._changed()
            elif entry["event"] == "ready":
                service.ready.set()
            elif entry["event"] == "catching-up":
                self._reads_on()
            self._log(service.name, entry)


def _entry(raw: bytes) -> dict[str, Any]:
    text = raw.decode(errors="replace").rstrip("\n")
    try:
        entry = json.loads(text)
    except ValueError:
        return {"event": text}
    return entry if isinstance(entry, dict) and isinstance(entry.get("event"), str) else {"event": text}


def _wrong_with(url: str) -> str | None:
    """What a service answers where it says that it is not alive."""
    try:
        fetched(f"{url}/healthz", _ANSWER_S)
    except HTTPError as error:
        with error:
            return error.read().decode(errors="replace") if error.code == _UNHEALTHY else None
    except (OSError, HTTPException):
        return None
    return None


def _describe(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

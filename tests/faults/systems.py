"""Whole systems and single services as processes, for tests that hurt them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from proofrail.cli.home import Home
from proofrail.cli.launch import LaunchedSystem
from proofrail.cli.leash import leashed
from proofrail.messaging.settings import KafkaSettings
from tests.faults import processes
from tests.faults.forging import TRACER_VKEY
from tests.faults.processes import Process

T = TypeVar("T")

_POLL_S = 0.02
READY_S = 60.0


async def awaited(look: Callable[[], T | None], seconds: float, what: str) -> T:
    """What `look` finds, as soon as it finds something. Raises AssertionError, saying what was awaited."""
    try:
        async with asyncio.timeout(seconds):
            while not (found := look()):  # noqa: ASYNC110 - of whatever it looks at, nobody tells
                await asyncio.sleep(_POLL_S)
            return found
    except TimeoutError:
        raise AssertionError(f"not within {seconds:.0f} s: {what}") from None


class System:
    """A system in a home of its own, its processes, and its broker's address."""

    def __init__(self, root: Path) -> None:
        self.home = Home(root)
        # A prover that is killed outright leaves its scratch folder until the next one starts.
        scratch = root.with_name(f"{root.name}-scratch")
        scratch.mkdir(exist_ok=True)
        self._launched = LaunchedSystem(self.home, env={"TMPDIR": str(scratch)})

    async def start(self) -> None:
        await self._launched.start()

    async def stop(self) -> None:
        await self._launched.stop()

    @property
    def kafka(self) -> KafkaSettings:
        return KafkaSettings(bootstrap=self.home.bootstrap())

    @property
    def processes(self) -> list[Process]:
        return processes.of_home(self.home.root)

    async def service(self, name: str, other_than: Process | None = None) -> Process:
        """The process of a service; with `other_than`, its successor."""

        def look() -> Process | None:
            found = processes.service(self.home.root, name)
            return found if found != other_than else None

        return await awaited(look, 60, f"a process of the {name}")

    async def prover_at_work(self, other_than: Process | None = None) -> Process:
        """The prover program in the middle of a proof."""

        def look() -> Process | None:
            found = processes.prover_child(self.home.root, busy_s=0.5)
            return found if found != other_than else None

        return await awaited(look, 90, "a proof under way")

    def log(self) -> str:
        return self.home.log_file.read_text(errors="replace")


@asynccontextmanager
async def running(root: Path) -> AsyncIterator[System]:
    """A started system; afterwards it is ended, and nothing of it may be left."""
    system = System(root)
    try:
        await system.start()
        yield system
        await system.stop()
        await processes.gone(system.processes, 5)
    finally:
        await system.stop()
        for left in system.processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(left.pid, signal.SIGKILL)


def environment(folder: Path, kafka: KafkaSettings) -> dict[str, str]:
    """What a service on its own needs to know; keys and store are kept in the folder."""
    return {
        "TMPDIR": str(folder),
        "PROOFRAIL_KAFKA_BOOTSTRAP": kafka.bootstrap,
        "PROOFRAIL_INSTANCE": "test",
        "PROOFRAIL_STORE_URL": (folder / "artifacts").as_uri(),
        "PROOFRAIL_TRACER_KEY_FILE": str(folder / "tracer.key"),
        "PROOFRAIL_AUDITOR_KEY_FILE": str(folder / "auditor.key"),
        "PROOFRAIL_CHECKPOINT_KEYS": TRACER_VKEY,
    }


class Service:
    """One service as a process of its own; its log entries are kept. `module`: another than the package's own to
    run, with its arguments."""

    def __init__(self, name: str, env: Mapping[str, str], module: Sequence[str] = ()) -> None:
        self._name = name
        self._module = module or ("proofrail", name)
        self._env = dict(env)
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._said = asyncio.Event()
        self.entries: deque[dict[str, Any]] = deque(maxlen=2000)

    async def __aenter__(self) -> Service:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    async def start(self) -> None:
        """Returns when the service takes work. Raises AssertionError with its last words when it does not."""
        self.entries.clear()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *self._module,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            limit=1 << 20,
            env=leashed({**os.environ, **self._env, "PROOFRAIL_LOG_FORMAT": "json"}),
            start_new_session=True,
        )
        self._reader = asyncio.create_task(self._read(self._process))
        await self.said("ready", READY_S)

    async def said(self, event: str, seconds: float) -> dict[str, Any]:
        """The first log entry of that event, as soon as it is there."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    for entry in self.entries:
                        if entry.get("event") == event:
                            return entry
                    assert self.alive, f"the {self._name} has ended: {list(self.entries)[-5:]}"
                    self._said.clear()
                    await self._said.wait()
        except TimeoutError:
            raise AssertionError(f"no {event!r} from the {self._name}: {list(self.entries)[-5:]}") from None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def kill(self) -> None:
        """SIGKILL, when it still runs."""
        await self._end(signal.SIGKILL)

    async def stop(self, seconds: float = 30.0) -> int:
        """SIGTERM; the exit status. Raises TimeoutError when it does not end in time."""
        async with asyncio.timeout(seconds):
            return await self._end(signal.SIGTERM)

    async def _end(self, number: int) -> int:
        process, reader = self._process, self._reader
        if process is None or reader is None:
            return 0
        if process.returncode is None:
            process.send_signal(number)
        status = await process.wait()
        await reader
        return status

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        async for raw in process.stderr:
            try:
                self.entries.append(json.loads(raw))
            except ValueError:
                self.entries.append({"event": raw.decode(errors="replace")})
            self._said.set()
        await process.wait()
        self._said.set()

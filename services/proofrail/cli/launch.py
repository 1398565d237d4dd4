"""Start `proofrail up` as a process of its own and wait until it takes work; for `demo`, benchmarks and tests."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from proofrail.cli.home import Home
from proofrail.cli.leash import end, leashed
from proofrail.cli.up import EXPLORER
from proofrail.wire.errors import ProofrailError

_START_S = 240.0
_STOP_S = 60.0
_POLL_S = 0.1

Say = Callable[[str], None]


class LaunchedSystem:
    """A whole system in a home of its own. With `leash` it ends with this process."""

    def __init__(
        self, home: Home, *, leash: bool = True, env: Mapping[str, str] | None = None, explorer: bool = False
    ) -> None:
        self.home = home
        self._leash = leash
        self._env = {**({} if explorer else {EXPLORER: "off"}), **(env or {})}
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, say: Say | None = None) -> None:
        """Returns when every service takes work. Raises ProofrailError `system-not-started` with the log."""
        inherited = {name: value for name, value in os.environ.items() if name != "PROOFRAIL_KAFKA_BOOTSTRAP"}
        env = {**inherited, **self._env}
        self.home.prepare()
        with self._errors.open("wb") as errors:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "proofrail",
                "up",
                "--home",
                str(self.home.root),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=errors,
                env=leashed(env) if self._leash else env,
                start_new_session=True,
            )
        await self._until_ready(self._process, say or (lambda _: None))

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL when it has not ended a minute later."""
        process, self._process = self._process, None
        if process is not None:
            await end(process, _STOP_S)

    @property
    def _errors(self) -> Path:
        return self.home.root / "up.err"

    async def _until_ready(self, process: asyncio.subprocess.Process, say: Say) -> None:
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            state = self.home.running() or {}
            if state.get("phase") == "ready" and state["pid"] == process.pid:
                return
            say(str(state.get("phase", "starting")))
            if process.returncode is not None:
                said = self._errors.read_text(errors="replace").strip()
                raise ProofrailError(
                    "system-not-started", f"the system ended while starting:\n{said[-4000:]}"
                )
            await asyncio.sleep(_POLL_S)
        raise ProofrailError(
            "system-not-started",
            f"the system was not ready after {_START_S:.0f} s",
            f"Its log: {self.home.log_file}",
        )

"""The folder in which a system started here keeps everything: broker data, artifacts, keys, logs.

`running.json` in it tells other commands of the same user where the broker of a running system listens. It holds
while somebody has the lock `up.lock`: a process id alone is given out again, to anybody, after a crash.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proofrail.wire.errors import UnusableInputError

_CLAIM_S = 1.0
"""Longer than anybody holds the lock only to see whether it is free."""


@dataclass(frozen=True)
class Home:
    """Where one installation lives; every path is derived from `root`."""

    root: Path

    @classmethod
    def at(cls, root: Path | None) -> Home:
        """`root`, else `PROOFRAIL_HOME`, else `.proofrail` in the current folder."""
        return cls((root or Path(os.environ.get("PROOFRAIL_HOME", ".proofrail"))).absolute())

    @property
    def kafka(self) -> Path:
        return self.root / "kafka"

    @property
    def store_url(self) -> str:
        return (self.root / "artifacts").as_uri()

    @property
    def tracer_key(self) -> Path:
        return self.root / "keys" / "tracer.key"

    @property
    def auditor_key(self) -> Path:
        return self.root / "keys" / "auditor.key"

    def service_defaults(self) -> dict[str, str]:
        """The settings of services whose files lie here: what `up` gives them, and what one that is started
        alone falls back on. The tracer's and the auditor's keys are accepted once there are any."""
        defaults = {
            "PROOFRAIL_STORE_URL": self.store_url,
            "PROOFRAIL_TRACER_KEY_FILE": str(self.tracer_key),
            "PROOFRAIL_AUDITOR_KEY_FILE": str(self.auditor_key),
            "PROOFRAIL_REGISTRAR_DIR": str(self.root / "registrar"),
            "PROOFRAIL_EXPLORER_DIR": str(self.root / "explorer"),
        }
        with contextlib.suppress(FileNotFoundError):
            defaults["PROOFRAIL_CHECKPOINT_KEYS"] = self.tracer_key.with_suffix(".vkey").read_text().strip()
        with contextlib.suppress(FileNotFoundError):
            defaults["PROOFRAIL_AUDITOR_KEYS"] = self.auditor_key.with_suffix(".vkey").read_text().strip()
        return defaults

    @property
    def log_file(self) -> Path:
        return self.root / "up.log"

    @property
    def _lock(self) -> Path:
        return self.root / "up.lock"

    @property
    def _running(self) -> Path:
        return self.root / "running.json"

    def prepare(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        self.tracer_key.parent.mkdir(mode=0o700, exist_ok=True)

    @contextlib.contextmanager
    def claimed(self) -> Iterator[None]:
        """Have this home for one's own while the block runs. Raises UnusableInputError `already-running`."""
        self.prepare()
        with self._lock.open("a") as lock:
            deadline = time.monotonic() + _CLAIM_S
            while not _taken(lock.fileno(), fcntl.LOCK_EX):
                if time.monotonic() > deadline:
                    raise UnusableInputError(
                        "already-running",
                        f"a system is running in {self.root}",
                        "Stop it with `proofrail down`, or choose another folder with --home.",
                    )
                time.sleep(0.02)
            self._withdraw()  # what one that was killed has left
            try:
                yield
            finally:
                self._withdraw()

    def announce(self, state: dict[str, Any]) -> None:
        """Tell other commands what this system is doing and where it listens."""
        scratch = self._running.with_suffix(".new")
        scratch.write_text(json.dumps({**state, "pid": os.getpid()}, indent=2) + "\n")
        scratch.replace(self._running)

    def _withdraw(self) -> None:
        self._running.unlink(missing_ok=True)

    def running(self) -> dict[str, Any] | None:
        """What the running system announced; None when none is running."""
        try:
            with self._lock.open() as lock:
                if _taken(lock.fileno(), fcntl.LOCK_SH):
                    return None
            state: dict[str, Any] = json.loads(self._running.read_text())
        except (OSError, ValueError):
            return None
        return state

    def bootstrap(self) -> str:
        """The broker to talk to: `PROOFRAIL_KAFKA_BOOTSTRAP`, or that of the system running in this home."""
        named = os.environ.get("PROOFRAIL_KAFKA_BOOTSTRAP")
        if named:
            return named
        state = self.running()
        if state is None or "bootstrap" not in state:
            raise UnusableInputError(
                "no-running-system",
                f"no system is running in {self.root} and PROOFRAIL_KAFKA_BOOTSTRAP is not set",
                "Start one with `proofrail up`, or name a broker: PROOFRAIL_KAFKA_BOOTSTRAP=host:port.",
            )
        return str(state["bootstrap"])


def _taken(lock: int, how: int) -> bool:
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

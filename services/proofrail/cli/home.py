"""The folder in which a system started here keeps everything: broker data, artifacts, keys, logs.

`running.json` in it tells other commands of the same user where the broker of a running system listens.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proofrail.wire.errors import UnusableInputError


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

    @property
    def log_file(self) -> Path:
        return self.root / "up.log"

    @property
    def _running(self) -> Path:
        return self.root / "running.json"

    def prepare(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        self.tracer_key.parent.mkdir(mode=0o700, exist_ok=True)

    def announce(self, state: dict[str, Any]) -> None:
        """Tell other commands what this system is doing and where it listens."""
        scratch = self._running.with_suffix(".new")
        scratch.write_text(json.dumps({**state, "pid": os.getpid()}, indent=2) + "\n")
        scratch.replace(self._running)

    def withdraw(self) -> None:
        self._running.unlink(missing_ok=True)

    def running(self) -> dict[str, Any] | None:
        """What the running system announced; None when none is running."""
        try:
            state: dict[str, Any] = json.loads(self._running.read_text())
            os.kill(int(state["pid"]), 0)
        except (OSError, ValueError, KeyError):
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


def cache_dir() -> Path:
    """Where downloads are kept over all installations of this user: `PROOFRAIL_CACHE`."""
    return Path(os.environ.get("PROOFRAIL_CACHE", "~/.cache/proofrail")).expanduser()

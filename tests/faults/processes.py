"""Which processes there are, from /proc: to kill the right one, and to see that none is left."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROVER = "proofrail-stwo-prover"
_TICKS = os.sysconf("SC_CLK_TCK")
_POLL_S = 0.02


@dataclass(frozen=True)
class Process:
    """One process for certain: a pid alone is given out again."""

    pid: int
    started: int
    command: tuple[str, ...]

    @property
    def alive(self) -> bool:
        """A zombie has ended: it only waits to be counted by whoever inherited it."""
        stat = _stat(self.pid)
        return stat is not None and int(stat[19]) == self.started and stat[0] not in "ZX"

    @property
    def cpu_seconds(self) -> float:
        stat = _stat(self.pid)
        return 0.0 if stat is None else (int(stat[11]) + int(stat[12])) / _TICKS

    def kill(self) -> None:
        assert self.alive, self
        os.kill(self.pid, signal.SIGKILL)

    def is_service(self, name: str) -> bool:
        return self.command[1:4] == ("-m", "proofrail", name)

    @property
    def is_broker(self) -> bool:
        return "kafka.Kafka" in self.command

    @property
    def is_prover_child(self) -> bool:
        return Path(self.command[0]).name == PROVER and self.command[1:2] == ("prove",)


def of_home(home: Path) -> list[Process]:
    """Every living process that has the folder in its command line or environment, whoever its parent is."""
    return list(mentioning(os.fsencode(home)))


def service(home: Path, name: str) -> Process | None:
    return next((process for process in of_home(home) if process.is_service(name)), None)


def broker(home: Path) -> Process | None:
    return next((process for process in of_home(home) if process.is_broker), None)


def prover_child(home: Path, busy_s: float = 0.0) -> Process | None:
    """The prover program at work, once it has used `busy_s` seconds of processor time."""
    for process in of_home(home):
        if process.is_prover_child and process.cpu_seconds >= busy_s:
            return process
    return None


async def gone(processes: list[Process], seconds: float) -> None:
    """Wait until all have ended. Raises AssertionError that names those left."""
    try:
        async with asyncio.timeout(seconds):
            while any(process.alive for process in processes):  # noqa: ASYNC110 - the kernel tells nobody
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        left = [process for process in processes if process.alive]
        raise AssertionError(f"still there after {seconds:.0f} s: {left}") from None


def mentioning(text: bytes) -> Iterator[Process]:
    """Every living process that has the text in its command line or environment."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            command = (folder / "cmdline").read_bytes()
            environment = (folder / "environ").read_bytes()
        except OSError:
            continue
        stat = _stat(int(folder.name))
        if stat is None or stat[0] in "ZX" or not command:
            continue
        if text in command or text in environment:
            words = tuple(word.decode(errors="replace") for word in command.rstrip(b"\0").split(b"\0"))
            yield Process(int(folder.name), int(stat[19]), words)


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on; None when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text.rpartition(")")[2].split()

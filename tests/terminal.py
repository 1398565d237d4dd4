"""A terminal of the tests' own: what a person would see of a command, and Ctrl-C."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_ERASED: Final = re.compile(r"\x1b\[[012]?K")
_STEERING: Final = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
_CTRL_C: Final = b"\x03"


class Terminal:
    """One command in the foreground of a terminal."""

    def __init__(self, process: subprocess.Popen[bytes], ours: int) -> None:
        self._process = process
        self._ours = ours
        self._written = b""

    @property
    def shown(self) -> str:
        """All so far as it stands there, without colours; of an overwritten line what it was overwritten with."""
        text = _ERASED.sub("\r", self._written.decode(errors="replace")).replace("\r\n", "\n")
        text = _STEERING.sub("", text)
        return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))

    def until(self, enough: Callable[[str], bool], seconds: float) -> bool:
        """Whether it came to show enough before it ended. Raises AssertionError when nothing of that came in time."""
        deadline = time.monotonic() + seconds
        while not enough(self.shown):
            left = deadline - time.monotonic()
            assert left > 0, f"not within {seconds:.0f} s:\n{self.shown[-4000:]}"
            if not select.select([self._ours], [], [], left)[0]:
                continue
            try:
                more = os.read(self._ours, 65536)
            except OSError:  # how a terminal says that the other side is closed
                return False
            if not more:
                return False
            self._written += more
        return True

    def end(self, seconds: float) -> int:
        """The exit status, once it has ended by itself."""
        self.until(lambda _: False, seconds)
        return self._process.wait(seconds)

    def interrupt(self) -> None:
        """As Ctrl-C does."""
        os.write(self._ours, _CTRL_C)


@contextmanager
def terminal(
    command: Sequence[str],
    *,
    columns: int = 120,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[Terminal]:
    """Start the command; what still runs of it in the end is killed."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env={**(os.environ if env is None else env), "TERM": "xterm"},
        preexec_fn=lambda: os.login_tty(theirs),
        close_fds=True,
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()
        os.close(ours)


def on_terminal(
    command: Sequence[str],
    *,
    columns: int = 120,
    seconds: float = 60,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> tuple[int, str]:
    """Exit status, and what a terminal of so many columns shows."""
    with terminal(command, columns=columns, cwd=cwd, env=env) as started:
        return started.end(seconds), started.shown

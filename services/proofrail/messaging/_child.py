"""A child process that does not outlive us, and can be ended for certain."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final

# Runs in the child before the program does: asks the kernel for SIGTERM when the parent dies, and notices
# when that has happened already. A program of its own rather than a preexec_fn, which may deadlock in a
# process with threads.
_LEASH: Final = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


class Child:
    """A program in a session of its own, started by a thread that lives as long as the program does: Linux
    ties the death signal to the thread that started the child, not to the process."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        output: IO[bytes],
        keep_open: Sequence[int] = (),
        cwd: Path | None = None,
    ) -> None:
        self._command = [os.fspath(part) for part in command]
        self._output = output
        self._keep_open = tuple(keep_open)
        self._cwd = cwd
        self._started = threading.Event()
        self._error: BaseException | None = None
        self._process: subprocess.Popen[bytes] | None = None
        threading.Thread(target=self._run, name="proofrail-child", daemon=True).start()
        self._started.wait()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        leash = [sys.executable, "-I", "-S", "-c", _LEASH, str(os.getpid())]
        try:
            process = subprocess.Popen(  # noqa: S603 - our own command line
                [*leash, *self._command],
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=self._keep_open,
                cwd=self._cwd,
            )
        except BaseException as error:
            self._error = error
            return
        finally:
            if self._error is not None:
                self._started.set()
        self._process = process
        self._started.set()
        process.wait()

    @property
    def _popen(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the child was never started")
        return self._process

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def status(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self._popen.poll()

    def wait(self, timeout: float | None = None) -> int | None:
        """The exit status, or None after `timeout` seconds."""
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def terminate(self) -> None:
        """SIGTERM to the program."""
        with contextlib.suppress(ProcessLookupError):
            self._popen.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to the program and whatever it started."""
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self._popen.wait()

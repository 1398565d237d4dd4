"""A process that never outlives its caller and leaves nothing behind: a prover, above all."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from proofrail.proving.cgroup import memory_kills

_LINE_LIMIT: Final = 1 << 20
_STDOUT_LIMIT: Final = 16 << 20
_TAIL_LINES: Final = 50
_LAST_WORDS_S: Final = 1.0
_FIRST_TO_GO: Final = 800
_OWN_SCORE: Final = Path("/proc/self/oom_score_adj")


@dataclass(frozen=True)
class Finished:
    """How the process ended. `returncode` is negative for a signal; `tail`: its last lines on stderr;
    `memory_kills`: how many processes of our control group the kernel killed meanwhile for lack of memory."""

    returncode: int
    stdout: bytes
    tail: tuple[str, ...]
    timed_out: bool
    seconds: float
    memory_kills: int = 0


async def run(
    command: Sequence[str],
    *,
    cwd: str | None = None,
    timeout: float | None,  # noqa: ASYNC109 -- it ends a process, not only a wait
    on_line: Callable[[str], None],
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
) -> Finished:
    """Runs `command` in a session of its own; `on_line` gets each line of its stderr. `env` replaces ours; `stdin` is
    what it finds on its standard input, by default nothing.

    When the process has ended, the timeout (seconds of wall-clock time) is over, or the caller is cancelled, the
    whole process group is killed and its leader waited for. Raises OSError when the program cannot be started.
    """
    begin = time.monotonic()
    kills = memory_kills()
    transport, output = await asyncio.get_running_loop().subprocess_exec(
        lambda: _Output(on_line),
        *command,
        cwd=cwd,
        env=env,
        stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    timed_out = False
    try:
        _offer_first(transport.get_pid())
        if stdin is not None:
            _give(transport, stdin)
        async with asyncio.timeout(timeout):
            await output.exited.wait()
    except TimeoutError:
        timed_out = True
    finally:
        await _end(transport.get_pid(), output)
        transport.close()
    code = transport.get_returncode()
    return Finished(
        returncode=code if code is not None else -signal.SIGKILL,
        stdout=bytes(output.stdout),
        tail=tuple(output.tail),
        timed_out=timed_out,
        seconds=time.monotonic() - begin,
        memory_kills=memory_kills() - kills,
    )


class _Output(asyncio.SubprocessProtocol):
    """Keeps what the process says, within bounds. Not asyncio's streams: their wait for the process ends only
    when all who inherited its pipes have closed them, a process that it started and left behind included."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self.stdout = bytearray()
        self.tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self.exited = asyncio.Event()
        self.closed = asyncio.Event()
        self._on_line = on_line
        self._line = bytearray()
        self._open = {1, 2}

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 1:
            self.stdout += data[: _STDOUT_LIMIT - len(self.stdout)]
            return
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._tell(self._line + line)
            self._line.clear()
        self._line += rest
        if len(self._line) > _LINE_LIMIT:
            self._tell(self._line)
            self._line.clear()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        del exc
        self._open.discard(fd)
        if fd == 2 and self._line:
            self._tell(self._line)
            self._line.clear()
        if not self._open:
            self.closed.set()

    def process_exited(self) -> None:
        self.exited.set()

    def _tell(self, line: bytes | bytearray) -> None:
        text = line.decode("utf-8", errors="replace")
        self.tail.append(text)
        self._on_line(text)


def _give(transport: asyncio.SubprocessTransport, stdin: bytes) -> None:
    """Behind it the input ends; a process that does not read it is none of our concern."""
    pipe = transport.get_pipe_transport(0)
    if not isinstance(pipe, asyncio.WriteTransport):
        raise TypeError("the process has no standard input")
    pipe.write(stdin)
    pipe.write_eof()


async def _end(pid: int, output: _Output) -> None:
    """Kills the group even when its leader has ended: nothing of a proof is worth keeping half done."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    waiting = asyncio.ensure_future(_ended(output))
    while not waiting.done():
        # A second cancellation must not leave a zombie behind.
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(waiting)


async def _ended(output: _Output) -> None:
    await output.exited.wait()
    # Only a process that left the group for a session of its own can still hold the pipes.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LAST_WORDS_S):
            await output.closed.wait()


def _offer_first(pid: int) -> None:
    """Where memory runs out, the kernel is to kill the prover, whose work can be done again, not its caller."""
    with contextlib.suppress(OSError, ValueError):
        ours = int(_OWN_SCORE.read_text())
        Path(f"/proc/{pid}/oom_score_adj").write_text(str(min(1000, max(_FIRST_TO_GO, ours + 1))))

"""A prover process that never outlives its caller and leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_LINE_LIMIT = 1 << 20
_TAIL_LINES = 50


@dataclass(frozen=True)
class Finished:
    """How the process ended. `returncode` is negative for a signal; `tail`: its last lines on stderr."""

    returncode: int
    stdout: bytes
    tail: tuple[str, ...]
    timed_out: bool
    seconds: float


async def run(
    command: Sequence[str],
    *,
    cwd: str,
    timeout: float | None,  # noqa: ASYNC109 -- it ends a process, not only a wait
    on_line: Callable[[str], None],
) -> Finished:
    """Runs `command` in a session of its own; `on_line` gets each line of its stderr.

    When the timeout (seconds of wall-clock time) is over, or the caller is cancelled, the whole process
    group is killed and waited for. Raises OSError when the program cannot be started.
    """
    begin = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        limit=_LINE_LIMIT,
    )
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    timed_out = False
    stdout = b""
    try:
        async with asyncio.timeout(timeout):
            stdout, _ = await asyncio.gather(
                _required(process.stdout).read(), _follow(_required(process.stderr), tail, on_line)
            )
            await process.wait()
    except TimeoutError:
        timed_out = True
    finally:
        await _end(process)
    return Finished(
        returncode=process.returncode if process.returncode is not None else -signal.SIGKILL,
        stdout=stdout,
        tail=tuple(tail),
        timed_out=timed_out,
        seconds=time.monotonic() - begin,
    )


def _required(stream: asyncio.StreamReader | None) -> asyncio.StreamReader:
    if stream is None:
        raise RuntimeError("the process was started with pipes and has none")
    return stream


async def _follow(stream: asyncio.StreamReader, tail: deque[str], on_line: Callable[[str], None]) -> None:
    while True:
        try:
            line = await stream.readline()
        except ValueError:
            continue  # a line beyond the limit: its rest comes next
        if not line:
            return
        text = line.decode("utf-8", errors="replace").rstrip("\n")
        tail.append(text)
        on_line(text)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kills the group even when its leader has ended: nothing of a proof is worth keeping half done."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    waiting = asyncio.ensure_future(process.wait())
    while not waiting.done():
        # A second cancellation must not leave a zombie behind.
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(waiting)

"""Processes that end with the one that started them, also when that is killed outright (Linux)."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

T = TypeVar("T")

_PARENT = "PROOFRAIL_PARENT_PID"
_PR_SET_PDEATHSIG = 1


def leashed(env: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child of this process that is to end with it."""
    return {**env, _PARENT: str(os.getpid())}


async def ended_by_sigterm(work: Coroutine[Any, Any, T]) -> T:
    """Run `work`; SIGTERM cancels it, so that it puts away what it has started, as Ctrl-C does."""
    task = asyncio.ensure_future(work)
    told = asyncio.Event()

    def end() -> None:
        told.set()
        task.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end)
    try:
        return await task
    except asyncio.CancelledError:
        if told.is_set():
            raise SystemExit(128 + signal.SIGTERM) from None
        raise


async def end(process: asyncio.subprocess.Process, seconds: float) -> None:
    """SIGTERM, and SIGKILL when the process has not ended `seconds` later."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(seconds):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()


def heed_leash() -> None:
    """In the child, first thing: ask the kernel for SIGTERM when the parent dies, and end when it has already.

    Not done between fork and exec: code there can deadlock in a process with threads.
    """
    parent = os.environ.pop(_PARENT, None)
    if parent is None or sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != int(parent):
        sys.exit(1)

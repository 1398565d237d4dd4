"""Runs one of Stone's programs: with a limit of memory, a lower priority, and an end when the caller ends.

Stone's own programs offer none of this, nor do they say what they used. Plain standard library, for it starts
anew for each proof: `python -I launcher.py PARENT_PID MEMORY_BYTES NICE USAGE_FILE PROGRAM [ARGUMENT…]`,
MEMORY_BYTES 0 for no limit. USAGE_FILE gets a JSON object with `cpu_seconds` and `peak_memory_bytes`.

It leads a process group. When its caller ends it kills the group, so that nothing that the program has started
(it may be a script around the real one) is left; when the launcher itself is killed, the kernel kills the program.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_NOT_STARTED = 127


def main() -> int:
    """Ends as the program ended, by the same signal or with the same status."""
    parent, memory, nice = (int(text) for text in sys.argv[1:4])
    usage_file, command = Path(sys.argv[4]), sys.argv[5:]
    signal.signal(signal.SIGTERM, _end_group)
    _end_with(parent, signal.SIGTERM)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(nice)
    own = os.getpid()
    child = os.fork()
    if child == 0:
        _become(command, own, memory)
    _, status, used = os.wait4(child, 0)
    told = {"cpu_seconds": used.ru_utime + used.ru_stime, "peak_memory_bytes": used.ru_maxrss * 1024}
    usage_file.write_text(json.dumps(told))
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(own, -code)
    return code


def _become(command: list[str], parent: int, memory: int) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _end_with(parent, signal.SIGKILL)
    if memory:
        # Data, not address space: each thread reserves 64 MiB of that which it never touches.
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    try:
        os.execv(command[0], command)  # noqa: S606 -- the point of this file
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        sys.stderr.flush()
        os._exit(_NOT_STARTED)


def _end_with(parent: int, number: int) -> None:
    """Asks the kernel for a signal when the parent ends, and ends here if it has ended before that."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _end_group(number: int, _frame: object) -> None:
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())

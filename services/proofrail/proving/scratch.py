"""Folders for the files of one proof, which nobody finds afterwards.

A folder is locked by whoever works in it for as long as that process lives: what a killed process left is told by
the lock that nobody holds, and the next start sweeps it away, together with any process that still belongs to it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from proofrail.wire.errors import TransientError

PREFIX: Final = "proofrail-proving-"
ENVIRONMENT: Final = "PROOFRAIL_PROVING_IN"
"""Tells a prover process, and all that it starts, the folder it belongs to."""

_BROKER: Final = "PROOFRAIL_KAFKA_"
_ATTEMPTS: Final = 100
_PAUSE_S: Final = 0.01
_ELSEWHERE: Final = "name another folder in TMPDIR (for the prover service, in PROOFRAIL_SCRATCH_DIR)"
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)


def environment(folder: Path) -> Mapping[str, str]:
    """The environment of a process that works in `folder`: ours, with a mark for `sweep` to find it by, and without
    the way to the broker, for an external program has no business there and may show its environment."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(_BROKER)}
    return {**ours, ENVIRONMENT: str(folder)}


@contextlib.contextmanager
def scratch_folder(parent: Path | None, needed: int = 0) -> Iterator[Path]:
    """A folder of one's own in `parent` (by default the system's temporary one), removed on every way out; processes
    that still belong to it end.

    Raises TransientError `scratch-full` when fewer than `needed` bytes are free, or when an OSError in the block
    says that there is no room; `scratch-unusable` when no folder can be made or written.
    """
    try:
        place = parent or Path(tempfile.gettempdir())
        free = shutil.disk_usage(place).free
        if free < needed:
            raise _full(place, f"{free:,} bytes are free, and the files of the proof take {needed:,}")
        folder, lock = _made(place)
    except OSError as error:
        raise _unusable(parent, error) from error
    try:
        yield folder
    except OSError as error:
        raise _unusable(folder, error) from error
    finally:
        # Also those that left their process group; the others are gone by now.
        _end_processes_of(folder)
        _remove(folder)
        os.close(lock)


def sweep(parent: Path | None) -> int:
    """Removes what killed processes left in `parent`, and ends processes that still belong to it; returns how many
    folders there were. A folder whose owner lives is left alone."""
    found = 0
    for folder in (parent or Path(tempfile.gettempdir())).glob(f"{PREFIX}*"):
        try:
            lock = _locked(folder)
        except OSError:  # gone meanwhile, or another user's
            continue
        if lock is None:
            continue
        _end_processes_of(folder)
        _remove(folder)
        os.close(lock)
        found += not folder.exists()
    return found


def _made(parent: Path) -> tuple[Path, int]:
    """A folder and its lock. A sweep may find the folder before it is locked, and remove it."""
    for _ in range(_ATTEMPTS):
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        with contextlib.suppress(FileNotFoundError):
            lock = _locked(folder)
            if lock is not None:
                return folder, lock
    raise OSError(errno.EBUSY, "no folder could be locked", str(parent))


def _locked(folder: Path) -> int | None:
    """A descriptor that holds the lock of the folder at this path; None when another process holds it, or the folder
    was removed while we asked. Not inherited: the lock says that the owner lives, not its children."""
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(folder.stat(), os.fstat(lock)):
            return lock
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(lock)
        raise
    os.close(lock)
    return None


def _remove(folder: Path) -> None:
    """Tries until the folder is gone: a process that was just killed may finish the file it was writing."""
    for _ in range(_ATTEMPTS):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(_PAUSE_S)


def _end_processes_of(folder: Path) -> None:
    mark = os.fsencode(f"{ENVIRONMENT}={folder}")
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (process / "environ").read_bytes().split(b"\0"):
                os.kill(int(process.name), signal.SIGKILL)


def _unusable(folder: Path | None, error: OSError) -> TransientError:
    where = folder or tempfile.gettempdir()
    if error.errno in _NO_ROOM:
        return _full(where, str(error))
    return TransientError(
        "scratch-unusable",
        f"the scratch folder {where} cannot be used: {error}",
        f"See to its permissions, or {_ELSEWHERE}.",
    )


def _full(where: Path | str, why: str) -> TransientError:
    return TransientError(
        "scratch-full",
        f"there is no room for a proof in {where}: {why}",
        f"Make room on disk, or {_ELSEWHERE}.",
    )

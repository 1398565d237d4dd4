"""A SQLite file that one process has: who else comes is refused, and what was committed is on the disk."""

from __future__ import annotations

import contextlib
import fcntl
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from proofrail.wire.errors import TransientError, UnusableInputError


class SqliteFile:
    """The file of one instance of `owner`, a service whose folder PROOFRAIL_<OWNER>_DIR names; its codes begin with the
    service's name."""

    def __init__(self, path: Path, owner: Literal["explorer", "registrar"]) -> None:
        """Take the file for this process. Raises UnusableInputError `<owner>-file`, `<owner>-in-use`."""
        self.path = path
        self._owner = owner
        self._setting = f"PROOFRAIL_{owner.upper()}_DIR"
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # SQLite's own locks are let go between transactions: they would let two processes in by turns.
            self._lock = path.with_name(path.name + ".lock").open("a")
        except OSError as error:
            raise self.unusable(error.strerror or str(error)) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise UnusableInputError(
                f"{owner}-in-use",
                f"another {owner} works with {path}",
                f"Stop it, or give each instance a {self._setting} of its own",
            ) from None

    def release(self) -> None:
        """Let others have the file."""
        self._lock.close()

    @contextlib.contextmanager
    def opening(self) -> Iterator[None]:
        """What SQLite refuses inside is refused as UnusableInputError `<owner>-file`; whatever fails inside, the file
        is released."""
        try:
            yield
        except sqlite3.Error as error:
            self.release()
            raise self.unusable(str(error)) from error
        except BaseException:
            self.release()
            raise

    def connect(self, synchronous: Literal["FULL", "NORMAL"]) -> sqlite3.Connection:
        """A connection for any thread, one at a time, with a log ahead of the file. With NORMAL a power cut may take
        the last transactions, whole. Raises sqlite3.Error."""
        connection = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        return connection

    @contextlib.contextmanager
    def transaction(self, connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
        """All that is written inside is kept, whatever kills the process afterwards, or none of it. Raises
        TransientError `<owner>-disk`."""
        try:
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
        except sqlite3.OperationalError as error:
            raise TransientError(
                f"{self._owner}-disk",
                f"{self.path} cannot be written: {error}",
                "Check the space and the permissions there",
            ) from error

    def unusable(self, why: str) -> UnusableInputError:
        """The error for a file that cannot be used."""
        return UnusableInputError(
            f"{self._owner}-file",
            f"{self.path} cannot be used: {why}",
            f"Check {self._setting}, its permissions and the space on the disk",
        )


def create(connection: sqlite3.Connection, tables: str, version: int) -> None:
    """Make the tables of a version. One script, one transaction: a file without its version has nothing in it."""
    connection.executescript(f"BEGIN; {tables}; PRAGMA user_version = {version}; COMMIT;")


def version_of(connection: sqlite3.Connection) -> int:
    """0 where nothing was made yet."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])

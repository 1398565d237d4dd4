"""The view's file: SQLite in WAL mode, one writer, readers beside it. Whoever deletes it loses nothing."""

from __future__ import annotations

import contextlib
import fcntl
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from proofrail.explorer.schema import INDEXES, SCRATCH, TABLES, VERSION
from proofrail.wire.errors import TransientError, UnusableInputError

_CACHE_KIB: Final = 64 * 1024
_BUSY_MS: Final = 5_000


class Database:
    """The file of one explorer, locked against others. `rebuilt` says whether nothing of an earlier one was kept."""

    def __init__(self, path: Path, *, rebuild: bool = False) -> None:
        """Raises UnusableInputError `explorer-file`, `explorer-busy`."""
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = path.with_suffix(".lock").open("a")
        except OSError as error:
            raise self._unusable(str(error)) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise UnusableInputError(
                "explorer-busy",
                f"another explorer has {path}",
                "Stop it, or give this one a PROOFRAIL_EXPLORER_DIR of its own",
            ) from None
        self._readers = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._opening = threading.Lock()
        self._generation = 0
        try:
            self.rebuilt = rebuild or not self._is_current()
            if self.rebuilt:
                self._drop()
            self.writer = self._connect_writer()
        except sqlite3.Error as error:
            self._lock.close()
            raise self._unusable(str(error)) from error

    def close(self) -> None:
        """Nobody may read or write any more."""
        with self._opening:
            for connection in (*self._opened, self.writer):
                connection.close()
            self._opened.clear()
            self._lock.close()

    def clear(self) -> None:
        """Drop everything and begin anew, for the writer's thread; readers find themselves in the new file."""
        with self._opening:
            self._generation += 1
            self.writer.close()
            self._drop()
            self.rebuilt = True
            self.writer = self._connect_writer()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All that is written inside is kept, whatever kills the process afterwards, or none of it. For one thread at a
        time. Raises TransientError `explorer-disk`."""
        try:
            with self.writer:
                self.writer.execute("BEGIN IMMEDIATE")
                yield self.writer
        except sqlite3.OperationalError as error:
            raise TransientError(
                "explorer-disk",
                f"{self._path} cannot be written: {error}",
                "Check the space and the permissions there",
            ) from error

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """A connection of the calling thread's own, on which everything read is of one moment."""
        connection = self._reader()
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    def _reader(self) -> sqlite3.Connection:
        found: tuple[int, sqlite3.Connection] | None = getattr(self._readers, "connection", None)
        if found is None or found[0] != self._generation:
            with self._opening:
                connection = self._connect()
                connection.execute("PRAGMA query_only = ON")
                self._opened.append(connection)
                found = self._generation, connection
            self._readers.connection = found
        return found[1]

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, check_same_thread=False, isolation_level=None, timeout=_BUSY_MS / 1000
        )
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        # What a power cut takes is read from the topics again: position and view are of one transaction.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.execute("PRAGMA temp_store = MEMORY")
        return connection

    def _is_current(self) -> bool:
        if not self._path.is_file():
            return False
        try:
            connection = sqlite3.connect(self._path)
            try:
                return bool(connection.execute("PRAGMA user_version").fetchone()[0] == VERSION)
            finally:
                connection.close()
        except sqlite3.DatabaseError:
            return False

    def _drop(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self._path}{suffix}").unlink(missing_ok=True)

    def _connect_writer(self) -> sqlite3.Connection:
        connection = self._connect()
        if self.rebuilt:
            # One script, one transaction: a file without its version has nothing in it.
            connection.executescript(f"BEGIN; {TABLES} {INDEXES} PRAGMA user_version = {VERSION}; COMMIT;")
        connection.executescript(SCRATCH)
        return connection

    def _unusable(self, why: str) -> UnusableInputError:
        return UnusableInputError(
            "explorer-file",
            f"{self._path} cannot be used: {why}",
            "Check PROOFRAIL_EXPLORER_DIR, its permissions and the space on the disk",
        )

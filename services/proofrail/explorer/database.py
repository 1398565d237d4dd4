"""The view's file: SQLite in WAL mode, one writer, readers beside it. Whoever deletes it loses nothing."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from proofrail.artifacts.sqlite_file import SqliteFile, create, version_of
from proofrail.explorer.schema import INDEXES, SCRATCH, TABLES, VERSION

_CACHE_KIB: Final = 64 * 1024
_CHECKPOINT_PAGES: Final = 8 * 1024
"""32 MiB of log before its pages go into the file: most are written by several transactions of a rebuild."""


class ViewDatabase(Protocol):
    """Where a view lies."""

    def transaction(self) -> contextlib.AbstractContextManager[sqlite3.Connection]:
        """All that is written inside is kept, or none of it. For one thread at a time."""
        ...

    def snapshot(self) -> contextlib.AbstractContextManager[sqlite3.Connection]:
        """A connection for the calling thread, on which everything read is of one moment."""
        ...


@dataclass(frozen=True)
class _Reader:
    """The connection of one thread. SQLite may crash where a connection is closed under a statement."""

    connection: sqlite3.Connection
    generation: int
    busy: threading.Lock = field(default_factory=threading.Lock)


class Database:
    """The file of one explorer, locked against others. `rebuilt` says whether nothing of an earlier one was kept."""

    def __init__(self, path: Path, *, rebuild: bool = False) -> None:
        """Raises UnusableInputError `explorer-file`, `explorer-in-use`."""
        self._file = SqliteFile(path, "explorer")
        self._readers = threading.local()
        self._opened: list[_Reader] = []
        self._opening = threading.Lock()
        self._generation = 0
        with self._file.opening():
            self.rebuilt = rebuild or not self._is_current()
            if self.rebuilt:
                self._drop()
            self.writer = self._connect_writer()

    def close(self) -> None:
        """Nobody may read or write any more; whoever is reading comes to an end first."""
        with self._opening:
            for reader in self._opened:
                with reader.busy:
                    reader.connection.close()
            self.writer.close()
            self._opened.clear()
            self._file.release()

    def clear(self) -> None:
        """Drop everything and begin anew, for the writer's thread; readers find themselves in the new file."""
        with self._opening:
            self._generation += 1
            self.writer.close()
            self._drop()
            self.rebuilt = True
            self.writer = self._connect_writer()

    def transaction(self) -> contextlib.AbstractContextManager[sqlite3.Connection]:
        """See ViewDatabase. Raises TransientError `explorer-disk`."""
        return self._file.transaction(self.writer)

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """See ViewDatabase."""
        reader = self._reader()
        with reader.busy:
            connection = reader.connection
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def _reader(self) -> _Reader:
        found: _Reader | None = getattr(self._readers, "of_thread", None)
        if found is None or found.generation != self._generation:
            with self._opening:
                connection = self._connect()
                connection.execute("PRAGMA query_only = ON")
                found = _Reader(connection, self._generation)
                self._opened.append(found)
            self._readers.of_thread = found
        return found

    def _connect(self) -> sqlite3.Connection:
        # What a power cut takes is read from the topics again: position and view are of one transaction.
        connection = self._file.connect("NORMAL")
        connection.row_factory = sqlite3.Row
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.execute("PRAGMA temp_store = MEMORY")
        return connection

    def _is_current(self) -> bool:
        if not self._file.path.is_file():
            return False
        try:
            with contextlib.closing(sqlite3.connect(self._file.path)) as connection:
                return version_of(connection) == VERSION
        except sqlite3.DatabaseError:
            return False

    def _drop(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self._file.path}{suffix}").unlink(missing_ok=True)

    def _connect_writer(self) -> sqlite3.Connection:
        connection = self._connect()
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        if self.rebuilt:
            create(connection, TABLES + INDEXES, VERSION)
        connection.executescript(SCRATCH)
        return connection


class MemoryDatabase:
    """A view of its own in memory, of which nothing is left on a disk: of files that somebody looks at. One thread at a
    time writes or reads."""

    def __init__(self) -> None:
        self._busy = threading.Lock()
        self._connection = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA temp_store = MEMORY")
        create(self._connection, TABLES + INDEXES, VERSION)
        self._connection.executescript(SCRATCH)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """See ViewDatabase."""
        with self._busy, self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            yield self._connection

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """See ViewDatabase."""
        with self._busy:
            yield self._connection

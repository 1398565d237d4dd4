"""A SQLite file of one process: what was committed is on the disk, and whoever comes second is refused."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from proofrail.wire.errors import TransientError, UnusableInputError


class Database:
    """One connection, which any thread may use, one at a time."""

    def __init__(self, path: Path, schema: str, version: int) -> None:
        """Open or make the file. Raises UnusableInputError `registrar-file` (cannot be used, is another version's),
        `registrar-in-use`."""
        self._path = path
        self._busy = Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # SQLite's own locks are let go between transactions: they would let two processes in by turns.
            self._lock = path.with_name(path.name + ".lock").open("a")
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise UnusableInputError(
                "registrar-in-use",
                f"another registrar works with {path}",
                "Give each instance a PROOFRAIL_REGISTRAR_DIR, and accounts, of its own",
            ) from None
        try:
            self._connection = self._connect(schema, version)
        except sqlite3.Error as error:
            self._lock.close()
            raise self._unusable(str(error)) from error

    def close(self) -> None:
        with self._busy:
            self._connection.close()
            self._lock.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All that is written inside is on the disk when the context ends, or none of it. Raises TransientError
        `registrar-disk`."""
        with self._busy:
            try:
                with self._connection:
                    self._connection.execute("BEGIN IMMEDIATE")
                    yield self._connection
            except sqlite3.OperationalError as error:
                raise TransientError(
                    "registrar-disk",
                    f"{self._path} cannot be written: {error}",
                    "Check the space and the permissions there",
                ) from error

    def _connect(self, schema: str, version: int) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found not in (0, version):
            connection.close()
            raise self._unusable(f"it is of version {found}, this is version {version}")
        # One script, one transaction: a file without its version has nothing in it.
        connection.executescript(f"BEGIN; {schema}; PRAGMA user_version = {version}; COMMIT;")
        return connection

    def _unusable(self, why: str) -> UnusableInputError:
        return UnusableInputError(
            "registrar-file",
            f"{self._path} cannot be used: {why}",
            "Check PROOFRAIL_REGISTRAR_DIR, its permissions and the space on the disk",
        )

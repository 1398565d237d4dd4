"""A SQLite file of the registrar's: what was committed is on the disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from proofrail.artifacts.sqlite_file import SqliteFile, create, version_of


class Database:
    """One connection, which any thread may use, one at a time."""

    def __init__(self, path: Path, schema: str, version: int) -> None:
        """Open or make the file. Raises UnusableInputError `registrar-file` (cannot be used, is another version's),
        `registrar-in-use`."""
        self._busy = Lock()
        self._file = SqliteFile(path, "registrar")
        with self._file.opening():
            self._connection = self._connect(schema, version)

    def close(self) -> None:
        with self._busy:
            self._connection.close()
            self._file.release()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All that is written inside is on the disk when the context ends, or none of it. Raises TransientError
        `registrar-disk`."""
        with self._busy, self._file.transaction(self._connection) as connection:
            yield connection

    def _connect(self, schema: str, version: int) -> sqlite3.Connection:
        connection = self._file.connect("FULL")
        found = version_of(connection)
        if found not in (0, version):
            connection.close()
            raise self._file.unusable(f"it is of version {found}, this is version {version}")
        create(connection, schema, version)
        return connection

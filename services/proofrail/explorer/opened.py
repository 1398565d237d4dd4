"""An exported run, looked at without topics: the same view, in memory, and gone with whoever looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from proofrail.explorer.database import MemoryDatabase
from proofrail.explorer.model.base import Place
from proofrail.explorer.reader import ViewReader
from proofrail.explorer.schema import TOPICS
from proofrail.explorer.view import View
from proofrail.messaging.records import Record
from proofrail.wire.export import Exported, read_export

_NS_PER_MS: Final = 1_000_000


class _Held:
    """The records of a file, by place."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._values = {(one.topic, one.partition, one.offset): one.value for one in records}

    async def values(self, places: Sequence[Place]) -> list[bytes] | None:
        found = [self._values.get((one.topic, one.partition, one.offset)) for one in places]
        return None if None in found else [one for one in found if one is not None]


def open_export(data: bytes, auditor_keys: Sequence[str] = ()) -> ViewReader:
    """A reader of an exported run's file (`proofrail export`).

    Raises UnusableInputError `export-malformed`, `export-incomplete`.
    """
    _, exported = read_export(data.removesuffix(b"\n").split(b"\n"))
    records = [_record(one) for one in exported if one.record.topic in TOPICS]
    database = MemoryDatabase()
    View(database).apply(records, {record.tp: record.offset + 1 for record in records})
    # No service is behind a file: no store is, and its time is the one at which it ends.
    last_ms = max((record.timestamp for record in records), default=0)
    reader = ViewReader(
        database,
        _Held(records),
        None,
        auditor_keys,
        clock=lambda: last_ms / 1000,
    )
    reader.health.caught_up = True
    return reader


def _record(one: Exported) -> Record:
    said = one.record
    return Record(
        said.topic,
        said.partition,
        said.offset,
        said.key.encode(),
        one.value,
        dict(said.headers),
        said.timestamp // _NS_PER_MS,
    )

"""What `proofrail export` writes of a run, from the records of the tests' world."""

from __future__ import annotations

from collections.abc import Sequence

from proofrail.messaging.records import Record
from proofrail.wire.export import Exported, ExportedRecord, write_export


def exported(run_id: str, records: Sequence[Record], names: Sequence[str] = ()) -> bytes:
    """The export of the records of a run, and of its allocations."""
    keys = {run_id, *names}
    found = [
        Exported(
            ExportedRecord(
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                key=record.key_text,
                timestamp=record.timestamp * 1_000_000,
                headers={},
                lines=0,
            ),
            record.value.removesuffix(b"\n"),
        )
        for record in records
        if record.key_text in keys
    ]
    return b"".join(line + b"\n" for line in write_export(run_id, found))

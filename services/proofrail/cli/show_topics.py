"""Reads one run from the topics of a running system into files."""

from __future__ import annotations

from pathlib import Path

from proofrail.cli.run_records import records_by_key, run_not_found
from proofrail.messaging.settings import KafkaSettings
from proofrail.wire import topics


async def fetch_run(kafka: KafkaSettings, prefix: str, events: Path, commitments: Path) -> str:
    """Write the events and the commitments of the run whose run_id begins so; the run_id.

    Raises UnusableInputError `run-not-found`, `run-ambiguous`, BrokerUnavailableError.
    """
    files = {topics.EVENTS: events, topics.COMMITMENTS: commitments}
    run_id, records = await records_by_key(kafka, prefix, list(files))
    if all(record.topic != topics.EVENTS for record in records):
        raise run_not_found(kafka, prefix)
    for topic, path in files.items():
        values = [record.value.removesuffix(b"\n") + b"\n" for record in records if record.topic == topic]
        if values:
            path.write_bytes(b"".join(values))
    return run_id

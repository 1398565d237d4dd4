"""An exported run as the files that `audit`, `show` and `diff` read."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from proofrail.cairo import risk_program
from proofrail.cli.runfolder import COMMITMENTS, EVENTS
from proofrail.wire import topics
from proofrail.wire.export import MAX_EXPORT_LINE, Exported, is_export, read_export
from proofrail.wire.ndjson import iter_lines
from proofrail.wire.readable import objects, proposal_digest


@dataclass(frozen=True)
class RunFiles:
    """A run's records as files. `program` is the build of the risk engine that it names, None for another program;
    `proposals` the digests of the proposals that were published."""

    run_id: str
    events: Path | None
    commitments: Path | None
    program: Path | None
    proposals: frozenset[str]


def is_export_file(path: Path) -> bool:
    """Whether a file is an exported run."""
    with path.open("rb") as file:
        return is_export(file.readline(MAX_EXPORT_LINE))


@contextmanager
def unpacked(events: str | None, commitments: Path | None) -> Iterator[RunFiles | None]:
    """The files of an export that was given for a run's events; None where it is none. Raises as `exported_run`."""
    path = None if events in (None, "-") or commitments is not None else Path(str(events))
    if path is None or not path.is_file() or not is_export_file(path):
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="proofrail-export-") as scratch:
        run_id, records = exported_run(path)
        yield unpack(run_id, records, Path(scratch))


def exported_run(path: Path) -> tuple[str, list[Exported]]:
    """The run_id and the records of an exported run. Raises as `read_export`, MalformedError `line-too-long`."""
    with path.open("rb") as file:
        return read_export(line for _, line in iter_lines(file, MAX_EXPORT_LINE))


def unpack(run_id: str, records: Sequence[Exported], folder: Path) -> RunFiles:
    """Write the events and commitments of a run into `folder`."""

    def written(topic: str, name: str) -> Path | None:
        values = [one.value for one in records if one.record.topic == topic]
        if not values:
            return None
        (folder / name).write_bytes(b"".join(value + b"\n" for value in values))
        return folder / name

    digests = {proposal_digest(one.value) for one in records if one.record.topic == topics.PROPOSALS}
    return RunFiles(
        run_id,
        written(topics.EVENTS, EVENTS),
        written(topics.COMMITMENTS, COMMITMENTS),
        _program(records),
        frozenset(digest for digest in digests if digest is not None),
    )


def _program(records: Sequence[Exported]) -> Path | None:
    """The compiled program whose digest the run's seal, or its first event, names."""
    claimed = {
        program.get("artifact_sha256")
        for one in records
        if one.record.topic in (topics.COMMITMENTS, topics.EVENTS)
        for message in objects(one.value)
        if isinstance(program := message.get("program"), dict)
    }
    builds = (
        (risk_program.load, risk_program.risk_engine_artifact),
        (risk_program.load_chain, risk_program.chain_artifact),
    )
    return next((where() for load, where in builds if load().artifact_sha256 in claimed), None)

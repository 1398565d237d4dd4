"""Put a run's commitments together from the records they travel in (design section 5, Commitment).

A run's Input lines, blocks and seal leave the tracer in one transaction, as consecutive records with the run_id
as key. Readers see them record by record; a run is whole when its seal has arrived.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from proofrail.wire.canonical import parse_object
from proofrail.wire.errors import MalformedError
from proofrail.wire.model import MAX_RUN_ID
from proofrail.wire.ndjson import split


def names_run(key: str) -> bool:
    """Whether a record's key can be a run_id. Nothing can be said of what is published under another: no message
    could name it."""
    return 0 < len(key) <= MAX_RUN_ID


@dataclass
class CommittedRun:
    """The commitment lines of one run, exactly as published."""

    run_id: str
    lines: list[bytes] = field(default_factory=list)
    inputs: list[dict[str, Any]] = field(default_factory=list)
    seal: dict[str, Any] | None = None
    fault: MalformedError | None = None
    traceparent: str | None = None

    def read(self) -> Iterator[bytes]:
        """The lines. Raises `fault` behind them where what follows could not even be told apart into lines."""
        yield from self.lines
        if self.fault is not None and self.fault.code == "line-too-long":
            raise self.fault

    def hold(self, value: bytes) -> None:
        """Keep what a later record says of the run that was whole: it stands behind the seal, where nothing
        belongs, and whoever audits the run must see it."""
        try:
            self.lines.extend(split(value))
        except MalformedError as fault:
            self.fault = self.fault or fault


class RunAssembler:
    """Collects commitment records until a run is whole: sealed, or broken beyond reading."""

    def __init__(self) -> None:
        self._open: dict[str, CommittedRun] = {}

    def unfinished(self, run_id: str) -> list[bytes]:
        """The lines so far of a run that is not whole."""
        run = self._open.get(run_id)
        return [] if run is None else list(run.lines)

    def forget(self, run_id: str) -> None:
        """Drop what has come of a run that nobody waits for any more."""
        self._open.pop(run_id, None)

    def feed(self, run_id: str, value: bytes, traceparent: str | None = None) -> Iterator[CommittedRun]:
        """Take one record's value; yield the run when that completes it, with all the record holds: lines
        behind the seal do not belong there, and whoever audits the run must see them.

        A line that cannot be read completes its run with `fault` set: whoever waits for the seal of such a run
        would wait for ever.
        """
        run = self._open.setdefault(run_id, CommittedRun(run_id, traceparent=traceparent))
        try:
            for line in split(value):
                run.lines.append(line)
                message = parse_object(line)
                if message.get("type") == "Input" and isinstance(message.get("input"), dict):
                    run.inputs.append(message["input"])
                elif message.get("type") == "CommitmentSeal" and run.seal is None:
                    run.seal = message
        except MalformedError as fault:
            run.fault = fault
        if run.seal is not None or run.fault is not None:
            yield self._open.pop(run_id)
        elif not run.lines:
            del self._open[run_id]

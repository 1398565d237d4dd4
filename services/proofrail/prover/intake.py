"""What the prover holds of the commitments it has read: runs to prove, and runs of which it waits for more.

The position that may be committed stays before all of them. A run of a tracer is whole in one transaction; lines
without a seal are somebody else's, and would hold the position for ever.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from proofrail.messaging.positions import OpenWork
from proofrail.messaging.records import Record, TopicPartition
from proofrail.wire.runs import CommittedRun, RunAssembler


@dataclass
class Unsealed:
    """A run whose seal is waited for, and since when, in seconds of a monotonic clock."""

    run_id: str
    since: float
    ends: Mapping[TopicPartition, int] | None = None
    """Where the topic ended when the run was first found late: behind a backlog nothing is."""


class Intake:
    """Fed record by record, in order within each partition."""

    def __init__(self, unsealed_after_s: float) -> None:
        self._unsealed_after_s = unsealed_after_s
        self._assembler = RunAssembler()
        self._open = OpenWork()
        self._unsealed: dict[str, Unsealed] = {}
        self._queue: deque[CommittedRun] = deque()

    @property
    def next(self) -> CommittedRun | None:
        """The run to prove now."""
        return self._queue[0] if self._queue else None

    @property
    def positions(self) -> dict[TopicPartition, int]:
        """What may be committed: the first record of each partition that must be read again."""
        return self._open.positions()

    def pass_over(self, record: Record) -> None:
        """A record that needs no work."""
        self._open.seen(record.topic, record.partition, record.offset, None)

    def take(self, record: Record, now: float) -> list[CommittedRun]:
        """A record of the run that its key names; what it completes."""
        run_id = record.key_text
        self._open.seen(record.topic, record.partition, record.offset, run_id)
        whole = list(self._assembler.feed(run_id, record.value, record.traceparent))
        self._queue.extend(whole)
        if whole:
            self._unsealed.pop(run_id, None)
        else:
            self._unsealed.setdefault(run_id, Unsealed(run_id, now))
        return whole

    def late(self, now: float) -> list[Unsealed]:
        """The runs whose seal has been waited for long enough."""
        return [one for one in self._unsealed.values() if now - one.since > self._unsealed_after_s]

    def close(self, run_id: str) -> None:
        """All that follows from a run's records is published with the next commit, or nothing follows."""
        self._open.close(run_id)
        self._assembler.forget(run_id)
        self._unsealed.pop(run_id, None)
        self._queue = deque(run for run in self._queue if run.run_id != run_id)

"""The bounded window of runs that are sealed and not yet settled (design section 2).

While it is full, proposals wait in Kafka; the next run then takes all that wait. So batches form by themselves:
one proposal a run when idle, hundreds a run when busy. The window is rebuilt at start from the commitments minus
the terminal records on `proofs.v1`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from proofrail.wire.messages import ProofFailure


@dataclass(frozen=True)
class OpenRun:
    """A sealed run without a terminal record, with what is needed to run it again in halves."""

    run_id: str
    inputs: tuple[dict[str, Any], ...]
    traceparent: str | None = None


@dataclass(frozen=True)
class FailedRun:
    """A run that the prover gave up, and its last word on it."""

    run: OpenRun
    failure: ProofFailure


class RunWindow:
    """Open runs, runs the prover gave up on, and the signal that something has changed.

    The ids of settled runs are kept for good: some 190 bytes each, less than the index of allocations keeps for one
    of a run's hundreds. A run is settled once; were its id forgotten, a second copy of its commitments (a mirrored
    topic, one that was restored) would look like a new run, take a place in the window, and never be settled.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open: dict[str, OpenRun] = {}
        self._settled: set[str] = set()
        self._unknown: dict[str, ProofFailure] = {}
        self._failed: dict[str, FailedRun] = {}
        self._aside: list[FailedRun] = []
        self.changed = asyncio.Event()

    @property
    def open_runs(self) -> frozenset[str]:
        """The ids of the runs without a terminal record."""
        return frozenset(self._open)

    @property
    def has_room(self) -> bool:
        return len(self._open) < self._limit

    def sealed(self, run: OpenRun) -> None:
        """A run was sealed, by this instance or another; its terminal record may have been seen before."""
        failure = self._unknown.pop(run.run_id, None)
        if failure is not None:
            self._failed[run.run_id] = FailedRun(run, failure)
        elif run.run_id not in self._settled:
            self._open[run.run_id] = run
        self.changed.set()

    def proven(self, run_id: str) -> None:
        self._settled.add(run_id)
        self._open.pop(run_id, None)
        self.changed.set()

    def failed(self, failure: ProofFailure) -> None:
        """The prover's last word on a run was no; it waits to be taken in halves."""
        if failure.run_id in self._settled:
            return
        self._settled.add(failure.run_id)
        run = self._open.pop(failure.run_id, None)
        if run is None:
            self._unknown[failure.run_id] = failure
        else:
            self._failed[failure.run_id] = FailedRun(run, failure)
        self.changed.set()

    def is_settled(self, run_id: str) -> bool:
        """Whether the prover's last word on the run is known."""
        return run_id in self._settled

    def take_failed(self) -> FailedRun | None:
        """The oldest failed run whose inputs are known, taken out; None when there is none."""
        for run_id in self._failed:
            return self._failed.pop(run_id)
        return None

    def put_back(self, failed: FailedRun) -> None:
        """Nothing could be made of it for now; the run waits again."""
        self._failed[failed.run.run_id] = failed
        self.changed.set()

    def set_aside(self, failed: FailedRun, is_open: Callable[[FailedRun], bool]) -> None:
        """Another instance is to see to this failed run: it waits until `look_again`. Of those that were set aside
        before, the ones that are not open any more are forgotten, so that no more of them are kept than that instance
        has still to do."""
        self._aside = [*filter(is_open, self._aside), failed]

    def look_again(self) -> None:
        """The instances share the partitions anew: what was another's to see to may be ours now."""
        for failed in self._aside:
            self.put_back(failed)
        self._aside.clear()

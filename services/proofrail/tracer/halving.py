"""What becomes of a run that the prover gave up: which instance sees to it, which parts of it are run again, and which
allocation is left as the culprit.

No Kafka and no clock in here: every instance that knows the same index decides the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from proofrail.messaging.records import TopicPartition
from proofrail.tracer.index import AllocationIndex
from proofrail.tracer.window import OpenRun
from proofrail.wire.messages import IndexEntry

Fits = Callable[[Sequence[dict[str, Any]]], bool]
"""Whether one run of ours has room for these proposals."""


@dataclass(frozen=True)
class Taken:
    """A proposal, in normal form, and the index entry that says in which run it was taken."""

    form: dict[str, Any]
    entry: IndexEntry


def still_in(run: OpenRun, index: AllocationIndex) -> list[Taken]:
    """What the run still stands for, in its order. Allocations whose index entry has moved on since were taken care of
    before."""
    found = [(form, index.get(form["allocation_id"])) for form in run.inputs]
    return [
        Taken(form, entry)
        for form, entry in found
        if entry is not None and entry.run_id == run.run_id and entry.dead_letter is None
    ]


def decided_by(left: Sequence[Taken]) -> TopicPartition:
    """The partition whose owner sees to a failed run for which all of `left` still stands: that of the first. A run's
    allocations may be of several partitions, which may be of several instances by now."""
    first = left[0].entry
    return TopicPartition(first.topic, first.partition)


class Halving:
    """A failed run in parts. Each is sealed as a run, and told of as `run_again` or, when the prover gave that run up
    before, as `given_up`, until there is no `next_part`."""

    def __init__(self, run: OpenRun, left: Sequence[Taken], fits: Fits) -> None:
        """`left`: what the run still stands for. One that failed alone is tried as it is: it may have been a run of
        another program than ours."""
        self._fits = fits
        self._parts = deque([list(left)] if len(run.inputs) == 1 else self._halves(left))
        self.moved: list[IndexEntry] = []
        """The entries of what is run again, in its new run."""
        self.culprits: list[Taken] = []
        """What failed alone, as a run of ours."""

    def next_part(self) -> list[Taken] | None:
        """Taken out; None when nothing is left to be decided."""
        return self._parts.popleft() if self._parts else None

    def run_again(self, part: Sequence[Taken], run_id: str) -> None:
        """The part is a run of its own now."""
        self.moved += [
            one.entry.model_copy(update={"run_id": run_id, "row": row}) for row, one in enumerate(part)
        ]

    def given_up(self, part: Sequence[Taken]) -> None:
        """The part's run failed before it was requeued, and nobody would prove it now: it is divided further, and what
        is alone is a culprit."""
        if len(part) > 1:
            self._parts.extend(self._halves(part))
        else:
            self.culprits.extend(part)

    def _halves(self, whole: Sequence[Taken]) -> list[list[Taken]]:
        """Halves of what did not go together. A run of another program may have held more than one of ours does: what
        does not fit is divided further."""
        middle = (len(whole) + 1) // 2
        parts: list[list[Taken]] = []
        for half in filter(None, (whole[:middle], whole[middle:])):
            fits = len(half) == 1 or self._fits([one.form for one in half])
            parts += [list(half)] if fits else self._halves(half)
        return parts

"""From raw records to a batch: which proposals are new, which are repeats, which are refused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from proofrail.cairo.risk_program import LEAST_PEDERSENS, RUN_STEPS, pedersens_of, steps_of
from proofrail.messaging.records import Record
from proofrail.tracer.index import AllocationIndex
from proofrail.wire.errors import InvalidProposalError, ProofrailError
from proofrail.wire.proposals import parse_proposal


@dataclass(frozen=True)
class Read:
    """A record that holds a valid proposal, with what that takes of a run."""

    record: Record
    form: dict[str, Any]
    digest: str
    steps: int
    hashes: int

    @property
    def allocation_id(self) -> str:
        allocation_id: str = self.form["allocation_id"]
        return allocation_id


@dataclass(frozen=True)
class Refused:
    """A record that becomes a dead letter, and why."""

    record: Record
    error: ProofrailError


@dataclass(frozen=True)
class BatchLimits:
    """What one run may hold: VM steps and Pedersen hashes (what the backends can prove at once), and bytes of
    proposals."""

    steps: int
    hashes: int
    size: int


def read(record: Record) -> Read | Refused:
    """What a record says, whatever came before it."""
    try:
        proposal = parse_proposal(record.value)
    except ProofrailError as error:
        return Refused(record, error)
    form = proposal.normal_form()
    return Read(record, form, proposal.digest(), steps_of(form), pedersens_of(form))


class Intake:
    """What the records in hand amount to, each judged on its own: a bad one never touches its neighbours (design
    section 7, rule 3).

    From the first proposal that does not fit the batch on, records are `left` unjudged, so that everything judged is
    a prefix of what was read and a position can be committed behind it.
    """

    def __init__(self, index: AllocationIndex, limits: BatchLimits) -> None:
        self.accepted: list[Read] = []
        self.repeated: list[Record] = []
        self.refused: list[Refused] = []
        self.left: list[Read | Refused] = []
        self._index = index
        self._limits = limits
        self._digests: dict[str, str] = {}
        self._steps, self._hashes, self._size = RUN_STEPS, 0, 0

    @property
    def is_full(self) -> bool:
        """Whether no further proposal would fit."""
        return bool(self.left) or self._hashes + LEAST_PEDERSENS > self._limits.hashes

    def take(self, found: Iterable[Read | Refused]) -> None:
        """Judge what was read next."""
        for one in found:
            if self.left:
                self.left.append(one)
            elif isinstance(one, Refused):
                self.refused.append(one)
            else:
                self._judge(one)

    def _judge(self, one: Read) -> None:
        entry = self._index.get(one.allocation_id)
        known = entry.proposal_sha256 if entry is not None else self._digests.get(one.allocation_id)
        if known == one.digest:
            self.repeated.append(one.record)
        elif known is not None:
            self.refused.append(Refused(one.record, _reused(one.allocation_id, known)))
        elif self.accepted and not self._fits(one):
            self.left.append(one)
        else:
            self._steps += one.steps
            self._hashes += one.hashes
            self._size += len(one.record.value)
            self._digests[one.allocation_id] = one.digest
            self.accepted.append(one)

    def _fits(self, one: Read) -> bool:
        return (
            self._steps + one.steps <= self._limits.steps
            and self._hashes + one.hashes <= self._limits.hashes
            and self._size + len(one.record.value) <= self._limits.size
        )


def _reused(allocation_id: str, known: str) -> InvalidProposalError:
    return InvalidProposalError(
        "proposal-id-reused",
        f"allocation_id {allocation_id!r} already stands for another proposal (sha256 {known})",
        "Publish the changed proposal under a new allocation_id.",
    )

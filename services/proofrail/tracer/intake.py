"""From raw records to a batch: which proposals are new, which are repeats, which are refused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from proofrail.cairo.risk_builds import RiskBuild, Size
from proofrail.messaging.records import Record
from proofrail.tracer.index import AllocationIndex
from proofrail.wire.errors import InvalidProposalError, ProofrailError
from proofrail.wire.messages import IndexEntry
from proofrail.wire.proposals import parse_proposal
from proofrail.wire.replay import REQUEUES


@dataclass(frozen=True)
class Read:
    """A record that holds a valid proposal, with what that takes of a run."""

    record: Record
    form: dict[str, Any]
    digest: str
    takes: Size

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
    """What one run may hold: `room` for the VM (what the backends can prove at once), and bytes of proposals."""

    room: Size
    size: int


class Intake:
    """What the records in hand amount to, each judged on its own: a bad one never touches its neighbours (design
    section 7, rule 3).

    From the first proposal that does not fit the batch on, records are `left` unjudged, so that everything judged is
    a prefix of what was read and a position can be committed behind it.
    """

    def __init__(self, index: AllocationIndex, build: RiskBuild, limits: BatchLimits) -> None:
        self.accepted: list[Read] = []
        self.again: list[Read] = []
        """Of those that were given up, the ones that somebody asks to be run again."""
        self.repeated: list[Record] = []
        self.refused: list[Refused] = []
        self.left: list[Read | Refused] = []
        self._index = index
        self._build = build
        self._limits = limits
        self._digests: dict[str, str] = {}
        self._taken, self._size = Size(0, 0), 0

    @property
    def is_full(self) -> bool:
        """Whether no further proposal would fit."""
        return bool(self.left) or not self._has_room(self._build.least)

    def read(self, records: Iterable[Record]) -> list[Read | Refused]:
        """What records say, whatever came before them, unjudged."""
        return [self._read(record) for record in records]

    def take(self, found: Iterable[Read | Refused]) -> None:
        """Judge what was read next."""
        for one in found:
            if self.left:
                self.left.append(one)
            elif isinstance(one, Refused):
                self.refused.append(one)
            else:
                self._judge(one)

    def _read(self, record: Record) -> Read | Refused:
        try:
            proposal = parse_proposal(record.value)
        except ProofrailError as error:
            return Refused(record, error)
        form = proposal.normal_form()
        return Read(record, form, proposal.digest(), self._build.size_of(form))

    def _judge(self, one: Read) -> None:
        entry = self._index.get(one.allocation_id)
        known = entry.proposal_sha256 if entry is not None else self._digests.get(one.allocation_id)
        again = entry is not None and self._is_asked_again(one, entry)
        if known == one.digest and not again:
            self.repeated.append(one.record)
        elif known is not None and not again:
            self.refused.append(Refused(one.record, _reused(one.allocation_id, known)))
        elif (self.accepted or self.again) and not self._fits(one):
            self.left.append(one)
        else:
            self._taken += one.takes
            self._size += len(one.record.value)
            self._digests[one.allocation_id] = one.digest
            (self.again if again else self.accepted).append(one)

    def _is_asked_again(self, one: Read, entry: IndexEntry) -> bool:
        """The same proposal, given up, and the request names the run that was: a second request for it finds another
        entry, and has no effect."""
        return (
            entry.proposal_sha256 == one.digest
            and entry.dead_letter is not None
            and one.record.headers.get(REQUEUES) == entry.run_id
            and one.allocation_id not in self._digests
        )

    def _fits(self, one: Read) -> bool:
        return self._has_room(one.takes) and self._size + len(one.record.value) <= self._limits.size

    def _has_room(self, more: Size) -> bool:
        taken = self._build.besides(len(self.accepted) + len(self.again) + 1) + self._taken + more
        return taken.fits(self._limits.room)


def _reused(allocation_id: str, known: str) -> InvalidProposalError:
    return InvalidProposalError(
        "proposal-id-reused",
        f"allocation_id {allocation_id!r} already stands for another proposal (sha256 {known})",
        "Publish the changed proposal under a new allocation_id.",
    )

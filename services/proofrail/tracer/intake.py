"""From raw records to a batch: which proposals are new, which are repeats, which are refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from proofrail.cairo.risk_program import RUN_STEPS, pedersens_of, steps_of
from proofrail.messaging.records import Record
from proofrail.tracer.index import AllocationIndex
from proofrail.wire.errors import InvalidProposalError, ProofrailError
from proofrail.wire.proposals import Proposal, parse_proposal


@dataclass(frozen=True)
class Accepted:
    """A valid proposal that no run has taken yet, and the record it came in."""

    proposal: Proposal
    record: Record
    digest: str


@dataclass(frozen=True)
class BatchLimits:
    """What one run may hold: VM steps and Pedersen hashes (what the backends can prove at once), and bytes of
    proposals."""

    steps: int
    hashes: int
    size: int


@dataclass
class Intake:
    """What a poll of the proposals topic amounts to; `left` are the records that did not fit any more."""

    accepted: list[Accepted] = field(default_factory=list)
    repeated: list[Record] = field(default_factory=list)
    refused: list[tuple[Record, ProofrailError]] = field(default_factory=list)
    left: list[Record] = field(default_factory=list)


def sort_out(records: Sequence[Record], index: AllocationIndex, limits: BatchLimits) -> Intake:
    """Judge each record on its own: a bad one never touches its neighbours (design section 7, rule 3).

    Stops at the first proposal that does not fit the batch, so that everything judged is a prefix of what was
    read and a position can be committed behind it.
    """
    intake = Intake()
    digests: dict[str, str] = {}
    steps, hashes, size = RUN_STEPS, 0, 0
    for number, record in enumerate(records):
        try:
            proposal = parse_proposal(record.value)
        except ProofrailError as error:
            intake.refused.append((record, error))
            continue
        digest = proposal.digest()
        entry = index.get(proposal.allocation_id)
        known = entry.proposal_sha256 if entry is not None else digests.get(proposal.allocation_id)
        if known == digest:
            intake.repeated.append(record)
        elif known is not None:
            intake.refused.append((record, _reused(proposal.allocation_id, known)))
        else:
            form = proposal.normal_form()
            steps += steps_of(form)
            hashes += pedersens_of(form)
            size += len(record.value)
            full = steps > limits.steps or hashes > limits.hashes or size > limits.size
            if intake.accepted and full:
                intake.left = list(records[number:])
                break
            digests[proposal.allocation_id] = digest
            intake.accepted.append(Accepted(proposal, record, digest))
    return intake


def _reused(allocation_id: str, known: str) -> InvalidProposalError:
    return InvalidProposalError(
        "proposal-id-reused",
        f"allocation_id {allocation_id!r} already stands for another proposal (sha256 {known})",
        "Publish the changed proposal under a new allocation_id.",
    )

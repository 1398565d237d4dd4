"""Follow published proposals to their end: an attestation, or a dead letter with a reason.

Pure bookkeeping over records of the output topics, in whatever order they arrive; `propose` feeds it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from proofrail.messaging.records import Record
from proofrail.wire import topics
from proofrail.wire.canonical import canonical, sha256_hex
from proofrail.wire.errors import MalformedError, ProofrailError
from proofrail.wire.messages import (
    Attestation,
    AuditReport,
    CommitmentSeal,
    DeadLetter,
    Input,
    Proof,
    parse_message,
)
from proofrail.wire.model import Message
from proofrail.wire.ndjson import split
from proofrail.wire.readable import allocation_named, proposal_digest


@dataclass(frozen=True)
class Published:
    """One proposal as it was sent: its coordinates, its digest where it is valid, when (monotonic seconds)."""

    topic: str
    partition: int
    offset: int
    value: bytes
    at: float
    digest: str | None

    @property
    def allocation_id(self) -> str | None:
        """As the proposal says, valid or not; None where it says none."""
        return allocation_named(self.value)

    @property
    def place(self) -> tuple[str, int, int]:
        return self.topic, self.partition, self.offset


@dataclass
class RunFacts:
    """What the topics say of one run."""

    items: int | None = None
    n_steps: int | None = None
    security_bits: int | None = None
    proof_bytes: int | None = None
    proposals: list[str] = field(default_factory=list)
    verdicts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Settled:
    """The end of one proposal: its attestation, the dead letter that refuses it, or the report that names what is
    wrong with its run."""

    published: Published
    message: Attestation | DeadLetter | AuditReport
    line: bytes
    seconds: float
    """Since it was published."""


Accept = Callable[[Attestation, Published], object]
"""Raises ProofrailError for an attestation that must not settle the proposal."""


class Settlement:
    """Which of the published proposals are settled, and the facts of their runs. `accept` has the last word on
    attestations."""

    def __init__(self, published: list[Published], accept: Accept | None = None) -> None:
        self._accept = accept
        self.refused: dict[tuple[str, int, int], ProofrailError] = {}
        self._by_digest: dict[str, list[Published]] = {}
        self._by_place = {one.place: one for one in published}
        for one in published:
            if one.digest is not None:
                self._by_digest.setdefault(one.digest, []).append(one)
        self._pending = {one.place for one in published}
        self.runs: dict[str, RunFacts] = {}

    @property
    def pending(self) -> list[Published]:
        return [self._by_place[place] for place in sorted(self._pending)]

    def observe(self, record: Record, now: float) -> Iterator[Settled]:
        """Take one record of any output topic; yield the proposals that it settles."""
        for line, message in _readable(record.value):
            for message_of, one in self._settled_by(record.topic, message):
                yield Settled(one, message_of, line, now - one.at)

    def _settled_by(
        self, topic: str, message: Message
    ) -> Iterator[tuple[Attestation | DeadLetter | AuditReport, Published]]:
        match topic, message:
            case topics.ATTESTATIONS, Attestation():
                if not self._accepted(message):
                    return
                digests = [message.proposal_sha256]
            case topics.PROPOSALS_DLQ, DeadLetter():
                place = (message.topic, message.partition, message.offset)
                if place in self._pending:
                    self._pending.discard(place)
                    yield message, self._by_place[place]
                    return
                # Given up after its run: published again, it gets no letter of its own.
                digests = [proposal_digest(bytes.fromhex(message.value)) or ""]
            case topics.REPORTS, AuditReport():
                facts = self._facts(message.run_id)
                facts.verdicts[message.subject] = message.verdict
                if message.verdict != "MISMATCH":
                    return
                digests = facts.proposals
            case _:
                self._learn(topic, message)
                return
        for digest in digests:
            for one in self._settle(digest):
                yield message, one

    def _accepted(self, attestation: Attestation) -> bool:
        if self._accept is None:
            return True
        for one in self._by_digest.get(attestation.proposal_sha256, []):
            try:
                self._accept(attestation, one)
            except ProofrailError as error:
                self.refused[one.place] = error
                return False
        return True

    def _settle(self, digest: str) -> list[Published]:
        settled = [one for one in self._by_digest.get(digest, []) if one.place in self._pending]
        self._pending -= {one.place for one in settled}
        return settled

    def _facts(self, run_id: str) -> RunFacts:
        return self.runs.setdefault(run_id, RunFacts())

    def _learn(self, topic: str, message: Message) -> None:
        match topic, message:
            case topics.COMMITMENTS, Input():
                self._facts(message.run_id).proposals.append(sha256_hex(canonical(message.input)))
            case topics.COMMITMENTS, CommitmentSeal():
                facts = self._facts(message.run_id)
                facts.items, facts.n_steps = message.items, message.n_steps
            case topics.PROOFS, Proof():
                facts = self._facts(message.run_id)
                facts.security_bits, facts.proof_bytes = message.security_bits, message.size


def _readable(value: bytes) -> Iterator[tuple[bytes, Message]]:
    """The lines that are messages of ours. What else stands on a topic settles nothing, and is for the auditor
    to report."""
    with contextlib.suppress(MalformedError):
        for line in split(value):
            with contextlib.suppress(MalformedError):
                yield line, parse_message(line)

"""Follow published proposals to their end: an attestation, or a dead letter with a reason.

Pure bookkeeping over records of the output topics; `propose` feeds it. What was written since the proposals were
published may arrive in whatever order; what was written before counts for those that were published before, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

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

# Of lines as services write them, which is in canonical form.
_ALLOCATION: Final = re.compile(rb'"allocation_id":"([^"]*)"')
_HASH: Final = re.compile(rb'"([0-9a-f]{64})"')


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
    proposals: set[str] = field(default_factory=set)
    """Digests of those of ours that it decides."""
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
        self._hashes = {digest.encode() for digest in self._by_digest}
        self._names = {
            one.allocation_id.encode()
            for one in published
            if one.digest is not None and one.allocation_id is not None
        }
        self._pending = {one.place for one in published}
        self._held: list[tuple[bytes, DeadLetter | AuditReport]] = []
        self.runs: dict[str, RunFacts] = {}

    @property
    def pending(self) -> list[Published]:
        return [self._by_place[place] for place in sorted(self._pending)]

    def observe(self, record: Record, now: float) -> Iterator[Settled]:
        """Take one record of any output topic; yield the proposals that it settles."""
        for line in _lines(record.value):
            message = _readable(line)
            if message is None:
                continue
            # The inputs of a mismatched run may be among what is still looked back at.
            if isinstance(message, AuditReport) and message.verdict == "MISMATCH":
                self._held.append((line, message))
            for message_of, one in self._settled_by(record.topic, message):
                yield Settled(one, message_of, line, now - one.at)

    def observe_earlier(self, record: Record, now: float) -> Iterator[Settled]:
        """Take one record from before the proposals were published: commitments first, then proofs and reports, then
        the rest, so that nothing need be kept of the runs of others. Yields the proposals that an attestation settles;
        a letter or a mismatch may have been overtaken by one, and is held until `conclude`."""
        for line in _lines(record.value):
            message = _readable(line) if self._may_concern(record, line) else None
            match record.topic, message:
                case topics.PROPOSALS_DLQ, DeadLetter():
                    if self._digests_of(message):
                        self._held.append((line, message))
                case topics.REPORTS, AuditReport():
                    self._facts(message.run_id).verdicts[message.subject] = message.verdict
                    if message.verdict == "MISMATCH":
                        self._held.append((line, message))
                case _, Message():
                    for message_of, one in self._settled_by(record.topic, message):
                        yield Settled(one, message_of, line, now - one.at)

    def conclude(self, now: float) -> Iterator[Settled]:
        """Nothing from before is left: what was held settles what has no attestation."""
        held, self._held = self._held, []
        for line, message in held:
            for digest in self._digests_of(message):
                for one in self._settle(digest):
                    yield Settled(one, message, line, now - one.at)

    @property
    def has_valid(self) -> bool:
        """Whether any proposal can have been decided before: invalid ones are refused each time."""
        return bool(self._by_digest)

    def _may_concern(self, record: Record, line: bytes) -> bool:
        """Whether a line says something of our proposals or their runs, as far as can be told without reading it."""
        match record.topic:
            case topics.COMMITMENTS if b"CommitmentSeal" not in line:
                return not self._names.isdisjoint(_ALLOCATION.findall(line))
            case topics.ATTESTATIONS:
                return not self._hashes.isdisjoint(_HASH.findall(line))
            case topics.PROPOSALS_DLQ:
                return True
            case _:
                return record.key_text in self.runs

    def _digests_of(self, message: DeadLetter | AuditReport) -> set[str]:
        """Of our proposals that it ends, whichever record they came in."""
        if isinstance(message, AuditReport):
            return self._facts(message.run_id).proposals
        value = bytes.fromhex(message.value)
        name = allocation_named(value)
        digest = proposal_digest(value) if name is not None and name.encode() in self._names else None
        return {digest} & self._by_digest.keys() if digest is not None else set()

    def _settled_by(
        self, topic: str, message: Message
    ) -> Iterator[tuple[Attestation | DeadLetter | AuditReport, Published]]:
        match topic, message:
            case topics.ATTESTATIONS, Attestation():
                if not self._accepted(message):
                    return
                digests = {message.proposal_sha256}
            case topics.PROPOSALS_DLQ, DeadLetter():
                place = (message.topic, message.partition, message.offset)
                if place in self._pending:
                    self._pending.discard(place)
                    yield message, self._by_place[place]
                    return
                # Given up after its run: published again, it gets no letter of its own.
                digests = self._digests_of(message)
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
                digest = sha256_hex(canonical(message.input))
                self._facts(message.run_id).proposals |= {digest} & self._by_digest.keys()
            case topics.COMMITMENTS, CommitmentSeal():
                facts = self._facts(message.run_id)
                facts.items, facts.n_steps = message.items, message.n_steps
            case topics.PROOFS, Proof():
                facts = self._facts(message.run_id)
                facts.security_bits, facts.proof_bytes = message.security_bits, message.size


def _lines(value: bytes) -> list[bytes]:
    try:
        return split(value)
    except MalformedError:
        return []


def _readable(line: bytes) -> Message | None:
    """The message of ours that a line is. What else stands on a topic settles nothing, and is for the auditor to
    report."""
    try:
        return parse_message(line)
    except MalformedError:
        return None

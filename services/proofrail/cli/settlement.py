"""Follow published proposals to their end: an attestation, or a dead letter with a reason.

Pure bookkeeping over records of the output topics, in whatever order they arrive; `demo` and `propose --wait`
feed it and print what it yields.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from proofrail.messaging.records import Record
from proofrail.wire import topics
from proofrail.wire.canonical import canonical, sha256_hex
from proofrail.wire.errors import MalformedError, ProofrailError
from proofrail.wire.messages import parse_message
from proofrail.wire.ndjson import split
from proofrail.wire.proposals import parse_proposal


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
        try:
            return parse_proposal(self.value).allocation_id
        except ProofrailError:
            return None

    @property
    def place(self) -> tuple[str, int, int]:
        return self.topic, self.partition, self.offset


def digest_of(value: bytes) -> str | None:
    """The proposal's digest, None where it is no valid proposal."""
    try:
        return parse_proposal(value).digest()
    except ProofrailError:
        return None


@dataclass
class RunFacts:
    """What the topics say of one run."""

    items: int | None = None
    n_steps: int | None = None
    security_bits: int | None = None
    proof_bytes: int | None = None
    prove_s: float | None = None
    proposals: list[str] = field(default_factory=list)
    verdicts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Settled:
    """The end of one proposal: exactly one of `attestation`, `dead_letter` and `mismatch` (the report that names
    what is wrong with its run) is there."""

    published: Published
    line: bytes
    seconds: float
    attestation: dict[str, Any] | None = None
    dead_letter: dict[str, Any] | None = None
    mismatch: dict[str, Any] | None = None


class Settlement:
    """Which of the published proposals are settled, and the facts of their runs."""

    def __init__(self, published: list[Published]) -> None:
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
            if record.topic == topics.ATTESTATIONS:
                for one in self._settle(message["proposal_sha256"]):
                    yield Settled(one, line, now - one.at, attestation=message)
            elif record.topic == topics.PROPOSALS_DLQ:
                place = (message["topic"], message["partition"], message["offset"])
                if place in self._pending:
                    self._pending.discard(place)
                    one = self._by_place[place]
                    yield Settled(one, line, now - one.at, dead_letter=message)
                else:
                    # Given up after its run: published again, it gets no letter of its own.
                    for one in self._settle(digest_of(bytes.fromhex(message["value"]))):
                        yield Settled(one, line, now - one.at, dead_letter=message)
            else:
                self._learn(record.topic, message)
                if message.get("verdict") == "MISMATCH":
                    for digest in self.runs[message["run_id"]].proposals:
                        for one in self._settle(digest):
                            yield Settled(one, line, now - one.at, mismatch=message)

    def _settle(self, digest: str | None) -> list[Published]:
        settled = [one for one in self._by_digest.get(digest or "", []) if one.place in self._pending]
        self._pending -= {one.place for one in settled}
        return settled

    def _learn(self, topic: str, message: dict[str, Any]) -> None:
        run_id = message.get("run_id")
        if not isinstance(run_id, str):
            return
        facts = self.runs.setdefault(run_id, RunFacts())
        if topic == topics.COMMITMENTS and message["type"] == "Input":
            facts.proposals.append(sha256_hex(canonical(message["input"])))
        elif topic == topics.COMMITMENTS and message["type"] == "CommitmentSeal":
            facts.items = message["items"]
            facts.n_steps = message.get("n_steps")
        elif topic == topics.PROOFS and message["type"] == "Proof":
            facts.security_bits = message["security_bits"]
            facts.proof_bytes = message["size"]
        elif topic == topics.REPORTS:
            facts.verdicts[message["subject"]] = message["verdict"]


def _readable(value: bytes) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """The lines that are messages of ours. What else stands on a topic settles nothing, and is for the auditor
    to report."""
    with contextlib.suppress(MalformedError):
        for line in split(value):
            with contextlib.suppress(MalformedError):
                yield line, parse_message(line).to_object()

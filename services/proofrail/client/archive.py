"""What attestations rest on: the proposals, proofs and reports on the topics, followed from their beginning."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, Self

from proofrail.client.attestations import report_digest
from proofrail.client.errors import GroundsMissing, RefusedAttestation
from proofrail.client.reading import Item, items
from proofrail.messaging.records import Record
from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.views import View
from proofrail.wire import topics
from proofrail.wire.canonical import parse_object
from proofrail.wire.messages import Attestation, AuditReport, Proof
from proofrail.wire.proposals import Proposal, parse_proposal

_TOPICS: Final = (topics.PROPOSALS, topics.PROOFS, topics.REPORTS)
_WITHIN_S: Final = 30.0


@dataclass(frozen=True)
class Grounds:
    """What one attestation rests on, found by the digests in it."""

    proposal: Proposal
    proof: Proof
    reports: tuple[AuditReport, AuditReport]
    """On the run, and on the proof."""


@dataclass(frozen=True)
class _Missing:
    topic: str
    what: str


class Archive:
    """All proposals, proofs and reports on the topics, by digest; lines that cannot be read are passed over.

    An async context manager. It holds them as lines: about 0.5 KB for each allocation, and 4 KB for each run.
    """

    def __init__(self, kafka: KafkaSettings) -> None:
        self._view = View(kafka, _TOPICS, self._take)
        self._following: asyncio.Task[None] | None = None
        self._grown = asyncio.Event()
        # Messages that were read take up to eight times as much as their lines.
        self._proposals: dict[bytes, bytes] = {}
        self._proofs: dict[tuple[str, str], bytes] = {}
        self._reports: dict[bytes, bytes] = {}

    async def __aenter__(self) -> Self:
        """Read all there is. Raises BrokerUnavailableError."""
        await self._view.start()
        try:
            await self._view.catch_up()
        except BaseException:
            await self._view.stop()
            raise
        self._following = asyncio.create_task(self._view.follow())
        self._following.add_done_callback(lambda _: self._grown.set())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        await self._view.stop()

    @property
    def last_poll_age(self) -> float:
        """Seconds since the topics were last asked for more."""
        return self._view.last_poll_age

    def behind(self) -> str | None:
        """How far it has come, while reading what there is takes long."""
        return self._view.behind()

    async def catch_up(self) -> None:
        """Return when all that was published before this call has been read. Raises BrokerUnavailableError
        `view-behind`."""
        await self._view.catch_up()

    async def grounds(self, attestation: Attestation, within_s: float = _WITHIN_S) -> Grounds:
        """What the attestation rests on, waited for up to `within_s` seconds: topics are read apart from each other.

        Found by digest, and otherwise unchecked: see `check` and `ProofChecker`. Raises GroundsMissing
        `grounds-missing`; RefusedAttestation `grounds-expired` for what is not there on a topic that has lost its
        beginning; BrokerUnavailableError; what ended the following of the topics.
        """
        deadline = asyncio.get_running_loop().time() + within_s
        found = self._found(attestation)
        if isinstance(found, _Missing):
            await self._refuse_expired(attestation, found)
            found = self._found(attestation)
        while isinstance(found, _Missing):
            if self._following is not None and self._following.done():
                self._following.result()
            try:
                async with asyncio.timeout_at(deadline):
                    await self._grown.wait()
            except TimeoutError:
                raise GroundsMissing(
                    "grounds-missing",
                    f"{found.what} of the attestation of {attestation.allocation_id} was not published in "
                    f"{within_s:.0f} s",
                    "Its topic has lost nothing: whoever attested it did not publish it, or has not yet",
                ) from None
            found = self._found(attestation)
        return found

    async def _refuse_expired(self, attestation: Attestation, missing: _Missing) -> None:
        if not await self._view.has_lost_records(missing.topic):
            return
        # An attestation is published behind its grounds: what is not there now was there before.
        await self._view.catch_up()
        if self._found(attestation) == missing:
            raise RefusedAttestation(
                "grounds-expired",
                f"{missing.what} of the attestation of {attestation.allocation_id} is not on {missing.topic}, which "
                "has lost its oldest records",
                "It cannot be checked any more: have the allocation proposed again",
            )

    def _found(self, attestation: Attestation) -> Grounds | _Missing:
        proposal = self._proposals.get(bytes.fromhex(attestation.proposal_sha256))
        proof = self._proofs.get((attestation.run_id, attestation.proof.digest))
        run = self._reports.get(bytes.fromhex(attestation.audit.run_report))
        on_proof = self._reports.get(bytes.fromhex(attestation.audit.proof_report))
        if proposal is None:
            return _Missing(topics.PROPOSALS, f"the proposal {attestation.proposal_sha256}")
        if proof is None:
            return _Missing(topics.PROOFS, f"the Proof message on {attestation.proof.digest}")
        if run is None or on_proof is None:
            missing = attestation.audit.run_report if run is None else attestation.audit.proof_report
            return _Missing(topics.REPORTS, f"the report {missing}")
        return Grounds(
            parse_proposal(proposal),
            Proof.model_validate(parse_object(proof)),
            (
                AuditReport.model_validate(parse_object(run)),
                AuditReport.model_validate(parse_object(on_proof)),
            ),
        )

    def _take(self, records: list[Record]) -> None:
        for record in records:
            for item in items(record):
                if isinstance(item, Item):
                    self._keep(item)
        # Whoever waits is woken; who comes next waits for the next.
        self._grown.set()
        self._grown = asyncio.Event()

    def _keep(self, item: Item) -> None:
        # The first of each counts, as it does for the auditor.
        match item.message:
            case Proposal() as proposal:
                self._proposals.setdefault(bytes.fromhex(proposal.digest()), item.line)
            case Proof() as proof:
                self._proofs.setdefault((proof.run_id, proof.digest), item.line)
            case AuditReport() as report:
                self._reports.setdefault(bytes.fromhex(report_digest(report)), item.line)

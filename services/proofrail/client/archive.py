"""What attestations rest on: the proposals, proofs and reports on the topics, followed from their beginning."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final, Self

from proofrail.client.attestations import report_digest
from proofrail.client.errors import GroundsMissing
from proofrail.client.reading import Item, items
from proofrail.messaging.records import Record
from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.views import View
from proofrail.wire import topics
from proofrail.wire.messages import Attestation, AuditReport, Proof
from proofrail.wire.proposals import Proposal

_TOPICS: Final = (topics.PROPOSALS, topics.PROOFS, topics.REPORTS)
_WITHIN_S: Final = 30.0


@dataclass(frozen=True)
class Grounds:
    """What one attestation rests on, found by the digests in it."""

    proposal: Proposal
    proof: Proof
    reports: tuple[AuditReport, AuditReport]
    """On the run, and on the proof."""


class Archive:
    """All proposals, proofs and reports on the topics, by digest; lines that cannot be read are passed over.

    An async context manager. It holds about 10 KB for each run and 2 KB for each allocation.
    """

    def __init__(self, kafka: KafkaSettings) -> None:
        self._view = View(kafka, _TOPICS, self._take)
        self._following: asyncio.Task[None] | None = None
        self._grown = asyncio.Event()
        self._proposals: dict[str, Proposal] = {}
        self._proofs: dict[tuple[str, str], Proof] = {}
        self._reports: dict[str, AuditReport] = {}

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
        `grounds-missing`; what ended the following of the topics.
        """
        deadline = asyncio.get_running_loop().time() + within_s
        while True:
            found = self._found(attestation)
            if isinstance(found, Grounds):
                return found
            if self._following is not None and self._following.done():
                self._following.result()
            try:
                async with asyncio.timeout_at(deadline):
                    await self._grown.wait()
            except TimeoutError:
                raise GroundsMissing(
                    "grounds-missing",
                    f"{found} of the attestation of {attestation.allocation_id} was not published in "
                    f"{within_s:.0f} s",
                    "Its topic may have lost it by its retention; if not, whoever attested it did not publish it",
                ) from None

    def _found(self, attestation: Attestation) -> Grounds | str:
        """The grounds, or what is missing."""
        proposal = self._proposals.get(attestation.proposal_sha256)
        proof = self._proofs.get((attestation.run_id, attestation.proof.digest))
        run = self._reports.get(attestation.audit.run_report)
        on_proof = self._reports.get(attestation.audit.proof_report)
        if proposal is None:
            return f"the proposal {attestation.proposal_sha256}"
        if proof is None:
            return f"the Proof message on {attestation.proof.digest}"
        if run is None or on_proof is None:
            missing = attestation.audit.run_report if run is None else attestation.audit.proof_report
            return f"the report {missing}"
        return Grounds(proposal, proof, (run, on_proof))

    def _take(self, records: list[Record]) -> None:
        for record in records:
            for item in items(record):
                if isinstance(item, Item):
                    self._keep(item.message)
        # Whoever waits is woken; who comes next waits for the next.
        self._grown.set()
        self._grown = asyncio.Event()

    def _keep(self, message: Any) -> None:
        # The first of each counts, as it does for the auditor.
        match message:
            case Proposal():
                self._proposals.setdefault(message.digest(), message)
            case Proof():
                self._proofs.setdefault((message.run_id, message.digest), message)
            case AuditReport():
                self._reports.setdefault(report_digest(message), message)

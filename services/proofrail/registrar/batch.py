"""Some attestations on their way through the ledger."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from proofrail.client import Attestation, Item, ProofrailError, TransientError
from proofrail.registrar.cases import Case
from proofrail.registrar.ledger import Decision, Fact, Ledger, LedgerMisconfigured, Receipt
from proofrail.wire.canonical import felt_hex
from proofrail.wire.messages import LedgerName, RegisteredFact, Registration

Fetch: TypeAlias = Callable[[Fact], Awaitable[bytes]]
"""Fetches the proof of a fact. Raises ProofrailError."""

_MOST_WORDS: Final = 2000


class Batch:
    """Some cases on their way through the ledger. Each ends recorded, refused, deferred, or with nothing to say."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._decisions: dict[Case, Decision] = {}
        self._facts: dict[Fact, Receipt] = {}
        self._recorded: dict[Case, Receipt] = {}
        self._refused: dict[Case, ProofrailError] = {}
        self.deferred: dict[Case, TransientError] = {}

    def take(self, case: Case, found: Decision | ProofrailError | None) -> None:
        if isinstance(found, Decision):
            self._decisions[case] = found
        elif found is not None:
            self._end(case, found)

    async def register(self, proof: Fetch) -> None:
        """Have every fact registered; what rests on one that is not, ends here."""
        for fact in dict.fromkeys(decision.fact for decision in self._decisions.values()):
            try:
                known = await self._ledger.holds(fact)
                self._facts[fact] = known or await self._ledger.register(fact, await proof(fact))
            except LedgerMisconfigured:
                raise
            except ProofrailError as error:
                for case in [case for case, one in self._decisions.items() if one.fact == fact]:
                    self._end(case, error)

    async def record(self) -> None:
        """Record what is left."""
        cases = list(self._decisions)
        if not cases:
            return
        try:
            results = await self._ledger.record([self._decisions[case] for case in cases])
        except TransientError as error:
            for case in cases:
                self._end(case, error)
            return
        for case, result in zip(cases, results, strict=True):
            if isinstance(result, Receipt):
                self._recorded[case] = result
            else:
                self._end(case, result)

    def registrations(self, now_ns: int) -> dict[Case, Registration]:
        """What to say of the cases that have their end."""
        said = {
            case: self._said(case, now_ns, self._decisions[case].fact, receipt)
            for case, receipt in self._recorded.items()
        }
        said.update({case: self._said(case, now_ns, error) for case, error in self._refused.items()})
        return said

    def _end(self, case: Case, error: ProofrailError) -> None:
        self._decisions.pop(case, None)
        if isinstance(error, TransientError):
            self.deferred[case] = error
        else:
            self._refused[case] = error

    def _said(
        self, case: Case, now_ns: int, why: Fact | ProofrailError, receipt: Receipt | None = None
    ) -> Registration:
        item = case.item
        if not isinstance(item, Item) or not isinstance(item.message, Attestation):
            raise TypeError("only attestations have an end to speak of")
        attestation, name = item.message, self._ledger.identity
        refused = why if isinstance(why, ProofrailError) else None
        return Registration(
            allocation_id=attestation.allocation_id,
            proposal_sha256=attestation.proposal_sha256,
            attestation=item.digest,
            run_id=attestation.run_id,
            row=attestation.row,
            approved=attestation.approved,
            proof=attestation.proof.digest,
            ledger=LedgerName(kind=name.kind, network=name.network, contract=name.contract),
            outcome="refused" if refused else "recorded",
            fact=self._registered(why) if isinstance(why, Fact) else None,
            transaction=receipt.transaction if receipt else None,
            code=refused.code if refused else None,
            message=refused.message[:_MOST_WORDS] if refused else None,
            timestamp=now_ns,
        )

    def _registered(self, fact: Fact) -> RegisteredFact:
        preset = fact.preset
        verification = preset.verification_hash(fact.fact_hash, fact.bits) if preset else None
        return RegisteredFact(
            fact_hash=felt_hex(fact.fact_hash),
            preset=preset.name if preset else None,
            verification_hash=None if verification is None else felt_hex(verification),
            transaction=self._facts[fact].transaction,
        )

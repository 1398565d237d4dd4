"""The ledger on Starknet: facts in Integrity's registry, decisions in the contract of ours.

Before anything is sent, what stands on chain is looked up; the contract's own rule that a decision is recorded once
is the last defence, not the first.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

import structlog

from proofrail.cairo import risk_rows
from proofrail.messaging.metrics import Metrics
from proofrail.proving.stone.calldata_size import AROUND_A_PROOF
from proofrail.proving.stone.presets import preset_named
from proofrail.registrar.calldata import Calldata
from proofrail.registrar.ledger import (
    Decision,
    Fact,
    LedgerIdentity,
    LedgerMisconfigured,
    Receipt,
    Recorded,
    RefusedEntry,
    other_decision,
)
from proofrail.registrar.starknet import contracts
from proofrail.registrar.starknet.answers import Reason, answer_of
from proofrail.registrar.starknet.chain import Call, Chain, NodeRefusal
from proofrail.registrar.starknet.journal import Journal
from proofrail.registrar.starknet.sender import Limits, Reverted, Sender, refused
from proofrail.registrar.starknet.watch import Watch
from proofrail.wire.canonical import felt_hex
from proofrail.wire.errors import PoisonError, TransientError

_LOOK_UPS: Final = 16

_log = structlog.get_logger(__name__)


class StarknetLedger:
    """Facts and decisions on one chain, under one DecisionRegistry (`contract`).

    `presets`: of which it takes proofs, and registers facts. `batch`: most decisions in one transaction. `watched_s`:
    see Watch.
    """

    def __init__(
        self,
        chain: Chain,
        journal: Path,
        calldata: Calldata,
        limits: Limits,
        *,
        network: str,
        contract: int,
        presets: Collection[str],
        programs: Collection[int],
        batch: int,
        watched_s: float,
        metrics: Metrics | None = None,
    ) -> None:
        self._chain = chain
        self._journal_path = journal
        self._calldata = calldata
        self._limits = limits
        self._identity = LedgerIdentity("starknet", network, felt_hex(contract))
        self._contract = contract
        self._presets = {name: contracts.configuration(preset_named(name)) for name in presets}
        self._programs = tuple(programs)
        self._batch = batch
        self._watched_s = watched_s
        self._metrics = metrics
        self._journal: Journal | None = None
        self._sender_: Sender | None = None
        self._watch: Watch | None = None
        self._facts = 0
        self._min_bits = 0
        self._looking_up = asyncio.Semaphore(_LOOK_UPS)

    @property
    def identity(self) -> LedgerIdentity:
        return self._identity

    @property
    def presets(self) -> Collection[str]:
        """See Ledger."""
        return self._presets.keys()

    async def open(self) -> None:
        """See Ledger. Raises UnusableInputError `registrar-file`, `registrar-in-use`; LedgerMisconfigured
        `chain-contract`, `chain-settings`, `chain-other-network`; TransientError."""
        try:
            if self._journal is None:
                self._journal = await asyncio.to_thread(Journal, self._journal_path)
            await self._connect()
            self._sender_ = Sender(self._chain, self._journal, self._limits, self._metrics)
            self._watch = Watch(self._chain, self._journal, self._sender_, self._watched_s, self._metrics)
            # First what a predecessor left: what stands on chain is not settled before.
            await self._sender_.settle()
            await self._check_contract()
        except BaseException:
            await self.close()
            raise

    async def _connect(self) -> None:
        try:
            await self._chain.open()
        except NodeRefusal as refusal:
            raise refused(answer_of(refusal), str(refusal)) from refusal

    async def close(self) -> None:
        """See Ledger."""
        journal, self._journal, self._sender_, self._watch = self._journal, None, None, None
        await self._chain.close()
        if journal is not None:
            await asyncio.to_thread(journal.close)

    async def missing(self) -> str | None:
        """See Ledger."""
        try:
            await self._chain.nonce(self._chain.accounts[0])
        except NodeRefusal as refusal:
            return f"the node refuses: {refusal}"
        except TransientError as error:
            return error.message
        return None

    async def holds(self, fact: Fact) -> Receipt | None:
        """See Ledger."""
        answer = await self._view(contracts.verifications_of(self._facts, fact.fact_hash))
        accepted = set(self._presets.values())
        for found in contracts.read_verifications(answer):
            if found.configuration in accepted and found.bits >= self._min_bits:
                return Receipt(new=False, transaction=await self._ours(_fact_effect(fact)))
        return None

    async def register(self, fact: Fact, proof: bytes) -> Receipt:
        """See Ledger. Refused are `ledger-fact-weak`, `ledger-fact-refused`, `calldata-too-long`, what the serializer
        refuses, and what is no proof of the chain build: `ledger-program`."""
        self._check_fact(fact)
        await self._sender.settle()
        if known := await self.holds(fact):
            return known
        if fact.preset is None:
            raise _weak(fact, self._min_bits)
        felts = await self._calldata.felts(proof, fact.preset)
        whole = len(felts) + AROUND_A_PROOF
        if self._limits.felts and whole > self._limits.felts:
            raise RefusedEntry(
                "calldata-too-long",
                f"the proof's transaction has {whole} felts of calldata, and {self._limits.felts} are allowed",
                "Have the prover make proofs for one of the registry's presets, which it then makes to fit, or raise "
                "PROOFRAIL_CHAIN_MAX_CALLDATA if this chain takes more",
            )
        call = contracts.verify(self._facts, fact, felts)
        try:
            transaction = await self._sender.execute([call], [_fact_effect(fact)])
        except Reverted as reverted:
            # Somebody else may have registered it meanwhile.
            if known := await self.holds(fact):
                return known
            raise self._error(reverted, "the proof", "ledger-fact-refused") from reverted
        if not await self.holds(fact):
            raise RefusedEntry(
                "ledger-fact-refused",
                f"the registry took the proof, and does not hold fact {felt_hex(fact.fact_hash)} with "
                f"{self._min_bits} bits",
                "The registry's preset or its count of bits is not what was expected",
            )
        return Receipt(new=True, transaction=transaction)

    async def record(self, decisions: Sequence[Decision]) -> list[Recorded]:
        """See Ledger. Refused are, by RefusedEntry, `ledger-program`, `ledger-row`, `ledger-other-decision`,
        `ledger-entry-refused`, and by PoisonError what `Decision.checked` raises."""
        await self._sender.settle()
        await asyncio.to_thread(_hash_all, decisions)
        found: dict[int, Recorded] = {}
        known = await asyncio.gather(*(self._look_up(decision) for decision in decisions))
        found.update({at: one for at, one in enumerate(known) if one is not None})
        # The second of two about one allocation is looked up behind the first.
        rest = [at for at in range(len(decisions)) if at not in found]
        first = {decisions[at].id: at for at in reversed(rest)}
        due = sorted(first.values())
        chunks = [due[at : at + self._batch] for at in range(0, len(due), self._batch)]
        recorded = await asyncio.gather(
            *(self._record([decisions[at] for at in chunk]) for chunk in chunks), return_exceptions=True
        )
        for failure in recorded:
            if isinstance(failure, BaseException):
                raise failure
        for chunk, results in zip(chunks, recorded, strict=True):
            found.update(zip(chunk, results, strict=True))  # type: ignore[arg-type]
        for at in rest:
            if at not in found:
                found[at] = await self._after(decisions[at])
        return [found[at] for at in range(len(decisions))]

    async def has(self, row: Sequence[int]) -> bool:
        """See Ledger. The journal knows of our own transactions; the node is asked about others' alone."""
        leaf = await asyncio.to_thread(risk_rows.leaf, row)
        return await self._ours(self._effect(leaf)) is not None or await self._leaf(row[0]) == leaf

    async def taken_back(self) -> frozenset[str]:
        """See Ledger."""
        if self._watch is None:
            raise RuntimeError("the ledger is not open")
        return await self._watch.look()

    async def _record(self, decisions: Sequence[Decision]) -> list[Recorded]:
        """Record decisions that were not there, in one transaction; what would be reverted is halved until the culprit
        stands alone."""
        calls = [contracts.record(self._contract, decision) for decision in decisions]
        effects = [self._effect(decision.leaf) for decision in decisions]
        try:
            transaction = await self._sender.execute(calls, effects)
        except Reverted as reverted:
            if reverted.reason is Reason.SETTINGS:
                raise self._error(reverted, "the decisions", "ledger-entry-refused") from reverted
            if len(decisions) > 1:
                middle = len(decisions) // 2
                return [*await self._record(decisions[:middle]), *await self._record(decisions[middle:])]
            known = await self._look_up(decisions[0])
            if known is not None:
                return [known]
            error = self._error(reverted, f"allocation {decisions[0].allocation_id}", "ledger-entry-refused")
            if not isinstance(error, RefusedEntry):
                raise error from reverted
            return [error]
        return [Receipt(new=True, transaction=transaction) for _ in decisions]

    async def _look_up(self, decision: Decision) -> Recorded | None:
        """What is known of a decision without sending anything; None when it may be recorded."""
        try:
            self._check_fact(decision.fact)
            _ = decision.checked
        except PoisonError as error:
            return error
        leaf = await self._leaf(decision.id)
        if leaf is None:
            return None
        if leaf != decision.leaf:
            return other_decision(decision)
        return Receipt(new=False, transaction=await self._ours(self._effect(decision.leaf)))

    async def _leaf(self, allocation: int) -> int | None:
        async with self._looking_up:
            return contracts.read_leaf(await self._view(contracts.decision_of(self._contract, allocation)))

    async def _after(self, decision: Decision) -> Recorded:
        """Of a decision whose allocation another one in the same call was about."""
        return await self._look_up(decision) or RefusedEntry(
            "ledger-entry-refused", f"the first decision on {decision.allocation_id} was refused"
        )

    def _check_fact(self, fact: Fact) -> None:
        if fact.program_hash not in self._programs or not fact.of_chain_build:
            raise RefusedEntry(
                "ledger-program",
                f"the contract takes the chain build alone, and the program is {felt_hex(fact.program_hash)}",
                "Trace and prove the chain build for what is to be registered on chain",
            )
        if fact.preset is None or fact.preset.name not in self._presets or fact.bits < self._min_bits:
            raise _weak(fact, self._min_bits)

    async def _check_contract(self) -> None:
        """That the contract accepts what the registrar is set up for, asked before anything is paid for."""
        self._facts = await self._one("fact_registry")
        self._min_bits = await self._one("min_security_bits")
        due = [
            *(("accepts_program", (program,), felt_hex(program)) for program in self._programs),
            *(("accepts_configuration", felts, name) for name, felts in self._presets.items()),
            *(("may_record", (account,), felt_hex(account)) for account in self._chain.accounts),
        ]
        for function, calldata, what in due:
            if not await self._one(function, calldata):
                raise LedgerMisconfigured(
                    "chain-contract",
                    f"the contract {self._identity.contract} says no to {function} of {what}",
                    "Name what it accepts (accounts, PROOFRAIL_REGISTRAR_PRESETS), or another PROOFRAIL_CHAIN_CONTRACT",
                )

    async def _one(self, function: str, calldata: tuple[int, ...] = ()) -> int:
        return contracts.read_one(await self._view(Call(self._contract, function, calldata)), function)

    async def _view(self, call: Call) -> list[int]:
        try:
            return await self._chain.view(call)
        except NodeRefusal as refusal:
            raise refused(answer_of(refusal), str(refusal)) from refusal

    async def _ours(self, effect: str) -> str | None:
        journal = self._journal
        return None if journal is None else await asyncio.to_thread(journal.transaction_of, effect)

    def _effect(self, leaf: int) -> str:
        return f"decision {self._identity.contract} {felt_hex(leaf)}"

    def _error(
        self, reverted: Reverted, what: str, code: str
    ) -> RefusedEntry | LedgerMisconfigured | TransientError:
        _log.warning("reverted", what=what, reason=reverted.reason.value, transaction=reverted.transaction)
        if reverted.reason is Reason.SETTINGS:
            return LedgerMisconfigured(
                "chain-contract",
                f"the contracts refuse {what}: {reverted.words}",
                "Nothing was given up: correct the settings, or deploy a contract that accepts them",
            )
        # Out of resources by the estimate's word, it needs more than the chain allows anybody.
        too_large = reverted.reason is Reason.RESOURCES and reverted.transaction is None
        if reverted.reason in (Reason.FACT, Reason.RESOURCES, Reason.DONE) and not too_large:
            return TransientError(
                "ledger-fact-missing" if reverted.reason is Reason.FACT else "chain-unsettled",
                f"{what} could not be registered: {reverted.words}",
                "It is looked up and tried again",
            )
        return RefusedEntry(code, f"the contracts refuse {what}: {reverted.words}")

    @property
    def _sender(self) -> Sender:
        if self._sender_ is None:
            raise RuntimeError("the ledger is not open")
        return self._sender_


def _hash_all(decisions: Sequence[Decision]) -> None:
    """Have everything hashed that is kept: about 15 ms for each decision, too much for the event loop."""
    for decision in decisions:
        with contextlib.suppress(PoisonError):
            _ = decision.checked, decision.leaf


def _fact_effect(fact: Fact) -> str:
    return f"fact {felt_hex(fact.fact_hash)}"


def _weak(fact: Fact, bits: int) -> RefusedEntry:
    return RefusedEntry(
        "ledger-fact-weak",
        f"the contract asks for {bits} bits and a preset that it accepts; the proof has {fact.bits} and fits "
        f"{fact.preset.name if fact.preset else 'none'}",
        "Prove it with --for chain and more queries",
    )

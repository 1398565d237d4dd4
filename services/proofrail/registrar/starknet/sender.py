"""Sends transactions so that each one's outcome is known before anything else is done with its account.

A transaction is written into the journal before it is sent. When an answer is lost, or the process was killed, the
node is asked by the transaction's hash; what it has never heard of is sent again, the same bytes. So one intention
has one transaction, and an account one transaction under way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from proofrail.messaging.metrics import Metrics
from proofrail.registrar.ledger import LedgerMisconfigured
from proofrail.registrar.starknet.answers import (
    HASH_UNKNOWN,
    Answer,
    Reason,
    answer_of,
    reason_of,
    revert_text,
)
from proofrail.registrar.starknet.chain import (
    Call,
    Chain,
    ChainAway,
    Fees,
    Finality,
    NodeRefusal,
    Status,
)
from proofrail.registrar.starknet.journal import Entry, Journal, Outcome
from proofrail.wire.errors import TransientError

_AMOUNT_MARGIN: Final = 1.5
_PRICE_MARGIN: Final = 1.5
_MORE: Final = 1.5
"""How much more of each resource is allowed after a transaction that ran out of one."""
_FIRST_POLL_S: Final = 0.05
"""A local chain has executed a transaction by then."""
_ATTEMPTS: Final = 5
"""Transactions for one intention, each one's outcome known, before the caller is to try again later."""

_log = structlog.get_logger(__name__)


class Reverted(Exception):  # noqa: N818 -- what became of it
    """The calls have no effect; `reason` is not DONE."""

    def __init__(self, reason: Reason, words: str, transaction: str | None = None) -> None:
        super().__init__(reason, words, transaction)
        self.reason = reason
        self.words = words
        self.transaction = transaction
        """The hash of the transaction that was paid for; None where the estimate already said so."""


@dataclass(frozen=True)
class Limits:
    """`fee`: most fri that a transaction may take. `felts`: most that a proof may be in one call. `confirm_s`: how long
    a transaction is waited for before the caller is to come back. `poll_s`: between two questions, at most: the first
    come sooner. `finality`: when it counts."""

    fee: int
    felts: int
    confirm_s: float
    poll_s: float
    finality: Finality


@dataclass(frozen=True)
class _Closed:
    outcome: Outcome
    reason: str = ""
    because: Answer | None = None


class Sender:
    """Sends the transactions of all accounts of one chain. An intention takes any account that is free."""

    def __init__(
        self, chain: Chain, journal: Journal, limits: Limits, metrics: Metrics | None = None
    ) -> None:
        self._chain = chain
        self._journal = journal
        self._limits = limits
        self._metrics = metrics
        self._unsettled: set[int] = set()
        self._free: asyncio.Queue[int] = asyncio.Queue()
        for account in chain.accounts:
            self._free.put_nowait(account)

    async def settle(self) -> None:
        """Learn the outcome of every open transaction in the journal, sending again what did not arrive. Nothing may
        be planned before. Raises TransientError `transaction-pending`, ChainAway; LedgerMisconfigured."""
        for entry in await asyncio.to_thread(self._journal.open_entries):
            closed = await self._follow(entry, sent=True)
            _log.info(
                "transaction-settled",
                transaction=entry.signed.hash,
                outcome=closed.outcome,
                reason=closed.reason,
            )
        self._unsettled.clear()

    async def execute(self, calls: Sequence[Call], effects: Sequence[str]) -> str:
        """The hash of the transaction with which all calls were executed. `effects`: see Journal.

        Raises Reverted; TransientError `transaction-pending`, `fee-over-cap`, `account-balance`, `chain-malfunction`,
        `chain-unsettled`, and ChainAway; LedgerMisconfigured `chain-settings`.
        """
        account = await self._free.get()
        try:
            if account in self._unsettled:
                raise _pending(f"account {hex(account)} has a transaction without an outcome")
            return await self._execute(account, calls, effects)
        finally:
            self._free.put_nowait(account)

    async def _execute(self, account: int, calls: Sequence[Call], effects: Sequence[str]) -> str:
        margin = _AMOUNT_MARGIN
        last = _Closed("never")
        for _ in range(_ATTEMPTS):
            entry = await self._prepared(account, calls, effects, margin)
            if entry is None:
                last = _Closed("never", "its nonce became another's while it was estimated")
                continue
            last = await self._follow(entry, sent=False)
            if last.outcome == "succeeded":
                return entry.signed.hash
            if last.outcome == "reverted":
                reason, words = reason_of(last.reason)
                if reason is not Reason.RESOURCES:
                    raise Reverted(reason, words, entry.signed.hash)
                margin *= _MORE
            # Else the price rose, or the nonce was another's: both are asked for anew.
            _log.warning(
                "transaction-again", transaction=entry.signed.hash, outcome=last.outcome, why=last.reason
            )
        raise TransientError(
            "chain-unsettled",
            f"{_ATTEMPTS} transactions of {hex(account)} came to nothing, the last one so: {last.reason}",
            "Nobody else may send from the registrar's accounts; if nobody does, fees rise faster than they are asked",
        )

    async def _prepared(
        self, account: int, calls: Sequence[Call], effects: Sequence[str], margin: float
    ) -> Entry | None:
        """None where the account's nonce has changed meanwhile."""
        try:
            nonce = await self._chain.nonce(account)
            estimated = await self._chain.estimate(account, nonce, calls)
        except NodeRefusal as refusal:
            answer = answer_of(refusal)
            if answer is Answer.REVERTS:
                reason, words = reason_of(revert_text(refusal))
                if reason is Reason.NONCE:
                    return None
                raise Reverted(reason, words) from refusal
            raise refused(answer, str(refusal)) from refusal
        bounds = self._bounds(estimated, margin)
        signed = await self._chain.sign(account, nonce, calls, bounds)
        entry = Entry(signed, account, nonce)
        await asyncio.to_thread(self._journal.write, entry, effects)
        self._count_fees(estimated)
        return entry

    def _count_fees(self, estimated: Fees) -> None:
        if self._metrics is None:
            return
        for name in ("l1_gas", "l1_data_gas", "l2_gas"):
            self._metrics.ledger_gas.labels(resource=name).inc(getattr(estimated, name).amount)
        self._metrics.ledger_fees.inc(estimated.total)

    def _bounds(self, estimated: Fees, margin: float) -> Fees:
        bounds = estimated.times(margin, _PRICE_MARGIN)
        if bounds.total > self._limits.fee:
            # What is expected may still lie under the cap: then the cap is the margin.
            bounds = estimated.times(margin, 1.0)
        if bounds.total > self._limits.fee:
            raise TransientError(
                "fee-over-cap",
                f"the transaction may take {bounds.total} fri, and at most {self._limits.fee} are allowed",
                "It is tried again when fees may have fallen; else raise PROOFRAIL_CHAIN_MAX_FEE_FRI",
            )
        return bounds

    async def _follow(self, entry: Entry, *, sent: bool) -> _Closed:
        """Take a transaction to its end, and close it in the journal. `sent`: it may have been sent before."""
        self._unsettled.add(entry.account)
        deadline = asyncio.get_running_loop().time() + self._limits.confirm_s
        pause = min(_FIRST_POLL_S, self._limits.poll_s)
        away: ChainAway | None = None
        while True:
            try:
                closed = await self._step(entry, sent=sent)
                away = None
            except ChainAway as error:
                closed, away = None, error
            if closed is not None:
                await asyncio.to_thread(self._journal.close_entry, entry, closed.outcome, closed.reason)
                self._unsettled.discard(entry.account)
                if self._metrics is not None:
                    self._metrics.ledger_transactions.labels(outcome=closed.outcome).inc()
                if closed.because in (Answer.BALANCE, Answer.SETTINGS):
                    raise refused(closed.because, closed.reason)
                return closed
            sent = True
            if asyncio.get_running_loop().time() >= deadline:
                raise away or _pending(
                    f"transaction {entry.signed.hash} has no outcome after {self._limits.confirm_s:.0f} s"
                )
            await asyncio.sleep(pause)
            pause = min(2 * pause, self._limits.poll_s)

    async def _step(self, entry: Entry, *, sent: bool) -> _Closed | None:
        """Ask for the outcome; send what the node does not know. None while there is no outcome."""
        if sent:
            status = await self._status(entry)
            if status.finality is not Finality.UNKNOWN:
                return self._outcome(status)
        try:
            await self._chain.send(entry.signed)
        except NodeRefusal as refusal:
            return await self._not_taken(entry, refusal)
        return None if sent else self._outcome(await self._status(entry))

    async def _not_taken(self, entry: Entry, refusal: NodeRefusal) -> _Closed | None:
        answer = answer_of(refusal)
        if answer is Answer.TAKEN:
            return None
        # It may have been taken before, and executed while we asked: then all else the node says is about its shadow.
        status = await self._status(entry)
        if status.finality is not Finality.UNKNOWN:
            return self._outcome(status)
        if answer is Answer.NONCE:
            if refusal.code == _REPLACING or await self._nonce(entry) == entry.nonce:
                return (
                    None  # somebody else's transaction waits under this nonce, or the node contradicts itself
                )
            return _Closed("never", f"its nonce {entry.nonce} is not the account's", answer)
        if answer is Answer.MALFUNCTION:
            # What a node says that breaks is no proof that the transaction will not be executed.
            raise ChainAway("chain-away", f"the node fails: {refusal}", _LATER) from refusal
        if answer is Answer.REVERTS:
            return _Closed("reverted", revert_text(refusal), answer)
        return _Closed("never", str(refusal), answer)

    def _outcome(self, status: Status) -> _Closed | None:
        if not status.finality.reaches(self._limits.finality):
            return None
        return _Closed("succeeded") if status.reverted is None else _Closed("reverted", status.reverted)

    async def _status(self, entry: Entry) -> Status:
        try:
            return await self._chain.status(entry.signed.hash)
        except NodeRefusal as refusal:
            if refusal.code == HASH_UNKNOWN:
                return Status(Finality.UNKNOWN)
            raise ChainAway("chain-away", f"the node fails: {refusal}", _LATER) from refusal

    async def _nonce(self, entry: Entry) -> int:
        try:
            return await self._chain.nonce(entry.account)
        except NodeRefusal as refusal:
            raise ChainAway("chain-away", f"the node fails: {refusal}", _LATER) from refusal


_REPLACING: Final = 64
_LATER: Final = "It is asked again"


def refused(answer: Answer, said: str) -> LedgerMisconfigured | TransientError:
    """The error of a refusal that says nothing of a single entry."""
    if answer is Answer.SETTINGS:
        return LedgerMisconfigured(
            "chain-settings",
            f"the node takes no such transaction or call: {said}",
            "Check PROOFRAIL_CHAIN_URL, PROOFRAIL_CHAIN_CONTRACT, and the accounts with their keys",
        )
    if answer is Answer.BALANCE:
        return TransientError(
            "account-balance", f"the account cannot pay: {said}", "Give it STRK; what waits goes on by itself"
        )
    return TransientError("chain-malfunction", f"the node refuses: {said}", _LATER)


def _pending(what: str) -> TransientError:
    return TransientError(
        "transaction-pending",
        what,
        "It stays in the journal, and its outcome is asked for until there is one",
    )

"""Looks again at transactions that count and are not final: a chain may take its last blocks back.

What a block took with it is sent again, the same bytes, as a crash would have it. Mostly it is executed as before; what
is not counts no longer, and whoever relied on it has to know.

A chain goes back from its end, and seldom far: what has long stood is asked for ever more seldom, all of it when
anything is gone. So a transaction costs some forty questions in a day, not thousands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from proofrail.messaging.metrics import Metrics
from proofrail.registrar.starknet.answers import HASH_UNKNOWN
from proofrail.registrar.starknet.chain import Chain, ChainAway, Finality, NodeRefusal, Status
from proofrail.registrar.starknet.journal import Journal
from proofrail.registrar.starknet.sender import Sender

_AT_ONCE: Final = 16
_YOUNG_S: Final = 600.0
"""What has stood no longer is asked for at each look."""
_PART: Final = 0.25
"""Of the time for which an older transaction has stood, that may pass until it is asked for again."""

_log = structlog.get_logger(__name__)


class Watch:
    """`younger_s`: for how long a transaction is looked at, on a chain on which nothing becomes final."""

    def __init__(
        self, chain: Chain, journal: Journal, sender: Sender, younger_s: float, metrics: Metrics | None = None
    ) -> None:
        self._chain = chain
        self._journal = journal
        self._sender = sender
        self._younger_s = younger_s
        self._metrics = metrics
        self._asking = asyncio.Semaphore(_AT_ONCE)
        self._asked: dict[str, float] = {}
        """For how long each had stood when it was asked for."""

    async def look(self) -> frozenset[str]:
        """The hashes of all transactions that counted and do so no longer. Raises as `Sender.settle`; what was found
        until then is kept."""
        watched = await asyncio.to_thread(self._journal.not_final, self._younger_s)
        due = [
            one
            for one, stood_s in watched.items()
            if stood_s < _YOUNG_S or stood_s >= self._asked.get(one, 0) * (1 + _PART)
        ]
        found = await self._statuses(due)
        if any(map(_is_gone, found.values())):
            found |= await self._statuses([one for one in watched if one not in found])
        self._asked = {one: stood_s if one in found else self._asked[one] for one, stood_s in watched.items()}
        final = [one for one in watched if one in found and _is_final(found[one])]
        gone = [one for one in watched if one in found and _is_gone(found[one])]
        if final:
            await asyncio.to_thread(self._journal.note_final, final)
        if gone:
            _log.warning("transactions-taken-back", transactions=gone)
            if self._metrics is not None:
                self._metrics.ledger_transactions.labels(outcome="taken-back").inc(len(gone))
            await asyncio.to_thread(self._journal.reopen, gone)
            await self._sender.settle()
        return await asyncio.to_thread(self._journal.taken_back)

    async def _statuses(self, transactions: Sequence[str]) -> dict[str, Status]:
        found = await asyncio.gather(*(self._status(one) for one in transactions))
        return dict(zip(transactions, found, strict=True))

    async def _status(self, transaction: str) -> Status:
        async with self._asking:
            try:
                return await self._chain.status(transaction)
            except NodeRefusal as refusal:
                if refusal.code == HASH_UNKNOWN:
                    return Status(Finality.UNKNOWN)
                raise ChainAway(
                    "chain-away", f"the node fails: {refusal}", "It is asked again at the next look"
                ) from refusal


def _is_final(status: Status) -> bool:
    return status.finality is Finality.ACCEPTED_ON_L1 and status.reverted is None


def _is_gone(status: Status) -> bool:
    """Not what only waits for a block again: it may be executed as before."""
    return status.finality is Finality.UNKNOWN or status.reverted is not None

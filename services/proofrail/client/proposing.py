"""For allocators: publish proposals and follow them to their end."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from proofrail.client.attestations import check
from proofrail.client.sending import sending
from proofrail.client.settlement import Accept, Published, RunFacts, Settled, Settlement
from proofrail.client.trust import Trust
from proofrail.messaging.backoff import retry_transient
from proofrail.messaging.client import publish
from proofrail.messaging.following import run_beside
from proofrail.messaging.records import Message, Record
from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.views import View
from proofrail.wire import topics
from proofrail.wire.errors import ProofrailError
from proofrail.wire.headers import child_traceparent, record_headers
from proofrail.wire.readable import allocation_named, proposal_digest
from proofrail.wire.topics import MAX_RECORD

_SOURCE: Final = "/proofrail/client"
_LOOKED_BACK: Final = (
    (topics.COMMITMENTS,),
    (topics.PROOFS, topics.REPORTS),
    (topics.ATTESTATIONS, topics.PROPOSALS_DLQ),
)
"""In the order that `Settlement.observe_earlier` wants."""
_FOLLOWED: Final = tuple(topic for together in _LOOKED_BACK for topic in together)

Publisher = Callable[[KafkaSettings, list[bytes]], Awaitable[list[Published]]]


class Proposed:
    """Proposals that were published: what became of them so far, and what is settled next."""

    def __init__(self, settlement: Settlement, following: asyncio.Task[None]) -> None:
        self._settlement = settlement
        self._following = following
        self._settled: asyncio.Queue[Settled] = asyncio.Queue()

    @property
    def pending(self) -> list[Published]:
        """Those that are not settled."""
        return self._settlement.pending

    @property
    def refused(self) -> dict[tuple[str, int, int], ProofrailError]:
        """Why the last attestation of a proposal was not believed, by the proposal's `place`."""
        return self._settlement.refused

    @property
    def runs(self) -> dict[str, RunFacts]:
        """What is known of the runs that proposals are in, and of others that went on meanwhile, by run_id."""
        return self._settlement.runs

    def take(self, records: list[Record]) -> None:
        """Note records of the output topics, written since the proposals were."""
        for record in records:
            self._tell(self._settlement.observe(record, time.monotonic()))

    def take_earlier(self, records: list[Record]) -> None:
        """Note records from before."""
        for record in records:
            self._tell(self._settlement.observe_earlier(record, time.monotonic()))

    def know_earlier(self) -> None:
        """Note that all records from before were taken."""
        self._tell(self._settlement.conclude(time.monotonic()))

    def _tell(self, some: Iterable[Settled]) -> None:
        for settled in some:
            self._settled.put_nowait(settled)

    async def results(self, timeout_s: float) -> AsyncIterator[Settled]:
        """Proposals as they are settled, until all are or `timeout_s` seconds have passed: what is `pending` then
        is not refused, its outcome is unknown. Raises what ends the following of the topics."""
        deadline = time.monotonic() + timeout_s
        total = len(self.pending) + self._settled.qsize()
        for _ in range(total):
            getting = asyncio.create_task(self._settled.get())
            try:
                await asyncio.wait(
                    {getting, self._following},
                    timeout=max(0.0, deadline - time.monotonic()),
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if not getting.done():
                    if self._following.done():
                        self._following.result()
                    return
                yield getting.result()
            finally:
                getting.cancel()


def proposal_message(value: bytes, traceparent: str | None = None) -> Message:
    """The record of a proposal, valid or not; with a trace of its own, when it is in none."""
    own = traceparent or child_traceparent(None, secrets.token_bytes(16))
    headers = record_headers(topics.PROPOSALS, value, source=_SOURCE, traceparent=own)
    return Message(topics.PROPOSALS, proposal_key(value), value[:MAX_RECORD], headers)


async def publish_proposals(kafka: KafkaSettings, values: Sequence[bytes]) -> list[Published]:
    """Publish each value as one record; raises BrokerUnavailableError `not-published` when the broker does not take
    them. Publish them again then: the same proposal starts no second run. Where the caller uses OpenTelemetry, each
    record begins in a span of its own below the current one."""
    with sending(topics.PROPOSALS, [proposal_key(value) for value in values]) as records:
        messages = [
            proposal_message(value, record.traceparent) for value, record in zip(values, records, strict=True)
        ]
        at = time.monotonic()
        written = await publish(kafka, messages)
        for record, place in zip(records, written, strict=True):
            record.written(place.partition, place.offset)
    return [
        Published(place.topic, place.partition, place.offset, value, at, proposal_digest(value))
        for place, value in zip(written, values, strict=True)
    ]


@asynccontextmanager
async def propose(
    kafka: KafkaSettings,
    values: list[bytes],
    *,
    trust: Trust | None = None,
    publisher: Publisher = publish_proposals,
) -> AsyncIterator[Proposed]:
    """Publish `values`, each a proposal in native or seed form, and follow them.

    With `trust`, only an attestation that `check` accepts settles its proposal; one that it refuses is named in
    `refused`, and the proposal stays pending. Without, whatever stands on the topic is believed. A proposal that was
    published before is settled by what it led to then: the output topics are looked back at from their beginning while
    the new ones are followed, and nothing is kept of what concerns others. Raises BrokerUnavailableError.
    """
    async with View(kafka, _FOLLOWED, lambda records: proposed.take(records), start="end") as view:
        published = await publisher(kafka, values)
        settlement = Settlement(published, _accept(trust))

        async def follow() -> None:
            if settlement.has_valid:
                await run_beside(_look_back(kafka, proposed), view)
            await view.follow()

        following = asyncio.create_task(follow())
        proposed = Proposed(settlement, following)
        try:
            yield proposed
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


async def _look_back(kafka: KafkaSettings, proposed: Proposed) -> None:
    """Read what was written before. What is written meanwhile is followed beside it: seen twice, it counts once."""
    for together in _LOOKED_BACK:
        await retry_transient(partial(_read_earlier, kafka, together, proposed))
        if not proposed.pending:
            return
    proposed.know_earlier()


async def _read_earlier(kafka: KafkaSettings, names: Sequence[str], proposed: Proposed) -> None:
    async with View(kafka, names, proposed.take_earlier) as view:
        await view.catch_up()


def _accept(trust: Trust | None) -> Accept | None:
    return None if trust is None else lambda attestation, one: check(attestation, trust, proposal=one.value)


def proposal_key(value: bytes) -> bytes:
    """The key of a proposal's record: its allocation_id, empty where it has none."""
    return (allocation_named(value) or "").encode()[:128]

"""Publish proposals and follow them to their end, for `propose` and `demo`."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from proofrail.cli.settlement import Published, Settled, Settlement, digest_of
from proofrail.messaging.client import publish
from proofrail.messaging.records import Message, Record
from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.views import View
from proofrail.wire import topics
from proofrail.wire.canonical import parse_object
from proofrail.wire.errors import MalformedError
from proofrail.wire.headers import child_traceparent, record_headers
from proofrail.wire.topics import MAX_RECORD

_SOURCE = "/proofrail/cli"
_FOLLOWED = (topics.PROPOSALS_DLQ, topics.COMMITMENTS, topics.PROOFS, topics.REPORTS, topics.ATTESTATIONS)


def read_proposals(lines: Iterable[bytes]) -> list[bytes]:
    """One proposal a line, valid or not; blank lines are left out."""
    return [line for line in (raw.rstrip(b"\r\n") for raw in lines) if line.strip()]


@dataclass
class Follower:
    """What became of published proposals so far, and the queue of what is settled next."""

    settlement: Settlement
    settled: asyncio.Queue[Settled]
    following: asyncio.Task[None]

    async def results(self, timeout_s: float) -> AsyncIterator[Settled]:
        """Proposals as they are settled, until all are or `timeout_s` seconds have passed. Raises what ends the
        following of the topics."""
        deadline = time.monotonic() + timeout_s
        total = len(self.settlement.pending) + self.settled.qsize()
        for _ in range(total):
            getting = asyncio.create_task(self.settled.get())
            try:
                await asyncio.wait(
                    {getting, self.following},
                    timeout=max(0.0, deadline - time.monotonic()),
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if not getting.done():
                    if self.following.done():
                        self.following.result()
                    return
                yield getting.result()
            finally:
                getting.cancel()


Publisher = Callable[[KafkaSettings, list[bytes]], Awaitable[list[Published]]]


def proposal_message(value: bytes) -> Message:
    """The record of a proposal, valid or not, with a trace of its own."""
    traceparent = child_traceparent(None, secrets.token_bytes(16))
    headers = record_headers(topics.PROPOSALS, value, source=_SOURCE, traceparent=traceparent)
    return Message(topics.PROPOSALS, _key(value), value[:MAX_RECORD], headers)


async def publish_proposals(kafka: KafkaSettings, values: list[bytes]) -> list[Published]:
    """Publish each value as one record; raises BrokerUnavailableError when the broker does not take them."""
    messages = [proposal_message(value) for value in values]
    at = time.monotonic()
    written = await publish(kafka, messages)
    return [
        Published(place.topic, place.partition, place.offset, value, at, digest_of(value))
        for place, value in zip(written, values, strict=True)
    ]


@asynccontextmanager
async def followed(
    kafka: KafkaSettings, values: list[bytes], publisher: Publisher = publish_proposals
) -> AsyncIterator[Follower]:
    """Publish `values` and follow them.

    Attestations are read from the beginning: a proposal that was published before is settled already.
    """
    early: list[Record] = []
    follower: Follower | None = None

    def take(records: list[Record]) -> None:
        if follower is None:
            early.extend(records)
            return
        for record in records:
            for settled in follower.settlement.observe(record, time.monotonic()):
                follower.settled.put_nowait(settled)

    async with View(kafka, _FOLLOWED, take) as view:
        await view.catch_up()
        published = await publisher(kafka, values)
        following = asyncio.create_task(view.follow())
        follower = Follower(Settlement(published), asyncio.Queue(), following)
        take(early)
        try:
            yield follower
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


def _key(value: bytes) -> bytes:
    try:
        allocation_id = parse_object(value).get("allocation_id")
    except MalformedError:
        return b""
    return allocation_id.encode()[:128] if isinstance(allocation_id, str) else b""

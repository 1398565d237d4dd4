"""Transactions for callers outside the services: records that become visible together, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Self

from proofrail.messaging._producer import TransactionalProducer, UnknownOutcome
from proofrail.messaging._protocol import Member
from proofrail.messaging.records import Message
from proofrail.messaging.settings import KafkaSettings
from proofrail.wire.errors import ProofrailError

_NO_MEMBER: Final = Member(-1, "", None)
"""Nothing is consumed, so no offsets are committed and no group is asked."""


class OutcomeUnknownError(ProofrailError):
    """A commit was sent and not answered (`outcome-unknown`): the records may be there. Nothing more may be sent
    before that is settled."""


class TransactionalPublisher:
    """Publishes in transactions under `transactional_id`; a later one of the same id fences this one off.

    Use as an async context manager. Within one event loop, one transaction at a time.
    """

    def __init__(self, kafka: KafkaSettings, transactional_id: str) -> None:
        self._producer = TransactionalProducer(kafka, transactional_id)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def settle(self) -> None:
        """Fence off whoever published under this id before; when this returns, what they left open is settled.
        Raises BrokerUnavailableError."""
        await self._producer.renew()

    async def publish(self, messages: Sequence[Message]) -> None:
        """Write `messages` in one transaction; connects on first use.

        Raises, with nothing published: BrokerUnavailableError (try again), PoisonError `record-refused`,
        RestartRequiredError `producer-fenced`. Raises OutcomeUnknownError when the commit was not answered.
        """
        try:
            await self._producer.transact(messages, {}, "", _NO_MEMBER)
        except UnknownOutcome as error:
            raise OutcomeUnknownError(
                "outcome-unknown",
                f"the commit of {len(messages)} records was not answered",
                "Read the topic to see whether they are there",
            ) from error

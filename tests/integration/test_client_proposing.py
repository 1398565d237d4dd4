"""Proposing on a real broker that has a history."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from aiokafka import AIOKafkaProducer
from tests.unit.client_cases import FORMS, facts, published, signed

from proofrail.client import Attestation, DeadLetter, propose
from proofrail.messaging.client import publish
from proofrail.messaging.records import Message
from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.topics import ensure_topics
from proofrail.wire import topics
from proofrail.wire.canonical import canonical, sha256_hex
from proofrail.wire.errors import PoisonError
from proofrail.wire.messages import to_line

pytestmark = pytest.mark.kafka


async def test_a_history_holds_no_proposal_up_and_is_told_where_it_is_repeated(
    kafka: KafkaSettings, unique: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the history cannot be read to its end (a transaction is open there), proposals are published, and new ones
    come to their end; one that was settled in it is told as soon as it can be read."""
    await ensure_topics(kafka)
    names = [unique("old"), unique("new")]
    repeated, new = (canonical({**FORMS[0], "allocation_id": name}) for name in names)
    attestation = signed(
        published(monkeypatch, facts()).attestations[0],
        allocation_id=names[0],
        proposal_sha256=sha256_hex(repeated),
    )
    before = AIOKafkaProducer(**kafka.client_options(), transactional_id=unique("auditor"), linger_ms=0)
    await before.start()
    async with asyncio.timeout(50):
        await before.begin_transaction()
        await before.send_and_wait(topics.ATTESTATIONS, key=b"old", value=to_line(attestation) + b"\n")
        async with propose(kafka, [repeated, new]) as proposed:
            assert [repeated, new] == [one.value for one in proposed.pending]
            letter = DeadLetter.of(
                PoisonError("out-of-luck", "it would not"),
                topic=topics.PROPOSALS,
                partition=proposed.pending[1].partition,
                offset=proposed.pending[1].offset,
                key=b"new",
                value=new,
                attempts=1,
            )
            await publish(kafka, [Message(topics.PROPOSALS_DLQ, b"new", to_line(letter) + b"\n")])
            results = proposed.results(45)
            assert letter == (await anext(results)).message
            await before.commit_transaction()
            told = await anext(results)
            assert (repeated, attestation) == (told.published.value, told.message)
            assert isinstance(told.message, Attestation)
            assert [] == proposed.pending
    await before.stop()

"""What an attestation rests on, found on the topics of a real broker."""

from __future__ import annotations

import asyncio

import pytest
from tests.integration.test_client_stream import expire
from tests.unit.client_cases import FULL, SEED, TRUST, facts, published, signed

from proofrail.client import Archive, Grounds, GroundsMissing, RefusedAttestation, check, parse_proposal
from proofrail.messaging.client import publish
from proofrail.messaging.embedded import EmbeddedKafka
from proofrail.messaging.records import Message
from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.topics import ensure_topics
from proofrail.wire import topics
from proofrail.wire.messages import to_line
from proofrail.wire.model import Message as WireMessage

pytestmark = pytest.mark.kafka


async def _say(kafka: KafkaSettings, topic: str, *messages: WireMessage) -> None:
    await publish(kafka, [Message(topic, b"k", to_line(message) + b"\n") for message in messages])


async def test_grounds_are_found_by_digest_and_waited_for(
    kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those published before and after, among forged ones and garbage; what is missing is named by its digest, and
    what comes while it is waited for is found at once."""
    run = published(monkeypatch, facts())
    attestation, reports = run.attestations[0], run.reports
    await ensure_topics(kafka)
    await publish(kafka, [Message(topics.PROPOSALS, b"k", value) for value in (b"{", SEED)])
    await _say(kafka, topics.PROOFS, run.proof.model_copy(update={"digest": "0" * 64}))
    await publish(kafka, [Message(topics.REPORTS, b"k", b"{")])
    await _say(kafka, topics.REPORTS, signed(reports[0], unchecked=[{"part": "p", "message": "m"}]))
    waiting: list[asyncio.Task[Grounds]] = []
    async with Archive(kafka) as archive:
        for topic, message, missing in (
            (topics.PROOFS, run.proof, "the Proof message on " + run.proof.digest),
            (topics.REPORTS, reports[0], "the report " + attestation.audit.run_report),
            (topics.REPORTS, reports[1], "the report " + attestation.audit.proof_report),
        ):
            with pytest.raises(GroundsMissing, match=missing):
                await archive.grounds(attestation, within_s=0)
            waiting.append(asyncio.create_task(archive.grounds(attestation, within_s=30)))
            await _say(kafka, topic, message)
            await archive.catch_up()
        grounds, *others = await asyncio.gather(*waiting)
        assert [grounds, grounds] == others
        assert (parse_proposal(SEED), run.proof, reports) == (
            grounds.proposal,
            grounds.proof,
            grounds.reports,
        )
        check(attestation, TRUST, proposal=grounds.proposal, proof=grounds.proof, reports=grounds.reports)
        unknown = signed(attestation, proposal_sha256="0" * 64)
        with pytest.raises(GroundsMissing, match="the proposal " + "0" * 64):
            await archive.grounds(unknown, within_s=0)


async def test_what_expired_is_not_waited_for(
    own_broker: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a topic that has lost its beginning what is not there never comes; what is there is found, and on a topic that
    has lost nothing it may still come."""
    run = published(monkeypatch, facts())
    seed, full = run.attestations
    kafka = KafkaSettings(bootstrap=await own_broker.astart())
    await ensure_topics(kafka)
    await publish(kafka, [Message(topics.PROPOSALS, b"k", value) for value in (SEED, FULL)])
    await expire(kafka, topics.PROPOSALS, 1)
    async with Archive(kafka) as archive:
        with pytest.raises(
            RefusedAttestation, match=f"{seed.proposal_sha256} .* lost its oldest records"
        ) as refused:
            await archive.grounds(seed, within_s=1e6)
        assert "grounds-expired" == refused.value.code
        with pytest.raises(GroundsMissing, match="the Proof message"):
            await archive.grounds(full, within_s=0)
        await publish(kafka, [Message(topics.PROPOSALS, b"k", SEED)])
        with pytest.raises(GroundsMissing, match="the Proof message"):
            await archive.grounds(seed, within_s=0)

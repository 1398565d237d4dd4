"""The registrar on a real broker: attestations in, a ledger in a file, registrations out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from faststream.kafka import KafkaBroker
from tests.unit.client_cases import (
    AUDITOR,
    BLOB,
    FORMS,
    FULL,
    RUN,
    SEED,
    STRANGER,
    TRUST,
    Published,
    facts,
    published,
    signed,
)

from proofrail.artifacts.store import ArtifactStore
from proofrail.cairo.risk_program import load_chain
from proofrail.cli.output import Exit
from proofrail.cli.status import run_status
from proofrail.client import REGISTRATIONS, Registration, subscribe
from proofrail.messaging.client import publish
from proofrail.messaging.embedded import EmbeddedKafka
from proofrail.messaging.host import ServiceContext
from proofrail.messaging.metrics import Metrics
from proofrail.messaging.records import Message
from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.topics import ensure_topics
from proofrail.registrar.app import ledger_of, trust_of
from proofrail.registrar.service import Registrar
from proofrail.registrar.settings import RegistrarSettings
from proofrail.wire import topics
from proofrail.wire.canonical import canonical
from proofrail.wire.messages import Input, to_line

pytestmark = pytest.mark.kafka

Settings = Callable[..., RegistrarSettings]


@pytest.fixture
async def kafka(own_broker: EmbeddedKafka) -> KafkaSettings:
    """A broker of the test's own: a registrar takes all that stands on its topics."""
    return KafkaSettings(bootstrap=await own_broker.astart())


@pytest.fixture
async def settings(kafka: KafkaSettings, tmp_path: Path) -> Settings:
    await ensure_topics(kafka)
    store = (tmp_path / "artifacts").as_uri()
    ArtifactStore(store).put(BLOB)

    def of(**changed: Any) -> RegistrarSettings:
        given: dict[str, Any] = {
            "kafka": kafka,
            "instance": tmp_path.name,
            "store_url": store,
            "auditor_keys": AUDITOR.vkey,
            "registrar_dir": tmp_path / "registrar",
            "grounds_within_s": 0.0,
            **changed,
        }
        return RegistrarSettings(**given)

    return of


@asynccontextmanager
async def running(settings: RegistrarSettings) -> AsyncIterator[ServiceContext]:
    """A registrar at work; it must end in order."""
    broker = KafkaBroker(settings.kafka.bootstrap, logger=None)
    context = ServiceContext("registrar", settings, Metrics(), broker)
    ledger = ledger_of(settings)
    task = asyncio.create_task(Registrar(settings, ledger, trust_of(settings, ledger), context).work())
    try:
        yield context
    finally:
        context.stopping.set()
        async with asyncio.timeout(30):
            await task


async def _say(kafka: KafkaSettings, *said: tuple[str, Any]) -> None:
    values = [(topic, one if isinstance(one, bytes) else to_line(one) + b"\n") for topic, one in said]
    await publish(kafka, [Message(topic, RUN.encode(), value) for topic, value in values])


async def _say_all(kafka: KafkaSettings, run: Published) -> None:
    await _say(
        kafka,
        (topics.PROPOSALS, SEED),
        (topics.PROPOSALS, FULL),
        *((topics.REPORTS, report) for report in run.reports),
        (topics.PROOFS, run.proof),
    )


async def _registered(kafka: KafkaSettings, count: int | None = None) -> list[Registration]:
    """The first `count` registrations, waited for, or all there are."""
    found: list[Registration] = []
    async with asyncio.timeout(60):
        async with subscribe(kafka, REGISTRATIONS, follow=count is not None) as stream:
            async for item in stream:
                assert isinstance(item.message, Registration)
                found.append(item.message)
                if len(found) == count:
                    break
    return found


async def test_attestations_become_registrations_once(
    kafka: KafkaSettings,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    """Two honest ones are recorded; a forged one is refused by its code, garbage and a mock are passed over; what is
    missing is waited for and holds nobody up. A second registrar, with and without the first one's position, says
    nothing again."""
    run = published(monkeypatch, facts())
    seed, full = run.attestations
    mock = canonical({**seed.to_object(), "proof": {**seed.proof.to_object(), "is_mock": True}}) + b"\n"
    await _say_all(kafka, run)
    orphan = signed(seed, proposal_sha256="0" * 64)
    forged = signed(seed, STRANGER, approved=seed.approved)
    await _say(kafka, *((topics.ATTESTATIONS, one) for one in (b"{", mock, orphan, forged, seed, full)))
    async with running(settings()) as context:
        found = await _registered(kafka, 3)
        assert 1 == context.metrics.registry.get_sample_value("proofrail_unregistered")
    by_outcome = {(one.allocation_id, one.outcome, one.code) for one in found}
    assert {
        ("seed", "refused", "attestation-signature"),
        ("seed", "recorded", None),
        ("full", "recorded", None),
    } == by_outcome
    facts_ = {one.fact.fact_hash for one in found if one.fact}
    assert {run.proof.identities["fact_hash"]} == facts_
    for position in (True, False):
        if not position:
            (tmp_path / "registrar" / "position").unlink()
        async with running(settings()) as context:
            # Settled when only the orphan is open again, and all the rest has been looked at.
            await _until(lambda c=context: c.metrics.registry.get_sample_value("proofrail_unregistered") == 1)
    assert 3 == len(await _registered(kafka))
    assert Exit.NEGATIVE == await run_status(kafka.bootstrap, ["seed", "full", "none"], True, TRUST)
    states = [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()]
    assert ["recorded"] * 2 == [one["state"] for one in states]
    assert {"kind": "file"} == states[0]["ledgers"][0]["ledger"]


async def test_rows_of_the_chain_build_are_recorded_by_their_path(
    kafka: KafkaSettings, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path is made from the run's inputs on trace.commitments.v1, which come last here."""
    run = published(monkeypatch, facts(chain=True))
    program = {"backend": "cairo", "method_id": load_chain().method_id, "artifact_sha256": "0" * 64}
    seal = canonical({**run.seal.to_object(), "program": program}) + b"\n"
    await _say_all(kafka, run)
    await _say(kafka, *((topics.ATTESTATIONS, one) for one in run.attestations))
    async with running(settings()) as context:
        await _until(lambda: context.metrics.registry.get_sample_value("proofrail_unregistered") == 2)
        inputs = [Input(run_id=RUN, index=index, input=form) for index, form in enumerate(FORMS)]
        await _say(kafka, *((topics.COMMITMENTS, one) for one in inputs), (topics.COMMITMENTS, seal))
        found = await _registered(kafka, 2)
    assert [("seed", "recorded", 0), ("full", "recorded", 1)] == [
        (one.allocation_id, one.outcome, one.row) for one in found
    ]


async def test_a_proof_under_the_policy_is_refused_before_the_ledger_hears_of_it(
    kafka: KafkaSettings, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More bits than the proof has, and a preset where it fits none: by code, and once each."""
    run = published(monkeypatch, facts())
    await _say_all(kafka, run)
    await _say(kafka, (topics.ATTESTATIONS, run.attestations[0]))
    async with running(settings(min_security_bits=120)):
        (weak,) = await _registered(kafka, 1)
    assert ("refused", "policy-security") == (weak.outcome, weak.code)
    await _say(kafka, (topics.ATTESTATIONS, run.attestations[1]))
    async with running(settings(registrar_presets="recursive/keccak_160_lsb/stone6/strict")):
        _, foreign = await _registered(kafka, 2)
    assert ("full", "refused", "policy-preset") == (foreign.allocation_id, foreign.outcome, foreign.code)


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 -- a gauge tells nobody
            await asyncio.sleep(0.02)

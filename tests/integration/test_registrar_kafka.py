"""The registrar on a real broker: attestations in, a ledger in a file, registrations out."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from tests.integration.registrar_runs import (
    Settings,
    registered,
    running,
    say,
    say_all,
    until,
)
from tests.integration.registrar_runs import kafka as kafka
from tests.integration.registrar_runs import settings as settings
from tests.integration.test_client_stream import expire
from tests.unit.client_cases import STRANGER, TRUST, facts, published, signed

from proofrail.cli.output import Exit
from proofrail.cli.status import run_status
from proofrail.messaging.settings import KafkaSettings
from proofrail.registrar import service
from proofrail.wire import topics
from proofrail.wire.canonical import canonical, sha256_hex
from proofrail.wire.messages import to_line

pytestmark = pytest.mark.kafka


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
    await say_all(kafka, run)
    orphan = signed(seed, proposal_sha256="0" * 64)
    forged = signed(seed, STRANGER, approved=seed.approved)
    await say(kafka, *((topics.ATTESTATIONS, one) for one in (b"{", mock, orphan, forged, seed, full)))
    async with running(settings()) as context:
        found = await registered(kafka, 3)
        assert 1 == context.metrics.registry.get_sample_value("proofrail_in_flight")
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
            await until(lambda c=context: c.metrics.registry.get_sample_value("proofrail_in_flight") == 1)
    assert 3 == len(await registered(kafka))
    assert Exit.NEGATIVE == await run_status(kafka, ["seed", "full", "none"], True, TRUST)
    states = [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()]
    assert ["recorded"] * 2 == [one["state"] for one in states]
    assert {"kind": "file"} == states[0]["ledgers"][0]["ledger"]


async def test_what_was_refused_by_wrong_settings_is_not_lost(
    kafka: KafkaSettings, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Refused once for its code, however often it is read; with the right key and from the beginning it is recorded,
    and then nothing more is said of it."""
    run = published(monkeypatch, facts())
    await say_all(kafka, run)
    await say(kafka, (topics.ATTESTATIONS, run.attestations[0]))
    wrong, right = settings(auditor_keys=STRANGER.vkey), settings()
    expected = [("refused", "attestation-signature"), ("recorded", None)]
    for number, (given, count) in enumerate(((wrong, 1), (wrong, 1), (right, 2), (wrong, 2))):
        (tmp_path / "registrar" / "position").unlink(missing_ok=True)
        async with running(given) as context:
            await until(lambda c=context: c._ready)
            found = await registered(kafka, count)
            await until(lambda c=context: c.metrics.registry.get_sample_value("proofrail_in_flight") == 0)
        assert expected[:count] == [(one.outcome, one.code) for one in found], number
    assert 2 == len(await registered(kafka))


async def test_rows_of_the_chain_build_are_recorded_by_their_path(
    kafka: KafkaSettings, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attestation carries it. One with another path, another root or none is refused, each by its code, and the
    ledger holds what the honest ones say."""
    run = published(monkeypatch, facts(chain=True))
    seed, full = run.attestations
    assert seed.chain is not None
    assert full.chain is not None
    place = seed.chain.to_object()
    without = {name: value for name, value in seed.to_object().items() if name != "chain"}
    forged = {
        "row-path-wrong": signed(seed, chain={**place, "path": ["0x1"]}),
        "row-path-malformed": signed(seed, chain={**place, "path": ["0x1", "0x1"]}),
        "attestation-chain": signed(seed, chain={**place, "root": "0x1"}),
    }
    old = signed(type(seed).model_validate(without))
    await say_all(kafka, run)
    await say(kafka, *((topics.ATTESTATIONS, one) for one in (*forged.values(), old, seed, full)))
    async with running(settings()):
        found = await registered(kafka, 6)
    refused = [(one.attestation, one.code) for one in found if one.outcome == "refused"]
    digests = [
        (code, sha256_hex(to_line(one))) for code, one in [*forged.items(), ("attestation-chain", old)]
    ]
    assert sorted((digest, code) for code, digest in digests) == sorted(refused)
    assert [("seed", 0), ("full", 1)] == [
        (one.allocation_id, one.row) for one in found if one.outcome == "recorded"
    ]


async def test_a_proof_under_the_policy_is_refused_before_the_ledger_hears_of_it(
    kafka: KafkaSettings, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More bits than the proof has, and a preset where it fits none: by code, and once each."""
    run = published(monkeypatch, facts())
    await say_all(kafka, run)
    await say(kafka, (topics.ATTESTATIONS, run.attestations[0]))
    async with running(settings(min_security_bits=120)):
        (weak,) = await registered(kafka, 1)
    assert ("refused", "policy-security") == (weak.outcome, weak.code)
    await say(kafka, (topics.ATTESTATIONS, run.attestations[1]))
    async with running(settings(registrar_presets="recursive/keccak_160_lsb/stone6/strict")):
        _, foreign = await registered(kafka, 2)
    assert ("full", "refused", "policy-preset") == (foreign.allocation_id, foreign.outcome, foreign.code)


@pytest.mark.parametrize("chain", [False, True])
async def test_what_is_said_to_be_recorded_and_is_not_is_recorded(
    kafka: KafkaSettings, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, chain: bool
) -> None:
    """Anybody can write so on a topic that is not signed. The ledger holds it afterwards; and of what the ledger holds
    nothing is said once more, though the position was lost and the proof is gone."""
    run = published(monkeypatch, facts(chain=chain))
    await say_all(kafka, run)
    await say(kafka, *((topics.ATTESTATIONS, one) for one in run.attestations))
    async with running(settings(registrar_dir=tmp_path / "elsewhere")):
        forged = await registered(kafka, 2)
    async with running(settings()) as context:
        await until(lambda c=context: c._ready)
        await until(lambda c=context: c.metrics.registry.get_sample_value("proofrail_in_flight") == 0)
    with sqlite3.connect(tmp_path / "registrar" / "ledger.sqlite") as ledger:
        assert {"seed", "full"} == {one for (one,) in ledger.execute("SELECT allocation_id FROM decisions")}
    if chain:
        shutil.rmtree(tmp_path / "artifacts")
    (tmp_path / "registrar" / "position").unlink()
    async with running(settings()) as context:
        await until(lambda c=context: c._ready)
        await until(lambda c=context: c.metrics.registry.get_sample_value("proofrail_in_flight") == 0)
    assert forged == await registered(kafka)


async def test_what_rests_on_expired_proposals_holds_nobody_up(
    kafka: KafkaSettings, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused by its code, once; those behind it are recorded, and nothing stays open."""
    run = published(monkeypatch, facts())
    monkeypatch.setattr(service, "_MOST_OPEN", 1)
    await say_all(kafka, run)
    await expire(kafka, topics.PROPOSALS, 1)
    await say(kafka, *((topics.ATTESTATIONS, one) for one in run.attestations))
    for _ in range(2):
        async with running(settings()) as context:
            found = await registered(kafka, 2)
            await until(lambda c=context: c.metrics.registry.get_sample_value("proofrail_in_flight") == 0)
    assert [("seed", "refused", "grounds-expired"), ("full", "recorded", None)] == [
        (one.allocation_id, one.outcome, one.code) for one in found
    ]
    assert found == await registered(kafka)

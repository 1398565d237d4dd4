"""The chain build from proposal to record: traced, proven, attested and recorded in the ledger in a file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.faults import proposals

from proofrail.cairo.risk_program import program_hashes
from proofrail.cli.home import Home
from proofrail.cli.launch import LaunchedSystem
from proofrail.client import (
    ATTESTATIONS,
    REGISTRATIONS,
    Archive,
    Attestation,
    KafkaSettings,
    ProofChecker,
    Registration,
    Trust,
    check,
    row_path,
    subscribe,
)
from proofrail.messaging.client import publish
from proofrail.messaging.records import Message
from proofrail.proving.stone import programs
from proofrail.wire.topics import PROPOSALS

pytestmark = [pytest.mark.kafka, pytest.mark.prover, pytest.mark.slow]

FILE_LEDGER = {"PROOFRAIL_REGISTRAR_LEDGER": "file"}
FIRST = FILE_LEDGER | {"PROOFRAIL_PROGRAM": "risk_engine"}
CHAIN = FILE_LEDGER | {"PROOFRAIL_PROGRAM": "risk_engine_chain"}
PRESET = "recursive/blake2s_248_lsb/stone6/strict"
STONE = CHAIN | {
    "PROOFRAIL_PROVER_BACKENDS": "stone",
    "PROOFRAIL_REGISTRY_PRESETS": PRESET,
    "PROOFRAIL_REGISTRAR_PRESETS": PRESET,
}


@asynccontextmanager
async def _system(home: Home, env: dict[str, str]) -> AsyncIterator[KafkaSettings]:
    system = LaunchedSystem(home, env=env)
    try:
        await system.start()
        yield KafkaSettings(bootstrap=home.bootstrap())
    finally:
        await system.stop()


async def _propose(kafka: KafkaSettings, *values: bytes) -> None:
    await publish(kafka, [Message(PROPOSALS, b"k", value) for value in values])


async def _messages(kafka: KafkaSettings, topic: str, count: int, seconds: float) -> list[Any]:
    async with asyncio.timeout(seconds), subscribe(kafka, topic) as stream:
        found = []
        async for item in stream:
            found.append(item.message)
            if len(found) == count:
                break
        return found


async def _registered(kafka: KafkaSettings, count: int, seconds: float) -> list[Registration]:
    found = await _messages(kafka, REGISTRATIONS, count, seconds)
    assert ["recorded"] * count == [one.outcome for one in found], [one.message for one in found]
    return found


def _trust(home: Home, backend: str) -> Trust:
    return Trust([home.auditor_key.with_suffix(".vkey").read_text().strip()], backends=[backend])


async def _hold(kafka: KafkaSettings, home: Home, attestations: list[Attestation], backend: str) -> list[str]:
    """Checks each attestation as a neighbour does, down to its row in the proof; the programs that decided."""
    trust = _trust(home, backend)
    proofs, decided = ProofChecker(home.store_url, trust), []
    async with Archive(kafka) as archive:
        for attestation in attestations:
            grounds = await archive.grounds(attestation)
            check(attestation, trust, proposal=grounds.proposal, proof=grounds.proof, reports=grounds.reports)
            checked = await proofs.check(grounds.proof, attestation, grounds.proposal)
            path = row_path(attestation)
            assert (checked.rows is None) == (path is not None)
            decided.append(checked.program_hash)
    return decided


@pytest.mark.timeout(600)
async def test_runs_of_both_builds_are_decided_side_by_side(tmp_path: Path) -> None:
    """Two proposals by the first build, three by the chain build after a restart, one more by the first: all on the
    same topics, proven with stwo, attested and recorded; the places of rows are in the attestations."""
    home = Home(tmp_path / "home")
    values = proposals.several("both", 6)
    for env, done, due in ((FIRST, 0, 2), (CHAIN, 2, 5), (FIRST, 5, 6)):
        async with _system(home, env) as kafka:
            await _propose(kafka, *values[done:due])
            registrations = await _registered(kafka, due, 240)
            if due == 6:
                attestations = await _messages(kafka, ATTESTATIONS, due, 60)
                decided = await _hold(kafka, home, attestations, "stwo")
    first, chain = program_hashes()
    assert [first] * 2 + [chain] * 3 + [first] == decided
    names = [f"both-{number}" for number in range(6)]
    assert sorted(names) == sorted(one.allocation_id for one in registrations)
    assert 6 == len({one.attestation for one in registrations})


@pytest.mark.stone
@pytest.mark.skipif(
    programs.find(programs.PROVER) is None or programs.find(programs.VERIFIER) is None,
    reason="Stone's cpu_air_prover and cpu_air_verifier are not on PATH",
)
@pytest.mark.timeout(1800)
async def test_stone_proves_the_chain_build_for_the_registry(tmp_path: Path) -> None:
    """At 96 bits, to fit the preset that the registrar asks for; the registration names preset and fact."""
    home = Home(tmp_path / "home")
    async with _system(home, STONE) as kafka:
        await _propose(kafka, *proposals.several("stone", 2))
        attestations = await _messages(kafka, ATTESTATIONS, 2, 1500)
        registrations = await _registered(kafka, 2, 120)
        decided = await _hold(kafka, home, attestations, "stone")
    assert [program_hashes()[1]] * 2 == decided
    assert {PRESET} == {one.fact.preset for one in registrations if one.fact}
    assert 96 <= min(one.proof.security_bits for one in attestations)

"""The registrar of a whole system, killed as soon as it has something to do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proofrail.cli.home import Home
from proofrail.cli.launch import LaunchedSystem
from proofrail.client import ATTESTATIONS, REGISTRATIONS, KafkaSettings, Registration, subscribe
from proofrail.messaging.client import publish
from proofrail.messaging.records import Message
from proofrail.wire.topics import PROPOSALS
from tests.faults import processes, proposals
from tests.faults.systems import awaited

pytestmark = [pytest.mark.kafka, pytest.mark.prover, pytest.mark.slow]

_WITHIN_S = 120.0


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    found = Home(tmp_path / "home")
    system = LaunchedSystem(found, env={"PROOFRAIL_REGISTRAR_LEDGER": "file"})
    await system.start()
    yield found
    await system.stop()


async def _attested(kafka: KafkaSettings, count: int) -> None:
    async with asyncio.timeout(_WITHIN_S), subscribe(kafka, ATTESTATIONS) as stream:
        seen = 0
        async for _ in stream:
            seen += 1
            if seen == count:
                return


async def _registered(kafka: KafkaSettings, count: int | None) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    async with (
        asyncio.timeout(_WITHIN_S),
        subscribe(kafka, REGISTRATIONS, follow=count is not None) as stream,
    ):
        async for item in stream:
            assert isinstance(item.message, Registration)
            found.append((item.message.allocation_id, item.message.outcome))
            if len(found) == count:
                break
    return found


async def test_every_attestation_is_registered_once_whenever_the_registrar_is_killed(home: Home) -> None:
    """Killed with two attestations before it, then with two more: four registrations, each of one allocation."""
    kafka = KafkaSettings(bootstrap=home.bootstrap())
    values = [proposals.valid(one) for one in "abcd"]
    for due in (2, 4):
        await publish(kafka, [Message(PROPOSALS, b"k", value) for value in values[due - 2 : due]])
        await _attested(kafka, due)
        registrar = await awaited(lambda: processes.service(home.root, "registrar"), 30.0, "a registrar")
        registrar.kill()
        assert due == len(await _registered(kafka, due))
    ids = [str(proposals.form_of(value)["allocation_id"]) for value in values]
    assert sorted((one, "recorded") for one in ids) == sorted(await _registered(kafka, None))

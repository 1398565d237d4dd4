"""What the explorer's page says when a service is gone, over real services and a real broker."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from proofrail.messaging.settings import KafkaSettings
from tests.deploy.watched import SERVICES, serving
from tests.faults.systems import Service, environment

pytestmark = [pytest.mark.kafka, pytest.mark.prover, pytest.mark.slow]

WITHIN_S = 30.0
"""From a kill to the page that says so."""


async def test_the_page_names_a_killed_service_within_half_a_minute(
    own_kafka: KafkaSettings, tmp_path: Path, record_property: Any
) -> None:
    """While all are there it asks for nobody; then all four are killed at once, and it names each."""
    explorer = Service(
        "explorer",
        {
            **environment(tmp_path, own_kafka),
            "PROOFRAIL_EXPLORER_DIR": str(tmp_path / "explorer"),
            "PROOFRAIL_REGISTRAR_LEDGER": "file",
        },
    )
    async with serving(own_kafka, tmp_path) as (services, _), explorer:
        url = (await explorer.said("serving", 10))["url"]
        async with httpx.AsyncClient(base_url=url, timeout=10) as client:
            assert dict.fromkeys(SERVICES) == await _attention(client)
            began = time.monotonic()
            await asyncio.gather(*(service.kill() for service in services.values()))
            took: dict[str, float] = {}
            while len(took) < len(SERVICES):
                assert time.monotonic() - began < WITHIN_S, await _attention(client)
                for name, said in (await _attention(client)).items():
                    if said is not None and name not in took:
                        assert said.startswith(f"{name} unreachable since ")
                        took[name] = time.monotonic() - began
                await asyncio.sleep(0.1)
            page = (await client.get("/")).text
            assert all(f"{name} unreachable since" in page for name in SERVICES)
    for name, seconds in took.items():
        record_property(name, round(seconds, 1))
        print(f"{name}: {seconds:.1f} s")


async def _attention(client: httpx.AsyncClient) -> dict[str, str | None]:
    """Why a person is needed, by stage, as soon as the explorer has caught up."""
    async with asyncio.timeout(20):
        while True:
            pipeline = (await client.get("/api/pipeline")).raise_for_status().json()
            if pipeline["behind"]["caught_up"]:
                return {stage["name"]: stage["attention"] for stage in pipeline["stages"]}
            await asyncio.sleep(0.1)

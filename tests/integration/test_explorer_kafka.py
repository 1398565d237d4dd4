"""The explorer as a process, over a real broker: live, killed at any moment, and built anew."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.explorer_cases import Run, World, filled

from proofrail.cli.leash import leashed
from proofrail.messaging.client import publish
from proofrail.messaging.embedded import EmbeddedKafka
from proofrail.messaging.records import Message, Record
from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.topics import ensure_topics

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

_VISIBLE_S = 2.0


@dataclass
class Explorer:
    """A running explorer."""

    process: asyncio.subprocess.Process
    client: httpx.AsyncClient

    async def table(self, name: str) -> list[dict[str, Any]]:
        """A whole table, but for times: the broker's clock sets those."""
        answer = await self.client.get(f"/api/{name}?limit=250")
        rows: list[dict[str, Any]] = answer.raise_for_status().json()["rows"]
        return sorted(rows, key=lambda row: str(row.get("allocation_id") or row.get("run_id")))


@asynccontextmanager
async def running(broker: EmbeddedKafka, home: Path, *options: str) -> AsyncIterator[Explorer]:
    """An explorer that has caught up."""
    env = {
        **os.environ,
        "PROOFRAIL_HOME": str(home),
        "PROOFRAIL_KAFKA_BOOTSTRAP": broker.bootstrap,
        "PROOFRAIL_LOG_FORMAT": "json",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "proofrail",
        "explorer",
        *options,
        env=leashed(env),
        stderr=asyncio.subprocess.PIPE,
    )
    url = ""
    try:
        assert process.stderr is not None
        async for line in process.stderr:
            entry = json.loads(line) if line.startswith(b"{") else {}
            url = entry.get("url", url)
            if entry.get("event") == "ready":
                break
        assert url, "the explorer ended before it was ready"
        reading = asyncio.create_task(_drained(process.stderr))
        async with httpx.AsyncClient(base_url=url, timeout=30) as client:
            yield Explorer(process, client)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    await reading


async def _drained(stream: asyncio.StreamReader) -> None:
    async for _ in stream:
        pass


def messages(records: Sequence[Record]) -> list[Message]:
    return [Message(one.topic, one.key, one.value) for one in records]


async def _told(explorer: Explorer, listening: asyncio.Event) -> dict[str, Any]:
    """The first change to a mismatch that the feed tells."""
    async with explorer.client.stream("GET", "/events") as answer:
        async for line in answer.aiter_lines():
            listening.set()  # the strip comes first
            if line.startswith("data:") and (said := json.loads(line[5:])).get("verdict") == "MISMATCH":
                found: dict[str, Any] = said
                return found
    raise AssertionError("the feed ended")


async def test_a_mismatch_is_seen_and_no_kill_loses_anything(
    own_broker: EmbeddedKafka, tmp_path: Path
) -> None:
    """A mismatch is told and served within two seconds of its report; an explorer that is killed while it reads goes
    on, and one that builds its view anew comes to the same."""
    await own_broker.astart()
    kafka = KafkaSettings(bootstrap=own_broker.bootstrap)
    await ensure_topics(kafka)
    world = filled()
    half = len(world.records) // 2
    await publish(kafka, messages(world.records[:half]))
    async with running(own_broker, tmp_path) as explorer:
        runs = await explorer.table("runs")
        run_id = next(row["run_id"] for row in runs if row["verdict"] == "PENDING")
        listening = asyncio.Event()
        telling = asyncio.create_task(_told(explorer, listening))
        await asyncio.wait_for(listening.wait(), 30)
        report = World()
        Run(report, run_id, [], {"block_items": 256}).mismatch()
        begun = time.monotonic()
        await publish(kafka, messages(report.records))
        told = await asyncio.wait_for(telling, 30)
        page = (await explorer.client.get(f"/api/runs/{run_id}")).json()
        seconds = time.monotonic() - begun
        assert (run_id, "MISMATCH") == (told["key"], page["run"]["verdict"])
        assert seconds < _VISIBLE_S
        # Killed while the rest comes in.
        rest = asyncio.create_task(publish(kafka, messages(world.records[half:])))
        await explorer.client.get("/api/runs")
        explorer.process.kill()
        await rest
    async with running(own_broker, tmp_path) as explorer:
        after = {name: await explorer.table(name) for name in ("runs", "allocations")}
    async with running(own_broker, tmp_path, "--rebuild") as explorer:
        anew = {name: await explorer.table(name) for name in ("runs", "allocations")}
        spans = await explorer.client.get(f"/api/runs/{run_id}/spans")
        assert spans.json()["available"]
    assert after == anew
    states = {row["allocation_id"]: row["state"] for row in after["allocations"]}
    assert ("recorded", "waiting", "dead-lettered") == (
        states["vault:000000"],
        states["vault:000050"],
        states["bad-1"],
    )

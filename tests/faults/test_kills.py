"""Whole systems whose parts are killed in the middle of their work: nothing is lost, nothing happens twice."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from pathlib import Path

import httpx
import pytest

from proofrail.client.proposing import publish_proposals
from proofrail.wire import topics
from tests.faults import processes, proposals
from tests.faults.systems import System, awaited, running
from tests.faults.watching import LogEnds, followed, read_all

pytestmark = [pytest.mark.kafka, pytest.mark.prover, pytest.mark.slow]

_DRAIN_S = 35.0
"""A service may drain for 25 s and is killed after 30 s; the broker ends after the services."""


async def _kill_when_writing(system: System, ends: LogEnds, name: str, topic: str, end: int) -> None:
    """Kill a service as soon as a transaction of its shows on the topic, committed or not."""
    victim = await system.service(name)
    await ends.beyond(topic, end, 60)
    victim.kill()
    await processes.gone([victim], 10)
    await system.service(name, other_than=victim)


async def test_killed_services_and_broker_lose_and_repeat_nothing(tmp_path: Path) -> None:
    """Tracer, prover, auditor and broker, each killed in mid-work: all is settled, and all exactly once."""
    async with running(tmp_path / "home") as system, followed(system.kafka) as contents:
        kafka = system.kafka
        async with LogEnds(kafka) as ends:
            killing = asyncio.create_task(_kill_when_writing(system, ends, "tracer", topics.EVENTS, 0))
            await publish_proposals(
                kafka,
                [*proposals.several("one", 40), proposals.invalid("bad"), b"{", proposals.reused("one", 3)],
            )
            await killing

            killing = asyncio.create_task(_kill_when_writing(system, ends, "auditor", topics.REPORTS, 0))
            child = await system.prover_at_work()
            prover = await system.service("prover")
            prover.kill()
            await processes.gone([child, prover], 10)
            await killing

        await system.prover_at_work(other_than=child)
        # More work arrives while a proof is under way and the broker goes.
        await publish_proposals(kafka, [*proposals.several("two", 5), proposals.invalid("worse")])
        broker = await awaited(lambda: processes.broker(system.home.root), 5, "the broker")
        broker.kill()
        await processes.gone([broker], 10)
        await contents.until(lambda: contents.attestations(), 120, "a first attestation")
        (await system.service("auditor")).kill()
        await contents.until(lambda: proposals.is_settled(contents), 120, "everything settled")
        proposals.assert_settled_once(await read_all(kafka))
        await _all_ready(system)


async def test_a_broker_that_loses_its_port_is_found_again(tmp_path: Path) -> None:
    """When somebody takes the port of a broker that died, it comes back elsewhere and the services follow."""
    async with running(tmp_path / "home") as system:
        before = system.kafka.bootstrap
        broker = await awaited(lambda: processes.broker(system.home.root), 5, "the broker")
        broker.kill()
        with await awaited(lambda: _listening(int(before.rpartition(":")[2])), 10, "the port"):
            await awaited(lambda: system.home.bootstrap() != before, 60, "another address")
            await publish_proposals(system.kafka, [proposals.invalid("bad")])
            async with followed(system.kafka) as contents:
                await contents.until(contents.letters, 60, "a dead letter")
            await _all_ready(system)


def _listening(port: int) -> socket.socket | None:
    """A listener there, once the port is free: a killed process lets go of it last."""
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError:
        return None


async def _all_ready(system: System) -> None:
    """The announced addresses are those of the services that run now, and all of them take work."""

    def ready() -> bool:
        urls = (system.home.running() or {}).get("services", {})
        try:
            return len(urls) == 3 and all(
                httpx.get(f"{url}/readyz").status_code == 200 for url in urls.values()
            )
        except httpx.TransportError:
            return False

    await awaited(ready, 30, "three services that are ready")


async def test_a_killed_supervisor_leaves_no_orphans_and_no_work_undone(tmp_path: Path) -> None:
    """With the supervisor killed everything it started ends, and the next `up` on the home finishes the work."""
    values = [*proposals.several("left", 3), proposals.invalid("bad")]
    home = tmp_path / "home"
    async with running(home) as system:
        await publish_proposals(system.kafka, values)
        await system.prover_at_work()
        all_of_it = system.processes
        assert {"tracer", "prover", "auditor", "up"} <= {process.command[3] for process in all_of_it}
        assert [1, 1] == [
            sum(process.is_broker for process in all_of_it),
            sum(process.is_prover_child for process in all_of_it),
        ]
        next(process for process in all_of_it if process.is_service("up")).kill()
        await processes.gone(all_of_it, _DRAIN_S)
        assert [] == system.processes
    async with running(home) as system, followed(system.kafka) as contents:
        await contents.until(lambda: proposals.is_settled(contents), 120, "everything settled")
        proposals.assert_settled_once(await read_all(system.kafka))


async def test_sigterm_during_a_proof_drains_and_the_work_resumes(tmp_path: Path) -> None:
    """SIGTERM ends the whole system in time, proof or not; after a start on the same home the work goes on."""
    home = tmp_path / "home"
    async with running(home) as system:
        await publish_proposals(system.kafka, [*proposals.several("kept", 2), proposals.invalid("bad")])
        await system.prover_at_work()
        all_of_it = system.processes
        begun = time.monotonic()
        os.kill(next(process for process in all_of_it if process.is_service("up")).pid, signal.SIGTERM)
        await processes.gone(all_of_it, _DRAIN_S)
        # A proof under way is given up: there is nothing to wait for.
        assert time.monotonic() - begun < 15
        assert "drain-cut-short" not in system.log()
        assert "signal SIGKILL" not in system.log()
        assert system.home.running() is None
    async with running(home) as system, followed(system.kafka) as contents:
        await contents.until(lambda: proposals.is_settled(contents), 120, "everything settled")
        proposals.assert_settled_once(await read_all(system.kafka))


async def test_a_killed_demo_leaves_nothing(tmp_path: Path) -> None:
    """What a demo has started ends with it, also when it is killed in the middle of a proof."""
    file = tmp_path / "proposals.ndjson"
    file.write_bytes(proposals.valid("gone") + b"\n")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    demo = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "proofrail", "demo", "--proposals", str(file)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(scratch)},
    )
    try:
        await awaited(lambda: processes.prover_child(scratch, busy_s=0.5), 120, "a proof under way")
        all_of_it = processes.of_home(scratch)
    finally:
        demo.kill()
        await demo.wait()
    await processes.gone(all_of_it, _DRAIN_S)
    assert [] == processes.of_home(scratch)

"""The services as processes, watched by a real Prometheus with our configuration and rules."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import yaml

from proofrail.commitment.checkpoint import AUDITOR_KEY_NAME, TRACER_KEY_NAME
from proofrail.commitment.keyfile import load_or_make_signer
from proofrail.messaging.settings import KafkaSettings
from tests.deploy.tools import PROMETHEUS, RULES
from tests.faults.systems import Service, environment

SERVICES: Final = ("tracer", "prover", "auditor", "registrar")
_POLL_S: Final = 0.1


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@dataclass
class Watched:
    """The running services by name, and Prometheus."""

    services: Mapping[str, Service]
    ports: Mapping[str, int]
    prometheus: httpx.AsyncClient

    async def ask(self, expression: str, *, instant: bool = True) -> list[dict[str, Any]]:
        """The series of an answer, at this moment or over the last two minutes. Raises AssertionError on an error."""
        if instant:
            answer = await self.prometheus.get("/api/v1/query", params={"query": expression})
        else:
            now = time.time()
            over = {"query": expression, "start": now - 120, "end": now, "step": 5}
            answer = await self.prometheus.get("/api/v1/query_range", params=over)
        body = answer.json()
        assert "success" == body["status"], f"{expression}: {body}"
        found: list[dict[str, Any]] = body["data"]["result"]
        return found

    async def value(self, expression: str) -> float | None:
        """The one value of an answer; None without any."""
        found = await self.ask(expression)
        return float(found[0]["value"][1]) if found else None

    async def until(self, expression: str, at_least: float, seconds: float) -> None:
        """Wait until the value is reached. Raises AssertionError."""
        last: float | None = None
        try:
            async with asyncio.timeout(seconds):
                while (last := await self.value(expression)) is None or last < at_least:  # noqa: ASYNC110
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            raise AssertionError(f"{expression} is {last} after {seconds:.0f} s") from None

    async def firing(self) -> set[tuple[str, str]]:
        """The critical alerts that fire: name and job. A warning of lag may be right on a busy host."""
        body = (await self.prometheus.get("/api/v1/alerts")).json()
        return {
            (alert["labels"]["alertname"], alert["labels"].get("job", ""))
            for alert in body["data"]["alerts"]
            if alert["state"] == "firing" and alert["labels"]["severity"] == "critical"
        }

    async def fires(self, wanted: set[tuple[str, str]], seconds: float) -> dict[tuple[str, str], float]:
        """Seconds from now to each of these alerts. Raises AssertionError, with those that do not come."""
        began, found = time.monotonic(), dict[tuple[str, str], float]()
        try:
            async with asyncio.timeout(seconds):
                while wanted - found.keys():
                    for alert in (await self.firing()) & wanted:
                        found.setdefault(alert, time.monotonic() - began)
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            raise AssertionError(f"not within {seconds:.0f} s: {wanted - found.keys()}") from None
        return found

    async def metrics(self, service: str) -> str:
        """What a service shows now."""
        async with httpx.AsyncClient() as client:
            return (await client.get(f"http://127.0.0.1:{self.ports[service]}/metrics")).text


@asynccontextmanager
async def watched(kafka: KafkaSettings, folder: Path) -> AsyncIterator[Watched]:
    """Tracer, prover, auditor and registrar (with a file for a ledger), and Prometheus; all of them ready."""
    load_or_make_signer(folder / "tracer.key", TRACER_KEY_NAME, _entropy)
    load_or_make_signer(folder / "auditor.key", AUDITOR_KEY_NAME, _entropy)
    env = environment(folder, kafka) | {
        "PROOFRAIL_CHECKPOINT_KEYS": (folder / "tracer.vkey").read_text().strip(),
        "PROOFRAIL_AUDITOR_KEYS": (folder / "auditor.vkey").read_text().strip(),
        "PROOFRAIL_REGISTRAR_DIR": str(folder / "registrar"),
        "PROOFRAIL_REGISTRAR_LEDGER": "file",
        "PROOFRAIL_KEY_UNTIL": "2999-12-31",
    }
    ports = {name: _free_port() for name in SERVICES}
    async with AsyncExitStack() as stack:
        services = {
            name: Service(name, {**env, "PROOFRAIL_HEALTH_PORT": str(port)}) for name, port in ports.items()
        }
        await asyncio.gather(*(stack.enter_async_context(service) for service in services.values()))
        client = await stack.enter_async_context(_prometheus(folder, ports))
        found = Watched(services, ports, client)
        await found.until("sum(up)", len(SERVICES), 60)
        yield found


def _entropy(count: int) -> bytes:
    return bytes(range(count))


@asynccontextmanager
async def _prometheus(folder: Path, ports: Mapping[str, int]) -> AsyncIterator[httpx.AsyncClient]:
    """Prometheus with our configuration; only where the services are is another."""
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    config["rule_files"] = [str(RULES)]
    jobs = {one["job_name"]: one for one in config["scrape_configs"]}
    assert set(ports) <= jobs.keys()
    for name, port in ports.items():
        jobs[name]["static_configs"] = [{"targets": [f"127.0.0.1:{port}"]}]
    config["scrape_configs"] = [jobs[name] for name in ports]
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    port = _free_port()
    command: Sequence[str] = (
        "prometheus",
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    )
    with (folder / "prometheus.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            await _ready(client, process, (folder / "prometheus.log").read_text)
            yield client
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _ready(
    client: httpx.AsyncClient, process: asyncio.subprocess.Process, said: Callable[[], str]
) -> None:
    for _ in range(300):
        assert process.returncode is None, said()
        try:
            if (await client.get("/-/ready")).status_code == 200:
                return
        except httpx.TransportError:
            pass
        await asyncio.sleep(_POLL_S)
    raise AssertionError(said())

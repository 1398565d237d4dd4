"""The service host as a process: health, readiness, metrics, logs, drain, exit statuses."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from proofrail.messaging.client import publish
from proofrail.messaging.errors import EXIT_RESTART
from proofrail.messaging.records import Message
from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.views import View

pytestmark = pytest.mark.kafka

_SERVICE = """
import asyncio, sys
from proofrail.messaging.errors import RestartRequiredError
from proofrail.messaging.host import bound, run_service
from proofrail.messaging.settings import ServiceSettings
from proofrail.messaging import views
from proofrail.messaging.transactions import Outbox, Pipeline
from proofrail.wire.errors import UnusableInputError
import structlog

mode, topic = sys.argv[1:]
log = structlog.get_logger("test")

async def main(context):
    if mode == "restart":
        raise RestartRequiredError("consumer-stuck", "test")
    if mode == "unusable":
        raise UnusableInputError("bad-setting", "test")
    if mode == "crash":
        raise ZeroDivisionError
    if mode == "starting":
        log.info("working")
        await asyncio.sleep(3600)
    if mode == "stubborn":
        context.ready()
        await asyncio.sleep(3600)
    if mode == "behind":
        views._TELL_SECONDS = 0.0

        async def wait(records):
            if records[-1].value.startswith(b"last"):
                await context.stopping.wait()

        async with views.View(context.kafka, [topic], wait) as view:
            await context.catch_up({"history": view})
        return
    pipeline = Pipeline(context.kafka, group_id=topic, transactional_id=context.transactional_id,
                        topics=[topic], metrics=context.metrics)
    async with pipeline:
        context.watch("pipeline", pipeline)
        context.check("always", lambda: None)
        context.ready()
        while not context.stopping.is_set():
            records = await pipeline.records()
            for record in records:
                with bound(run_id=record.key_text):
                    log.info("working")
                await asyncio.sleep(0.5)
            outbox = Outbox()
            for record in records:
                outbox.add(topic + "-out", record.key, record.value)
            await pipeline.commit(outbox)

raise SystemExit(run_service("test", main, ServiceSettings(log_format="json", drain_seconds=2.0)))
"""


class _Service:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.lines.append(json.loads(line))

    def events(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["event"] == event]

    async def end(self) -> int:
        async with asyncio.timeout(20):
            status = await self.process.wait()
            await self._reader
        return status


@asynccontextmanager
async def _service(mode: str, topic: str, bootstrap: str) -> AsyncIterator[_Service]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _SERVICE,
        mode,
        topic,
        env={"PROOFRAIL_KAFKA_BOOTSTRAP": bootstrap, "PROOFRAIL_INSTANCE": topic, "PATH": ""},
        stderr=asyncio.subprocess.PIPE,
    )
    service = _Service(process)
    try:
        yield service
    finally:
        if process.returncode is None:
            process.kill()
        await service.end()


async def test_a_service_serves_its_state_and_drains(
    kafka: KafkaSettings,
    make_topic: Callable[..., Awaitable[str]],
    eventually: Callable[..., Awaitable[None]],
) -> None:
    """A service is alive and ready, shows its metrics, logs JSON with the run_id, and on SIGTERM finishes
    what is in hand before it ends with 0."""
    from proofrail.messaging.topics import ensure_topics
    from proofrail.wire.topics import TopicSpec

    topic = await make_topic("served")
    await ensure_topics(kafka, [TopicSpec(f"{topic}-out", 1, "key", {})])
    async with _service("work", topic, kafka.bootstrap) as service, httpx.AsyncClient() as http:
        await eventually(lambda: service.events("ready"))
        (listening,) = service.events("listening")
        assert "127.0.0.1" == listening["host"]
        base = f"http://127.0.0.1:{listening['port']}"
        assert 200 == (await http.get(f"{base}/healthz")).status_code
        ready = await http.get(f"{base}/readyz")
        assert (200, "ok") == (ready.status_code, ready.json()["status"])
        await publish(kafka, [Message(topic, b"run-1", b"in hand")])
        await eventually(lambda: service.events("working"))
        (working,) = service.events("working")
        assert ("run-1", "test", topic) == (working["run_id"], working["service"], working["instance"])
        metrics = (await http.get(f"{base}/metrics")).text
        assert f'proofrail_records_consumed_total{{topic="{topic}"}} 1.0' in metrics
        assert 'proofrail_ready{check="broker"} 1.0' in metrics
        assert "proofrail_event_loop_lag_seconds_count" in metrics
        assert 404 == (await http.get(f"{base}/other")).status_code
        service.process.send_signal(signal.SIGTERM)
        assert 0 == await service.end()
        assert service.events("draining")
        assert service.events("stopped")
    seen: list[bytes] = []
    async with View(kafka, [f"{topic}-out"], lambda rs: seen.extend(r.value for r in rs)) as view:
        await view.catch_up()
    assert [b"in hand"] == seen


async def test_a_service_that_reads_for_long_lives_and_says_how_far_it_is(
    kafka: KafkaSettings,
    make_topic: Callable[..., Awaitable[str]],
    eventually: Callable[..., Awaitable[None]],
) -> None:
    """While a service catches up it is alive and not ready, and says how many records it has read, and of how many."""
    topic = await make_topic("long")
    await publish(kafka, [Message(topic, b"k", value + bytes(70_000)) for value in (b"1", b"2", b"last")])
    async with _service("behind", topic, kafka.bootstrap) as service, httpx.AsyncClient() as http:
        await eventually(lambda: [1] == [told["records"] for told in service.events("catching-up")][-1:])
        base = f"http://127.0.0.1:{service.events('listening')[0]['port']}"
        assert 200 == (await http.get(f"{base}/healthz")).status_code
        ready = await http.get(f"{base}/readyz")
        missing = {"started": "intake has not begun", "history": f"catching up: 2 of 3 records of {topic}"}
        assert (503, missing) == (ready.status_code, ready.json()["missing"])
        service.process.send_signal(signal.SIGTERM)
        assert 0 == await service.end()


async def test_without_a_broker_a_service_lives_and_is_not_ready(
    eventually: Callable[..., Awaitable[None]],
) -> None:
    """While the broker is away the service answers, says what it waits for, and can be stopped."""
    async with _service("work", "none", "127.0.0.1:1") as service, httpx.AsyncClient() as http:
        await eventually(lambda: service.events("broker-unavailable"))
        base = f"http://127.0.0.1:{service.events('listening')[0]['port']}"
        assert 200 == (await http.get(f"{base}/healthz")).status_code
        ready = await http.get(f"{base}/readyz")
        assert 503 == ready.status_code
        assert {"broker", "started"} == set(ready.json()["missing"])
        service.process.send_signal(signal.SIGINT)
        assert 0 == await service.end()


@pytest.mark.parametrize(
    ("mode", "status", "code"),
    [("restart", EXIT_RESTART, "consumer-stuck"), ("unusable", 2, "bad-setting"), ("crash", 1, None)],
)
async def test_exit_statuses_tell_the_supervisor(
    kafka: KafkaSettings, mode: str, status: int, code: str | None
) -> None:
    """A service that must be started anew, one with unusable settings, and one that crashed differ in their
    status, and each logs why."""
    async with _service(mode, mode, kafka.bootstrap) as service:
        assert status == await service.end()
        (failed,) = service.events("failed")
        assert code == failed.get("code")


async def test_a_stubborn_service_is_cut_short(
    kafka: KafkaSettings, eventually: Callable[..., Awaitable[None]]
) -> None:
    """A service that does not heed the signal is cancelled after its drain time; a second signal does so at
    once."""
    async with _service("stubborn", "stubborn", kafka.bootstrap) as service:
        await eventually(lambda: service.events("ready"))
        service.process.send_signal(signal.SIGTERM)
        await eventually(lambda: service.events("draining"))
        service.process.send_signal(signal.SIGTERM)
        assert 0 == await service.end()
        assert not service.events("drain-cut-short")


async def test_a_service_that_is_still_starting_ends_at_once(
    kafka: KafkaSettings, eventually: Callable[..., Awaitable[None]]
) -> None:
    """It has taken nothing that would have to be finished, however long its start would have taken."""
    async with _service("starting", "starting", kafka.bootstrap) as service:
        await eventually(lambda: service.events("working"))
        service.process.send_signal(signal.SIGTERM)
        assert 0 == await service.end()
        assert [] == service.events("draining") + service.events("drain-cut-short")

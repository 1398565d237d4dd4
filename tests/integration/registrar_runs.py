"""A registrar at work on a broker of the test's own, and what is published around it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from faststream.kafka import KafkaBroker
from tests.unit.client_cases import AUDITOR, BLOB, FULL, RUN, SEED, Published

from proofrail.artifacts.store import ArtifactStore
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
from proofrail.wire.messages import to_line

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


async def say(kafka: KafkaSettings, *said: tuple[str, Any]) -> None:
    values = [(topic, one if isinstance(one, bytes) else to_line(one) + b"\n") for topic, one in said]
    await publish(kafka, [Message(topic, RUN.encode(), value) for topic, value in values])


async def say_all(kafka: KafkaSettings, run: Published) -> None:
    await say(
        kafka,
        (topics.PROPOSALS, SEED),
        (topics.PROPOSALS, FULL),
        *((topics.REPORTS, report) for report in run.reports),
        (topics.PROOFS, run.proof),
    )


async def registered(kafka: KafkaSettings, count: int | None = None) -> list[Registration]:
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


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 -- a gauge tells nobody
            await asyncio.sleep(0.02)

"""Fixtures that several suites share: one real broker a session, and topics of one's own for each test."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from proofrail.artifacts.cache import cache_dir
from proofrail.messaging.embedded import EmbeddedKafka
from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.topics import ensure_topics
from proofrail.wire.topics import MAX_MESSAGE_BYTES, TopicSpec
from tests.broker import Broker, choose, running_broker
from tests.exhaustive.tally import pytest_terminal_summary as pytest_terminal_summary
from tests.workers import pytest_xdist_make_scheduler as pytest_xdist_make_scheduler

_numbers = itertools.count()


_RECURSION_LIMIT = sys.getrecursionlimit()


def pytest_configure() -> None:
    """A broker that is asked for and not to be had ends the session, before any test. Where the session is a job in
    the background of a script, it and all that it starts would ignore Ctrl-C."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    choose()


def pytest_report_header() -> str:
    """Which broker drives the tests."""
    return str(choose())


def pytest_runtest_setup() -> None:
    """The limit of recursion that the services have: a library under starknet-py raises it where it is imported."""
    sys.setrecursionlimit(_RECURSION_LIMIT)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Suites in full run only when asked for: `make test-exhaustive`."""
    if "exhaustive" in config.option.markexpr:
        return
    full = [item for item in items if item.get_closest_marker("exhaustive")]
    if full:
        items[:] = [item for item in items if item not in full]
        config.hook.pytest_deselected(items=full)


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A running broker of the kind that `tests.broker` chose, shared by the session: give topics, groups and
    transactional ids names of your own (see `unique`), and do not stop it."""
    with running_broker(choose().kind, tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """An embedded broker of the test's own, not started yet: for tests that stop or kill it, or need its files."""
    kafka = EmbeddedKafka(tmp_path / "kafka", cache_dir(), aot=True)
    yield kafka
    kafka.kill()


@pytest.fixture
def fresh_kafka(own_broker: EmbeddedKafka) -> Iterator[KafkaSettings]:
    """Settings that lead to a broker of the test's own, which has no topics yet."""
    own_broker.start()
    yield KafkaSettings(bootstrap=own_broker.bootstrap)
    own_broker.stop()


@pytest.fixture
def no_loose_ends(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fails a test that leaves an exception in a future or task that nobody looked at."""
    yield
    gc.collect()
    records = [*caplog.get_records("setup"), *caplog.get_records("call"), *caplog.records]
    assert [] == [text for record in records if "never retrieved" in (text := record.getMessage())]


@pytest.fixture
def kafka(broker: Broker) -> KafkaSettings:
    """Settings that lead to the session's broker."""
    return KafkaSettings(bootstrap=broker.bootstrap)


@pytest.fixture
def unique() -> Callable[[str], str]:
    """Makes a name that no other test uses."""
    return lambda stem: f"{stem}-{os.getpid()}-{next(_numbers)}"


@pytest.fixture
def make_topic(kafka: KafkaSettings, unique: Callable[[str], str]) -> Callable[..., Awaitable[str]]:
    """Creates a fresh topic: `await make_topic("in", partitions=2)` returns its name."""

    async def make(stem: str = "topic", partitions: int = 1, **configs: str) -> str:
        name = unique(stem)
        settings = {"max.message.bytes": str(MAX_MESSAGE_BYTES), **configs}
        await ensure_topics(kafka, [TopicSpec(name, partitions, "key", settings)])
        return name

    return make


@pytest.fixture
def eventually() -> Callable[..., Awaitable[None]]:
    """Waits, polling, until a condition holds; fails after `seconds`."""

    async def wait(condition: Callable[[], object], seconds: float = 20.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - of whatever the condition looks at, nobody tells
                await asyncio.sleep(0.02)

    return wait

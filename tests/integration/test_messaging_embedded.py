"""The embedded broker as a process: durable over kills, alone on its folder, gone when its owner is."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.faults.watching import committed_values

from proofrail.artifacts.cache import cache_dir
from proofrail.messaging._aot import AotCache
from proofrail.messaging.backoff import retry_transient
from proofrail.messaging.client import publish, wait_for_broker
from proofrail.messaging.embedded import EmbeddedKafka
from proofrail.messaging.errors import BrokerUnavailableError
from proofrail.messaging.records import Message
from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.topics import ensure_topics
from proofrail.messaging.transactions import Outbox, Pipeline
from proofrail.wire.errors import ProofrailError
from proofrail.wire.topics import TopicSpec

pytestmark = pytest.mark.kafka

_OWNER = """
import sys, time
from pathlib import Path
from proofrail.messaging.embedded import EmbeddedKafka
kafka = EmbeddedKafka(Path(sys.argv[1]), Path(sys.argv[2]))
kafka.start()
print(kafka.pid, kafka.bootstrap, flush=True)
time.sleep(3600)
"""


def _settings(kafka: EmbeddedKafka) -> KafkaSettings:
    return KafkaSettings(bootstrap=kafka.bootstrap)


def _gone(pid: int, seconds: float = 15.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


async def test_acknowledged_records_survive_a_kill(own_broker: EmbeddedKafka) -> None:
    """After SIGKILL the broker starts again on the same data and port, with all it had acknowledged."""
    await own_broker.astart()
    settings = _settings(own_broker)
    await ensure_topics(settings, [TopicSpec("kept", 1, "key", {})])
    await publish(settings, [Message("kept", b"k", str(n).encode()) for n in range(100)])
    own_broker.kill()
    assert settings.bootstrap == await own_broker.astart()
    assert [str(n) for n in range(100)] == await committed_values(settings, "kept")


async def test_a_pipeline_survives_the_broker_going_away(
    own_broker: EmbeddedKafka, eventually: Callable[..., Awaitable[None]]
) -> None:
    """While a pipeline works, the broker is killed and comes back seconds later: the pipeline goes on by
    itself, and each output is there once."""
    await own_broker.astart()
    settings = _settings(own_broker)
    await ensure_topics(settings, [TopicSpec(name, 1, "key", {}) for name in ("in", "out")])
    values = [str(n) for n in range(3000)]
    await publish(settings, [Message("in", b"k", value.encode()) for value in values])
    stop, done = asyncio.Event(), 0

    async def work(pipeline: Pipeline) -> None:
        nonlocal done

        async def step() -> None:
            nonlocal done
            records = await pipeline.records(max_records=20)
            outbox = Outbox()
            for record in records:
                outbox.add("out", record.key, record.value)
            await pipeline.commit(outbox)
            done += len(records)

        while not stop.is_set():
            await retry_transient(step, before_retry=pipeline.rewind)

    pipeline = Pipeline(settings, group_id="g", transactional_id="t", topics=["in"], outputs=["out"])
    async with pipeline:
        working = asyncio.create_task(work(pipeline))
        async with asyncio.timeout(60):
            await eventually(lambda: done >= 200)
            own_broker.kill()
            with pytest.raises(BrokerUnavailableError):
                await wait_for_broker(settings, 0.5)
            assert not working.done()
            await own_broker.astart()
            await eventually(lambda: done >= len(values) or working.done(), 40)
        stop.set()
        await working
    assert values == await committed_values(settings, "out")


async def test_two_brokers_on_one_folder_are_refused(own_broker: EmbeddedKafka) -> None:
    """A second broker on a folder in use is refused before it touches anything, and told who has it."""
    await own_broker.astart()
    second = EmbeddedKafka(own_broker.log_path.parent, cache_dir())
    with pytest.raises(ProofrailError) as caught:
        await second.astart()
    assert "broker-running" == caught.value.code
    assert own_broker.pid == caught.value.context["pid"]
    assert own_broker.bootstrap in str(caught.value)
    await wait_for_broker(_settings(own_broker), 5)


def test_the_broker_ends_with_its_owner(tmp_path: Path) -> None:
    """When the process that started the broker is killed, the broker ends too, and the folder can be used
    again at once."""
    command = [sys.executable, "-c", _OWNER, str(tmp_path / "kafka"), str(cache_dir())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline().split()[0])
        owner.kill()
    # Started while the orphan may still be there: the lock is its, and it is waited for.
    with EmbeddedKafka(tmp_path / "kafka", cache_dir()) as kafka:
        assert _gone(pid, 1)
        assert kafka.pid is not None
        again = kafka.pid
    assert _gone(again, 1)


def test_a_frozen_orphan_is_ended(tmp_path: Path) -> None:
    """An orphan that does not answer SIGTERM is killed, but only when its owner is gone."""
    command = [sys.executable, "-c", _OWNER, str(tmp_path / "kafka"), str(cache_dir())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline().split()[0])
        os.kill(pid, signal.SIGSTOP)
        owner.kill()
    with EmbeddedKafka(tmp_path / "kafka", cache_dir()):
        assert _gone(pid, 1)


def test_a_crash_at_start_shows_the_end_of_the_log(tmp_path: Path) -> None:
    """A broker that ends while it starts gives the end of its log in the error."""
    kafka = EmbeddedKafka(tmp_path / "kafka", cache_dir())
    kafka.start()
    kafka.stop()
    (tmp_path / "kafka" / "data" / "meta.properties").write_text("version=1\nnode.id=7\ncluster.id=other\n")
    with pytest.raises(ProofrailError) as caught:
        kafka.start()
    assert "broker-exited" == caught.value.code
    assert "node id" in caught.value.message
    assert "\tat " not in caught.value.message
    assert str(kafka.log_path) in str(caught.value)


def test_a_taken_port_is_left_alone(own_broker: EmbeddedKafka) -> None:
    """When another program has taken the port of the last run, the broker takes another."""
    import socket

    before = own_broker.start()
    own_broker.stop()
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", int(before.rpartition(":")[2])))
        squatter.listen()
        assert before != own_broker.start()


def test_a_start_up_cache_that_is_none_does_not_keep_the_broker_down(
    tmp_path: Path, own_broker: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker starts although the JVM is given an AOT cache that it cannot use."""
    garbage = tmp_path / "garbage.aot"
    garbage.write_bytes(b"\xde\xad" * 100)
    monkeypatch.setattr(AotCache, "_find", lambda _: garbage)
    own_broker.start()
    assert own_broker.status is None


def test_stopping_twice_is_harmless(own_broker: EmbeddedKafka) -> None:
    """Stopping a broker that is stopped, or was never started, does nothing."""
    own_broker.stop()
    own_broker.start()
    assert own_broker.start() == own_broker.bootstrap
    own_broker.stop()
    own_broker.stop()
    with pytest.raises(ProofrailError) as caught:
        _ = own_broker.bootstrap
    assert "broker-not-started" == caught.value.code

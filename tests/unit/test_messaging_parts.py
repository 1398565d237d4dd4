"""The parts of messaging that need no broker: records, settings, retry, metrics, AOT cache."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from pathlib import Path

import pytest
from aiokafka.errors import KafkaConnectionError, ProducerFenced, TopicAuthorizationFailedError
from pydantic import ValidationError

from proofrail.messaging._aot import AotCache
from proofrail.messaging.backoff import is_transient, retry_transient
from proofrail.messaging.embedded import _new_cluster_id
from proofrail.messaging.errors import RestartRequiredError, fenced
from proofrail.messaging.java import Java
from proofrail.messaging.metrics import Metrics
from proofrail.messaging.records import Message, Outbox
from proofrail.messaging.settings import KafkaSettings, ServiceSettings
from proofrail.wire.errors import PoisonError, TransientError, UnusableInputError
from proofrail.wire.topics import MAX_RECORD


def test_a_record_above_the_limit_never_enters_an_outbox() -> None:
    """A value of 512 KiB is taken, one byte more is poison."""
    outbox = Outbox()
    outbox.add("topic", "schlüssel", b"x" * MAX_RECORD)
    assert [Message("topic", "schlüssel".encode(), b"x" * MAX_RECORD)] == list(outbox)
    with pytest.raises(PoisonError) as caught:
        outbox.add("topic", b"key", b"x" * (MAX_RECORD + 1))
    assert "record-too-large" == caught.value.code
    assert 1 == len(outbox)


async def test_transient_failures_are_tried_again_with_growing_pauses() -> None:
    """Work that fails twice for the moment succeeds at the third attempt, rewound before each repetition."""
    failures = [TransientError("later", "not now"), KafkaConnectionError()]
    rewound: list[int] = []
    metrics = Metrics()

    async def work() -> str:
        if failures:
            raise failures.pop(0)
        return "done"

    async def rewind() -> None:
        rewound.append(len(failures))

    begun = time.monotonic()
    result = await retry_transient(work, before_retry=rewind, metrics=metrics, first_seconds=0.01)
    assert "done" == result
    assert [1, 0] == rewound
    assert 0.02 < time.monotonic() - begun < 2
    assert 1 == metrics.registry.get_sample_value("proofrail_retries_total", {"code": "later"})


async def test_lasting_failures_are_not_tried_again() -> None:
    """Poison is raised at once, and a failure for the moment once the service is stopping."""
    calls = 0

    async def poison() -> None:
        nonlocal calls
        calls += 1
        raise PoisonError("poison", "always")

    async def later() -> None:
        raise TransientError("later", "not now")

    with pytest.raises(PoisonError):
        await retry_transient(poison)
    assert 1 == calls
    stop = asyncio.Event()
    stop.set()
    with pytest.raises(TransientError):
        await retry_transient(later, stop=stop)


async def test_stopping_cuts_a_pause_short() -> None:
    """A service that is told to stop does not sit out its backoff."""
    stop = asyncio.Event()

    async def later() -> None:
        asyncio.get_running_loop().call_later(0.05, stop.set)
        raise TransientError("later", "not now")

    begun = time.monotonic()
    with pytest.raises(TransientError):
        await retry_transient(later, stop=stop, first_seconds=30)
    assert time.monotonic() - begun < 5


def test_what_is_transient_and_what_is_fenced() -> None:
    """Kafka's retriable errors are transient, refusals are not; a fenced producer is recognised through what
    wraps it."""
    assert is_transient(KafkaConnectionError())
    assert not is_transient(TopicAuthorizationFailedError("t"))
    assert not is_transient(RestartRequiredError("producer-fenced", "gone"))
    outer = RuntimeError("outer")
    outer.__cause__ = ProducerFenced()
    assert fenced(outer)
    assert not fenced(RuntimeError("other"))
    assert not fenced(None)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker's address and security settings are read from PROOFRAIL_KAFKA_…, and passed on."""
    for name, value in {
        "BOOTSTRAP": "one:1, two:2",
        "SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "SASL_MECHANISM": "SCRAM-SHA-512",
        "SASL_USERNAME": "me",
        "SASL_PASSWORD": "secret",
    }.items():
        monkeypatch.setenv(f"PROOFRAIL_KAFKA_{name}", value)
    settings = ServiceSettings()
    assert {
        "bootstrap_servers": ["one:1", "two:2"],
        "request_timeout_ms": 15_000,
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "me",
        "sasl_plain_password": "secret",
    } == settings.kafka.client_options()
    assert "secret" not in repr(settings)


def test_settings_that_cannot_work_are_refused(tmp_path: Path) -> None:
    """SASL without a password, a key without its certificate, and TLS files that are none, are errors."""
    with pytest.raises(ValidationError, match="sasl_password"):
        KafkaSettings(security_protocol="SASL_SSL", sasl_username="me")
    with pytest.raises(ValidationError, match="tls_cert_file"):
        KafkaSettings(tls_key_file=tmp_path / "key.pem")
    broken = KafkaSettings(security_protocol="SSL", tls_ca_file=tmp_path / "absent.pem")
    with pytest.raises(UnusableInputError) as caught:
        broken.client_options()
    assert "kafka-tls" == caught.value.code


@pytest.mark.parametrize(
    ("bootstrap", "fine"),
    [
        ("kafka", True), ("kafka:9092, other:1,", True), ("[::1]:9092", True), ("::1", True), ("", False), (",", False),
        ("kafka:", False), ("kafka:port", False), ("kafka:0", False), ("kafka:65536", False), (":9092", False),
        ("[::1", False), ("kafka:1,other:x", False),
    ],
)  # fmt: skip
def test_addresses_that_are_none_are_refused(bootstrap: str, fine: bool) -> None:
    """When they are read, with their variable's name, and not by whoever connects first."""
    if fine:
        assert bootstrap == KafkaSettings(bootstrap=bootstrap).bootstrap
        return
    with pytest.raises(ValidationError) as caught:
        KafkaSettings(bootstrap=bootstrap)
    assert [("bootstrap",)] == [error["loc"] for error in caught.value.errors()]


def test_cluster_ids_are_no_options() -> None:
    """An id that would begin with a dash, which Kafka's format tool takes for an option, is changed."""
    assert "A____________________w" == _new_cluster_id(b"\xfb" + b"\xff" * 15)
    assert "AAAAAAAAAAAAAAAAAAAAAA" == _new_cluster_id(bytes(16))


def test_the_start_up_cache_is_used_only_intact(tmp_path: Path) -> None:
    """The AOT cache is recorded when there is none, then used, and thrown away when its bytes changed."""
    program = tmp_path / "java"
    program.write_text("")
    cache = AotCache(tmp_path, Java(program, 25), ["flags"])
    assert cache.flags()[0].startswith("-XX:AOTCacheOutput=")
    recorded = Path(cache.flags()[0].partition("=")[2])
    recorded.write_bytes(b"recorded")
    cache.finish()
    (kept,) = (tmp_path / "aot").iterdir()
    assert hashlib.sha256(b"recorded").hexdigest() in kept.name
    assert f"-XX:AOTCache={kept}" == cache.flags()[0]
    assert cache.in_use
    assert not cache.is_recording
    other = AotCache(tmp_path, Java(program, 25), ["other flags"])
    assert other.flags()[0].startswith("-XX:AOTCacheOutput=")
    kept.write_bytes(b"altered")
    assert cache.flags()[0].startswith("-XX:AOTCacheOutput=")
    assert not kept.exists()


def test_abandoned_recordings_are_cleared(tmp_path: Path) -> None:
    """What killed runs left behind goes when a later one finishes; old caches beyond three go too."""
    program = tmp_path / "java"
    program.write_text("")
    (tmp_path / "aot").mkdir()
    abandoned = tmp_path / "aot" / "kafka-x.1.new"
    abandoned.write_bytes(b"")
    os.utime(abandoned, (1, 1))
    for number in range(5):
        cache = AotCache(tmp_path, Java(program, 25), [str(number)])
        Path(cache.flags()[0].partition("=")[2]).write_bytes(str(number).encode())
        cache.finish()
    assert 3 == len(list((tmp_path / "aot").iterdir()))

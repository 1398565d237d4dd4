"""A broker that clients reach and that cannot reach itself: a slip in advertised.listeners that containers invite."""

from __future__ import annotations

from pathlib import Path

import pytest

from proofrail.artifacts.cache import cache_dir
from proofrail.messaging import _producer
from proofrail.messaging.client import publish
from proofrail.messaging.embedded import EmbeddedKafka
from proofrail.messaging.errors import BrokerUnavailableError
from proofrail.messaging.records import Message
from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.topics import ensure_topics
from proofrail.messaging.transactions import Pipeline
from proofrail.wire.topics import TopicSpec

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

SELF_AT_A_DEAD_PORT = {
    "listeners": "PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller},SELF://127.0.0.1:0",
    "advertised.listeners": "PLAINTEXT://127.0.0.1:{broker},SELF://127.0.0.1:1",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SELF:PLAINTEXT",
    "inter.broker.listener.name": "SELF",
}


async def test_says_where_to_look_when_records_are_taken_and_transactions_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Publishing works, and each transaction is given up in time, with a word about the broker's own address."""
    for limit, value in {"TRANSACTION_TIMEOUT_MS": 2000, "_ABORT_SECONDS": 0.5, "_STOP_SECONDS": 0.5}.items():
        monkeypatch.setattr(_producer, limit, value)
    with EmbeddedKafka(tmp_path / "kafka", cache_dir(), properties=SELF_AT_A_DEAD_PORT) as broker:
        kafka = KafkaSettings(bootstrap=broker.bootstrap)
        await ensure_topics(kafka, [TopicSpec(name, 1, "key", {}) for name in ("in", "out")])
        await publish(kafka, [Message("in", b"k", b"v")])
        async with Pipeline(kafka, group_id="g", transactional_id="g", topics=["in"]) as pipeline:
            assert await pipeline.records(timeout_ms=20_000)
            with pytest.raises(BrokerUnavailableError, match=r"cannot reach its own advertised\.listeners"):
                await pipeline.commit([Message("out", b"k", b"v")])

"""A broker for services as processes: their topics have fixed names, so each module has one of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from proofrail.artifacts.cache import cache_dir
from proofrail.messaging.embedded import EmbeddedKafka
from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.topics import ensure_topics


@pytest.fixture(scope="module")
def own_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaSettings]:
    """Settings that lead to a broker of the module's own, with all topics."""
    with EmbeddedKafka(tmp_path_factory.mktemp("kafka"), cache_dir()) as broker:
        kafka = KafkaSettings(bootstrap=broker.bootstrap)
        asyncio.run(ensure_topics(kafka))
        yield kafka

"""What `doctor` finds of a broker's transactions."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.admin import CreateAclsRequest
from tests.integration.test_broker_out_of_its_own_reach import SELF_AT_A_DEAD_PORT

from proofrail.artifacts.cache import cache_dir
from proofrail.cli import doctor_broker
from proofrail.cli.home import Home
from proofrail.messaging.embedded import EmbeddedKafka
from proofrail.messaging.log_reader import LogReader
from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.topics import ensure_topics
from proofrail.messaging.transaction_check import CHECK_ID
from proofrail.wire.topics import TOPICS

pytestmark = pytest.mark.kafka

_RULES = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "true",
}
_PERMISSIONS = {"READ on the group": (3, 3), "WRITE on the transactional id": (5, 4)}
"""Kafka's numbers of a resource's type and of an operation."""
_LITERAL, _ALLOW = 3, 3


async def _found(
    kafka: KafkaSettings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, tuple[str, str]]:
    """State and words of each part."""
    monkeypatch.setenv("PROOFRAIL_KAFKA_BOOTSTRAP", kafka.bootstrap)
    found = await doctor_broker.broker(Home.at(folder))
    return {one.part: (one.state, f"{one.says} {one.fix}") for one in found}


async def test_a_transaction_is_tried_again_and_again_and_leaves_no_record(
    kafka: KafkaSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check of before does not stand in the way of the next."""
    await ensure_topics(kafka)

    async def ends() -> dict[object, tuple[int, int]]:
        async with LogReader(kafka, list(TOPICS), {}, otherwise="end") as reader:
            await reader.connect(10)
            await reader.start()
            return dict(await reader.positions_and_ends())

    before = await ends()
    for _ in range(2):
        assert ("ok", "one was begun and aborted ") == (await _found(kafka, tmp_path, monkeypatch))[
            "transactions"
        ]
    assert before == await ends()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("properties", "says", "fix"),
    [
        (SELF_AT_A_DEAD_PORT, "(broker 1 at SELF://127.0.0.1:1)", "Set advertised.listeners"),
        ({"transaction.state.log.replication.factor": "3"}, "began no transaction", "replication.factor"),
    ],
    ids=["out of its own reach", "too few brokers"],
)
async def test_a_broker_that_ends_no_transaction_is_broken(
    properties: dict[str, str], says: str, fix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In bounded time, also when it was asked before; with where it says that it is, and what to change."""
    monkeypatch.setattr(doctor_broker, "_TRANSACTION_S", 4.0)
    with EmbeddedKafka(tmp_path / "kafka", cache_dir(), properties=properties) as broker:
        kafka = KafkaSettings(bootstrap=broker.bootstrap)
        for _ in range(2):
            state, words = (await _found(kafka, tmp_path, monkeypatch))["transactions"]
            assert ("broken", True, True) == (state, says in words, fix in words), words


@pytest.mark.slow
async def test_a_permission_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a warning: the services may well have theirs."""
    with EmbeddedKafka(tmp_path / "kafka", cache_dir(), properties=_RULES) as broker:
        kafka = KafkaSettings(bootstrap=broker.bootstrap)
        for missing, rule in _PERMISSIONS.items():
            await _permit_another(kafka, rule)
            state, words = (await _found(kafka, tmp_path, monkeypatch))["transactions"]
            assert ("warning", True) == (state, f"this user {missing} {CHECK_ID}" in words), words


async def _permit_another(kafka: KafkaSettings, rule: tuple[int, int]) -> None:
    """Whatever one user is permitted by name, all others are not."""
    resource, operation = rule
    client = AIOKafkaClient(**kafka.client_options())
    try:
        await client.bootstrap()
        request = CreateAclsRequest(resource, CHECK_ID, _LITERAL, "User:another", "*", operation, _ALLOW)
        answer = await client.send(client.get_random_node(), request)
        assert [0] == [code for code, _ in answer.creation_responses]
    finally:
        await client.close()

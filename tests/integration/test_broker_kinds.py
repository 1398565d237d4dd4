"""The kinds of brokers that drive tests: set alike, of like behaviour, gone with whom they were started by."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path

import docker
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from docker.errors import NotFound
from testcontainers.core.docker_client import DockerClient
from tests.broker import Broker, choose, running_broker
from tests.integration.test_messaging_views import (
    test_a_transaction_left_open_holds_up_readers_for_its_timeout_only as test_transaction_left_open,
)
from tests.integration.test_messaging_views import (
    test_catches_up_past_aborted_transactions_and_markers as test_aborted_transactions,
)
from tests.integration.test_messaging_views import (
    test_takes_over_behind_a_pending_transaction as test_pending_transaction,
)
from tests.integration.test_messaging_views import (
    test_topics_are_made_once_and_drift_is_told as test_topics_and_drift,
)

from proofrail.messaging.embedded import SINGLE_NODE
from proofrail.messaging.settings import KafkaSettings

pytestmark = pytest.mark.kafka
__all__ = [
    "test_aborted_transactions",
    "test_pending_transaction",
    "test_topics_and_drift",
    "test_transaction_left_open",
]

_SESSION = """
import sys
from testcontainers.core.container import DockerContainer
from tests.broker import KafkaOfCompose

container = KafkaOfCompose()
DockerContainer.start(container)  # without waiting for Kafka
container._attach().sendall(b"PLAINTEXT://kafka:9092\\n")
print(container.get_container_id(), flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker of the kind that does not drive the session."""
    if choose().kind == "embedded":
        pytest.skip(f"one kind of broker alone: {choose().why}")
    with running_broker("embedded", tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def kafka(other: Broker) -> KafkaSettings:
    """The session's tests have the one kind; those imported above run on the other here, too."""
    return KafkaSettings(bootstrap=other.bootstrap)


async def test_the_broker_has_the_settings_of_a_single_node(broker: Broker) -> None:
    """Whichever drives the session was told them, and took them."""
    admin = AIOKafkaAdminClient(**KafkaSettings(bootstrap=broker.bootstrap).client_options())
    await admin.start()
    try:
        answers = await admin.describe_configs([ConfigResource(ConfigResourceType.BROKER, "1")])
    finally:
        await admin.close()
    ((_, _, _, _, entries),) = answers[0].resources
    actual = {entry[0]: entry[1] for entry in entries}
    assert dict(SINGLE_NODE) == {name: actual[name] for name in SINGLE_NODE}


@pytest.mark.docker
async def test_a_container_goes_with_the_process_that_started_it(
    eventually: Callable[..., Awaitable[None]],
) -> None:
    """A session that is killed leaves no container behind, and nothing was told to look after that."""
    if choose().kind == "embedded":
        pytest.skip(choose().why)
    session = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _SESSION),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    try:
        assert session.stdout is not None
        container = (await session.stdout.readline()).decode().strip()
    finally:
        session.kill()
        await session.wait()
    assert container
    with closing(DockerClient().client) as client:
        await eventually(lambda: not _is_there(client, container))


def _is_there(client: docker.DockerClient, container: str) -> bool:
    try:
        client.containers.get(container)
    except NotFound:
        return False
    return True

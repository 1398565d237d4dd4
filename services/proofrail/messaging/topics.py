"""Creation of the topics, and the report of what differs from their specification."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaConnectionError, KafkaError, for_code

from proofrail.messaging.backoff import retry_transient
from proofrail.messaging.reach import refusal
from proofrail.messaging.settings import KafkaSettings
from proofrail.wire.errors import ProofrailError, TransientError
from proofrail.wire.topics import TOPICS, TopicSpec

_NO_ERROR = 0
_ALREADY_EXISTS = 36
_RETRIED = frozenset({3, 5, 7, 41})
"""Unknown topic, leader not available, timed out, not controller: the cluster is still settling."""


@dataclass(frozen=True)
class Drift:
    """A topic that exists and differs: in `what` ("partitions" or the name of a setting), it has `actual`
    where `expected` was specified."""

    topic: str
    what: str
    expected: str
    actual: str

    def __str__(self) -> str:
        return f"{self.topic}: {self.what} is {self.actual}, specified is {self.expected}"


async def ensure_topics(
    kafka: KafkaSettings,
    specs: Iterable[TopicSpec] | None = None,
    *,
    replication_factor: int | None = None,
) -> list[Drift]:
    """Create the topics (all of wire.topics by default) that do not exist yet; change nothing that does.

    Returns what differs in those that exist: nothing is altered behind an operator's back. Raises
    ProofrailError `topic-refused` when the broker refuses one, UnusableInputError when it refuses us (see reach.py).
    """
    wanted = {spec.name: spec for spec in (TOPICS.values() if specs is None else specs)}
    factor = kafka.replication_factor if replication_factor is None else replication_factor

    async def attempt() -> list[Drift]:
        options = kafka.client_options()
        admin = AIOKafkaAdminClient(**options)
        try:
            await admin.start()
            await _create(admin, wanted.values(), factor)
            return await _drift(admin, wanted)
        except KafkaConnectionError as error:
            if refused := await refusal(kafka):
                raise refused from error
            raise
        finally:
            await admin.close()

    return await retry_transient(attempt, most_seconds=2.0)


async def _create(admin: AIOKafkaAdminClient, specs: Iterable[TopicSpec], factor: int) -> None:
    new = [NewTopic(spec.name, spec.partitions, factor, topic_configs=dict(spec.configs)) for spec in specs]
    if not new:
        return
    response: Any = await admin.create_topics(new)
    for name, code, *rest in response.topic_errors:
        if code in (_NO_ERROR, _ALREADY_EXISTS):
            continue
        said = f"{for_code(code).__name__}{': ' + str(rest[0]) if rest and rest[0] else ''}"
        if code in _RETRIED:
            raise TransientError("topic-pending", f"topic {name} is not created yet ({said})", topic=name)
        raise ProofrailError(
            "topic-refused",
            f"the broker refused to create topic {name} ({said})",
            "Check the replication factor and the permissions, or create the topic by hand",
            topic=name,
        )


async def _drift(admin: AIOKafkaAdminClient, specs: dict[str, TopicSpec]) -> list[Drift]:
    found: list[Drift] = []
    for topic in await admin.describe_topics(list(specs)):
        if topic["error_code"] in _RETRIED:
            raise TransientError("topic-pending", f"topic {topic['topic']} has no leader yet")
        spec = specs[topic["topic"]]
        partitions = len(topic["partitions"])
        if partitions != spec.partitions:
            found.append(Drift(spec.name, "partitions", str(spec.partitions), str(partitions)))
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in specs]
    described: list[Any] = await admin.describe_configs(resources)
    for response in described:
        for error_code, message, _, name, entries in response.resources:
            if error_code != _NO_ERROR:
                error: KafkaError = for_code(error_code)(message)
                raise error
            actual = {str(entry[0]): _text(entry[1]) for entry in entries}
            found += [
                Drift(name, key, value, actual.get(key, "absent"))
                for key, value in specs[name].configs.items()
                if actual.get(key) != value
            ]
    return found


def _text(value: Any) -> str:
    return "" if value is None else str(value)

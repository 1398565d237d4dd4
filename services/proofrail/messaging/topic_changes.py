"""The topics as they are, and the changes to them that were planned."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.admin.new_partitions import NewPartitions
from aiokafka.errors import KafkaError, for_code

from proofrail.messaging.client import wait_for_broker
from proofrail.messaging.errors import BrokerUnavailableError
from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.topic_plan import Actual, Change
from proofrail.messaging.topics import ensure_topics
from proofrail.wire.errors import ProofrailError
from proofrail.wire.topics import TopicSpec

_SET_ON_TOPIC: Final = 1
_UNKNOWN_TOPIC: Final = 3
_SETTLES_S: Final = 20.0


async def actual_topics(kafka: KafkaSettings, names: Iterable[str]) -> dict[str, Actual]:
    """Those of the topics that exist, as they are. Raises BrokerUnavailableError."""
    await wait_for_broker(kafka)
    wanted = list(names)
    async with _admin(kafka) as admin:
        layout = {
            str(topic["topic"]): topic["partitions"]
            for topic in await admin.describe_topics(wanted)
            if topic["error_code"] != _UNKNOWN_TOPIC and topic["partitions"]
        }
        return {
            name: Actual(
                len(layout[name]),
                min(len(partition["replicas"]) for partition in layout[name]),
                {str(entry[0]): str(entry[1] or "") for entry in entries},
                {str(entry[0]): str(entry[1] or "") for entry in entries if entry[3] == _SET_ON_TOPIC},
            )
            for name, entries in (await _configs(admin, list(layout))).items()
        }


async def apply_changes(
    kafka: KafkaSettings, changes: Sequence[Change], specs: Iterable[TopicSpec], actual: dict[str, Actual]
) -> None:
    """Make these changes; those that are impossible must have been left out. Returns when the broker shows them.

    A topic's settings are written as a whole: what was set on it besides stays. Raises ProofrailError `topic-refused`,
    BrokerUnavailableError.
    """
    by_name = {spec.name: spec for spec in specs}
    missing = [by_name[change.topic] for change in changes if change.what == "topic"]
    if missing:
        await ensure_topics(kafka, missing)
    async with _admin(kafka) as admin:
        grown = {c.topic: NewPartitions(int(c.wanted)) for c in changes if c.what == "partitions"}
        if grown:
            await admin.create_partitions(grown)
        settings: dict[str, dict[str, str]] = {}
        for change in changes:
            if change.what not in ("topic", "partitions"):
                own = settings.setdefault(change.topic, dict(actual[change.topic].own))
                own[change.what] = change.wanted
        for name, own in settings.items():
            resource = ConfigResource(ConfigResourceType.TOPIC, name, configs=own)
            _refuse(await admin.alter_configs([resource]))
    await _shown(kafka, changes)


async def _shown(kafka: KafkaSettings, changes: Sequence[Change]) -> None:
    """The controller answers before all brokers know."""
    deadline = asyncio.get_running_loop().time() + _SETTLES_S
    while True:
        there = await actual_topics(kafka, {change.topic for change in changes})
        if all(_is_done(change, there.get(change.topic)) for change in changes):
            return
        if asyncio.get_running_loop().time() > deadline:
            raise BrokerUnavailableError(
                "topic-pending",
                "the broker took the changes and does not show them yet",
                "Look again with `proofrail topics plan`",
            )
        await asyncio.sleep(0.1)


def _is_done(change: Change, there: Actual | None) -> bool:
    if there is None or change.what == "topic":
        return there is not None
    if change.what == "partitions":
        return there.partitions == int(change.wanted)
    return there.configs.get(change.what) == change.wanted


async def _configs(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, Any]:
    if not names:
        return {}
    answers: list[Any] = await admin.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    )
    found: dict[str, Any] = {}
    for answer in answers:
        for code, message, _, name, entries in answer.resources:
            if code:
                error: KafkaError = for_code(code)(message)
                raise error
            found[str(name)] = entries
    return found


def _refuse(answers: list[Any]) -> None:
    for answer in answers:
        for code, message, _, name in answer.resources:
            if code:
                raise ProofrailError(
                    "topic-refused",
                    f"the broker refused to change topic {name}: {for_code(code).__name__} {message or ''}",
                    "Check the permissions: alter and alter configs on the topic",
                    topic=str(name),
                )


@contextlib.asynccontextmanager
async def _admin(kafka: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**kafka.client_options())
    try:
        await admin.start()
        yield admin
    except (TimeoutError, KafkaError) as error:
        raise BrokerUnavailableError(
            "broker-unavailable",
            f"the topics of {kafka.bootstrap} cannot be asked for or changed: {error!r}",
            "Check that the broker runs, and what the client is permitted",
        ) from error
    finally:
        await admin.close()

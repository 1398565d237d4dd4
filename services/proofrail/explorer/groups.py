"""Whether the services are there: what the broker says of their consumer groups.

The registrar has no group: it keeps its position itself. That it is gone shows in what waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any, Final

import structlog
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError

from proofrail.explorer.model import StageName
from proofrail.explorer.pipeline import Group
from proofrail.explorer.reader import Health
from proofrail.messaging.settings import KafkaSettings

GROUPS: Final[dict[str, StageName]] = {
    "proofrail-tracer": "tracer",
    "proofrail-prover": "prover",
    "proofrail-auditor": "auditor",
}

_EVERY_S: Final = 2.0
_ANSWER_S: Final = 5.0

_log = structlog.get_logger(__name__)


async def watch_groups(
    kafka: KafkaSettings, health: Health, clock: Callable[[], float] = time.time, every_s: float = _EVERY_S
) -> None:
    """Keep `health` current until cancelled."""
    admin: AIOKafkaAdminClient | None = None
    try:
        while True:
            try:
                async with asyncio.timeout(_ANSWER_S):
                    if admin is None:
                        admin = AIOKafkaAdminClient(**kafka.client_options())
                        await admin.start()
                    members = await _members(admin)
            except (TimeoutError, KafkaError, OSError) as error:
                if health.broker_since_ms is None:
                    health.broker_since_ms = int(clock() * 1000)
                    _log.warning("broker-away", error=repr(error))
                await _close(admin)
                admin = None
            else:
                health.broker_since_ms = None
                note(health, members, int(clock() * 1000))
            await asyncio.sleep(every_s)
    finally:
        await _close(admin)


def note(health: Health, members: dict[str, int], now_ms: int) -> None:
    """What the broker said of the groups, now."""
    for name, stage in GROUPS.items():
        count = members.get(name, 0)
        known = health.groups.get(stage)
        since = known.empty_since_ms if known is not None else None
        health.groups[stage] = Group(count, None if count else now_ms if since is None else since)


async def _members(admin: AIOKafkaAdminClient) -> dict[str, int]:
    try:
        answers = await admin.describe_consumer_groups(list(GROUPS))
    except GroupCoordinatorNotAvailableError:
        return {}  # no group has ever been on this broker
    found: dict[str, int] = {}
    for answer in answers:
        for group in _groups(answer):
            found[str(group["group"])] = len(group["members"])
    return found


def _groups(answer: Any) -> list[dict[str, Any]]:
    described: list[dict[str, Any]] = answer.to_object()["groups"]
    return described


async def _close(admin: AIOKafkaAdminClient | None) -> None:
    if admin is not None:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_ANSWER_S):
                await admin.close()

"""Whether the services are there: what the broker says of their consumer groups."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

import structlog

from proofrail.explorer.attention import Group
from proofrail.explorer.model.base import StageName
from proofrail.explorer.reader import Health
from proofrail.messaging import groups
from proofrail.messaging.errors import BrokerUnavailableError
from proofrail.messaging.offsets import Offsets
from proofrail.messaging.settings import KafkaSettings

GROUPS: Final[dict[str, StageName]] = {
    groups.TRACER: "tracer",
    groups.PROVER: "prover",
    groups.AUDITOR: "auditor",
    groups.REGISTRAR: "registrar",
}

_EVERY_S: Final = 2.0
_ANSWER_S: Final = 5.0

_log = structlog.get_logger(__name__)


async def watch_groups(
    kafka: KafkaSettings, health: Health, clock: Callable[[], float] = time.time, every_s: float = _EVERY_S
) -> None:
    """Keep `health` current until cancelled."""
    while True:
        try:
            async with Offsets(kafka, connect_s=_ANSWER_S) as offsets:
                while True:
                    async with asyncio.timeout(_ANSWER_S):
                        members = {name: await offsets.members(name) for name in GROUPS}
                    health.broker_since_ms = None
                    note(health, members, int(clock() * 1000))
                    await asyncio.sleep(every_s)
        except (TimeoutError, BrokerUnavailableError) as error:
            if health.broker_since_ms is None:
                health.broker_since_ms = int(clock() * 1000)
                _log.warning("broker-away", error=repr(error))
        await asyncio.sleep(every_s)


def note(health: Health, members: dict[str, int], now_ms: int) -> None:
    """What the broker said of the groups, now."""
    for name, stage in GROUPS.items():
        count = members.get(name, 0)
        known = health.groups.get(stage)
        since = known.empty_since_ms if known is not None else None
        health.groups[stage] = Group(count, None if count else now_ms if since is None else since)

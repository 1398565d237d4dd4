"""Whether the broker is there, ends transactions, has the topics as they should be, and agrees about the time."""

from __future__ import annotations

import time
from typing import Final

from proofrail.cli.broker import kafka_at
from proofrail.cli.doctor_checks import Found, State
from proofrail.cli.home import Home
from proofrail.messaging.client import wait_for_broker
from proofrail.messaging.errors import BrokerUnavailableError
from proofrail.messaging.log_reader import LogReader
from proofrail.messaging.offsets import Offsets
from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.topic_changes import actual_topics
from proofrail.messaging.topic_plan import plan
from proofrail.messaging.transaction_check import check_transactions
from proofrail.wire.errors import ProofrailError, UnusableInputError
from proofrail.wire.topics import TOPICS

_ANSWERS_S: Final = 5.0
_TRANSACTION_S: Final = 10.0
_AHEAD_MS: Final = 2_000
"""Clocks that are kept differ by less."""


async def broker(home: Home) -> list[Found]:
    """What was found of the broker that commands in this home talk to; nothing of one that is not named."""
    try:
        kafka = kafka_at(home)
    except UnusableInputError as error:
        state: State = "absent" if error.code == "no-running-system" else "broken"
        return [Found("kafka", state, error.message, error.next_step or "")]
    found: list[Found] = []
    try:
        cluster = await wait_for_broker(kafka, _ANSWERS_S)
        found.append(Found("kafka", "ok", f"{kafka.bootstrap} answers, cluster {cluster}"))
        found += [await _transactions(kafka), await _topics(kafka)]
        if found[-1].state != "broken":
            found.append(await _clock(kafka))
    except ProofrailError as error:
        part = "topics" if found else "kafka"
        found.append(Found(part, "broken", f"[{error.code}] {error.message}", error.next_step or ""))
    return found


async def _transactions(kafka: KafkaSettings) -> Found:
    try:
        await check_transactions(kafka, _TRANSACTION_S)
    except UnusableInputError as error:
        return Found("transactions", "warning", f"not tried: {error.message}", error.next_step or "")
    except BrokerUnavailableError as error:
        return Found("transactions", "broken", f"[{error.code}] {error.message}", error.next_step or "")
    return Found("transactions", "ok", "one was begun and aborted")


async def _topics(kafka: KafkaSettings) -> Found:
    changes = plan(TOPICS.values(), await actual_topics(kafka, TOPICS), kafka.replication_factor)
    missing = [change.topic for change in changes if change.what == "topic"]
    if missing:
        return Found("topics", "broken", f"{', '.join(missing)} missing", "Create them: proofrail topics")
    # As many partitions as an operator wants are no fault.
    drift = [change for change in changes if change.what != "partitions"]
    if drift:
        first = drift[0]
        says = f"{len(drift)} settings differ, such as {first.topic}: {first.what} is {first.actual}"
        return Found("topics", "warning", says, "Look: proofrail topics plan")
    return Found("topics", "ok", f"{len(TOPICS)} topics as they should be")


async def _clock(kafka: KafkaSettings) -> Found:
    """By the last records: nobody can have written them later than now."""
    async with Offsets(kafka) as offsets:
        extents = await offsets.extents(list(TOPICS))
    latest = 0
    places = {
        tp: max(extent.begin, extent.end - 2) for tp, extent in extents.items() if extent.end > extent.begin
    }
    if places:
        async with LogReader(kafka, sorted({tp.topic for tp in places}), places, otherwise="end") as reader:
            await reader.connect(_ANSWERS_S)
            await reader.start()
            async for records in reader.to_end(_ANSWERS_S):
                latest = max([latest, *(record.timestamp for record in records)])
    ahead = latest - time.time_ns() // 1_000_000
    if ahead > _AHEAD_MS:
        says = f"the last record is of {ahead / 1000:.1f} s from now"
        return Found(
            "clock", "broken", says, "Keep the clocks of all machines with NTP: ages and waits rest on them."
        )
    return Found(
        "clock", "ok", "no record is of a time to come" if latest else "no record to compare with yet"
    )

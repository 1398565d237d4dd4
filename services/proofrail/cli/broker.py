"""The broker that a command talks to: found, and asked in good time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

from pydantic import ValidationError

from proofrail.cli.home import Home
from proofrail.cli.live import LiveLine, telling
from proofrail.cli.output import note, stderr
from proofrail.cli.settings_file import PREFIX
from proofrail.cli.times import span
from proofrail.client.logs import log_like_a_library
from proofrail.messaging.client import wait_for_broker
from proofrail.messaging.errors import BrokerUnavailableError
from proofrail.messaging.offsets import Offsets
from proofrail.messaging.settings import KafkaSettings
from proofrail.wire.errors import UnusableInputError

ANSWERS_S: Final = 10.0
"""So long a command waits for a broker: somebody waits for the command."""

SILENT_S: Final = 1.0
"""What takes no longer needs no progress."""

_LOOK_S: Final = 2.0
_ANSWER_S: Final = 5.0


def kafka_at(home: Home) -> KafkaSettings:
    """How to reach the broker that is named, or that of the system running in `home`. Raises UnusableInputError
    `no-running-system`, `settings`."""
    log_like_a_library()
    # The client complains of each attempt; what it comes to in the end is an error with a code.
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
    return kafka_of(home.bootstrap())


def kafka_of(bootstrap: str) -> KafkaSettings:
    """How to reach this broker. Raises UnusableInputError `settings`."""
    try:
        return KafkaSettings(bootstrap=bootstrap)
    except ValidationError as error:
        raise settings_error(error) from error


def settings_error(error: ValidationError) -> UnusableInputError:
    """What is wrong with settings, by the names of their variables: a service's, or Kafka's among them."""
    kafka = KafkaSettings.model_config.get("env_prefix")
    prefix = kafka if error.title == KafkaSettings.__name__ else PREFIX
    what = "; ".join(
        f"{prefix}{'_'.join(str(part) for part in fault['loc']).upper()}: {fault['msg']}"
        for fault in error.errors()
    )
    return UnusableInputError(
        "settings",
        f"the settings are not complete or not valid: {what}",
        "Correct them in the environment or the settings file: `proofrail config` shows where each comes from.",
    )


async def reached(kafka: KafkaSettings, within_s: float = ANSWERS_S) -> None:
    """Return when the broker answers. Raises BrokerUnavailableError, UnusableInputError when it will not have us."""
    async with _waiting(kafka):
        await wait_for_broker(kafka, within_s)


@asynccontextmanager
async def asked(kafka: KafkaSettings) -> AsyncIterator[Offsets]:
    """Ask the broker for offsets. Raises as `reached`."""
    async with _waiting(kafka):
        offsets = await Offsets(kafka, connect_s=ANSWERS_S).__aenter__()
    try:
        yield offsets
    finally:
        await offsets.__aexit__()


@asynccontextmanager
async def _waiting(kafka: KafkaSettings) -> AsyncIterator[None]:
    line = LiveLine(stderr, lines=False)
    async with telling(line, lambda: f"waiting for the broker at {kafka.bootstrap}", after_s=SILENT_S):
        yield


@asynccontextmanager
async def absence_told(kafka: KafkaSettings, topics: Sequence[str]) -> AsyncIterator[None]:
    """While the block runs, say on stderr when the broker says no more where these topics end, since when, and when it
    does again; each once. Clients wait for a broker without a word."""
    watching = asyncio.create_task(_tell_absence(kafka, topics))
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def _tell_absence(kafka: KafkaSettings, topics: Sequence[str]) -> None:
    heard, away = time.time(), False
    while True:
        try:
            async with Offsets(kafka, connect_s=_ANSWER_S) as offsets:
                while True:
                    async with asyncio.timeout(_ANSWER_S):
                        await offsets.extents(topics)
                    if away:
                        note(f"{kafka.bootstrap} answers again, after {span((time.time() - heard) * 1000)}")
                    heard, away = time.time(), False
                    await asyncio.sleep(_LOOK_S)
        except (TimeoutError, BrokerUnavailableError, UnusableInputError) as error:
            if not away:
                refused = f": {error.message}" if isinstance(error, UnusableInputError) else ""
                since = datetime.fromtimestamp(heard).strftime("%H:%M:%S")
                note(f"no answer from {kafka.bootstrap} since {since}{refused}; waiting for it")
            away = True
        await asyncio.sleep(_LOOK_S)

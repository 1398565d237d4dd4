"""What a host measures of its service every few seconds: lag, readiness, the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from typing import Final, Protocol

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from proofrail.messaging.errors import BrokerUnavailableError
from proofrail.messaging.lag import LagClock
from proofrail.messaging.metrics import Metrics

_TIMER_S: Final = 0.25
_LAG_EVERY_S: Final = 2.0
_CHECKS_EVERY_S: Final = 5.0
"""Some conditions are asked of others, such as a node that counts the questions."""
_ANSWER_S: Final = 5.0

_log = structlog.get_logger(__name__)


class LaggingReader(Protocol):
    """A Pipeline, View or Subscription."""

    async def positions_and_ends(self) -> dict[TopicPartition, tuple[int, int]]:
        """Position and end of each partition, with one question to the broker. Raises BrokerUnavailableError and
        KafkaError."""


class LagSampler:
    """Shows how far readers are behind. A partition that goes to another instance is no longer shown."""

    def __init__(self, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._clock = clock
        self._clocks: dict[TopicPartition, LagClock] = {}

    async def sample(self, readers: Collection[LaggingReader]) -> None:
        """Ask each reader once. While the broker does not answer, what was known last stays, and its age grows."""
        found: dict[TopicPartition, tuple[int, int]] = {}
        try:
            for reader in readers:
                async with asyncio.timeout(_ANSWER_S):
                    found |= await reader.positions_and_ends()
        except (TimeoutError, BrokerUnavailableError, KafkaError) as error:
            _log.debug("lag-unknown", error=repr(error))
            return
        for tp in self._clocks.keys() - found.keys():
            del self._clocks[tp]
            for gauge in (self._metrics.consumer_lag, self._metrics.consumer_lag_seconds):
                gauge.remove(tp.topic, str(tp.partition))
        for tp, (position, end) in found.items():
            behind_s = self._clocks.setdefault(tp, LagClock()).behind(self._clock(), position, end)
            self._metrics.consumer_lag.labels(tp.topic, tp.partition).set(max(0, end - position))
            self._metrics.consumer_lag_seconds.labels(tp.topic, tp.partition).set(behind_s)


@contextlib.asynccontextmanager
async def measured(
    metrics: Metrics, readers: Collection[LaggingReader], missing: Callable[[], Awaitable[object]]
) -> AsyncIterator[None]:
    """While the block runs, measure; readers may be added meanwhile. `missing` looks at all conditions of
    readiness, and shows them."""
    sampler = LagSampler(metrics)

    async def sample() -> None:
        while True:
            await sampler.sample(list(readers))
            await asyncio.sleep(_LAG_EVERY_S)

    async def check() -> None:
        while True:
            await missing()
            await asyncio.sleep(_CHECKS_EVERY_S)

    async def time_the_loop() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(_TIMER_S)
            metrics.event_loop_lag.observe(max(0.0, time.perf_counter() - before - _TIMER_S))

    tasks = [asyncio.create_task(work()) for work in (sample, check, time_the_loop)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

"""Retry of transient failures: capped exponential backoff with jitter, begun anew after each success."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from aiokafka.errors import KafkaError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_exponential, wait_random
from tenacity.stop import stop_base

from proofrail.messaging.metrics import Metrics
from proofrail.wire.errors import TransientError

T = TypeVar("T")

_log = structlog.get_logger(__name__)


def is_transient(error: BaseException) -> bool:
    """Whether trying again may help."""
    if isinstance(error, KafkaError):
        return bool(error.retriable)
    return isinstance(error, TransientError)


class _StopWhenSet(stop_base):
    def __init__(self, event: asyncio.Event | None) -> None:
        self._event = event

    def __call__(self, retry_state: RetryCallState) -> bool:
        return self._event is not None and self._event.is_set()


async def retry_transient(
    work: Callable[[], Awaitable[T]],
    *,
    before_retry: Callable[[], Awaitable[object]] | None = None,
    stop: asyncio.Event | None = None,
    metrics: Metrics | None = None,
    first_seconds: float = 0.1,
    most_seconds: float = 10.0,
) -> T:
    """Run `work` until it succeeds, waiting longer after each transient failure (TransientError, retriable
    KafkaError), at most `most_seconds` plus jitter.

    `before_retry` runs before each further attempt (a pipeline is rewound there). Any other error, and the
    last transient one when `stop` is set, is raised as it is.
    """

    def note(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        code = getattr(error, "code", type(error).__name__)
        if metrics is not None and error is not None:
            metrics.retried(error)
        _log.warning(
            "retry",
            code=code,
            error=str(error),
            attempt=state.attempt_number,
            wait_s=round(state.upcoming_sleep, 3),
        )

    async def pause(seconds: float) -> None:
        if stop is None:
            await asyncio.sleep(seconds)
            return
        try:
            async with asyncio.timeout(seconds):
                await stop.wait()
        except TimeoutError:
            return

    retrying = AsyncRetrying(
        retry=retry_if_exception(is_transient),
        wait=wait_exponential(multiplier=first_seconds, max=most_seconds) + wait_random(0, first_seconds),
        stop=_StopWhenSet(stop),
        before_sleep=note,
        sleep=pause,
        reraise=True,
    )
    async for attempt in retrying:
        with attempt:
            if attempt.retry_state.attempt_number > 1 and before_retry is not None:
                await before_retry()
            return await work()
    raise AssertionError("unreachable")

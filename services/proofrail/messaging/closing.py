"""Ends aiokafka's consumers, also while their broker is away."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final

from aiokafka import AIOKafkaConsumer

_STOP_S: Final = 5.0


async def close_consumer(consumer: AIOKafkaConsumer) -> None:
    """Stop it and close its connections, in good time and without an error.

    Where the broker is away, `stop` may hang, or cancel a fetch that waits before its next attempt and end with that
    cancellation, its connections left open. In a task of its own it cancels nobody else.
    """
    stopping = asyncio.create_task(consumer.stop())
    try:
        await asyncio.wait({stopping}, timeout=_STOP_S)
    finally:
        stopping.cancel()
        await asyncio.gather(stopping, return_exceptions=True)
        if stopping.cancelled() or stopping.exception() is not None:
            client: Any = consumer._client
            with contextlib.suppress(Exception):
                await client.close()

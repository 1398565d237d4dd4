"""Consumers are ended in good time, whatever aiokafka makes of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from proofrail.messaging import closing
from proofrail.messaging.closing import close_consumer


class Consumer:
    """Stops as it is told to; says whether its connections were closed."""

    def __init__(self, how: str) -> None:
        self._how = how
        self.closed = False
        self._client = self

    async def close(self) -> None:
        self.closed = True

    async def stop(self) -> None:
        match self._how:
            case "cancelled":
                raise asyncio.CancelledError
            case "refused":
                raise OSError("no such thing")
            case "hangs":
                await asyncio.Event().wait()
        await self.close()


@pytest.mark.parametrize("how", ["in order", "cancelled", "refused", "hangs"])
async def test_a_consumer_is_closed_however_it_stops(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancellation from within is no cancellation of ours; what hangs is left; connections are closed each time."""
    monkeypatch.setattr(closing, "_STOP_S", 0.05)
    consumer: Any = Consumer(how)
    await close_consumer(consumer)
    assert consumer.closed


async def test_whoever_is_cancelled_while_closing_stays_cancelled() -> None:
    """Ctrl-C ends the waiting at once."""
    consumer: Any = Consumer("hangs")
    task = asyncio.create_task(close_consumer(consumer))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert consumer.closed

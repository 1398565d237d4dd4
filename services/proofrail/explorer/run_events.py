"""The events of runs that somebody looks at: read from where the view knows them to stand, and kept for a while.

Events are most of what is on the topics, and nearly all of them are never looked at: the view has their places only.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from proofrail.explorer.model.base import Place
from proofrail.explorer.spans import RunSpans
from proofrail.messaging.errors import BrokerUnavailableError
from proofrail.wire.errors import MalformedError
from proofrail.wire.ndjson import split

_MOST_BYTES: Final = 128 << 20
"""Held in all, about."""
_MOST_OF_RUN: Final = 48 << 20
"""Of events of one run, as they stand on the topic."""


class Source(Protocol):
    """Reads single records."""

    async def values(self, places: Sequence[Place]) -> list[bytes] | None:
        """The values of the records at `places`, in their order; None where one of them is not there any more.
        Raises BrokerUnavailableError."""
        ...


@dataclass(frozen=True)
class Parts:
    """Where a run's events stand: in order, with their size in bytes, and how many items a block has."""

    places: tuple[Place, ...]
    size: int
    block_items: int | None


class RunEvents:
    """A bounded number of runs' spans, the last used."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._held: OrderedDict[tuple[str, int, int], RunSpans] = OrderedDict()
        self._size = 0
        self._reading: dict[tuple[str, int, int], asyncio.Task[RunSpans | str]] = {}

    async def of(self, run_id: str, parts: Parts, *, away: bool = False) -> RunSpans | str:
        """The run's spans, or why there are none. `away`: the broker is known not to answer. Raises
        BrokerUnavailableError."""
        if not parts.places:
            return "no events of this run are on the topics: it was traced elsewhere, or they had expired already"
        if parts.size > _MOST_OF_RUN:
            return (
                f"its events are {parts.size / 1e6:.0f} MB: too many to be shown here; "
                f"`proofrail show {run_id}` takes them"
            )
        key = run_id, len(parts.places), parts.size
        found = self._held.get(key)
        if found is not None:
            self._held.move_to_end(key)
            return found
        if away:
            raise BrokerUnavailableError(
                "broker-unavailable",
                "events are read when somebody looks, and the broker does not answer",
                "Check that the broker runs; the page can be loaded again",
            )
        # Whoever asks meanwhile waits for the same reading.
        task = self._reading.get(key)
        if task is None:
            task = self._reading[key] = asyncio.create_task(self._read(key, parts))
            task.add_done_callback(lambda _: self._reading.pop(key, None))
        return await asyncio.shield(task)

    async def _read(self, key: tuple[str, int, int], parts: Parts) -> RunSpans | str:
        values = await self._source.values(parts.places)
        if values is None:
            return "its events have expired: the topic keeps them for a limited time"
        spans = await asyncio.to_thread(_spans, key[0], values, parts.block_items)
        self._held[key] = spans
        self._size += spans.size
        while self._size > _MOST_BYTES and len(self._held) > 1:
            _, oldest = self._held.popitem(last=False)
            self._size -= oldest.size
        return spans


def _spans(run_id: str, values: list[bytes], block_items: int | None) -> RunSpans:
    lines: list[bytes] = []
    for value in values:
        try:
            lines.extend(split(value))
        except MalformedError:
            lines.append(b"")
    return RunSpans(run_id, lines, block_items)

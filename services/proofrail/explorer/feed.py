"""The feed of changes: what pages and readers of the API are told as it happens.

Ids grow, also over restarts, so that whoever was away says where it was. A reader that does not keep up is cut off: it
comes back with the last id it saw, and is told to reload where the feed does not reach so far back.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Final

from proofrail.explorer.model.answers import Change
from proofrail.explorer.model.strip import Pipeline
from proofrail.explorer.view import Changed

_KEPT: Final = 4096
_WAITING: Final = 512
"""Changes that may wait for one reader."""

Fact = Change | Pipeline


class Feed:
    """For the event loop. `clock`: milliseconds since the Unix epoch; ids begin with it, and grow more slowly."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._last = clock()
        self._kept: deque[Change] = deque(maxlen=_KEPT)
        self._readers: set[asyncio.Queue[Fact | None]] = set()
        self.pipeline: Pipeline | None = None

    @property
    def readers(self) -> int:
        """How many are listening."""
        return len(self._readers)

    def tell(self, changed: Changed) -> None:
        """What a batch has changed."""
        if changed.too_many:
            self._add(Change(id=self._next(), kind="reload", key=None, state=None, verdict=None))
            return
        for run_id, state, verdict in changed.runs:
            self._add(
                Change.model_validate(
                    {"id": self._next(), "kind": "run", "key": run_id, "state": state, "verdict": verdict}
                )
            )
        for name, state in changed.allocations:
            self._add(Change(id=self._next(), kind="allocation", key=name, state=state, verdict=None))
        if changed.dead_letters:
            self._add(Change(id=self._next(), kind="dead-letter", key=None, state=None, verdict=None))

    def tell_pipeline(self, pipeline: Pipeline) -> None:
        """The strip, where it is another than before but for its time."""
        same = {"at_ms": 0}
        if self.pipeline is None or self.pipeline.model_copy(update=same) != pipeline.model_copy(update=same):
            self.pipeline = pipeline
            self._send(pipeline)

    async def changes(self, after: int | None = None) -> AsyncIterator[Fact]:
        """The strip as it is, what has changed since the id `after`, and then all that changes; until `close`, or cut
        off."""
        queue: asyncio.Queue[Fact | None] = asyncio.Queue(_WAITING)
        missed = self._since(after)
        self._readers.add(queue)
        try:
            if self.pipeline is not None:
                yield self.pipeline
            for change in missed:
                yield change
            while (fact := await queue.get()) is not None:
                yield fact
        finally:
            self._readers.discard(queue)

    def close(self) -> None:
        """End all readers' iterations."""
        for queue in list(self._readers):
            self._cut(queue)

    def _since(self, after: int | None) -> Iterable[Change]:
        if after is None or after == self._last:
            return ()
        if self._kept and self._kept[0].id - 1 <= after < self._last:
            return [one for one in self._kept if one.id > after]
        return (Change(id=self._last, kind="reload", key=None, state=None, verdict=None),)

    def _next(self) -> int:
        self._last += 1
        return self._last

    def _add(self, change: Change) -> None:
        self._kept.append(change)
        self._send(change)

    def _send(self, fact: Fact) -> None:
        for queue in list(self._readers):
            if queue.full():
                self._cut(queue)
            else:
                queue.put_nowait(fact)

    def _cut(self, queue: asyncio.Queue[Fact | None]) -> None:
        self._readers.discard(queue)
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait(None)

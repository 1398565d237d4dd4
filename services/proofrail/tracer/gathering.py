"""Gathering: which records make up the next batch, and how long those in hand wait for others.

A proof costs seconds however few allocations it has, and hardly more for hundreds (README, Performance). So a batch
that is not full waits for more while that is cheap beside its proof: each proposal in hand is worth a few
milliseconds. A lone one waits no longer than that; a hundred wait a tenth of a second for the next; and where they
come faster than the wait for one of them lasts, they are gathered until no more fit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from proofrail.messaging.records import Record, TopicPartition
from proofrail.tracer.intake import Intake, Read, Refused
from proofrail.wire import topics

_POLL_MS: Final = 200
_QUIET_MS: Final = 100
"""A burst is over when nothing has come for so long, which is more than an empty fetch lasts."""

_STANDING_MS: Final = 500
"""What stands in the topic is waited for longer than what may come: a busy machine brings it late."""

_AT_ONCE: Final = 500
_MOST_RECORDS: Final = 5_000


class Source(Protocol):
    """Of a Pipeline, what gathering needs."""

    async def records(self, max_records: int, timeout_ms: int) -> list[Record]: ...

    async def ends(self, topic: str) -> dict[TopicPartition, int]: ...

    async def has_passed(self, ends: Mapping[TopicPartition, int]) -> bool: ...


class Gatherer:
    """Reads proposals until a batch is full or waiting for more is not worth it.

    `each_ms`: how long a proposal in hand may wait for others. `clock` gives seconds.
    """

    def __init__(self, source: Source, each_ms: int, clock: Callable[[], float]) -> None:
        self._source = source
        self._each_ms = each_ms
        self._clock = clock
        self._behind = True
        self._standing: dict[TopicPartition, int] = {}

    def fell_behind(self) -> None:
        """Proposals may have gathered in Kafka: those that stand there come into the next batch before it waits
        for any that do not."""
        self._behind = True

    async def gather(self, begun: Sequence[Read | Refused], intake: Intake) -> list[Read | Refused]:
        """What was `begun` and what follows it; empty when nothing comes for a while. What it amounts to so far is
        kept count of in `intake`."""
        if self._behind:
            self._standing = await self._source.ends(topics.PROPOSALS)
            self._behind = False
        found = list(begun)
        intake.take(found)
        since = self._clock()
        while len(found) < _MOST_RECORDS:
            wait_ms = _POLL_MS
            if found:
                if intake.is_full:
                    self.fell_behind()
                    break
                wait_ms = await self._worth_waiting_ms(len(intake.accepted), since)
            records = await self._source.records(_AT_ONCE, wait_ms)
            if not records:
                self._standing = self._standing if not found else {}
                break
            if not found:
                since = self._clock()
            more = intake.read(records)
            found += more
            intake.take(more)
        return found

    async def _worth_waiting_ms(self, accepted: int, since: float) -> int:
        if self._standing:
            if not await self._source.has_passed(self._standing):
                return _STANDING_MS
            self._standing = {}
        worth = max(1, accepted) * self._each_ms
        gone = round(1000 * (self._clock() - since))
        return max(0, min(_QUIET_MS, worth - gone))

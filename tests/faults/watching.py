"""What stands in the topics: followed while a system works, counted when it is done."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from proofrail.messaging.records import Record
from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.views import View
from proofrail.wire import topics
from proofrail.wire.canonical import parse_object

_POLL_S = 0.002


class Contents:
    """Committed records of topics, in order."""

    def __init__(self) -> None:
        self.records: dict[str, list[Record]] = {name: [] for name in topics.TOPICS}
        self._changed = asyncio.Event()
        self._following: asyncio.Task[None] | None = None

    def take(self, records: list[Record]) -> None:
        for record in records:
            self.records[record.topic].append(record)
        self._changed.set()

    def lines(self, topic: str, type_name: str | None = None) -> list[dict[str, Any]]:
        """The objects on a topic, one a line; with `type_name` only those of that type. Records without our
        headers are not ours."""
        found = [
            parse_object(line)
            for record in self.records[topic]
            if "content-type" in record.headers
            for line in record.value.removesuffix(b"\n").split(b"\n")
        ]
        return [one for one in found if type_name is None or one.get("type") == type_name]

    @property
    def runs(self) -> list[str]:
        """The sealed runs, in the order of their seals, each as often as it was sealed."""
        return [seal["run_id"] for seal in self.lines(topics.COMMITMENTS, "CommitmentSeal")]

    def attestations(self) -> list[dict[str, Any]]:
        return self.lines(topics.ATTESTATIONS)

    def letters(self) -> list[dict[str, Any]]:
        return self.lines(topics.PROPOSALS_DLQ)

    def reports(self, run_id: str, subject: str) -> list[dict[str, Any]]:
        return [
            report
            for report in self.lines(topics.REPORTS)
            if (report["run_id"], report["subject"]) == (run_id, subject)
        ]

    async def until(self, condition: Callable[[], object], seconds: float, what: str) -> None:
        """Wait until the condition on these contents holds. Raises AssertionError, saying what was awaited."""
        assert self._following is not None, "only of contents that are followed"
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    self._changed.clear()
                    changed = asyncio.create_task(self._changed.wait())
                    await asyncio.wait({changed, self._following}, return_when=asyncio.FIRST_COMPLETED)
                    changed.cancel()
                    if self._following.done():
                        self._following.result()
        except TimeoutError:
            counts = {name: len(records) for name, records in self.records.items()}
            raise AssertionError(f"not within {seconds:.0f} s: {what}; records: {counts}") from None


@asynccontextmanager
async def followed(kafka: KafkaSettings) -> AsyncIterator[Contents]:
    """All topics from their beginning, and what comes; survives a broker that is away."""
    contents = Contents()
    async with View(kafka, list(topics.TOPICS), contents.take) as view:
        await view.catch_up()
        contents._following = asyncio.create_task(view.follow())
        try:
            yield contents
        finally:
            contents._following.cancel()
            await asyncio.gather(contents._following, return_exceptions=True)


async def read_all(kafka: KafkaSettings) -> Contents:
    """Everything committed on all topics now."""
    contents = Contents()
    async with View(kafka, list(topics.TOPICS), contents.take) as view:
        await view.catch_up()
    return contents


async def committed_values(kafka: KafkaSettings, topic: str) -> list[str]:
    """All committed values of a topic, whatever it is."""
    seen: list[str] = []

    def take(records: list[Record]) -> None:
        seen.extend(record.value.decode() for record in records)

    async with View(kafka, [topic], take) as view:
        await view.catch_up()
    return seen


class LogEnds:
    """The ends of logs as writers see them: a transaction shows here before it is committed."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._consumer = AIOKafkaConsumer(**kafka.client_options(), enable_auto_commit=False)

    async def __aenter__(self) -> LogEnds:
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(5):
                await self._consumer.stop()

    async def of(self, topic: str) -> int:
        place = TopicPartition(topic, 0)
        return int((await self._consumer.end_offsets([place]))[place])

    async def beyond(self, topic: str, end: int, seconds: float) -> None:
        """Return as soon as anything is written behind `end`. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while await self.of(topic) <= end:  # noqa: ASYNC110 - the broker tells nobody
                await asyncio.sleep(_POLL_S)

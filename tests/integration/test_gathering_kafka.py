"""The tracer as a process on a real broker: how many runs a backlog of proposals becomes."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from tests.faults import proposals
from tests.faults.forging import failure, proposed
from tests.faults.systems import Service, environment
from tests.faults.watching import Contents, followed

from proofrail.messaging.client import publish
from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.topics import ensure_topics
from proofrail.wire import topics
from proofrail.wire.topics import topic_specs

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

ROOM = 528


def batches(contents: Contents) -> list[list[str]]:
    """The allocations of each run, in order."""
    found: dict[str, list[str]] = {run: [] for run in contents.runs}
    for line in contents.lines(topics.COMMITMENTS, "Input"):
        found[line["run_id"]].append(line["input"]["allocation_id"])
    return list(found.values())


async def test_a_backlog_comes_in_the_fewest_runs(fresh_kafka: KafkaSettings, tmp_path: Path) -> None:
    """A thousand proposals that stand in the topic when the tracer starts fill one run and are all in the second,
    in their order."""
    await ensure_topics(fresh_kafka)
    async with followed(fresh_kafka) as contents:
        await publish(fresh_kafka, proposed(proposals.several("waiting", 1000)))
        async with Service("tracer", environment(tmp_path, fresh_kafka)) as tracer:
            await contents.until(lambda: len(contents.runs) == 2, 60, "two runs")
            assert 0 == await tracer.stop()
        names = [f"waiting-{number}" for number in range(1000)]
        assert [names[:ROOM], names[ROOM:]] == batches(contents)


async def test_what_waited_for_the_window_comes_together(fresh_kafka: KafkaSettings, tmp_path: Path) -> None:
    """While no run may begin, proposals come in many small pieces, some of them fetched already; the next run takes
    all that fit."""
    await ensure_topics(fresh_kafka)
    env = environment(tmp_path, fresh_kafka) | {"PROOFRAIL_RUNS_IN_FLIGHT": "1"}
    async with followed(fresh_kafka) as contents, Service("tracer", env) as tracer:
        await publish(fresh_kafka, proposed([proposals.valid("first")]))
        await contents.until(lambda: len(contents.runs) == 1, 30, "a run")
        values = proposals.several("piece", 600)
        for begin, end in pairwise((0, 1, 2, 40, 300, 600)):
            await publish(fresh_kafka, proposed(values[begin:end]))
        await publish(fresh_kafka, [failure(contents.runs[0])])
        await contents.until(lambda: len(contents.runs) == 2, 30, "the next run")
        assert 0 == await tracer.stop()
        assert [f"piece-{number}" for number in range(ROOM)] == batches(contents)[1]


async def test_no_change_of_hands_takes_a_proposal_twice(fresh_kafka: KafkaSettings, tmp_path: Path) -> None:
    """Two tracers share two partitions, the second comes and the first goes while proposals are published, and all
    are published again after each change: each allocation is in one run, whoever gathered it."""
    await ensure_topics(fresh_kafka, topic_specs(2).values())
    env = environment(tmp_path, fresh_kafka) | {"PROOFRAIL_RUNS_IN_FLIGHT": "1000"}
    values = proposals.several("shared", 400)

    async def publish_all(count: int) -> None:
        """In pieces, so that hands change between them."""
        for begin in range(0, count, 40):
            await publish(fresh_kafka, proposed(values[begin : begin + 40]))

    def indexed() -> int:
        return len(contents.lines(topics.INDEX))

    async with (
        followed(fresh_kafka) as contents,
        Service("tracer", env) as first,
        Service("tracer", env | {"PROOFRAIL_INSTANCE": "other"}) as second,
    ):
        await asyncio.gather(publish_all(200), second.kill())
        await asyncio.gather(publish_all(300), second.start())
        await asyncio.gather(publish_all(400), first.stop())
        await publish_all(400)
        # Refused behind all others in both partitions: everything was read then.
        last = proposed([b"last"])[0]
        await publish(fresh_kafka, [replace(last, partition=partition) for partition in (0, 1)])
        await contents.until(lambda: len(contents.letters()) == 2, 60, "all proposals read")
        assert 0 == await second.stop()
    taken = Counter(name for batch in batches(contents) for name in batch)
    assert dict.fromkeys((f"shared-{number}" for number in range(400)), 1) == taken
    assert 400 == indexed()

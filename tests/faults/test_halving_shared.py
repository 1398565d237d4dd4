"""Several tracers, and a prover that gives a run up: exactly one of them sees to it, whoever has what by then."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from proofrail.cairo.risk_program import load
from proofrail.cairo.trace import RunSpec
from proofrail.commitment.checkpoint import Signer
from proofrail.messaging.client import publish
from proofrail.messaging.host import ServiceContext
from proofrail.messaging.metrics import Metrics
from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.topics import ensure_topics
from proofrail.tracer.sealing import SealedRun, Sealer
from proofrail.tracer.service import Tracer
from proofrail.tracer.settings import TracerSettings
from proofrail.wire import topics
from proofrail.wire.topics import topic_specs
from tests.faults import proposals
from tests.faults.forging import TRACER_PRIVATE, failure, proposed
from tests.faults.systems import Service, environment
from tests.faults.test_halving import Watched
from tests.faults.watching import Contents, followed, read_all

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

_SESSION_MS = 6_000
"""The least that the broker allows."""


def _environment(folder: Path, kafka: KafkaSettings, instance: str) -> dict[str, str]:
    return environment(folder, kafka) | {
        "PROOFRAIL_INSTANCE": instance,
        "PROOFRAIL_RUNS_IN_FLIGHT": "100",
        "PROOFRAIL_KAFKA_SESSION_TIMEOUT_MS": str(_SESSION_MS),
    }


async def _read_by_all(kafka: KafkaSettings, contents: Contents, partitions: int) -> None:
    """Returns when records that are no proposals, one in each partition, are dead letters: whoever owns them has seen
    to what came before."""
    count = len(contents.letters()) + partitions
    (last,) = proposed([b"last"])
    await publish(kafka, [replace(last, partition=partition) for partition in range(partitions)])
    await contents.until(lambda: len(contents.letters()) == count, 30, "dead letters of all partitions")


async def test_a_run_over_the_partitions_of_two_tracers_is_halved_by_one(
    fresh_kafka: KafkaSettings, tmp_path: Path
) -> None:
    """A run of proposals from two partitions, which belong to two tracers when the prover gives it up, its parts, and
    theirs: each is published once, and so is each index entry. Two copies of a run's commitments would read as a
    mismatch of its length."""
    await ensure_topics(fresh_kafka, topic_specs(2).values())
    values = proposed(proposals.several("shared", 16))
    async with followed(fresh_kafka) as contents:
        watched = Watched(fresh_kafka, contents)
        await publish(fresh_kafka, [replace(one, partition=n % 2) for n, one in enumerate(values)])
        async with Service("tracer", _environment(tmp_path, fresh_kafka, "one")):
            (whole,) = await watched.sealed(1)
            assert 16 == len(whole)
            async with Service("tracer", _environment(tmp_path, fresh_kafka, "other")):
                for parts in (1, 2, 4, 8):
                    # At once, so that tracers which both see to them are seldom done before one another.
                    await publish(fresh_kafka, [failure(one) for one in contents.runs[-parts:]])
                    await watched.sealed(4 * parts - 1)
                await _read_by_all(fresh_kafka, contents, 2)
        everything = await read_all(fresh_kafka)
    assert 31 == len(everything.runs) == len(set(everything.runs))
    assert dict.fromkeys(whole, 5) == Counter(one["allocation_id"] for one in everything.lines(topics.INDEX))


async def test_a_failed_run_waits_for_whoever_gets_its_partition(
    fresh_kafka: KafkaSettings, tmp_path: Path
) -> None:
    """A tracer that owns nothing when it hears of the failure keeps the run, and halves it when the owner's place has
    come to it."""
    await ensure_topics(fresh_kafka, topic_specs(1).values())
    async with followed(fresh_kafka) as contents:
        watched = Watched(fresh_kafka, contents)
        await publish(fresh_kafka, proposed(proposals.several("left", 2)))
        async with (
            Service("tracer", _environment(tmp_path, fresh_kafka, "owner")) as owner,
            Service("tracer", _environment(tmp_path, fresh_kafka, "heir")),
        ):
            await watched.sealed(1)
            await owner.kill()
            await watched.fail(0)
            assert [["left-0"], ["left-1"]] == (await watched.sealed(3))[1:]


class _Halting(Sealer):
    """Seals, but waits before it when told to."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.go_on = threading.Event()
        self.go_on.set()
        self.halted = threading.Event()

    def seal(
        self,
        forms: Sequence[dict[str, Any]],
        traceparent: str | None,
        taken: Callable[[str], bool] | None = None,
    ) -> SealedRun:
        if not self.go_on.is_set():
            self.halted.set()
            assert self.go_on.wait(60)
        return super().seal(forms, traceparent, taken)


async def _partition_of(tracer: Service) -> int:
    """The one that a tracer has which has just come."""
    (place,) = (await tracer.said("assigned", 30))["partitions"]
    return int(place.rpartition("/")[2])


async def test_halves_are_not_published_by_a_tracer_that_lost_the_run_meanwhile(
    fresh_kafka: KafkaSettings, tmp_path: Path, eventually: Callable[..., Awaitable[None]]
) -> None:
    """One that was so slow over the halves that the group shared the partitions anew: whoever has that of the run now
    has published them, and the slow one is refused its own, although it lost nothing that it had in hand."""
    await ensure_topics(fresh_kafka, topic_specs(2).values())
    kafka = KafkaSettings(bootstrap=fresh_kafka.bootstrap, session_timeout_ms=_SESSION_MS)
    settings = TracerSettings(
        kafka=kafka, instance="slow", runs_in_flight=100, tracer_key_file=tmp_path / "unused"
    )
    sealer = _Halting(RunSpec(load()), Signer.parse(TRACER_PRIVATE), time.time_ns)
    # The broker connection is the health checks' alone.
    context = ServiceContext("tracer", settings, Metrics(), cast("Any", None))
    tracer = Tracer(settings, sealer, context)
    quick = Service("tracer", _environment(tmp_path, fresh_kafka, "quick"))
    async with followed(fresh_kafka) as contents:
        watched = Watched(fresh_kafka, contents)
        slow = asyncio.create_task(tracer.work())
        try:
            await eventually(lambda: len(tracer.pipeline.assignment) == 2)
            # Which partition goes to a second instance is the assignor's affair, but it is the same each time.
            async with quick:
                moves = await _partition_of(quick)
                await quick.stop()
            await eventually(lambda: len(tracer.pipeline.assignment) == 2)
            values = proposed(proposals.several("slow", 2))
            await publish(fresh_kafka, [replace(one, partition=moves) for one in values])
            await watched.sealed(1)
            sealer.go_on.clear()
            await watched.fail(0)
            assert await asyncio.to_thread(sealer.halted.wait, 30)
            async with quick:
                assert moves == await _partition_of(quick)
                await watched.sealed(3)
                sealer.go_on.set()
                await _read_by_all(fresh_kafka, contents, 2)
                context.stopping.set()
                await slow
        finally:
            sealer.go_on.set()
            slow.cancel()
            await asyncio.gather(slow, return_exceptions=True)
        everything = await read_all(fresh_kafka)
    assert 3 == len(everything.runs) == len(set(everything.runs))
    refused = context.metrics.registry.get_sample_value("proofrail_retries_total", {"code": "partition-lost"})
    assert 1 == refused

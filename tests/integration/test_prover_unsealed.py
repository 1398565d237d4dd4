"""The prover's position in the commitments, on a real broker: nothing that is nobody's run holds it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from faststream.kafka import KafkaBroker
from tests.faults.watching import Contents, followed

from proofrail.messaging import groups
from proofrail.messaging.client import publish
from proofrail.messaging.host import ServiceContext
from proofrail.messaging.metrics import Metrics
from proofrail.messaging.offsets import Offsets
from proofrail.messaging.records import Message, TopicPartition
from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.topics import ensure_topics
from proofrail.prover.job import ProvingJob
from proofrail.prover.service import Prover
from proofrail.prover.settings import ProverSettings
from proofrail.wire import topics
from proofrail.wire.canonical import canonical
from proofrail.wire.messages import ProofFailure
from proofrail.wire.runs import CommittedRun

pytestmark = pytest.mark.kafka

_PLACE = TopicPartition(topics.COMMITMENTS, 0)
_STRAY = canonical({"v": 1, "type": "CommitmentBlock", "run_id": "one", "block": 0})
_SEAL = canonical({"v": 1, "type": "CommitmentSeal", "run_id": "one"})


class _Refusing(ProvingJob):
    """Gives every run up, and remembers it."""

    def __init__(self) -> None:
        self.runs: list[CommittedRun] = []

    async def settle(self, run: CommittedRun, draining: asyncio.Event) -> ProofFailure:
        self.runs.append(run)
        return ProofFailure(
            run_id=run.run_id, backend="stwo", code="run-failed", message="", final=True, attempts=1
        )


@asynccontextmanager
async def _proving(kafka: KafkaSettings, unsealed_after_s: float) -> AsyncIterator[_Refusing]:
    settings = ProverSettings(
        kafka=kafka,
        instance="one",
        store_url="memory://unsealed",
        checkpoint_keys="",
        unsealed_after_s=unsealed_after_s,
    )
    context = ServiceContext("prover", settings, Metrics(), KafkaBroker(kafka.bootstrap, logger=None))
    job = _Refusing()
    task = asyncio.create_task(Prover(settings, job, context).work())
    try:
        yield job
    finally:
        context.stopping.set()
        async with asyncio.timeout(30):
            await task


async def _say(kafka: KafkaSettings, key: str, *lines: bytes) -> None:
    await publish(
        kafka, [Message(topics.COMMITMENTS, key.encode(), b"".join(line + b"\n" for line in lines))]
    )


async def _until_committed(offsets: Offsets, expected: int) -> None:
    """Until the provers' position is that."""
    async with asyncio.timeout(30):
        while (await offsets.committed(groups.PROVER)).get(_PLACE) != expected:  # noqa: ASYNC110 - the broker tells nobody
            await asyncio.sleep(0.02)


async def test_lines_without_a_seal_hold_no_position_and_get_into_no_later_run(
    fresh_kafka: KafkaSettings, eventually: Callable[..., Awaitable[None]]
) -> None:
    """They are let go when their time is over and the topic was read to its end; so is a record that no run can be
    named by, though no run follows it. A run of that id that comes later is proven as published."""
    await ensure_topics(fresh_kafka)
    await _say(fresh_kafka, "one", _STRAY)
    async with Offsets(fresh_kafka) as offsets, followed(fresh_kafka) as contents:
        async with _proving(fresh_kafka, unsealed_after_s=0.1) as job:
            await _until_committed(offsets, 1)
            await _say(fresh_kafka, "", _STRAY)
            await _until_committed(offsets, 2)
            await _say(fresh_kafka, "one", _SEAL)
            await _until_committed(offsets, 3)
        assert [[_SEAL]] == [run.lines for run in job.runs]
        await _until_told(contents, eventually)


async def test_a_run_whose_seal_is_waited_for_keeps_its_place(
    fresh_kafka: KafkaSettings, eventually: Callable[..., Awaitable[None]]
) -> None:
    """Others behind it are settled meanwhile, and it is proven whole when the seal has come."""
    await ensure_topics(fresh_kafka)
    await _say(fresh_kafka, "one", _STRAY)
    await _say(fresh_kafka, "two", _SEAL)
    async with Offsets(fresh_kafka) as offsets, followed(fresh_kafka) as contents:
        async with _proving(fresh_kafka, unsealed_after_s=3600.0) as job:
            await _until_committed(offsets, 0)
            await _until_told(contents, eventually)
            await _say(fresh_kafka, "one", _SEAL)
            await _until_committed(offsets, 3)
        assert [[_SEAL], [_STRAY, _SEAL]] == [run.lines for run in job.runs]


async def _until_told(contents: Contents, eventually: Callable[..., Awaitable[None]]) -> None:
    await eventually(lambda: 1 == len(contents.lines(topics.PROOFS, "ProofFailure")))

"""The tracer as a process that runs the chain build, told by a prover that runs cannot be proven."""

from __future__ import annotations

from pathlib import Path

import pytest

from proofrail.messaging.client import publish
from proofrail.messaging.settings import KafkaSettings
from proofrail.wire import topics
from tests.faults import proposals
from tests.faults.forging import proposed
from tests.faults.systems import Service, environment
from tests.faults.test_halving import Watched
from tests.faults.watching import followed

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


async def test_a_large_run_of_another_program_is_divided_down_to_the_culprit(
    own_kafka: KafkaSettings, tmp_path: Path
) -> None:
    """Fifty allocations that the first build took at once are four runs of 16,384 steps in the chain build; one that
    fails again is halved until the culprit stands alone and is dead-lettered. Nothing else is lost, and an allocation
    that failed alone as a run of the first build is tried as one of the chain build."""
    env = environment(tmp_path, own_kafka) | {"PROOFRAIL_RUNS_IN_FLIGHT": "20"}
    async with followed(own_kafka) as contents:
        watched = Watched(own_kafka, contents)
        await publish(own_kafka, proposed(proposals.several("large", 50)))
        async with Service("tracer", env):
            (whole,) = await watched.sealed(1)
            await publish(own_kafka, proposed([proposals.valid("alone")]))
            await watched.sealed(2)
        assert 50 == len(whole)
        async with Service("tracer", env | {"PROOFRAIL_PROGRAM": "risk_engine_chain"}):
            await watched.fail(1)
            assert ["alone-0"] == (await watched.sealed(3))[2]
            await watched.fail(0)
            parts = (await watched.sealed(7))[3:]
            assert [13, 12, 13, 12] == [len(part) for part in parts]
            assert whole == [one for part in parts for one in part]
            failing = 6
            while len(batch := watched.allocations()[failing]) > 1:
                count = len(contents.runs)
                await watched.fail(failing)
                halves = (await watched.sealed(count + 2))[count:]
                assert batch == [*halves[0], *halves[1]]
                failing = count
            letters = len(contents.letters())
            await watched.fail(failing)
            await contents.until(lambda: len(contents.letters()) > letters, 30, "the culprit's dead letter")
        (letter,) = contents.letters()
        (culprit,) = watched.allocations()[failing]
        assert ("out-of-luck", culprit) == (letter["code"], letter["key"])
        assert [culprit] == [name for name, (_, _, code) in watched.index().items() if code is not None]
        seals = contents.lines(topics.COMMITMENTS, "CommitmentSeal")[2:]
        assert {("recursive", 16_384)} == {(seal["layout"], seal["n_steps"]) for seal in seals}

"""A proposal that was given up is run again when somebody asks for it: by the tracer as a process, and the command."""

from __future__ import annotations

from pathlib import Path

import pytest

from proofrail.messaging.client import publish
from proofrail.messaging.settings import KafkaSettings
from proofrail.wire import topics
from tests.faults import proposals
from tests.faults.commands import called
from tests.faults.forging import failure, proposed
from tests.faults.systems import Service, environment
from tests.faults.watching import followed

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


async def test_a_requeue_makes_one_run_with_an_id_of_its_own(
    own_kafka: KafkaSettings, tmp_path: Path
) -> None:
    """Also when the tracer is killed meanwhile and the request comes twice. When that run fails as well, the letter
    that follows counts the attempts on, and can be asked for again."""
    tracer = Service("tracer", environment(tmp_path, own_kafka) | {"PROOFRAIL_RUNS_IN_FLIGHT": "10"})
    async with followed(own_kafka) as contents, tracer:
        await publish(own_kafka, proposed([proposals.valid("lone")]))
        await contents.until(lambda: len(contents.runs) == 1, 60, "a run")
        first = contents.runs[0]
        status, _ = await called(own_kafka, tmp_path, "requeue", first)
        assert 1 == status  # nothing of it was given up yet
        await publish(own_kafka, [failure(first)])
        await contents.until(lambda: len(contents.letters()) == 1, 60, "its dead letter")

        await tracer.kill()
        status, (said,) = await called(own_kafka, tmp_path, "requeue", first[:12])
        assert (0, True) == (status, said["published"])
        assert 0 == (await called(own_kafka, tmp_path, "dlq", "replay", "lone-0", "--force"))[0]
        await tracer.start()
        await contents.until(lambda: len(contents.runs) == 2, 60, "another run")
        second = contents.runs[1]
        assert first != second
        entry = contents.lines(topics.INDEX)[-1]
        assert (second, None) == (entry["run_id"], entry.get("dead_letter"))

        await publish(own_kafka, [failure(second)])
        await contents.until(lambda: len(contents.letters()) == 2, 60, "another dead letter")
        letters = contents.letters()
        assert letters[0]["attempts"] < letters[1]["attempts"]
        assert 2 == len(contents.runs)
        assert 0 == (await called(own_kafka, tmp_path, "requeue", second))[0]
        await contents.until(lambda: len(contents.runs) == 3, 60, "a third run")
        assert 3 == len(set(contents.runs))

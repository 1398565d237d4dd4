"""The prover as a process on a host that lacks its program for a while."""

from __future__ import annotations

from pathlib import Path

import pytest

from proofrail.messaging.client import publish
from proofrail.messaging.settings import KafkaSettings
from proofrail.proving import locate
from proofrail.wire import topics
from tests.faults import proposals
from tests.faults.forging import sealed
from tests.faults.systems import Service, awaited, environment
from tests.faults.watching import followed

pytestmark = [pytest.mark.kafka, pytest.mark.prover, pytest.mark.slow]

_ATTEMPTS = 2


async def test_a_missing_prover_costs_time_and_no_proposals(own_kafka: KafkaSettings, tmp_path: Path) -> None:
    """Runs wait for the program however often it is missed, and are proven when it is there again."""
    program = locate.find()
    assert program is not None
    link = tmp_path / "prover"
    link.symlink_to(program)
    env = environment(tmp_path, own_kafka) | {
        "PROOFRAIL_STWO_PROVER": str(link),
        "PROOFRAIL_MAX_ATTEMPTS": str(_ATTEMPTS),
    }
    async with Service("prover", env) as prover, followed(own_kafka) as contents:

        def missed() -> bool:
            retries = [entry for entry in prover.entries if entry.get("event") == "proof-retry"]
            return len(retries) > _ATTEMPTS

        link.unlink()
        run = sealed([proposals.valid("patient")])
        await publish(own_kafka, run.messages())
        await awaited(missed, 30, "more retries than attempts")
        assert [] == contents.records[topics.PROOFS]
        link.symlink_to(program)
        await contents.until(lambda: contents.records[topics.PROOFS], 120, "the proof")
        (answer,) = contents.lines(topics.PROOFS)
        assert ("Proof", run.run_id) == (answer["type"], answer["run_id"])
        assert 0 == await prover.stop()

"""The prover service with Stone's own programs, on a real broker."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from proofrail.messaging.client import publish
from proofrail.messaging.settings import KafkaSettings
from proofrail.proving.stone import programs
from proofrail.wire import topics
from tests.faults import processes, proposals
from tests.faults.forging import sealed
from tests.faults.systems import Service, awaited, environment
from tests.faults.watching import followed

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.stone,
    pytest.mark.slow,
    pytest.mark.skipif(
        programs.find(programs.PROVER) is None or programs.find(programs.VERIFIER) is None,
        reason="Stone's cpu_air_prover and cpu_air_verifier are not on PATH",
    ),
]


@pytest.mark.timeout(900)
async def test_a_killed_stone_prover_is_tried_again_and_its_proof_published_once(
    own_kafka: KafkaSettings, tmp_path: Path
) -> None:
    """The service sees its prover killed from outside, begins anew, and publishes what its verifier accepts; meanwhile
    it says how long it has taken and should take."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    env = environment(tmp_path, own_kafka) | {
        "PROOFRAIL_PROVER_BACKENDS": "stone",
        "PROOFRAIL_SCRATCH_DIR": str(scratch),
    }
    run = sealed([proposals.valid("stone")])
    async with Service("prover", env) as prover, followed(own_kafka) as contents:
        await publish(own_kafka, run.messages())

        def at_work() -> list[processes.Process]:
            mark = str(scratch).encode()
            found = [one for one in processes.mentioning(mark) if one.command[0] == str(_program())]
            return [one for one in found if one.cpu_seconds > 1]

        (first,) = await awaited(at_work, 120, "a proof under way")
        first.kill()
        retried = await prover.said("proof-retry", 30)
        assert ("stone", "prover-killed") == (retried["backend"], retried["code"])
        (second,) = await awaited(at_work, 120, "the proof under way again")
        assert first != second
        address = await prover.said("listening", 5)
        async with httpx.AsyncClient() as client:
            said = (await client.get(f"http://127.0.0.1:{address['port']}/metrics")).text
        gauges = dict(
            line.rsplit(" ", 1) for line in said.splitlines() if line.startswith("proofrail_proof_e")
        )
        for gauge in ("elapsed", "expected"):
            assert 1 < float(gauges[f'proofrail_proof_{gauge}_seconds{{backend="stone"}}'])
        await contents.until(lambda: contents.records[topics.PROOFS], 600, "the proof")
        (answer,) = contents.lines(topics.PROOFS)
        assert ("Proof", "stone", False, 2) == (
            answer["type"], answer["backend"], answer["is_mock"], answer["attempt"]
        )  # fmt: skip
        assert [] == list(scratch.iterdir())
        assert 0 == await prover.stop()


def _program() -> Path:
    return programs.required(programs.PROVER)

"""The auditor as a process, fed with runs and proofs that are each altered in one way."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import pytest

from proofrail.artifacts.store import ArtifactStore
from proofrail.commitment.checkpoint import parse_vkey
from proofrail.messaging.client import publish
from proofrail.messaging.settings import KafkaSettings
from proofrail.wire import topics
from proofrail.wire.signing import verify_message
from tests.faults import proposals
from tests.faults.forging import TRACER_VKEY, Run, proposed, sealed
from tests.faults.systems import Service, environment
from tests.faults.tampering import CASES, Expected, Scene
from tests.faults.watching import Contents, followed, read_all
from tests.unit.evidence_runs import verifier

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

_UNSEALED_S = 8.0
"""A multiple of what the run reports of all cases take together, so that a slow machine decides nothing."""


@dataclass
class Tried:
    """What one auditor said about all cases."""

    scenes: dict[str, tuple[Scene, Expected]]
    contents: Contents
    honest: Run
    vkey: str
    store: ArtifactStore
    seconds: float
    took: dict[str, float]


@pytest.fixture(scope="module")
def tried(own_kafka: KafkaSettings, tmp_path_factory: pytest.TempPathFactory) -> Tried:
    """All altered runs, then an honest one, published to an auditor at work."""
    folder = tmp_path_factory.mktemp("auditor")
    scenes = {name: make(f"run-{number}") for number, (name, make) in enumerate(CASES.items())}
    honest = sealed([proposals.valid("honest")])

    async def run() -> Tried:
        env = environment(folder, own_kafka) | {"PROOFRAIL_UNSEALED_AFTER_S": str(_UNSEALED_S)}
        async with Service("auditor", env), followed(own_kafka) as contents:
            await publish(
                own_kafka,
                proposed([value for scene, _ in scenes.values() for value in scene.proposed]),
            )
            begun = time.monotonic()
            await publish(own_kafka, [one for scene, _ in scenes.values() for one in scene.messages])
            await publish(own_kafka, [*proposed([proposals.valid("honest")]), *honest.messages()])
            waiting = {scene.run.run_id for scene, _ in scenes.values()} | {honest.run_id}
            took: dict[str, float] = {}

            def said() -> bool:
                for record in contents.records[topics.REPORTS]:
                    took.setdefault(record.key_text, time.monotonic() - begun)
                return waiting <= set(took)

            await contents.until(said, 60, "a report on every run")
            seconds = time.monotonic() - begun
        return Tried(
            scenes,
            await read_all(own_kafka),
            honest,
            (folder / "auditor.vkey").read_text().strip(),
            ArtifactStore(env["PROOFRAIL_STORE_URL"]),
            seconds,
            took,
        )

    return asyncio.run(run())


@pytest.mark.parametrize("case", list(CASES))
def test_an_altered_run_is_found_out(tried: Tried, case: str) -> None:
    """The report says what was altered, is signed by the auditor, has evidence that holds, and no attestation
    follows."""
    scene, expected = tried.scenes[case]
    reports = tried.contents.reports(scene.run.run_id, "run")
    assert [expected] == [Expected.read(report) for report in reports]
    assert verify_message(reports[0], parse_vkey(tried.vkey)[1])
    if expected.verdict == "MISMATCH":
        bundle = tried.store.get(reports[0]["evidence"]["digest"])
        read = verifier().read_keys
        tracer, auditor = read([TRACER_VKEY], "proofrail-tracer"), read([tried.vkey], "proofrail-auditor")
        said, _, _ = verifier().check(bundle, list(tracer), list(auditor))  # raises when it does not hold
        assert "the auditor signed this bundle" in said
        # Nothing to wait for, least of all for events that will not come.
        assert tried.took[scene.run.run_id] < 30


def test_the_honest_run_matches_and_nothing_is_attested(tried: Tried) -> None:
    """The run sent last, behind all those altered, is a MATCH; without a proof nothing is attested."""
    reports = tried.contents.reports(tried.honest.run_id, "run")
    assert ["MATCH"] == [report["verdict"] for report in reports]
    assert [] == tried.contents.attestations()
    assert len(tried.scenes) + 1 == len(tried.contents.lines(topics.REPORTS))

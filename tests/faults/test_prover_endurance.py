"""Proofs that take long, and provers that are stopped meanwhile: the service with the double, on a real broker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from proofrail.messaging.client import publish
from proofrail.messaging.settings import KafkaSettings
from proofrail.proving import scratch
from proofrail.wire import topics
from tests.double.backend import STEP_MEMORY, Double
from tests.double.program import Mode
from tests.faults import processes, proposals
from tests.faults.forging import TRACER_PRIVATE, proposed, sealed
from tests.faults.systems import Service, awaited, environment
from tests.faults.watching import Contents, followed, read_all

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

_GROUP = "proofrail-prover"
_SESSION_S = 6
"""The broker allows no shorter one."""


class Scene:
    """Provers with one double, and the broker they share."""

    def __init__(self, folder: Path, kafka: KafkaSettings, contents: Contents) -> None:
        self._kafka = kafka
        self.contents = contents
        self.double = Double(folder / "double")
        self.scratch = folder / "scratch"
        self.scratch.mkdir()
        self._env = environment(folder, kafka) | {
            "PROOFRAIL_SCRATCH_DIR": str(self.scratch),
            "PROOFRAIL_KAFKA_SESSION_TIMEOUT_MS": str(1000 * _SESSION_S),
            "PROOFRAIL_KAFKA_MAX_POLL_INTERVAL_MS": "2000",
        }

    def prover(self, instance: str = "test", **env: str) -> Service:
        module = ("tests.double.service", str(self.double.folder))
        return Service("prover", self._env | {"PROOFRAIL_INSTANCE": instance} | env, module)

    async def published(self, name: str) -> str:
        """A run to be proven; its id."""
        run = sealed([proposals.valid(name)])
        await publish(self._kafka, run.messages())
        return run.run_id

    async def proving(self) -> list[processes.Process]:
        """The processes of the proof under way."""
        mark = f"{scratch.ENVIRONMENT}={self.scratch}".encode()
        count = len(self.double.pids())
        await awaited(lambda: len(self.double.pids()) >= max(1, count), 30, "a proof under way")
        return await awaited(lambda: list(processes.mentioning(mark)), 30, "a process of a proof")

    def answers(self) -> list[tuple[str, str]]:
        return [(one["type"], one["run_id"]) for one in self.contents.lines(topics.PROOFS)]

    async def answered(self, run_id: str, seconds: float = 60) -> dict[str, object]:
        await self.contents.until(
            lambda: run_id in {found for _, found in self.answers()}, seconds, f"an answer to {run_id}"
        )
        (answer,) = [one for one in self.contents.lines(topics.PROOFS) if one["run_id"] == run_id]
        return answer

    def inputs(self, kind: str) -> set[str]:
        """The allocations in runs that have been answered so."""
        answered = {run_id for said, run_id in self.answers() if said == kind}
        return {
            line["input"]["allocation_id"]
            for line in self.contents.lines(topics.COMMITMENTS, "Input")
            if line["run_id"] in answered and line["input"]["allocation_id"].startswith("halved")
        }

    async def committed(self) -> int:
        """The group's position on the commitments, 0 when there is none."""
        admin = AIOKafkaAdminClient(**self._kafka.client_options())
        await admin.start()
        try:
            found = await admin.list_consumer_group_offsets(_GROUP)
        finally:
            await admin.close()
        place = found.get(TopicPartition(topics.COMMITMENTS, 0))
        return 0 if place is None else max(0, place.offset)


@asynccontextmanager
async def _scene(folder: Path, kafka: KafkaSettings) -> AsyncIterator[Scene]:
    async with followed(kafka) as contents:
        yield Scene(folder, kafka, contents)


def _rebalances(service: Service) -> list[list[str]]:
    return [entry["partitions"] for entry in service.entries if entry.get("event") == "assigned"]


async def test_a_proof_longer_than_every_timeout_is_committed_once_by_who_made_it(
    own_kafka: KafkaSettings, tmp_path: Path
) -> None:
    """Although it takes longer than the session and than the poll interval, and another instance has joined the group
    meanwhile: that one gets nothing of it. Elapsed and expected time can be read all along."""
    async with _scene(tmp_path, own_kafka) as scene, scene.prover("first") as first:
        scene.double.play(Mode.SLOW, _SESSION_S + 3)
        run_id = await scene.published("endurance")
        await scene.proving()
        async with scene.prover("second") as second:
            address = await first.said("listening", 5)
            url = f"http://127.0.0.1:{address['port']}/metrics"
            async with httpx.AsyncClient() as client:
                said = (await client.get(url)).text
            values = dict(
                line.rsplit(" ", 1)
                for line in said.splitlines()
                if line.startswith("proofrail_proof_e") and 'backend="mock"' in line
            )
            assert 0 < float(values['proofrail_proof_elapsed_seconds{backend="mock"}'])
            assert 0 < float(values['proofrail_proof_expected_seconds{backend="mock"}'])

            answer = await scene.answered(run_id)
            assert ("Proof", "mock", True) == (answer["type"], answer["backend"], answer["is_mock"])
            assert 1 == len(scene.double.pids())
            assert [] == _rebalances(second)[-1]
            assert "proving" not in {entry.get("event") for entry in second.entries}
            assert 0 == await second.stop()
        assert 0 == await first.stop()
    assert 1 == sum(run_id == one["run_id"] for one in (await read_all(own_kafka)).lines(topics.PROOFS))


async def test_sigterm_hands_a_proof_back(own_kafka: KafkaSettings, tmp_path: Path) -> None:
    """In bounded time nothing of it is left, neither process nor file nor record nor position; the next instance makes
    the proof."""
    async with _scene(tmp_path, own_kafka) as scene:
        async with scene.prover("stopped") as prover:
            before = await scene.committed()
            scene.double.play(Mode.HANGS)
            run_id = await scene.published("handed-back")
            family = await scene.proving()
            assert 0 == await prover.stop(seconds=10)
            await processes.gone(family, 5)
        assert [] == list(scene.scratch.iterdir())
        assert run_id not in {found for _, found in scene.answers()}
        assert before == await scene.committed()
        scene.double.play(Mode.PROVES)
        async with scene.prover("next") as successor:
            assert "Proof" == (await scene.answered(run_id))["type"]
            assert 0 == await successor.stop()
        assert before < await scene.committed()


async def test_a_killed_prover_leaves_nothing_that_its_successor_does_not_clear(
    own_kafka: KafkaSettings, tmp_path: Path
) -> None:
    """Its processes end with it; its scratch folder is swept at the next start, and the proof made once."""
    async with _scene(tmp_path, own_kafka) as scene, scene.prover("killed") as prover:
        scene.double.play(Mode.HANGS)
        run_id = await scene.published("killed")
        family = await scene.proving()
        await prover.kill()
        await processes.gone(family, 10)
        (left,) = scene.scratch.iterdir()
        scene.double.play(Mode.PROVES)
        await prover.start()
        assert not left.exists()
        assert {"folders": 1}.items() <= (await prover.said("scratch-swept", 5)).items()
        assert "Proof" == (await scene.answered(run_id))["type"]
        assert 0 == await prover.stop()


async def test_what_can_never_be_proven_is_said_at_once_and_by_whom(
    own_kafka: KafkaSettings, tmp_path: Path
) -> None:
    """A proof that its own verifier refuses is never published; a run beyond the memory allowed gets no process; one
    that is killed again and again is given up after the attempts allowed."""
    async with _scene(tmp_path, own_kafka) as scene:
        async with scene.prover("once", PROOFRAIL_MAX_ATTEMPTS="2") as prover:
            for mode, code, attempts in (
                (Mode.REFUSED, "proof-refused", 1),
                (Mode.ABORTS, "prover-aborted", 1),
                (Mode.KILLED, "prover-killed", 2),
            ):
                scene.double.play(mode)
                answer = await scene.answered(await scene.published(f"never-{mode}"))
                said = (answer["type"], answer["backend"], answer["code"], answer["attempts"])
                assert ("ProofFailure", "mock", code, attempts) == said
            assert 0 == await prover.stop()
        processes_before = len(scene.double.pids())
        async with scene.prover("small", PROOFRAIL_PROOF_MEMORY_LIMIT="1MiB") as prover:
            answer = await scene.answered(await scene.published("too-large"))
            assert ("ProofFailure", "run-too-large", True) == (
                answer["type"],
                answer["code"],
                answer["final"],
            )
            assert 0 == await prover.stop()
        assert processes_before == len(scene.double.pids())
        assert [] == [path for path in (tmp_path / "artifacts").rglob("*") if path.is_file()]


async def test_a_batch_beyond_the_memory_is_halved_until_it_fits(
    own_kafka: KafkaSettings, tmp_path: Path
) -> None:
    """By the tracer, at the prover's word: no process is started for what cannot fit, and every proposal is proven in
    the end. As the proofs are mocks, the auditor names each of them one, and attests nothing."""
    values = proposals.several("halved", 24)
    names = {f"halved-{number}" for number in range(len(values))}
    whole, half = (sealed(some).seal["n_steps"] for some in (values, values[:12]))
    assert half < whole
    key = tmp_path / "tracer.key"
    key.touch(mode=0o600)
    key.write_text(TRACER_PRIVATE)
    env = environment(tmp_path, own_kafka)
    async with (
        _scene(tmp_path, own_kafka) as scene,
        Service("tracer", env),
        Service("auditor", env) as auditor,
    ):
        limit = str(half * STEP_MEMORY)
        async with scene.prover("halving", PROOFRAIL_PROOF_MEMORY_LIMIT=limit) as prover:
            await publish(own_kafka, proposed(values))
            await scene.contents.until(lambda: names <= scene.inputs("Proof"), 60, "a proof for each")
            assert names == scene.inputs("ProofFailure")
            assert 2 == len(scene.double.pids())
            assert 0 == await prover.stop()
        failures = scene.contents.lines(topics.PROOFS, "ProofFailure")
        assert "run-too-large" == failures[-1]["code"]
        assert [] == scene.contents.letters()
        mocks = [one["run_id"] for one in scene.contents.lines(topics.PROOFS, "Proof")][-2:]
        contents = scene.contents
        await contents.until(
            lambda: all(contents.reports(run, "run") and contents.reports(run, "proof") for run in mocks),
            60,
            "reports on both runs",
        )
        for run in mocks:
            assert ["MATCH"] == [one["verdict"] for one in contents.reports(run, "run")]
            (report,) = contents.reports(run, "proof")
            assert ("MISMATCH", "is_mock") == (report["verdict"], report["first_mismatch"]["kind"])
        assert 0 == await auditor.stop()
        assert [] == contents.attestations()


async def test_a_service_takes_no_work_before_a_prover_has_passed_its_test(
    own_kafka: KafkaSettings, tmp_path: Path
) -> None:
    """It ends, and says what is missing and how to get it; with a backend to fall back on it starts, and says that
    too."""
    double = Double(tmp_path / "double")
    env = environment(tmp_path, own_kafka) | double.as_stwo()
    env |= {"PROOFRAIL_PROVER_BACKENDS": "stone,stwo", "PROOFRAIL_STONE_PROVER": "/nowhere"}
    lonely = Service("prover", env)
    with pytest.raises(AssertionError, match="has ended"):
        await lonely.start()
    assert "ready" not in {entry.get("event") for entry in lonely.entries}
    (said,) = [entry for entry in lonely.entries if entry.get("event") == "failed"]
    assert "prover-missing" == said["code"]
    assert "PROOFRAIL_STONE_PROVER" in said["error"]
    async with Service("prover", env | {"PROOFRAIL_PROVER_FALL_BACK": "true"}) as prover:
        said = await prover.said("backend-unusable", 5)
        assert ("stone", "prover-missing") == (said["backend"], said["code"])
        assert "PROOFRAIL_STONE_PROVER" in said["next_step"]
        assert 0 == await prover.stop()

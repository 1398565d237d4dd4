"""What the prover service does with one run: the job with the double, without Kafka."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.double.backend import Double, MockBackend
from tests.double.program import Mode
from tests.faults import proposals
from tests.faults.forging import TRACER_VKEY, sealed

from proofrail.artifacts.reference import Ref
from proofrail.artifacts.store import ArtifactStore
from proofrail.audit.risk_runs import RiskRuns
from proofrail.cairo.risk_program import load
from proofrail.messaging.metrics import Metrics
from proofrail.prover.job import JobLimits, ProvingJob
from proofrail.prover.progress import ProofProgress
from proofrail.proving.backends import Backends
from proofrail.proving.cost import Cost
from proofrail.proving.policy import Policy
from proofrail.wire import topics
from proofrail.wire.errors import TransientError
from proofrail.wire.messages import Proof, ProofFailure
from proofrail.wire.runs import CommittedRun, RunAssembler


@cache
def _run() -> CommittedRun:
    run = sealed([proposals.valid("job")])
    assembler = RunAssembler()
    (found,) = (
        one
        for message in run.messages()
        if message.topic == topics.COMMITMENTS
        for one in assembler.feed(run.run_id, message.value or b"", None)
    )
    return found


class Away(ArtifactStore):
    """A store that cannot be reached for a while."""

    def __init__(self, failures: int) -> None:
        super().__init__("memory://job")
        self.failures = failures

    def put(self, data: bytes) -> Ref:
        if self.failures:
            self.failures -= 1
            raise TransientError("store-away", "nobody answers")
        return super().put(data)


@dataclass
class Scene:
    """A job with doubles for stone and stwo."""

    folder: Path
    metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        self.stone, self.stwo = Double(self.folder / "stone"), Double(self.folder / "stwo")

    def settle(
        self,
        *,
        allow_mock: bool = True,
        store: ArtifactStore | None = None,
        attempts: int = 1,
        memory: int | None = None,
        seconds: float = 60.0,
        expected: float = 1000.0,
        grace: float = 0.0,
        stopped: bool = False,
    ) -> Proof | ProofFailure | None:
        backends = Backends(
            {
                "stone": MockBackend(self.stone, name="stone", cpu_seconds=expected),
                "stwo": MockBackend(self.stwo, name="stwo"),
            },
            fall_back=True,
        )
        policy = Policy(backends=backends.names, allow_mock=allow_mock)
        job = ProvingJob(
            RiskRuns.all(),
            [TRACER_VKEY],
            backends,
            policy,
            store or ArtifactStore("memory://job"),
            JobLimits(attempts, seconds, memory, grace),
            self.metrics,
        )

        async def settle() -> Proof | ProofFailure | None:
            draining = asyncio.Event()
            settling = asyncio.create_task(job.settle(_run(), draining))
            while stopped and not self.stone.pids():  # noqa: ASYNC110 - of a file
                await asyncio.sleep(0.01)
            if stopped:
                draining.set()
            return await settling

        return asyncio.run(settle())

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr("proofrail.prover.job._FIRST_PAUSE_S", 0.01)
    return Scene(tmp_path)


def test_a_mock_is_published_as_one_or_not_at_all(scene: Scene) -> None:
    """Where the policy does not allow mocks, however well they verify, the run gets a ProofFailure."""
    refused = scene.settle(allow_mock=False)
    assert isinstance(refused, ProofFailure)
    assert "policy-mock" == refused.code
    proof = scene.settle()
    assert isinstance(proof, Proof)
    assert (True, "stone") == (proof.is_mock, proof.backend)


@pytest.mark.parametrize(
    ("stone", "stwo", "backend", "code"),
    [
        (Mode.ABORTS, Mode.PROVES, "stone", "prover-aborted"),
        (Mode.WRONG_HOST, Mode.ABORTS, "stwo", "prover-aborted"),
        (Mode.NOT_STARTED, Mode.KILLED, "stwo", "prover-killed"),
        (Mode.GARBAGE, Mode.PROVES, "stone", "prover-broken"),
    ],
)
def test_a_failure_names_the_backend_that_failed(
    scene: Scene, stone: Mode, stwo: Mode, backend: str, code: str
) -> None:
    """Not the one that was preferred; in the message, the log and the metrics alike."""
    scene.stone.play(stone)
    scene.stwo.play(stwo)
    with capture_logs() as said:
        failure = scene.settle()
    assert isinstance(failure, ProofFailure)
    assert (backend, code) == (failure.backend, failure.code)
    assert [backend] == [entry["backend"] for entry in said if entry["event"] == "proof-failed"]
    assert 1 == scene.value("proofrail_proofs_total", backend=backend, outcome=code)


def test_a_fall_back_is_told(scene: Scene) -> None:
    """Once, with what is wrong with the preferred backend and what to do; the proof names the one that made it."""
    scene.stone.play(Mode.WRONG_HOST)
    with capture_logs() as said:
        proof = scene.settle()
    assert isinstance(proof, Proof)
    assert "stwo" == proof.backend
    (told,) = [entry for entry in said if entry["event"] == "backend-unusable"]
    assert ("stone", "prover-wrong-host") == (told["backend"], told["code"])
    assert told["next_step"]


def test_a_proof_that_its_verifier_refuses_is_never_kept(scene: Scene) -> None:
    """Poison: the same again would make the same."""
    scene.stone.play(Mode.REFUSED)
    store = Away(0)
    failure = scene.settle(store=store, attempts=5)
    assert isinstance(failure, ProofFailure)
    assert ("proof-refused", 1) == (failure.code, failure.attempts)
    assert 1 == len(scene.stone.pids())


def test_a_proof_is_not_made_again_for_want_of_the_store(scene: Scene) -> None:
    """An hour's work waits for it, and the attempts are not charged."""
    proof = scene.settle(store=Away(3), attempts=1)
    assert isinstance(proof, Proof)
    assert 1 == len(scene.stone.pids())
    assert 3 == scene.value("proofrail_retries_total", code="store-away")


def test_a_proof_names_its_seal_its_program_and_the_attempt_that_made_it(scene: Scene) -> None:
    """What a registrar asks of it beside the proof; waiting for the store is no attempt."""
    proof = scene.settle(store=Away(1))
    assert isinstance(proof, Proof)
    seal, program = _run().seal, load()
    assert seal is not None
    assert (seal["root"], 1, program.proven) == (proof.root, proof.attempt, proof.program)
    assert proof.evidence is not None
    assert not proof.evidence.verified


def test_what_may_be_the_runs_fault_is_given_up_after_the_attempts(scene: Scene) -> None:
    """A prover that is killed again and again."""
    scene.stone.play(Mode.KILLED)
    failure = scene.settle(attempts=3)
    assert isinstance(failure, ProofFailure)
    assert ("prover-killed", 3, True) == (failure.code, failure.attempts, failure.final)
    assert 3 == len(scene.stone.pids())


@pytest.mark.parametrize("mode", [Mode.OUT_OF_MEMORY, Mode.HANGS])
def test_what_took_all_there_is_is_tried_once_more(scene: Scene, mode: Mode) -> None:
    """The attempts are many, and each could be an hour."""
    scene.stone.play(mode)
    failure = scene.settle(attempts=9, seconds=0.5)
    assert isinstance(failure, ProofFailure)
    assert failure.code in ("prover-out-of-memory", "prover-timeout")
    assert 2 == failure.attempts


def test_a_stopped_service_finishes_what_is_nearly_done(scene: Scene) -> None:
    """A proof that is expected within the grace: the next instance need not make it again."""
    scene.stone.play(Mode.SLOW, 0.5)
    assert isinstance(scene.settle(expected=60.0, grace=60.0, stopped=True), Proof)
    assert 1 == len(scene.stone.pids())


@pytest.mark.parametrize(("expected", "grace"), [(1000.0, 1.0), (0.0, 60.0), (20.0, 0.0)])
def test_a_stopped_service_hands_back_the_rest(scene: Scene, expected: float, grace: float) -> None:
    """A proof that takes longer, or is overdue so that nobody knows, or where there is no time at all."""
    scene.stone.play(Mode.HANGS)
    assert scene.settle(expected=expected, grace=grace, stopped=True) is None


def test_a_stopped_service_waits_no_longer_than_the_grace(scene: Scene) -> None:
    """Also for a proof that was expected in time."""
    scene.stone.play(Mode.HANGS)
    begun = time.monotonic()
    cores = os.cpu_count() or 1
    assert scene.settle(expected=2.0 * cores, grace=2.5, stopped=True) is None
    assert time.monotonic() - begun < 30


def test_a_run_beyond_the_memory_is_given_up_before_there_is_a_process(scene: Scene) -> None:
    """For the tracer to halve."""
    failure = scene.settle(memory=1 << 20, attempts=5)
    assert isinstance(failure, ProofFailure)
    assert ("run-too-large", 1, "stone") == (failure.code, failure.attempts, failure.backend)
    assert [] == scene.stone.pids()


def test_expected_and_real_time_are_compared(scene: Scene) -> None:
    """And the beginning says in words how long it should take."""
    with capture_logs() as said:
        scene.settle()
    (begun,) = [entry for entry in said if entry["event"] == "proving"]
    assert "stone" == begun["backend"]
    assert begun["expected"].startswith("about ")
    assert 1 == scene.value("proofrail_proof_time_ratio_count", backend="stone")
    assert 0 == scene.value("proofrail_proof_elapsed_seconds", backend="stone")
    assert 0 == scene.value("proofrail_proving", backend="stone")


# --- progress on its own --------------------------------------------------------------------------------------


def test_the_gauges_follow_the_proof_under_way() -> None:
    """By the clock when they are read; a backend that is not at work has none."""
    now = 100.0
    metrics = Metrics()
    progress = ProofProgress(metrics, ["stone", "stwo"], clock=lambda: now)

    def seconds(kind: str) -> list[float | None]:
        return [
            metrics.registry.get_sample_value(f"proofrail_proof_{kind}_seconds", {"backend": backend})
            for backend in ("stone", "stwo")
        ]

    async def prove() -> None:
        nonlocal now
        async with progress.following():
            progress.begin("stone", Cost(90.0, 1 << 30, 1000))
            expected = Cost(90.0, 0, 0).seconds
            now = 107.5
            assert ([7.5, 0.0], [expected, 0.0]) == (seconds("elapsed"), seconds("expected"))
            progress.begin("stwo", None)
            now = 109.0
            assert ([0.0, 1.5], [0.0, 0.0]) == (seconds("elapsed"), seconds("expected"))

    asyncio.run(prove())
    assert ([0.0, 0.0], [0.0, 0.0]) == (seconds("elapsed"), seconds("expected"))


def test_a_long_proof_says_now_and_then_that_it_goes_on() -> None:
    """With the stage it is in and the time it has taken; afterwards nothing more is said."""
    progress = ProofProgress(Metrics(), ["stwo"], tell_every=0.01)

    async def prove(said: list[Any]) -> None:
        async with asyncio.timeout(10), progress.following():
            progress.begin("stwo", Cost(10.0, 0, 0))
            while sum(one["event"] == "still-proving" for one in said) < 2:  # noqa: ASYNC110 - of a log
                await asyncio.sleep(0)

    with capture_logs() as said:
        asyncio.run(prove(said))
    entry = next(entry for entry in said if entry["event"] == "still-proving")
    assert ("stwo", "start", "1 s") == (entry["backend"], entry["stage"], entry["elapsed"])
    assert entry["expected"].startswith("about ")

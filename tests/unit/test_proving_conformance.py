"""What every Backend owes its caller, asked of all of them alike: stwo and Stone as they are, where they are at hand,
both with a double for a prover, and the double on its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.double.backend import NAME as MOCK
from tests.double.backend import Double, MockBackend
from tests.double.program import Mode

from proofrail.cairo.program import CairoProgram
from proofrail.cairo.vm import run
from proofrail.proving import locate, scratch
from proofrail.proving.backend import Backend, Progress, ProofResult
from proofrail.proving.errors import PolicyError, RefusedProof
from proofrail.proving.policy import Policy
from proofrail.proving.statement import Expected, TracedRun
from proofrail.proving.stone import programs
from proofrail.proving.stone.backend import StoneBackend
from proofrail.proving.stwo import StwoBackend
from proofrail.wire.errors import PoisonError, ProofrailError, TransientError

Eventually = Callable[..., Awaitable[None]]

FIBONACCI = Path(__file__).parents[2] / "cairo" / "artifacts" / "fibonacci.json"
GIVEN = b'{"n": 3}'

_no_stwo = pytest.mark.skipif(locate.find() is None, reason="the stwo prover is not built: make prover")
_no_stone = pytest.mark.skipif(
    programs.find(programs.PROVER) is None or programs.find(programs.VERIFIER) is None,
    reason="Stone's cpu_air_prover and cpu_air_verifier are not on PATH",
)
REAL = [
    pytest.param("stwo", marks=[pytest.mark.prover, pytest.mark.slow, _no_stwo]),
    pytest.param("stone", marks=[pytest.mark.stone, _no_stone]),
]
DOUBLES = [MOCK, "stwo-double", "stone-double"]

ENDS = {
    Mode.ABORTS: (PoisonError, "prover-aborted"),
    Mode.OUT_OF_MEMORY: (TransientError, "prover-out-of-memory"),
    Mode.KILLED: (TransientError, "prover-killed"),
    Mode.WRONG_HOST: (TransientError, "prover-wrong-host"),
    Mode.DISK_FULL: (TransientError, "output-not-written"),
    Mode.NOT_STARTED: (TransientError, "prover-does-not-run"),
    Mode.FAILS: (TransientError, "prover-broken"),
    Mode.SILENT: (TransientError, "prover-broken"),
    Mode.GARBAGE: (TransientError, "prover-broken"),
    Mode.TRUNCATED: (TransientError, "prover-broken"),
}


@cache
def _program() -> CairoProgram:
    return CairoProgram.load(FIBONACCI)


@cache
def _expected() -> Expected:
    made = run(_program(), json.loads(GIVEN), "small")
    traced = TracedRun.of(json.loads(made.public_input()))
    return Expected.of(_program().words, _program().builtins, made.output, traced)


@dataclass
class Subject:
    """One implementation, its scratch folder, and the double behind it, if any."""

    backend: Backend
    scratch: Path
    double: Double

    async def prove(self, **options: object) -> ProofResult:
        return await self.backend.prove(_program().compiled, GIVEN, **options)

    def processes(self) -> list[int]:
        """All that belong to a proof of its own."""
        mark = f"{scratch.ENVIRONMENT}={self.scratch}".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                state = (process / "stat").read_text().rpartition(")")[2].split()[0]
                if mark in (process / "environ").read_bytes() and state not in "ZX":
                    found.append(int(process.name))
        return found

    @property
    def policy(self) -> Policy:
        return Policy(backends=(self.backend.name,), allow_mock=self.backend.name == MOCK)


def _subject(name: str, folder: Path, scripts: Path, monkeypatch: pytest.MonkeyPatch) -> Subject:
    files = folder / "scratch"
    files.mkdir()
    double = Double(scripts)
    double.forget()
    played = {"stone-double": double.as_stone, "stwo-double": double.as_stwo}
    for key, value in played.get(name, dict)().items():
        monkeypatch.setenv(key, value)
    backend: Backend
    if name == MOCK:
        backend = MockBackend(double, scratch_dir=files)
    elif name.startswith("stwo"):
        backend = StwoBackend(scratch_dir=files)
    else:
        backend = StoneBackend(scratch_dir=files)
    return Subject(backend, files, double)


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One set of programs for all tests: each new one would be put to its self-test."""
    return tmp_path_factory.mktemp("double")


@pytest.fixture(params=DOUBLES)
def failing(
    request: pytest.FixtureRequest, tmp_path: Path, scripts: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Subject]:
    """Each implementation with a double for a prover; nothing may be left of any proof."""
    subject = _subject(request.param, tmp_path, scripts, monkeypatch)
    yield subject
    assert [] == list(subject.scratch.iterdir())


@pytest.fixture(scope="module", params=[MOCK, *REAL])
def honest(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, scripts: Path
) -> Subject:
    """Each implementation as it is."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        return _subject(request.param, tmp_path_factory.mktemp("honest"), scripts, monkeypatch)


@pytest.fixture(scope="module")
def progress() -> list[Progress]:
    return []


@pytest.fixture(scope="module")
def made(honest: Subject, progress: list[Progress]) -> ProofResult:
    """A proof by each, made once."""
    progress.clear()
    traced = _expected().traced
    return asyncio.run(
        honest.prove(on_progress=progress.append, timeout=240, memory_limit=6 << 30, traced=traced)
    )


def test_a_proof_is_described_and_holds(honest: Subject, made: ProofResult, progress: list[Progress]):
    """By its own backend under a policy that names it; only the double's are stamped; no file is left."""
    assert (honest.backend.name, _expected().output) == (made.backend, made.output)
    assert (made.backend == MOCK) == made.is_mock
    assert made.backend_version == honest.backend.version()
    assert 0 < made.timings["prove"] <= made.timings["total"]
    assert "prove" in {one.stage for one in progress if one.seconds is None}
    assert "prove" in {one.stage for one in progress if one.seconds}
    verified = honest.backend.verify(made.proof, _expected(), honest.policy)
    assert made.security_bits == verified.security_bits
    assert _expected().output == verified.statement.output
    assert [] == list(honest.scratch.iterdir())


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"output": (1,)}, "proof-output"),
        ({"words": (1, 2, 3)}, "proof-program"),
    ],
)
def test_a_proof_of_something_else_is_refused(
    honest: Subject, made: ProofResult, change: dict[str, tuple[int, ...]], code: str
):
    """Another output of the same program, another program with the same output."""
    with pytest.raises(RefusedProof, match=code):
        honest.backend.verify(made.proof, replace(_expected(), **change), honest.policy)


def test_half_a_proof_is_refused(honest: Subject, made: ProofResult):
    """A verdict, not a failure of the verifier."""
    with pytest.raises(RefusedProof):
        honest.backend.verify(made.proof[: len(made.proof) // 2], _expected(), honest.policy)


def test_the_policy_is_asked(honest: Subject, made: ProofResult):
    """A backend that is not named, and a program that is not allowed."""
    for policy in (
        replace(honest.policy, backends=("another",)),
        replace(honest.policy, program_hashes=("0x1",)),
    ):
        with pytest.raises(PolicyError):
            honest.backend.verify(made.proof, _expected(), policy)


def test_more_memory_than_allowed_is_refused_before_there_is_a_process(failing: Subject):
    """As poison: half of the run may fit, the same run never will."""
    with pytest.raises(PoisonError, match="run-too-large"):
        asyncio.run(failing.prove(memory_limit=1 << 20, traced=_expected().traced))
    assert [] == failing.double.pids()


def test_no_room_on_disk_is_found_before_there_is_a_process(
    failing: Subject, monkeypatch: pytest.MonkeyPatch
):
    """It may pass."""
    monkeypatch.setattr(scratch.shutil, "disk_usage", lambda _: SimpleNamespace(free=-1))
    with pytest.raises(TransientError, match="scratch-full"):
        asyncio.run(failing.prove())
    assert [] == failing.double.pids()


@pytest.mark.parametrize("mode", ENDS)
def test_each_end_of_a_prover_is_told_apart(failing: Subject, mode: Mode):
    """By the same codes for all: poison, worth a retry, or the host's fault."""
    kind, code = ENDS[mode]
    failing.double.play(mode)
    with pytest.raises(ProofrailError) as ended:
        asyncio.run(failing.prove())
    assert (kind, code) == (type(ended.value), ended.value.code), ended.value


@pytest.mark.parametrize("mode", [Mode.HANGS, Mode.ESCAPES])
async def test_a_prover_that_hangs_is_ended_with_all_it_started(
    failing: Subject, mode: Mode, eventually: Eventually
):
    """After its time; also a process that does not heed SIGTERM, or has left the group."""
    failing.double.play(mode)
    with pytest.raises(TransientError, match="prover-timeout"):
        await failing.prove(timeout=0.5)
    # One that left the group is nobody's child here: it is killed, and dies when the kernel comes to it.
    await eventually(lambda: not failing.processes())


async def test_a_cancelled_caller_leaves_nothing(failing: Subject, eventually: Eventually):
    """Neither a process nor a file."""
    failing.double.play(Mode.HANGS)
    task = asyncio.create_task(failing.prove())
    await eventually(lambda: len(failing.processes()) > len(failing.double.pids()) > 0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await eventually(lambda: not failing.processes())


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
@pytest.mark.parametrize("failing", ["stwo-double", "stone-double"], indirect=True)
async def test_limits_reach_the_prover(failing: Subject, eventually: Eventually):
    """Stone's prover has its memory limited and its priority lowered by the launcher, which is left alone; stwo's is
    told to do so itself, with what its threads reserve on top."""
    failing.double.play(Mode.HANGS)
    task = asyncio.create_task(failing.prove(memory_limit=1 << 30))
    await eventually(failing.double.pids)
    process = Path("/proc") / str(failing.double.pids()[0])
    options = (process / "cmdline").read_text().split("\0")
    limits = (process / "limits").read_text()
    nice = int((process / "stat").read_text().rpartition(")")[2].split()[16])
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    if failing.backend.name == "stwo":
        (limit,) = (int(one.partition("=")[2]) for one in options if one.startswith("--memory-limit="))
        assert 1 << 30 <= limit <= (1 << 30) + (1 << 26) * (2 + (os.cpu_count() or 1))
        assert "--nice=10" in options
    else:
        (line,) = (line for line in limits.splitlines() if line.startswith("Max data size"))
        assert (str(1 << 30), min(19, os.nice(0) + 10)) == (line.split()[3], nice)


@pytest.mark.parametrize("failing", [MOCK, "stone-double"], indirect=True)
def test_a_proof_of_another_run_is_poison(failing: Subject):
    """Where the proof's own words say so before any verifier is asked."""
    failing.double.play(Mode.WRONG_STATEMENT)
    with pytest.raises(PoisonError, match="proof-other-statement"):
        asyncio.run(failing.prove())


@pytest.mark.parametrize("failing", ["stwo-double"], indirect=True)
def test_what_a_double_makes_never_passes_for_a_proof_of_stwos(failing: Subject):
    """The verifier refuses it; Stone's double is refused by the stamp before that."""
    made = asyncio.run(failing.prove())
    with pytest.raises(RefusedProof):
        failing.backend.verify(made.proof, _expected(), failing.policy)


@pytest.mark.parametrize("failing", ["stone-double"], indirect=True)
def test_what_a_double_makes_never_passes_for_a_proof_of_stones(failing: Subject):
    """Its stamp is a member that no proof of Stone's has."""
    with pytest.raises(TransientError, match="is_mock"):
        asyncio.run(failing.prove())

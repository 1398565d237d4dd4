"""`proofrail prove` as a user meets it: what it refuses before any prover is started, how it ends, what it leaves.

No real prover is needed: doubles stand in for those that fail or hang, and a golden proof for one that is made.
"""

from __future__ import annotations

import errno
import gzip
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
import typer
from tests.double.backend import Double
from tests.double.program import Mode
from typer.testing import CliRunner, Result

from proofrail.cairo.program import CairoProgram
from proofrail.cairo.vm import run as execute
from proofrail.cli import prove as command
from proofrail.cli.offline import register
from proofrail.cli.runfiles import read_run
from proofrail.proving import scratch
from proofrail.proving.backend import OnProgress, Progress, ProofResult, Verified
from proofrail.proving.cost import Cost
from proofrail.proving.policy import Policy
from proofrail.proving.statement import Expected, TracedRun
from proofrail.proving.stone import verifier
from proofrail.wire.errors import PoisonError

CHECKOUT = Path(__file__).parents[2]
FIBONACCI = CHECKOUT / "cairo" / "artifacts" / "fibonacci.json"
RISK_ENGINE = FIBONACCI.with_name("risk_engine.json")
BUILTINS = CHECKOUT / "tests" / "data" / "cairo" / "builtins"
GOLDEN = CHECKOUT / "tests" / "data" / "stone" / "fib512.json.gz"
PROOFS = {"proof.bin", "proof.json"}

APP = typer.Typer()
register(APP)


def call(*arguments: object) -> Result:
    return CliRunner().invoke(APP, [str(argument) for argument in arguments])


def trace(program: Path, folder: Path, inputs: str, *more: object) -> Path:
    given = folder.with_suffix(".json")
    given.write_text(inputs)
    result = call("trace", program, "--inputs", given, "--out", folder, *more)
    assert result.exit_code in (0, 1), result.stderr
    return folder


@pytest.fixture(autouse=True)
def no_provers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is installed on this machine."""
    for name in ("PROOFRAIL_STWO_PROVER", "PROOFRAIL_STONE_PROVER", "PROOFRAIL_STONE_VERIFIER"):
        monkeypatch.setenv(name, "/nowhere")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The run of the golden proof."""
    return trace(FIBONACCI, tmp_path / "run", '{"n": 60}')


class Remembered:
    """Gives the golden proof of the run, and checks it as far as that goes without Stone's verifier."""

    name = "stone"
    fails: PoisonError | None = None

    def preflight(self) -> None:
        pass

    def expected_cost(self, traced: TracedRun, memory_limit: int | None = None) -> Cost:
        return Cost(1.0, 1 << 20, 50_000)

    async def prove(self, *_: bytes, on_progress: OnProgress, **__: Any) -> ProofResult:
        on_progress(Progress("prove", None))
        if self.fails is not None:
            raise self.fails
        on_progress(Progress("prove", 2.0))
        proof = gzip.decompress(GOLDEN.read_bytes())
        return ProofResult(proof, self.name, "golden", 96, {}, (), 375, {"total": 2000}, 1 << 20)

    def verify(self, proof: bytes, expected: Expected, policy: Policy) -> Verified:
        return verifier.examine(proof, expected, policy)


@pytest.fixture
def remembered(monkeypatch: pytest.MonkeyPatch) -> Remembered:
    backend = Remembered()
    monkeypatch.setattr(command, "_backend", lambda *_: backend)
    return backend


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("backend", ["stwo", "stone"])
def test_a_missing_prover_leaves_it_open_and_says_how_to_get_one(run: Path, backend: str) -> None:
    """Status 3: nothing is wrong with the run."""
    before = files(run)
    result = call("prove", run, "--backend", backend)
    assert (3, "") == (result.exit_code, result.stdout)
    assert "prover-missing" in result.stderr or "prover-does-not-run" in result.stderr
    assert "next: " in result.stderr
    assert before == files(run)


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        (["--hasher", "keccak_160_lsb"], 2, "prove-options"),
        (["--memory-verification", "relaxed", "--backend", "stone"], 2, "prove-options"),
        (["--memory-limit", "much"], 2, "memory-limit"),
        (["--for", "chain"], 1, "parameters-goal"),
        (["--backend", "stone", "--for", "chain"], 1, "chain-builtins"),
        (
            ["--backend", "stone", "--for", "chain", "--hasher", "md5", "--memory-verification", "relaxed"],
            1,
            "parameters-hash",
        ),
        (["--backend", "stone", "--min-bits", "200"], 1, "parameters-security"),
        (["--backend", "stone", "--memory-limit", "10MiB"], 1, "run-too-large"),
        (["--memory-limit", "1GiB"], 1, "run-too-large"),
    ],
)
def test_what_cannot_be_is_refused_before_a_prover_is_looked_for(
    run: Path, options: list[str], status: int, code: str
) -> None:
    """Options, parameters, memory and the registry's demands: else the status would be 3, no prover being there."""
    result = call("prove", run, *options)
    assert (status, "") == (result.exit_code, result.stdout)
    assert code in result.stderr


def test_a_run_that_the_backend_cannot_prove_is_refused_with_the_layout_to_take(tmp_path: Path) -> None:
    """By the names of builtin and layout; all combinations are in tests/unit/test_any_program.py."""
    bitwise = trace(BUILTINS / "bitwise.json", tmp_path / "bitwise", '{"n": 3}', "--layout", "all_solidity")
    result = call("prove", bitwise, "--backend", "stone")
    assert (1, True, True) == (
        result.exit_code,
        "layout-not-provable" in result.stderr,
        "--layout recursive" in result.stderr,
    )


@pytest.mark.parametrize(
    ("name", "layout", "inputs", "provers", "said"),
    [
        ("pedersen", "small", '{"n": 3}', ["stwo", "stone"], ""),
        ("pedersen", "starknet_with_keccak", '{"n": 3}', ["stwo"], ""),
        ("none", "small", '{"n": 3}', ["stone"], ""),
        ("none", "plain", '{"n": 3}', [], "--layout small"),
        ("keccak", "starknet_with_keccak", '{"n": 3}', [], "stwo does not prove"),
    ],
)
def test_a_trace_says_by_whom_the_run_can_be_proven(
    tmp_path: Path, name: str, layout: str, inputs: str, provers: list[str], said: str
) -> None:
    """Who cannot be helped by `prove` learns it at once, with the way out."""
    (given := tmp_path / "in.json").write_text(inputs)
    result = call(
        "trace", BUILTINS / f"{name}.json", "--inputs", given, "--layout", layout, "--out", tmp_path / "x"
    )
    assert provers == json.loads(result.stdout)["provable_by"]
    assert said in result.stderr


def test_a_program_that_reads_no_inputs_needs_no_file(tmp_path: Path) -> None:
    """Its run has one input, the empty object; one that does read is told the member, the risk engine the file."""
    result = call("trace", BUILTINS / "constant.json", "--out", tmp_path / "run")
    assert 0 == result.exit_code, result.stderr
    assert ["0x2a"] == json.loads(result.stdout)["output"]
    assert b'"input":{}' in (tmp_path / "run" / "commitments.ndjson").read_bytes().splitlines()[0]
    for program, code in ((FIBONACCI, "input-missing"), (RISK_ENGINE, "inputs-count")):
        result = call("trace", program, "--out", tmp_path / "other")
        assert (2, True) == (result.exit_code, code in result.stderr)


def test_a_run_that_does_not_hold_is_not_proven(run: Path, tmp_path: Path) -> None:
    """No run folder; one that failed in the VM; one whose inputs, or whose seal, were tampered with."""
    assert "no-run-folder" in (result := call("prove", tmp_path)).stderr
    assert 2 == result.exit_code
    failed = trace(BUILTINS / "range_check.json", tmp_path / "failed", '{"n": -1}')
    assert "run-failed" in (result := call("prove", failed)).stderr
    assert 1 == result.exit_code
    commitments = run / "commitments.ndjson"
    whole = commitments.read_bytes()
    for before, after in ((b'"n":60', b'"n":61'), (b'"output_count":2', b'"output_count":3')):
        assert before in whole
        commitments.write_bytes(whole.replace(before, after))
        assert "run-mismatch" in (result := call("prove", run)).stderr
        assert 1 == result.exit_code


def test_the_steps_before_padding_are_told_from_the_trace(run: Path) -> None:
    """They are what stwo proves: as many as the VM counted."""
    program, values = CairoProgram.load(FIBONACCI), {"n": 60}
    assert execute(program, values, "small").real_steps == read_run(run).real_steps


def test_a_folder_that_cannot_be_written_is_told_before_any_work(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not after minutes of proving. The superuser may write anywhere: hence by what the system would say."""

    def forbidden(dir: Path) -> None:  # noqa: A002 -- the name it has there
        raise PermissionError(errno.EACCES, "Permission denied", str(dir))

    monkeypatch.setattr(tempfile, "TemporaryFile", forbidden)
    result = call("prove", run)
    assert (2, "") == (result.exit_code, result.stdout)
    assert "file-not-permitted" in result.stderr


def test_a_finished_proof_is_announced_kept_and_replaced(run: Path, remembered: Remembered) -> None:
    """The message on stdout is proof.json; proving again replaces both files by the same."""
    first = call("prove", run, "--json")
    assert 0 == first.exit_code, first.stderr
    assert "proving 512 steps in layout small with stone: about 1 s" in first.stderr
    assert (run / "proof.json").read_bytes() == first.stdout_bytes
    assert gzip.decompress(GOLDEN.read_bytes()) == (run / "proof.bin").read_bytes()
    before = files(run)
    (run / "proof.bin").write_bytes(b"of an earlier run")
    assert 0 == call("prove", run).exit_code
    assert before == files(run)


def test_only_a_finished_proof_replaces_another(
    run: Path, remembered: Remembered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a prover that gives up, nor one whose proof finds no room on disk: nothing of them is left."""
    for name in PROOFS:
        (run / name).write_bytes(b"an earlier proof")
    before = files(run)
    remembered.fails = PoisonError("prover-aborted", "the prover gave up")
    assert 1 == call("prove", run).exit_code
    assert before == files(run)
    remembered.fails = None

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    result = call("prove", run)
    assert (2, "") == (result.exit_code, result.stdout)
    assert "disk-full" in result.stderr
    assert before == files(run)


@pytest.mark.parametrize(
    ("mode", "status", "code"),
    [
        (Mode.ABORTS, 1, "prover-aborted"),
        (Mode.OUT_OF_MEMORY, 3, "prover-out-of-memory"),
        (Mode.DISK_FULL, 3, "output-not-written"),
        (Mode.GARBAGE, 3, "prover-broken"),
    ],
)
def test_how_the_prover_ended_is_the_status(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: Mode, status: int, code: str
) -> None:
    """1 where it would happen again, 3 where this host let it down."""
    double = Double(tmp_path / "double")
    double.play(mode)
    for name, value in double.as_stwo().items():
        monkeypatch.setenv(name, value)
    before = files(run)
    result = call("prove", run)
    assert (status, "") == (result.exit_code, result.stdout)
    assert code in result.stderr
    assert before == files(run)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_the_prover_and_leaves_nothing(run: Path, tmp_path: Path, sent: signal.Signals) -> None:
    """Status 130 and one word; no process, no scratch folder, no half of a proof. So does the end of a session."""
    double = Double(tmp_path / "double")
    double.play(Mode.HANGS)
    (place := tmp_path / "scratch").mkdir()
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import typer; from proofrail.cli.offline import register; a = typer.Typer(); register(a); a()",
            *("prove", str(run)),
        ],
        env=os.environ | double.as_stwo() | {"TMPDIR": str(place)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A shell starts what it puts in the background with SIGINT ignored, and that is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    before = files(run)
    deadline = time.monotonic() + 60
    while not double.pids():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(sent)
    out, errors = process.communicate(timeout=60)
    assert (130, b"", b"interrupted") == (process.returncode, out, errors.splitlines()[-1])
    assert before == files(run)
    assert [] == list(place.glob(f"{scratch.PREFIX}*"))
    for pid in double.pids():
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_the_help_tells_the_backends_apart() -> None:
    """What each proves, what it needs, and what every status means."""
    shown = " ".join(call("prove", "--help").stdout.split())
    for words in (
        "ecdsa",
        "recursive_with_poseidon",
        "PROOFRAIL_STONE_PROVER",
        "130 interrupted",
        "--for chain",
    ):
        assert words in shown


def test_json_of_another_program_names_its_own_statement(tmp_path: Path, remembered: Remembered) -> None:
    """A golden proof for another run is refused by what it states, and nothing is kept."""
    other = trace(FIBONACCI, tmp_path / "other", '{"n": 61}')
    result = call("prove", other, "--json")
    assert (1, "") == (result.exit_code, result.stdout)
    assert "proof-output" in result.stderr
    assert not PROOFS & files(other).keys()
    assert json.loads((other / "program.json").read_bytes())["builtins"] == ["output"]

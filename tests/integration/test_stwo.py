"""Real stwo proofs: made, verified, tampered with."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import signal
import subprocess
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from proofrail._native import NativeError, verify_stwo
from proofrail.cairo.program import CairoProgram
from proofrail.proving import locate
from proofrail.proving.backend import Progress, ProofResult
from proofrail.proving.errors import PolicyError, RefusedProof
from proofrail.proving.parameters import StwoParameters
from proofrail.proving.policy import Policy
from proofrail.proving.roots import PREPROCESSED_ROOTS
from proofrail.proving.statement import Expected
from proofrail.proving.stwo import StwoBackend
from proofrail.wire.errors import PoisonError, TransientError

pytestmark = [pytest.mark.prover, pytest.mark.timeout(600)]

ARTIFACTS = Path(__file__).parents[2] / "cairo" / "artifacts"
FLIPS = 60

Eventually = Callable[..., Awaitable[None]]


@pytest.fixture(scope="module")
def prover() -> Path:
    """The prover program; a suite that asks for it must not pass without it."""
    program = locate.find()
    if program is None or not program.is_file():
        pytest.fail("the stwo prover is not built: python -m proofrail.proving.build")
    return program


@pytest.fixture(scope="module")
def fibonacci() -> CairoProgram:
    return CairoProgram.load(ARTIFACTS / "fibonacci.json")


@pytest.fixture(scope="module")
def program_input(fibonacci: CairoProgram) -> bytes:
    """An input for the committed program, whatever names its hints use."""
    names = re.findall(rb'program_input\[\\"(\w+)\\"\]', fibonacci.compiled)
    return json.dumps({name.decode(): 30 for name in names}).encode()


@pytest.fixture(scope="module")
def proven(prover: Path, fibonacci: CairoProgram, program_input: bytes) -> ProofResult:
    """One honest proof of the default parameters, for all tests."""
    return asyncio.run(StwoBackend().prove(fibonacci.compiled, program_input, timeout=300))


@pytest.fixture(scope="module")
def expected(proven: ProofResult, fibonacci: CairoProgram) -> Expected:
    """What the proof should state, by the VM of the extension and not by the prover."""
    return Expected.of(fibonacci.words, fibonacci.builtins, proven.output)


def native_code(proof: bytes) -> str:
    with pytest.raises(NativeError) as caught:
        verify_stwo(proof)
    return str(caught.value.args[0])


def test_the_vm_and_the_prover_agree(
    proven: ProofResult, fibonacci: CairoProgram, program_input: bytes
) -> None:
    """The proven output is that of the extension's VM in another layout."""
    run = fibonacci.native.run(program_input, "small", None)
    assert [int(felt, 16) for felt in run.output] == list(proven.output)


def test_an_honest_proof_verifies(proven: ProofResult, expected: Expected) -> None:
    """A proof of ours passes its own checks and says what it proves."""
    verified = StwoBackend().verify(proven.proof, expected, Policy())
    assert 96 == verified.security_bits == proven.security_bits
    assert proven.parameters == verified.parameters
    assert expected.output == verified.statement.output
    assert expected.program_hash == verified.statement.program_hash


def test_the_published_facts_fit_one_line(proven: ProofResult, expected: Expected) -> None:
    """Statement, parameters, identities and timings are wire objects: no floats, and short."""
    verified = StwoBackend().verify(proven.proof, expected, Policy())
    parts = [verified.statement.to_dict(), verified.parameters, verified.identities, proven.timings]
    text = json.dumps(parts)
    assert len(text) < 8192
    assert not re.search(r"[0-9]\.[0-9]|null", text)


def test_flipped_bits_are_refused(proven: ProofResult) -> None:
    """No single bit of a proof can be another, wherever it stands."""
    dice = random.Random(0)  # noqa: S311 -- a fixed choice of bits
    for _ in range(FLIPS):
        altered = bytearray(proven.proof)
        bit = dice.randrange(len(altered) * 8)
        altered[bit // 8] ^= 1 << (bit % 8)
        assert native_code(bytes(altered)).startswith("proof-"), f"bit {bit}"


@pytest.mark.parametrize("added", [b"\0", b"\0" * 32, b"proof"])
def test_trailing_bytes_are_refused(proven: ProofResult, added: bytes) -> None:
    """A proof ends where it ends."""
    assert "proof-trailing" == native_code(proven.proof + added)


def test_missing_bytes_are_refused(proven: ProofResult) -> None:
    """Nor can it end before."""
    for length in (0, 1, 100, len(proven.proof) - 1):
        assert "proof-malformed" == native_code(proven.proof[:length])


def memory_sums(proof: bytes) -> int:
    """Where the parts and the sum of the memory table's lookup stand: with one part both are equal."""
    found = [match.start(1) for match in re.finditer(rb"\x01\x01\0{7}(.{16})\1", proof, re.DOTALL)]
    assert 1 == len(found)
    return found[0]


def test_a_sum_that_the_transcript_does_not_bind_is_refused(proven: ProofResult) -> None:
    """The library's own check reads a stated sum that nothing ties to its parts: any statement could be
    balanced with it."""
    altered = bytearray(proven.proof)
    altered[memory_sums(proven.proof) + 16] ^= 1
    assert "proof-structure" == native_code(bytes(altered))


def test_a_sum_without_a_component_is_refused(proven: ProofResult) -> None:
    """Likewise a lookup sum of a component that the proof does not have."""
    # Before the memory sums: the option of the address table (1 + 16 bytes), and before it the absent one
    # of a range check of 252 bits.
    absent = memory_sums(proven.proof) - 9 - 17 - 1
    assert 0 == proven.proof[absent]
    forged = proven.proof[:absent] + b"\1" + bytes(16) + proven.proof[absent + 1 :]
    assert "proof-structure" == native_code(forged)


def test_numbers_beyond_the_field_are_refused(proven: ProofResult) -> None:
    """An identifier plus the order of the field means the same to the library: it is not canonical."""
    # The first program word: its count (8 bytes), then the identifier (4 bytes).
    at = 8
    identifier = int.from_bytes(proven.proof[at : at + 4], "little")
    other = (identifier + 2**31 - 1).to_bytes(4, "little")
    assert "proof-encoding" == native_code(proven.proof[:at] + other + proven.proof[at + 4 :])


def refused(proof: bytes, expected: Expected, policy: Policy | None = None) -> str:
    with pytest.raises((RefusedProof, PolicyError)) as caught:
        StwoBackend().verify(proof, expected, policy or Policy())
    return caught.value.code


def test_other_claims_about_the_same_proof_are_refused(proven: ProofResult, expected: Expected) -> None:
    """Another output, program or builtin list is told apart, each by its own code."""
    more = replace(expected, output=(*expected.output, 0))
    other = replace(expected, output=(*expected.output[:-1], expected.output[-1] + 1))
    word = replace(expected, words=(*expected.words[:-1], expected.words[-1] ^ 1))
    builtins = replace(expected, builtins=(*expected.builtins, "ec_op"))
    assert "proof-output" == refused(proven.proof, more)
    assert "proof-output" == refused(proven.proof, other)
    assert "proof-program" == refused(proven.proof, word)
    assert "proof-builtins" == refused(proven.proof, builtins)


def test_the_policy_is_applied_to_a_real_proof(proven: ProofResult, expected: Expected) -> None:
    """More security, another program or another layout than the proof has are refused."""
    assert "policy-security" == refused(proven.proof, expected, Policy(min_security_bits=97))
    assert "policy-program" == refused(proven.proof, expected, Policy(program_hashes=("0x1",)))
    assert "policy-layout" == refused(proven.proof, expected, Policy(layouts=("small",)))


async def test_a_weak_proof_verifies_but_is_refused(
    prover: Path, fibonacci: CairoProgram, program_input: bytes, expected: Expected
) -> None:
    """A proof of one query convinces the library; the policy reads its parameters and refuses it."""
    weak = StwoBackend(StwoParameters(pow_bits=0, n_queries=1))
    result = await weak.prove(fibonacci.compiled, program_input, timeout=300)
    assert json.loads(verify_stwo(result.proof))["config"]["n_queries"] == 1
    assert "policy-security" == refused(result.proof, expected)
    assert 1 == weak.verify(result.proof, expected, Policy(min_security_bits=1)).security_bits


def test_other_tables_are_refused(
    proven: ProofResult, expected: Expected, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A true proof over tables whose root is not pinned is refused, and one over tables of another root."""
    setting = (proven.parameters["log_blowup"], proven.parameters["lifting_log_size"])
    monkeypatch.setitem(PREPROCESSED_ROOTS, setting, "00" * 32)
    assert "proof-preprocessed-root" == refused(proven.proof, expected)
    monkeypatch.delitem(PREPROCESSED_ROOTS, setting)
    assert "proof-tables" == refused(proven.proof, expected)


async def test_proofs_are_deterministic(
    prover: Path, fibonacci: CairoProgram, program_input: bytes, proven: ProofResult
) -> None:
    """The same run gives the same bytes: a proof made twice is stored once."""
    again = await StwoBackend().prove(fibonacci.compiled, program_input, timeout=300)
    assert proven.proof == again.proof


@pytest.mark.parametrize(
    ("log_blowup", "lifting"),
    [
        pytest.param(*setting, marks=[pytest.mark.slow] if setting[0] > 2 else [])
        for setting in sorted(PREPROCESSED_ROOTS)
    ],
)
def test_pinned_roots_are_those_of_the_tables(prover: Path, log_blowup: int, lifting: int) -> None:
    """Each pinned root is computed again from the library's own tables."""
    done = subprocess.run(
        [prover, "root", f"--log-blowup={log_blowup}", f"--log-rows={lifting - log_blowup}"],
        capture_output=True,
        check=True,
    )
    said = json.loads(done.stdout)
    assert PREPROCESSED_ROOTS[log_blowup, lifting] == said["preprocessed_root"]
    assert lifting == said["lifting_log_size"]


@pytest.mark.slow
@pytest.mark.parametrize(("log_blowup", "queries"), [(2, 38), (3, 26)])
async def test_greater_blow_ups_prove_and_verify(
    prover: Path, fibonacci: CairoProgram, program_input: bytes, log_blowup: int, queries: int
) -> None:
    """What is admissible beside the default, as far as small machines bear it, passes our own verifier; 16 takes
    9 GiB."""
    backend = StwoBackend(StwoParameters(pow_bits=20, n_queries=queries, log_blowup=log_blowup))
    result = await backend.prove(fibonacci.compiled, program_input, timeout=300)
    expected = Expected.of(fibonacci.words, fibonacci.builtins, result.output)
    verified = backend.verify(result.proof, expected, Policy())
    assert (log_blowup, 20 + queries * log_blowup) == (
        verified.parameters["log_blowup"],
        verified.security_bits,
    )


async def test_progress_names_the_stages(prover: Path, fibonacci: CairoProgram, program_input: bytes) -> None:
    """While it proves, the caller hears of each stage, first and last."""
    seen: list[Progress] = []
    backend = StwoBackend(StwoParameters(pow_bits=0, n_queries=1))
    await backend.prove(fibonacci.compiled, program_input, on_progress=seen.append, timeout=300)
    assert Progress("vm", None) in seen
    assert {"base-trace", "stark", "write"} <= {progress.stage for progress in seen if progress.seconds}


@pytest.mark.parametrize(
    ("program", "given", "code"),
    [
        (b"{}", b"{}", "program-unreadable"),
        (b"not json", b"{}", "program-unreadable"),
        (None, b"[]", "input-unreadable"),
        (None, b'{"n": 1.5}', "input-unreadable"),
        (None, b"{}", "vm-failed"),
    ],
)
async def test_what_cannot_be_proven_is_poison(
    prover: Path, fibonacci: CairoProgram, program: bytes | None, given: bytes, code: str
) -> None:
    """Programs and inputs that can never be proven are not retried, and say why."""
    with pytest.raises(PoisonError) as caught:
        await StwoBackend().prove(fibonacci.compiled if program is None else program, given, timeout=60)
    assert code == caught.value.code


async def test_a_program_not_compiled_for_proofs_is_named(prover: Path, fibonacci: CairoProgram) -> None:
    """A program without the labels of proof mode, and one whose first builtin is not output."""
    compiled = json.loads(fibonacci.compiled)
    without_output = json.dumps({**compiled, "builtins": []}).encode()
    with pytest.raises(PoisonError) as caught:
        await StwoBackend().prove(without_output, b"{}", timeout=60)
    assert "program-without-output" == caught.value.code
    identifiers = {
        name: value
        for name, value in compiled["identifiers"].items()
        if name not in ("__main__.__start__", "__main__.__end__")
    }
    plain = json.dumps({**compiled, "identifiers": identifiers}).encode()
    with pytest.raises(PoisonError) as caught:
        await StwoBackend().prove(plain, b"{}", timeout=60)
    assert "program-not-proof-mode" == caught.value.code


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    """A folder for the backend's scratch files; nothing may be left in it."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    yield folder
    assert [] == list(folder.iterdir())


async def test_the_timeout_ends_the_prover(
    prover: Path, scratch: Path, fibonacci: CairoProgram, program_input: bytes
) -> None:
    """A prover that takes too long is ended, which may pass, and leaves nothing behind."""
    with pytest.raises(TransientError) as caught:
        await StwoBackend(scratch_dir=scratch).prove(fibonacci.compiled, program_input, timeout=0.3)
    assert "prover-timeout" == caught.value.code


async def test_the_memory_limit_ends_the_prover(
    prover: Path, scratch: Path, fibonacci: CairoProgram, program_input: bytes
) -> None:
    """A prover that reaches its memory limit ends by itself, and the reason is told."""
    with pytest.raises(TransientError) as caught:
        await StwoBackend(scratch_dir=scratch).prove(
            fibonacci.compiled, program_input, timeout=300, memory_limit=600 << 20
        )
    assert "prover-out-of-memory" == caught.value.code


def provers(scratch: Path) -> list[int]:
    """Process ids of provers that work in a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cwd").resolve().is_relative_to(scratch):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


async def test_cancelling_ends_the_prover(
    prover: Path, scratch: Path, fibonacci: CairoProgram, program_input: bytes, eventually: Eventually
) -> None:
    """A cancelled proof leaves neither a process nor a file."""
    stages: list[Progress] = []
    task = asyncio.create_task(
        StwoBackend(scratch_dir=scratch).prove(fibonacci.compiled, program_input, on_progress=stages.append)
    )
    await eventually(lambda: any(progress.stage == "prove" for progress in stages))
    assert provers(scratch)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [] == provers(scratch)


async def test_the_prover_ends_with_its_parent(
    prover: Path, fibonacci: CairoProgram, program_input: bytes, eventually: Eventually
) -> None:
    """Also a parent that is killed outright leaves no prover behind."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "program.json").write_bytes(fibonacci.compiled)
        (work / "input.json").write_bytes(program_input)
        parent = subprocess.Popen(  # noqa: ASYNC220 -- it starts at once and is killed
            [
                "/bin/sh",
                "-c",
                f"'{prover}' prove --program program.json --input input.json --out proof.bin "
                "--parent $$ --pow-bits 40; true",
            ],
            cwd=work,
            stderr=subprocess.DEVNULL,
        )
        await eventually(lambda: len(provers(work)) == 2)
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
        await eventually(lambda: not provers(work))


async def test_a_missing_prover_says_how_to_build_it(tmp_path: Path, fibonacci: CairoProgram) -> None:
    """Without the program, preflight and proving fail with the way out, and may succeed later."""
    backend = StwoBackend(program=tmp_path / "nothing")
    with pytest.raises(TransientError):
        backend.preflight()
    with pytest.raises(TransientError) as caught:
        await backend.prove(fibonacci.compiled, b"{}", timeout=10)
    assert "prover-does-not-run" == caught.value.code
    assert caught.value.next_step is not None
    assert "proofrail.proving.build" in caught.value.next_step


def test_the_version_names_the_libraries(prover: Path) -> None:
    """A Proof's backend_version says which releases made it."""
    assert re.fullmatch(r"\d+\.\d+\.\d+ \(stwo 2\.3\.0, stwo-cairo 1\.3\.0\)", StwoBackend().version())

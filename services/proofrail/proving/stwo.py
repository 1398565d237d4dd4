"""The stwo backend: proves in the program `proofrail-stwo-prover`, verifies in the native extension."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from proofrail.proving import calibration, child, locate, outcome, verifier
from proofrail.proving.backend import Limits, OnProgress, Progress, ProofResult, Verified
from proofrail.proving.build import check
from proofrail.proving.cost import Cost
from proofrail.proving.parameters import StwoParameters
from proofrail.proving.policy import Policy
from proofrail.proving.roots import LOG_ROWS, known_root
from proofrail.proving.scratch import environment, scratch_folder
from proofrail.proving.statement import Expected, TracedRun
from proofrail.proving.stwo_choice import MAX_PEDERSEN, MAX_STEPS, choose_stwo
from proofrail.proving.stwo_cost import predict
from proofrail.proving.toolchain import BuildError
from proofrail.wire.canonical import parse_felt
from proofrail.wire.errors import MalformedError, TransientError

STWO_LIMITS = Limits(
    max_steps=MAX_STEPS,
    max_instances={"pedersen": MAX_PEDERSEN, "range_check": 1 << 20},
    max_output_words=1 << 16,
)
"""What fits the fixed tables of 2^20 rows: a Pedersen hash takes 56 rows of its widest table."""

DEFAULT_NICE: Final = 10
_PEDERSEN_CELLS: Final = 3
_SELF_TEST_S: Final = 60
_THREAD_RESERVES: Final = 64 << 20
"""Address space that the allocator reserves for each thread and hardly ever touches: the limit is one of address
space, the expectation one of memory."""


class StwoBackend:
    """Proves with `parameters` (by default the cheapest of 96 bits); `program` names the prover, by default
    it is looked for as `proofrail.proving.locate` says."""

    name = verifier.NAME
    limits = STWO_LIMITS

    def __init__(
        self,
        parameters: StwoParameters | None = None,
        *,
        program: Path | None = None,
        scratch_dir: Path | None = None,
        nice: int = DEFAULT_NICE,
    ) -> None:
        self._parameters = parameters or choose_stwo().parameters
        self._named = program
        self._scratch_dir = scratch_dir
        self._nice = nice
        self._version: str | None = None

    @property
    def parameters(self) -> StwoParameters:
        return self._parameters

    def version(self) -> str:
        """Versions of the prover program and the libraries in it. Raises as `preflight`."""
        if self._version is None:
            self.preflight()
        return self._version or ""

    def preflight(self) -> None:
        """See Backend. Raises TransientError `prover-missing`, `prover-does-not-run`, `prover-broken`.

        The program is given a piece of its real work, once for each build of it: the root of the fixed tables, whose
        value is known. That takes the transforms and the hash with this CPU's instructions, a fraction of a second
        and 300 MiB. A whole proof, with its 1.5 GiB, would keep a small host busy for longer than many a start.
        """
        program = self._program()
        try:
            said = check(program)
        except BuildError as error:
            raise TransientError(error.code, error.message, error.next_step) from error
        _self_test(program, *_build_of(program))
        self._version = _version(said)

    def preflight_verifier(self) -> None:
        """See Backend. The verifier is part of this package: it is there, or the package is not."""

    def expected_cost(self, traced: TracedRun, memory_limit: int | None = None) -> Cost:
        """See Backend. The traced run is padded, which stwo's is not: rather too much is expected than too little."""
        del memory_limit
        cells = sum(one.end - one.begin for one in traced.segments if one.builtin == "pedersen")
        steps = min(traced.n_steps, self.limits.max_steps)
        return predict(self._parameters, steps, cells // _PEDERSEN_CELLS, calibration.speeds(self.name))

    async def prove(
        self,
        program: bytes,
        program_input: bytes,
        *,
        on_progress: OnProgress | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 -- it ends a process, not only a wait
        memory_limit: int | None = None,
        traced: TracedRun | None = None,
    ) -> ProofResult:
        """See Backend. `timeout` in seconds of wall-clock time."""
        if traced is not None:
            self.expected_cost(traced).admit(memory_limit)
        needed = len(program) + len(program_input) + verifier.MAX_PROOF_BYTES
        with scratch_folder(self._scratch_dir, needed) as scratch:
            (scratch / "program.json").write_bytes(program)
            (scratch / "input.json").write_bytes(program_input)
            finished = await self._run(scratch, on_progress, timeout, memory_limit)
            error = outcome.failure(finished)
            if error is not None:
                raise error
            return self._result(finished, scratch / "proof.bin")

    def verify(self, proof: bytes, expected: Expected, policy: Policy) -> Verified:
        """See Backend and `proofrail.proving.verifier.verify`; about 10 ms, without the GIL."""
        return verifier.verify(proof, expected, policy)

    async def _run(
        self,
        scratch: Path,
        on_progress: OnProgress | None,
        seconds: float | None,
        memory_limit: int | None,
    ) -> child.Finished:
        reserves = _THREAD_RESERVES * (2 + (os.cpu_count() or 1))
        limit = [] if memory_limit is None else [f"--memory-limit={memory_limit + reserves}"]
        command = [
            str(self._program()),
            "prove",
            "--program=program.json",
            "--input=input.json",
            "--out=proof.bin",
            f"--parent={os.getpid()}",
            f"--nice={self._nice}",
            *limit,
            *self._parameters.arguments(),
        ]

        def on_line(line: str) -> None:
            progress = _progress(line)
            if progress is not None and on_progress is not None:
                on_progress(progress)

        try:
            return await child.run(
                command, cwd=str(scratch), timeout=seconds, on_line=on_line, env=environment(scratch)
            )
        except OSError as error:
            raise TransientError(
                "prover-does-not-run", f"the prover could not be started: {error}", _BUILD
            ) from error

    def _result(self, finished: child.Finished, proof_file: Path) -> ProofResult:
        try:
            said: dict[str, Any] = json.loads(finished.stdout)
            proof = proof_file.read_bytes()
            if hashlib.sha256(proof).hexdigest() != said["proof_sha256"]:
                raise TransientError("prover-broken", "the proof on disk is not the one that was made")
            return self._described(said, proof, finished.seconds)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, MalformedError) as error:
            raise TransientError("prover-broken", f"the prover's result cannot be read: {error!r}") from error

    def _described(self, said: dict[str, Any], proof: bytes, seconds: float) -> ProofResult:
        return ProofResult(
            proof=proof,
            backend=self.name,
            backend_version=_version(said["versions"]),
            security_bits=self._parameters.security_bits,
            parameters=verifier.published_parameters(
                self._parameters, said["parameters"]["lifting_log_size"]
            ),
            output=tuple(map(parse_felt, said["output"])),
            n_steps=said["n_steps"],
            timings={
                **{stage: round(taken * 1000) for stage, taken in said["seconds"].items()},
                "total": round(seconds * 1000),
            },
            peak_memory_bytes=said["peak_rss_bytes"],
        )

    def _program(self) -> Path:
        program = self._named or locate.find()
        if program is None:
            raise TransientError("prover-missing", "the stwo prover program was not found", _BUILD)
        return program


_BUILD = f"Build it: python -m proofrail.proving.build; or name it in {locate.ENVIRONMENT}"


def _build_of(program: Path) -> tuple[int, int]:
    """What changes when the program is built again."""
    status = program.stat()
    return status.st_mtime_ns, status.st_size


@lru_cache(maxsize=8)
def _self_test(program: Path, *_build: int) -> None:
    log_blowup = 1
    command = [str(program), "root", f"--log-blowup={log_blowup}", f"--log-rows={LOG_ROWS}"]
    try:
        done = subprocess.run(  # noqa: S603 -- the program is the operator's choice
            command, capture_output=True, timeout=_SELF_TEST_S, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise TransientError("prover-does-not-run", f"the prover gives no answer: {error}", _BUILD) from error
    tail = tuple(done.stderr.decode("utf-8", errors="replace").splitlines())
    fault = outcome.failure(child.Finished(done.returncode, b"", tail, timed_out=False, seconds=0.0))
    if fault is not None:
        raise TransientError(fault.code, f"the prover fails its self-test: {fault.message}", _BUILD)
    try:
        root = json.loads(done.stdout)["preprocessed_root"]
    except (ValueError, KeyError, TypeError):
        root = "nothing"
    if root != known_root(log_blowup, LOG_ROWS + log_blowup):
        raise TransientError(
            "prover-broken", f"the prover computes {root} as the root of the fixed tables", _BUILD
        )


def _version(said: dict[str, Any]) -> str:
    return f"{said['version']} (stwo {said['stwo']}, stwo-cairo {said['stwo_cairo']})"


def _progress(line: str) -> Progress | None:
    try:
        said = json.loads(line)
        return Progress(said["stage"], said.get("seconds"))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None

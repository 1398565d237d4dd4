"""The stwo backend: proves in the program `proofrail-stwo-prover`, verifies in the native extension."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from proofrail.proving import child, locate, outcome, verifier
from proofrail.proving.backend import Limits, OnProgress, Progress, ProofResult, Verified
from proofrail.proving.build import check
from proofrail.proving.parameters import StwoParameters, choose
from proofrail.proving.policy import Policy
from proofrail.proving.statement import Expected
from proofrail.proving.toolchain import BuildError
from proofrail.wire.canonical import parse_felt
from proofrail.wire.errors import TransientError

STWO_LIMITS = Limits(
    max_steps=1 << 20,
    max_instances={"pedersen": 1 << 14, "range_check": 1 << 20},
    max_output_words=1 << 16,
)
"""What fits the fixed tables of 2^20 rows: a Pedersen hash takes 56 rows of its widest table."""

_NICE = 10


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
    ) -> None:
        self._parameters = parameters or choose()
        self._named = program
        self._scratch_dir = scratch_dir
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
        """See Backend. Raises TransientError `prover-missing`, `prover-does-not-run`."""
        try:
            said = check(self._program())
        except BuildError as error:
            raise TransientError(error.code, error.message, error.next_step) from error
        self._version = _version(said)

    async def prove(
        self,
        program: bytes,
        program_input: bytes,
        *,
        on_progress: OnProgress | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 -- it ends a process, not only a wait
        memory_limit: int | None = None,
    ) -> ProofResult:
        """See Backend. `timeout` in seconds of wall-clock time, `memory_limit` in bytes of address space."""
        with tempfile.TemporaryDirectory(prefix="proofrail-prove-", dir=self._scratch_dir) as folder:
            scratch = Path(folder)
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
        limit = [] if memory_limit is None else [f"--memory-limit={memory_limit}"]
        command = [
            str(self._program()),
            "prove",
            "--program=program.json",
            "--input=input.json",
            "--out=proof.bin",
            f"--parent={os.getpid()}",
            f"--nice={_NICE}",
            *limit,
            *self._parameters.arguments(),
        ]

        def on_line(line: str) -> None:
            progress = _progress(line)
            if progress is not None and on_progress is not None:
                on_progress(progress)

        try:
            return await child.run(command, cwd=str(scratch), timeout=seconds, on_line=on_line)
        except OSError as error:
            raise TransientError(
                "prover-does-not-run", f"the prover could not be started: {error}", _BUILD
            ) from error

    def _result(self, finished: child.Finished, proof_file: Path) -> ProofResult:
        try:
            said: dict[str, Any] = json.loads(finished.stdout)
            proof = proof_file.read_bytes()
        except (ValueError, OSError) as error:
            raise TransientError("prover-broken", f"the prover's result cannot be read: {error}") from error
        if hashlib.sha256(proof).hexdigest() != said["proof_sha256"]:
            raise TransientError("prover-broken", "the proof on disk is not the one that was made")
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
                **{stage: round(seconds * 1000) for stage, seconds in said["seconds"].items()},
                "total": round(finished.seconds * 1000),
            },
            peak_memory_bytes=said["peak_rss_bytes"],
        )

    def _program(self) -> Path:
        program = self._named or locate.find()
        if program is None:
            raise TransientError("prover-missing", "the stwo prover program was not found", _BUILD)
        return program


_BUILD = f"Build it: python -m proofrail.proving.build; or name it in {locate.ENVIRONMENT}"


def _version(said: dict[str, Any]) -> str:
    return f"{said['version']} (stwo {said['stwo']}, stwo-cairo {said['stwo_cairo']})"


def _progress(line: str) -> Progress | None:
    try:
        said = json.loads(line)
        return Progress(said["stage"], said.get("seconds"))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None

"""The double as a Backend, and the scripts with which it stands in for real provers' programs."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Final

from proofrail import _native
from proofrail.proving import child
from proofrail.proving.backend import Limits, OnProgress, Progress, ProofResult, Verified
from proofrail.proving.cost import Cost
from proofrail.proving.errors import RefusedProof
from proofrail.proving.outcome import failure
from proofrail.proving.policy import Policy
from proofrail.proving.scratch import environment, scratch_folder
from proofrail.proving.statement import Expected, State, Statement, TracedRun
from proofrail.proving.stone import launcher
from proofrail.wire.canonical import felt_hex, parse_felt
from proofrail.wire.errors import PoisonError, TransientError
from tests.double import program
from tests.double.program import Mode

NAME: Final = "mock"
_SECURITY_BITS: Final = 128
"""What the double claims: so much that only the stamp can make a policy refuse it."""
STEP_MEMORY: Final = 1 << 14
_PEAK_MEMORY: Final = 100 << 20


class Double:
    """A folder that says how the processes of a double end; several processes may read it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        if not (folder / "mode").exists():
            self.play(Mode.PROVES)

    def play(self, mode: Mode, seconds: float = 0.0) -> None:
        """From the next process on."""
        scratch = self.folder / ".mode"
        scratch.write_text(f"{mode} {seconds}")
        scratch.replace(self.folder / "mode")

    def pids(self) -> list[int]:
        """All processes that it has had so far."""
        path = self.folder / "pids"
        return [int(line) for line in path.read_text().split()] if path.exists() else []

    def forget(self) -> None:
        """As if it had had no process yet; it proves."""
        (self.folder / "pids").unlink(missing_ok=True)
        self.play(Mode.PROVES)

    def script(self, role: str, *, beside: bool = False) -> Path:
        """A program that plays this role; with `beside` a shell around it, as an operator's wrapper might be."""
        path = self.folder / f"{role}{'-beside' if beside else ''}"
        call = f"'{sys.executable}' -I '{program.__file__}' '{self.folder}' {role} \"$@\""
        if not path.exists():
            path.write_text(f"#!/bin/sh\n{call}\nexit $?\n" if beside else f"#!/bin/sh\nexec {call}\n")
            path.chmod(0o755)
        return path

    def as_stone(self, *, beside: bool = False) -> dict[str, str]:
        """The environment in which the double is Stone's prover and verifier."""
        return {
            "PROOFRAIL_STONE_PROVER": str(self.script("stone", beside=beside)),
            "PROOFRAIL_STONE_VERIFIER": str(self.script("verifier")),
        }

    def as_stwo(self) -> dict[str, str]:
        """The environment in which the double is stwo's prover."""
        return {"PROOFRAIL_STWO_PROVER": str(self.script("stwo"))}


class MockBackend:
    """Runs the program in the VM, as a real backend does, and has the double "prove" it."""

    limits = Limits(max_steps=1 << 20, max_instances={}, max_output_words=1 << 16)

    def __init__(
        self,
        double: Double,
        *,
        name: str = NAME,
        layout: str = "small",
        scratch_dir: Path | None = None,
        cpu_seconds: float = 1000.0,
    ) -> None:
        self.name = name
        self._cpu_seconds = cpu_seconds
        self._double = double
        self._layout = layout
        self._scratch_dir = scratch_dir

    def version(self) -> str:
        return "none"

    def preflight(self) -> None:
        """It needs nothing of the host."""

    def expected_cost(self, traced: TracedRun, memory_limit: int | None = None) -> Cost:
        return Cost(self._cpu_seconds, STEP_MEMORY * traced.n_steps, 1000)

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
        if traced is not None:
            self.expected_cost(traced).admit(memory_limit)
        layout = self._layout if traced is None else traced.layout
        run, words = await asyncio.to_thread(self._execute, program, program_input, layout)
        with scratch_folder(self._scratch_dir) as scratch:
            (scratch / "statement.json").write_text(json.dumps({"words": words, "output": run.output}))
            if on_progress is not None:
                on_progress(Progress("prove", None))
            finished = await child.run(
                [
                    *(sys.executable, "-I", launcher.__file__, str(os.getpid()), "0", "0", "usage.json"),
                    str(self._double.script("mock")),
                ],
                cwd=str(scratch),
                timeout=timeout,
                on_line=lambda line: None,
                env=environment(scratch),
            )
            error = failure(finished)
            if error is not None:
                raise error
            if on_progress is not None:
                on_progress(Progress("prove", finished.seconds))
            try:
                proof = (scratch / "proof.json").read_bytes()
                stated = json.loads(proof)["statement"]["output"]
            except (OSError, ValueError) as problem:
                raise TransientError("prover-broken", f"no proof was written: {problem}") from problem
            if stated != run.output:
                raise PoisonError("proof-other-statement", "another output was proven")
        return ProofResult(
            proof=proof,
            backend=self.name,
            backend_version=self.version(),
            security_bits=_SECURITY_BITS,
            parameters={},
            output=tuple(map(parse_felt, run.output)),
            n_steps=run.real_steps,
            timings={"prove": round(finished.seconds * 1000), "total": round(finished.seconds * 1000)},
            peak_memory_bytes=_PEAK_MEMORY,
            is_mock=True,
        )

    def verify(self, proof: bytes, expected: Expected, policy: Policy) -> Verified:
        policy.check(
            backend=self.name,
            security_bits=_SECURITY_BITS,
            is_mock=True,
            layout=self._layout,
            program_hash=expected.program_hash,
        )
        try:
            made = json.loads(proof)
            words, output = (tuple(map(parse_felt, made["statement"][name])) for name in ("words", "output"))
        except (ValueError, KeyError, TypeError) as error:
            raise RefusedProof("proof-malformed", "that is nothing of the double's") from error
        if words != expected.words:
            raise RefusedProof("proof-program", "another program was proven")
        if output != expected.output:
            raise RefusedProof("proof-output", "another output was proven")
        if not made["holds"]:
            raise RefusedProof("proof-refused", "the double refuses its own proof")
        state = State(1, len(words) + 3, len(words) + 3)
        statement = Statement(words, output, (), state, state, self._layout)
        return Verified(statement, _SECURITY_BITS, {}, statement.identities)

    def _execute(self, program: bytes, program_input: bytes, layout: str) -> tuple[_native.Run, list[str]]:
        try:
            loaded = _native.Program(program)
            run = loaded.run(program_input, layout, self.limits.max_steps)
        except _native.NativeError as error:
            code, message = error.args
            raise PoisonError(code, message) from error
        if run.error is not None:
            raise PoisonError("vm-failed", f"the program fails: {run.error['message']}")
        return run, [felt_hex(parse_felt(word)) for word in loaded.words()]

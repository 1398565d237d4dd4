"""The Stone backend: runs the program in the VM here, proves with the external `cpu_air_prover`."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from proofrail import _native
from proofrail.proving import child
from proofrail.proving.backend import Limits, OnProgress, Progress, ProofResult, Verified
from proofrail.proving.cost import Cost, Goal
from proofrail.proving.errors import PolicyError, RefusedProof
from proofrail.proving.outcome import failure
from proofrail.proving.policy import DEFAULT_SECURITY_BITS, Policy
from proofrail.proving.scratch import environment, scratch_folder
from proofrail.proving.statement import Expected, TracedRun
from proofrail.proving.stone import presets, programs, verifier
from proofrail.proving.stone.calldata_size import MAX_CALLDATA, ONE_TRANSACTION, Transaction, public_cells
from proofrail.proving.stone.choose import Choice, choose
from proofrail.proving.stone.hashes import REGISTRY_HASHERS
from proofrail.proving.stone.inputs import PROOF, USAGE, prover_command, write_inputs
from proofrail.proving.stone.layouts import Layout, layout_named
from proofrail.proving.stone.presets import preset_named
from proofrail.proving.stone.programs import Installed
from proofrail.proving.stone.proof import StoneProof
from proofrail.proving.stone.prover_config import prover_config
from proofrail.proving.stone.version import self_test, verifier_version
from proofrail.wire.canonical import parse_felt
from proofrail.wire.errors import PoisonError, TransientError

DEFAULT_NICE: Final = 10
STONE_LIMITS: Final = Limits(max_steps=1 << 20, max_instances={}, max_output_words=1 << 16)
"""Beyond a million steps a proof takes tens of gigabytes and the better part of an hour."""


@dataclass(frozen=True)
class _Run:
    """A run in the VM, ready to be proven."""

    native: _native.Run
    choice: Choice
    seconds: float

    @property
    def file_bytes(self) -> int:
        """What the files of its proof take on disk at most. The private input names what the trace and the memory
        hold of the builtins; the proof is written as hex, beside the public input."""
        native = self.native
        return 2 * (len(native.trace) + len(native.memory) + len(native.public_input())) + (
            4 * self.choice.cost.proof_bytes
        )


class StoneBackend:
    """Proves a traced run in its layout, another one in `layout`, with the parameters that `choose` finds for the run,
    the security level and the goal.

    For goal chain, a proof has to fit one of `allowed_presets`: where no `hasher` is named, it has that of the first
    that is strong enough. In the layouts of ONE_TRANSACTION it has to fit a transaction of `max_calldata` felts, too; 0
    stands for any number.
    """

    name = verifier.NAME
    limits = STONE_LIMITS

    def __init__(
        self,
        *,
        layout: str = "small",
        min_security_bits: int = DEFAULT_SECURITY_BITS,
        goal: Goal = "speed",
        hasher: str | None = None,
        allowed_presets: Collection[str] = tuple(presets.PRESETS),
        max_calldata: int = MAX_CALLDATA,
        scratch_dir: Path | None = None,
        nice: int = DEFAULT_NICE,
    ) -> None:
        self._layout = layout_named(layout)
        self._bits = min_security_bits
        self._goal: Goal = goal
        self._hasher = hasher
        self._presets = allowed_presets
        self._max_calldata = max_calldata
        self._scratch_dir = scratch_dir
        self._nice = nice

    def version(self) -> str:
        """The prover program's version, as the self-test found it, and its digest. Raises as `preflight`."""
        prover, verifying = self._programs()
        return Installed.at(programs.PROVER, prover).described(self_test(prover, verifying))

    def preflight(self) -> None:
        """See Backend. Raises TransientError as `proofrail.proving.stone.version.self_test`."""
        self_test(*self._programs())

    def preflight_verifier(self) -> None:
        """See Backend. A proof that is known to hold is verified, once for each program."""
        verifier_version(programs.required(programs.VERIFIER))

    def _programs(self) -> tuple[Path, Path]:
        return programs.required(programs.PROVER), programs.required(programs.VERIFIER)

    def expected_cost(self, traced: TracedRun, memory_limit: int | None = None) -> Cost:
        """See Backend."""
        return self._chosen(traced, memory_limit).cost

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
        """See Backend. The run is executed here, so its size is known without `traced`. Raises also PolicyError
        `parameters-…` for a run that cannot be proven in the layout, and `preset-…` for one whose proof for the
        chain no registry would verify."""
        if traced is not None:
            self.expected_cost(traced, memory_limit).admit(memory_limit)
        prover, verifying = self._programs()
        # Without a verifier of its version the proof could not be checked, and would have been made for nothing.
        await asyncio.to_thread(self_test, prover, verifying)
        tell = on_progress or _quiet
        tell(Progress("execute", None))
        layout = self._layout if traced is None else layout_named(traced.layout)
        run = await asyncio.to_thread(self._execute, program, program_input, layout, memory_limit)
        tell(Progress("execute", run.seconds))
        run.choice.cost.admit(memory_limit)
        with scratch_folder(self._scratch_dir, run.file_bytes) as scratch:
            await asyncio.to_thread(_write_inputs, scratch, run)
            tell(Progress("prove", None))
            finished = await self._call(prover, scratch, timeout, memory_limit)
            error = failure(finished)
            if error is not None:
                raise error
            tell(Progress("prove", finished.seconds))
            return await asyncio.to_thread(self._result, scratch, run, finished)

    def verify(self, proof: bytes, expected: Expected, policy: Policy) -> Verified:
        """See Backend and `proofrail.proving.stone.verifier.verify`; three calls of Stone's verifier."""
        return verifier.verify(proof, expected, policy)

    def _execute(
        self, program: bytes, program_input: bytes, layout: Layout, memory_limit: int | None
    ) -> _Run:
        begin = time.monotonic()
        try:
            native = _native.Program(program).run(program_input, layout.name, self.limits.max_steps)
        except _native.NativeError as error:
            code, message = error.args
            raise PoisonError(code, message) from error
        if native.error is not None:
            raise PoisonError("vm-failed", f"the program fails: {native.error['message']}")
        public_input = json.loads(native.public_input())
        choice = self._chosen(TracedRun.of(public_input), memory_limit)
        if self._goal == "chain":
            presets.check_allowed(choice.parameters, public_input, self._presets)
        return _Run(native, choice, time.monotonic() - begin)

    def _chosen(self, traced: TracedRun, memory: int | None) -> Choice:
        layout = layout_named(traced.layout)
        return choose(
            traced.n_steps,
            layout.name,
            self._bits,
            self._goal,
            hasher=self._hasher or self._hasher_of_presets(layout),
            transaction=self._transaction(traced),
            memory=memory,
        )

    def _transaction(self, traced: TracedRun) -> Transaction | None:
        if self._goal != "chain" or traced.layout not in ONE_TRANSACTION or not self._max_calldata:
            return None
        cells = public_cells(traced)
        return None if cells is None else Transaction(cells, self._max_calldata)

    def _hasher_of_presets(self, layout: Layout) -> str | None:
        if self._goal != "chain":
            return None
        named = [preset_named(name) for name in self._presets]
        allowed = [preset.hasher for preset in named if preset.layout == layout.name]
        strong = [name for name in allowed if self._bits <= REGISTRY_HASHERS[name].collision_bits]
        return next(iter([*strong, *allowed]), None)

    async def _call(
        self, prover: Path, scratch: Path, seconds: float | None, memory_limit: int | None
    ) -> child.Finished:
        command = prover_command(prover, memory_limit=memory_limit, nice=self._nice)
        try:
            return await child.run(
                command, cwd=str(scratch), timeout=seconds, on_line=_unheard, env=environment(scratch)
            )
        except OSError as error:
            raise TransientError(
                "prover-does-not-run", f"the prover could not be started: {error}"
            ) from error

    def _result(self, scratch: Path, run: _Run, finished: child.Finished) -> ProofResult:
        try:
            used = json.loads((scratch / USAGE).read_bytes())
            proof = StoneProof.canonical_form((scratch / PROOF).read_bytes())
            read = verifier.read_proof(proof)
        except (OSError, ValueError, RefusedProof, PolicyError) as error:
            raise TransientError("prover-broken", f"the prover wrote no proof: {error}") from error
        if read.public_input != json.loads(run.native.public_input()):
            raise PoisonError(
                "proof-other-statement", "the prover proved another statement than it was given"
            )
        return ProofResult(
            proof=proof,
            backend=self.name,
            backend_version=self.version(),
            security_bits=read.parameters.security_bits,
            parameters=verifier.published_parameters(read),
            output=tuple(map(parse_felt, run.native.output)),
            n_steps=run.native.real_steps,
            timings={
                "execute": round(run.seconds * 1000),
                "prove": round(finished.seconds * 1000),
                "total": round((run.seconds + finished.seconds) * 1000),
            },
            peak_memory_bytes=used["peak_memory_bytes"],
        )


def _write_inputs(scratch: Path, run: _Run) -> None:
    config = prover_config(full_extension=run.choice.full_extension)
    write_inputs(scratch, run.native, run.choice.parameters.to_json(), config)


def _quiet(progress: Progress) -> None:
    del progress


def _unheard(line: str) -> None:
    del line

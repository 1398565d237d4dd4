"""`proofrail prove`: a STARK proof of a run that `proofrail trace` wrote."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from proofrail.artifacts.files import replacing
from proofrail.cli.output import Exit, command, emit_line, emit_table, fail, note, wants_json
from proofrail.cli.proving_progress import ProvingProgress
from proofrail.cli.registered import registered
from proofrail.cli.runfiles import CheckedRun, read_run
from proofrail.cli.runfolder import PROOF, PROOF_MESSAGE
from proofrail.proving.backend import Backend, ProofResult
from proofrail.proving.cost import Cost, in_words, memory_of
from proofrail.proving.message import Provenance, proof_message
from proofrail.proving.policy import DEFAULT_SECURITY_BITS, Policy
from proofrail.proving.provable import check_provable, check_registry
from proofrail.proving.scratch import sweep
from proofrail.proving.statement import TracedRun
from proofrail.proving.stone.backend import StoneBackend
from proofrail.proving.stone.calldata_size import MAX_CALLDATA
from proofrail.proving.stone.presets import presets_passing
from proofrail.proving.stwo import STWO_LIMITS, StwoBackend
from proofrail.proving.stwo_choice import choose_stwo
from proofrail.wire.errors import TransientError, UnusableInputError
from proofrail.wire.messages import Proof, to_line

_MOST_MEMORY: Final = "90%"


class BackendName(StrEnum):
    """The provers there are."""

    STWO = "stwo"
    STONE = "stone"


class GoalName(StrEnum):
    """What parameters are chosen for."""

    SPEED = "speed"
    SIZE = "size"
    CHAIN = "chain"


class MemoryVerification(StrEnum):
    """How much of a proof's public memory the registry on chain looks at."""

    STRICT = "strict"
    RELAXED = "relaxed"


def prove(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that `proofrail trace` wrote.")],
    min_bits: Annotated[
        int, typer.Option(min=1, max=256, help="Least security of the proof, in bits.")
    ] = DEFAULT_SECURITY_BITS,
    backend: Annotated[BackendName, typer.Option(help="Which prover makes the proof.")] = BackendName.STWO,
    goal: Annotated[
        GoalName,
        typer.Option("--for", help="What the parameters are chosen for; see `proofrail params`."),
    ] = GoalName.SPEED,
    hasher: Annotated[
        str | None,
        typer.Option(help="The registry's hasher, with --for chain.", show_default="the first strong enough"),
    ] = None,
    memory_verification: Annotated[
        MemoryVerification | None,
        typer.Option(help="The registry's, with --for chain.", show_default="strict"),
    ] = None,
    max_calldata: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="FELTS",
            envvar="PROOFRAIL_CHAIN_MAX_CALLDATA",
            help="What a transaction may have, with --for chain in layout recursive; 0 for any number.",
        ),
    ] = MAX_CALLDATA,
    memory_limit: Annotated[
        str,
        typer.Option(metavar="AMOUNT", help="Most memory to take: bytes, 3GiB, or a share of the machine's."),
    ] = _MOST_MEMORY,
    timeout: Annotated[
        float | None, typer.Option(min=1, help="Give up after so many seconds.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The Proof message as one JSON line.")] = False,
) -> None:
    """Prove a run, and verify the proof.

    The run is executed again first: a folder whose commitments are not those of its inputs is refused. So is,
    before any prover is started, a run that the backend cannot prove; the error names the builtin or the layout
    that stands in the way, and what to do. The proof covers the program's words and its output.

    \b
    stwo   (the default) proves in a layout of its own, whatever layout the run was
           traced in, in nearly the same time up to a million steps. It wants output
           as the first builtin, and does not prove ecdsa, keccak and ec_op.
    stone  proves the traced run itself, in its layout: plain, small, dex, recursive
           or recursive_with_poseidon, chosen with `proofrail trace --layout`. Needs the
           external programs cpu_air_prover and cpu_air_verifier, on PATH or named by
           PROOFRAIL_STONE_PROVER and PROOFRAIL_STONE_VERIFIER. With --for chain the
           proof fits the registry on Starknet, which in strict mode wants a program
           that names all builtins of its layout.

    Writes proof.bin and proof.json (a Proof message) to DIR; those of an earlier proof are replaced only by a
    finished one. Progress is on stderr, with the time to expect. Ctrl-C ends the prover and leaves nothing.

    \b
    Exit status:
      0    proven and verified
      1    the run does not hold, failed, or cannot be proven; the code says why
      2    unusable input: no run folder, one that cannot be written, wrong options
      3    the prover is missing, or this host let it down (memory, disk, time)
      130  interrupted

    \b
    Examples:
      proofrail prove run
      proofrail prove run --min-bits 100 --json | jq .security_bits
      proofrail prove run --backend stone --for size
      proofrail prove run --backend stone --for chain --hasher blake2s_248_lsb
    """
    with command():
        if goal is not GoalName.CHAIN and (hasher or memory_verification):
            raise UnusableInputError(
                "prove-options",
                "--hasher and --memory-verification are the registry's, for proofs that go on chain",
                "Add --backend stone --for chain, or leave them out.",
            )
        limit = memory_of(memory_limit)
        try:
            run = read_run(folder)
            _require_writable(folder)
            traced = check_provable(backend.value, run.expected, run.real_steps)
            presets = None
            if goal is GoalName.CHAIN and backend is BackendName.STONE:
                memory = memory_verification or MemoryVerification.STRICT
                check_registry(run.expected, strict=memory is MemoryVerification.STRICT)
                presets = presets_passing(memory)
            prover = _backend(traced, backend, min_bits, goal, hasher, presets, max_calldata)
            cost = prover.expected_cost(traced, limit)
            cost.admit(limit)
            sweep(None)
            prover.preflight()
            _tell_what_comes(traced, prover, cost)
            result = asyncio.run(_prove(prover, run, cost, limit, timeout))
            policy = Policy(min_security_bits=min_bits, backends=(prover.name,), presets=presets)
            verified = prover.verify(result.proof, run.expected, policy)
        except TransientError as error:
            fail(error, Exit.UNDECIDED)
        origin = Provenance(run.recomputed.seal["root"], 1, run.subject.program.proven)
        message = proof_message(run.recomputed.run_id, result, verified, PROOF, origin)
        line = to_line(message)
        _keep(folder, result.proof, line + b"\n")
        if wants_json(as_json):
            emit_line(line)
        else:
            emit_table(_summary(folder, message, result))


def _require_writable(folder: Path) -> None:
    """Raises OSError now, and not after minutes of proving."""
    with tempfile.TemporaryFile(dir=folder):
        pass


def _backend(
    traced: TracedRun,
    name: BackendName,
    min_bits: int,
    goal: GoalName,
    hasher: str | None,
    presets: Collection[str] | None,
    max_calldata: int,
) -> Backend:
    if name is BackendName.STONE:
        return StoneBackend(
            layout=traced.layout,
            min_security_bits=min_bits,
            goal=goal.value,
            hasher=hasher,
            allowed_presets=presets or (),
            max_calldata=max_calldata,
        )
    # The run is padded in its own layout, which stwo's is not.
    steps = min(traced.n_steps, STWO_LIMITS.max_steps)
    return StwoBackend(choose_stwo(steps, min_bits, goal.value).parameters)


async def _prove(
    backend: Backend, run: CheckedRun, cost: Cost, memory_limit: int, seconds: float | None
) -> ProofResult:
    program = run.subject.program
    arguments = json.dumps(dict(run.subject.program_input(run.inputs))).encode()
    progress = ProvingProgress(cost.seconds)
    with progress.shown(), _ended_by_sigterm():
        return await backend.prove(
            program.compiled,
            arguments,
            on_progress=progress.tell,
            timeout=seconds,
            memory_limit=memory_limit,
            traced=run.expected.traced,
        )


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """As by Ctrl-C: the prover ends, and its files go. Only in a running event loop."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    if task is not None:
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        yield
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


def _keep(folder: Path, proof: bytes, message: bytes) -> None:
    """Both files are whole on disk before either takes its place, the proof first."""
    with replacing(folder / PROOF_MESSAGE) as message_file, replacing(folder / PROOF) as proof_file:
        proof_file.write(proof)
        message_file.write(message)
        message_file.flush()
        os.fsync(message_file.fileno())


def _tell_what_comes(traced: TracedRun, prover: Backend, cost: Cost) -> None:
    where = f" in layout {traced.layout}" if prover.name == BackendName.STONE.value else ""
    note(
        f"proving {traced.n_steps:,} steps{where} with {prover.name}: about {in_words(cost.seconds)}, "
        f"{cost.memory_bytes / 2**20:,.0f} MiB of memory, {cost.proof_bytes:,} bytes of proof"
    )


def _summary(folder: Path, message: Proof, result: ProofResult) -> list[tuple[str, object]]:
    return [
        ("run", message.run_id),
        ("program", message.statement["program_hash"]),
        ("proven by", message.backend),
        ("steps proven", result.n_steps),
        ("output words", message.statement["output_count"]),
        ("security", f"{message.security_bits} bits (conjectured)"),
        ("proof", f"{folder / PROOF} ({message.size:,} bytes)"),
        ("sha256", message.digest),
        ("fact", message.identities["fact_hash"]),
        *registered(message.identities),
        ("took", f"{message.timings['total'] / 1000:.1f} s, {result.peak_memory_bytes / 2**20:,.0f} MiB"),
    ]

"""`proofrail prove`: a STARK proof of a run that `proofrail trace` wrote."""

from __future__ import annotations

import asyncio
import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from proofrail.artifacts.files import write_atomically
from proofrail.cli.output import Exit, command, emit_line, emit_table, fail, note, wants_json
from proofrail.cli.runfiles import CheckedRun, read_run
from proofrail.cli.runfolder import PROOF, PROOF_MESSAGE
from proofrail.proving.backend import Backend, Progress, ProofResult
from proofrail.proving.message import proof_message
from proofrail.proving.parameters import choose
from proofrail.proving.policy import DEFAULT_SECURITY_BITS, Policy
from proofrail.wire.errors import TransientError, UnusableInputError
from proofrail.wire.messages import Proof, to_line


class BackendName(StrEnum):
    """The provers there are."""

    STWO = "stwo"
    STONE = "stone"


class GoalName(StrEnum):
    """What parameters are chosen for."""

    SPEED = "speed"
    SIZE = "size"
    CHAIN = "chain"


def prove(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that `proofrail trace` wrote.")],
    min_bits: Annotated[
        int, typer.Option(min=1, max=256, help="Least security of the proof, in bits.")
    ] = DEFAULT_SECURITY_BITS,
    backend: Annotated[BackendName, typer.Option(help="Which prover makes the proof.")] = BackendName.STWO,
    goal: Annotated[
        GoalName,
        typer.Option("--for", help="What Stone's parameters are chosen for; see `proofrail params`."),
    ] = GoalName.SPEED,
    timeout: Annotated[
        float | None, typer.Option(min=1, help="Give up after so many seconds.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The Proof message as one JSON line.")] = False,
) -> None:
    """Prove a run, and verify the proof.

    The run is executed again first: a folder whose commitments are not those of its inputs is refused. The
    proof covers the program's words and its output. stwo proves in a layout of its own, so the StepBlocks of
    the trace are no part of it; stone proves the traced run itself, in its layout, with the external programs
    cpu_air_prover and cpu_air_verifier (on PATH, or named by PROOFRAIL_STONE_PROVER and
    PROOFRAIL_STONE_VERIFIER).

    Writes proof.bin and proof.json (a Proof message) to DIR. Takes seconds, both cores and some gigabytes;
    progress is on stderr. Ctrl-C ends the prover.

    \b
    Exit status:
      0  proven and verified
      1  the run does not hold, failed, or cannot be proven
      2  unusable input
      3  the prover program is missing or does not run on this host

    \b
    Examples:
      proofrail prove run
      proofrail prove run --min-bits 100 --json | jq .security_bits
      proofrail prove run --backend stone --for size
    """
    with command():
        run = read_run(folder)
        prover = _stwo(min_bits) if backend is BackendName.STWO else _stone(run, min_bits, goal)
        result = asyncio.run(_prove(prover, run, timeout))
        policy = Policy(min_security_bits=min_bits, backends=(prover.name,))
        verified = prover.verify(result.proof, run.expected, policy)
        message = proof_message(run.recomputed.run_id, result, verified, PROOF)
        line = to_line(message)
        (folder / PROOF_MESSAGE).unlink(missing_ok=True)
        write_atomically(folder / PROOF, result.proof)
        write_atomically(folder / PROOF_MESSAGE, line + b"\n")
        if wants_json(as_json):
            emit_line(line)
        else:
            emit_table(_summary(folder, message, result))


def _stwo(min_bits: int) -> Backend:
    try:
        from proofrail.proving.stwo import StwoBackend

        backend = StwoBackend(choose(min_bits))
        backend.preflight()
    except ImportError as error:
        why = f"this installation has no stwo verifier: {error}"
        fail(
            UnusableInputError("verifier-missing", why, "Build the native part again: pip install ."),
            Exit.UNDECIDED,
        )
    except TransientError as error:
        fail(error, Exit.UNDECIDED)
    return backend


def _stone(run: CheckedRun, min_bits: int, goal: GoalName) -> Backend:
    from proofrail.proving.stone.backend import StoneBackend

    layout = run.recomputed.seal["layout"]
    prover = StoneBackend(layout=layout, min_security_bits=min_bits, goal=goal.value)
    try:
        prover.preflight()
    except TransientError as error:
        fail(error, Exit.UNDECIDED)
    return prover


async def _prove(backend: Backend, run: CheckedRun, timeout: float | None) -> ProofResult:  # noqa: ASYNC109
    program = run.subject.program
    arguments = json.dumps(dict(run.subject.program_input(run.inputs))).encode()
    return await backend.prove(program.compiled, arguments, on_progress=_tell, timeout=timeout)


def _tell(progress: Progress) -> None:
    if progress.seconds is None:
        note(f"{progress.stage} …")
    else:
        note(f"{progress.stage}: {progress.seconds:.1f} s")


def _summary(folder: Path, message: Proof, result: ProofResult) -> list[tuple[str, object]]:
    return [
        ("run", message.run_id),
        ("program", message.statement["program_hash"]),
        ("steps proven", result.n_steps),
        ("output words", message.statement["output_count"]),
        ("security", f"{message.security_bits} bits (conjectured)"),
        ("proof", f"{folder / PROOF} ({message.size:,} bytes)"),
        ("sha256", message.digest),
        ("fact", message.identities["fact_hash"]),
        ("took", f"{message.timings['total'] / 1000:.1f} s"),
    ]

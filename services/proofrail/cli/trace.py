"""`proofrail trace`: run a compiled program and write everything there is to know about the run."""

from __future__ import annotations

import json
import os
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from proofrail.audit.cairo_subject import NATURAL_STEPS, subject_of
from proofrail.cairo.program import CairoProgram
from proofrail.cairo.trace import RunSpec, RunTrace, trace_run
from proofrail.cli import runfolder
from proofrail.cli.inputs import read_inputs
from proofrail.cli.keys import ephemeral_signer
from proofrail.cli.options import BitsOption, BlockItemsOption, SigningKeyOption
from proofrail.cli.output import (
    Exit,
    ExitError,
    command,
    emit_json,
    emit_table,
    interruptible,
    note,
    wants_json,
)
from proofrail.commitment.blocks import DEFAULT_BITS, DEFAULT_BLOCK_ITEMS
from proofrail.commitment.checkpoint import TRACER_KEY_NAME, Signer, sign_checkpoint
from proofrail.commitment.keyfile import load_or_make_signer
from proofrail.proving.provable import check_provable
from proofrail.proving.statement import Expected, TracedRun
from proofrail.wire.canonical import canonical, felt_hex
from proofrail.wire.errors import PoisonError


class Spans(StrEnum):
    """Which functions make spans."""

    OWN = "own"
    ALL = "all"


def trace(
    program: Annotated[
        Path, typer.Argument(help="Compiled with cairo-compile --proof_mode.", metavar="PROGRAM")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the run's files; made if missing.")],
    inputs: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="JSON object, or NDJSON proposals; not needed by a program that reads none.",
            show_default=False,
        ),
    ] = None,
    layout: Annotated[
        str, typer.Option(help="Layout of the Cairo VM; it must have all of the program's builtins.")
    ] = "small",
    spans: Annotated[
        Spans, typer.Option(help="Functions that make spans: the program's own, or all.")
    ] = Spans.OWN,
    bits: BitsOption = DEFAULT_BITS,
    block_items: BlockItemsOption = DEFAULT_BLOCK_ITEMS,
    key: SigningKeyOption = None,
    max_steps: Annotated[
        int, typer.Option(min=1, help="End the run as failed after so many steps.")
    ] = NATURAL_STEPS,
    as_json: Annotated[bool, typer.Option("--json", help="The summary as one JSON line.")] = False,
) -> None:
    """Run a compiled Cairo 0 program, and write its trace, commitment and prover inputs.

    The program reads its inputs by two hints, which the original cairo-run understands too:
    `ids.x = program_input["x"]` and `segments.write_arg(ids.x, program_input["x"])`. The inputs file is one
    JSON object of integers (of any size, taken mod P), strings "0x…" and nested lists of them. The risk
    engine takes NDJSON proposals instead.

    Stone proves a run in the layout it was traced in, which is plain, small, dex, recursive or
    recursive_with_poseidon; the fewer builtins, the cheaper the proof. stwo has a layout of its own: trace for it
    in any. The summary says by which of the two the run can be proven.

    Writes to DIR: events.ndjson, commitments.ndjson (inputs, blocks, signed seal), program.json, tracer.vkey,
    and trace.bin, memory.bin, public_input.json, private_input.json as the Stone prover reads them. The paths
    in private_input.json are absolute, as Stone needs them: rewrite them if you move the folder.

    \b
    Exit status:
      0  the run completed
      1  the run failed (an assertion, a range check, the step limit): it is
         written and sealed as a failed run, without the four files for Stone
      2  unusable input: nothing is written

    \b
    Examples:
      proofrail trace fibonacci.json --inputs input.json --out run
      proofrail trace risk_engine.json --inputs proposals.ndjson --out run
      proofrail trace big.json --inputs input.json --out run \\
          --layout recursive --key tracer.key | jq .root
    """
    with command():
        loaded = CairoProgram.load(program)
        subject = subject_of(loaded)
        values = read_inputs(inputs, subject)
        spec = RunSpec(
            loaded,
            layout=layout,
            spans="all" if spans is Spans.ALL else "own",
            bits=bits,
            block_items=block_items,
            max_steps=max_steps,
        )
        program_input = subject.program_input(values)
        made = interruptible(lambda: trace_run(spec, values, program_input, clock=time.time_ns))
        signer = load_or_make_signer(key, TRACER_KEY_NAME, os.urandom) if key else ephemeral_signer()
        seal = _write(out, made, signer)
        _tell(out, made, seal, as_json)
        if made.outcome != "completed":
            raise ExitError(Exit.NEGATIVE)


def _write(out: Path, made: RunTrace, signer: Signer) -> dict[str, Any]:
    with runfolder.RunFolderWriter(out) as folder:
        with folder.open(runfolder.EVENTS) as events, folder.open(runfolder.COMMITMENTS) as commitments:
            for line in made.input_lines:
                commitments.write(line + b"\n")
            for chunk in made.stream():
                events.write(chunk.lines)
                for block in chunk.blocks:
                    commitments.write(block + b"\n")
            seal = made.seal
            root = bytes.fromhex(seal["root"])
            seal["checkpoint"] = sign_checkpoint(made.run_id, seal["items"], root, signer)
            commitments.write(canonical(seal) + b"\n")
        folder.write(runfolder.PROGRAM, made.spec.program.compiled)
        folder.write(runfolder.VKEY, f"{signer.vkey}\n".encode())
        if made.outcome == "completed":
            _write_prover_inputs(out, folder, made)
    return seal


def _write_prover_inputs(out: Path, folder: runfolder.RunFolderWriter, made: RunTrace) -> None:
    execution = made.execution
    folder.write(runfolder.TRACE, execution.trace)
    folder.write(runfolder.MEMORY, execution.memory)
    folder.write(runfolder.PUBLIC_INPUT, execution.public_input().encode() + b"\n")
    trace_path, memory_path = (str((out / name).resolve()) for name in (runfolder.TRACE, runfolder.MEMORY))
    private = execution.private_input(trace_path, memory_path)
    folder.write(runfolder.PRIVATE_INPUT, private.encode() + b"\n")


def _tell(out: Path, made: RunTrace, seal: dict[str, Any], as_json: bool) -> None:
    failure = made.execution.failure
    summary: dict[str, Any] = {
        "run_id": made.run_id,
        "outcome": made.outcome,
        "n_steps": made.n_steps,
        "real_steps": made.execution.real_steps,
        "items": seal["items"],
        "root": seal["root"],
        "program": seal["program"]["method_id"],
        "output": [felt_hex(felt) for felt in made.output],
        "out": str(out),
    }
    if failure is None:
        summary["provable_by"] = _provable_by(made)
    if failure is not None:
        summary["error"] = {"code": failure.code, "message": failure.message}
        note(f"the run failed: {failure.message}")
    if wants_json(as_json):
        emit_json(summary)
        return
    words, provable = summary["output"], summary.get("provable_by")
    if provable is not None:
        summary["provable_by"] = ", ".join(provable) or "none"
    shown = ", ".join(words[:8]) + (f", … ({len(words)} words)" if len(words) > 8 else "")
    emit_table([*((n, v) for n, v in summary.items() if n not in ("output", "error")), ("output", shown)])


def _provable_by(made: RunTrace) -> list[str]:
    """The backends that prove such a run; says why not when there is none."""
    traced = TracedRun.of(json.loads(made.execution.public_input()))
    program = made.spec.program
    expected = Expected.of(program.words, program.builtins, made.output, traced)
    backends, reasons = [], []
    for name in ("stwo", "stone"):
        try:
            check_provable(name, expected, made.execution.real_steps)
        except PoisonError as error:
            reasons.append(f"not provable by {name}: {error.message}. {error.next_step}")
        else:
            backends.append(name)
    if not backends:
        for reason in reasons:
            note(reason)
    return backends

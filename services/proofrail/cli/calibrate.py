"""`proofrail calibrate`: how fast this machine proves, measured by small real proofs."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from proofrail import _native
from proofrail.cairo.risk_program import program_input, risk_engine_artifact
from proofrail.cli.output import Exit, ExitError, command, emit_json, note, report_error, wants_json
from proofrail.cli.prove import BackendName
from proofrail.cli.terminal import SafeConsole
from proofrail.proving import calibration
from proofrail.proving.calibration import Speeds, fitted
from proofrail.proving.cost import Cost
from proofrail.proving.stone import cost as stone_cost
from proofrail.proving.stone import programs
from proofrail.proving.stone.layouts import layout_named
from proofrail.proving.stone.measure import Measured, measure, tiny_run
from proofrail.proving.stone.parameters import StoneParameters
from proofrail.proving.stwo_cost import predict as predict_stwo
from proofrail.wire.canonical import canonical
from proofrail.wire.errors import PoisonError, ProofrailError, TransientError
from proofrail.wire.proposals import parse_proposal

_LAYOUT: Final = "small"
_WORK_BITS: Final = 22
_LAST_LAYERS: Final = (6, 7, 8)
"""Each is another transcript, and another nonce to look for."""
_STWO_BATCHES: Final = (1, 40)
_BUSY: Final = 0.6
"""A prover on an idle machine keeps a greater part of its cores busy."""


@dataclass(frozen=True)
class _Row:
    """One proof: `model` is what the cost model says without calibration."""

    what: str
    model: Cost
    cpu_seconds: float
    seconds: float
    memory_bytes: int
    proof_bytes: int


@dataclass(frozen=True)
class _Result:
    """`rows` were measured; `found` fits them."""

    backend: str
    before: Speeds
    found: Speeds
    rows: tuple[_Row, ...]
    work: tuple[float, float]
    """Seconds for a million tries of the proof of work: the model's, and as measured; zeros where not measured."""


def calibrate(
    backend: Annotated[
        list[BackendName] | None,
        typer.Option(help="Which prover; may be given again.", show_default="all that are there"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Measure and tell, but keep nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line for each prover.")] = False,
) -> None:
    """Measure how fast this machine proves, so that expected times are its own.

    Makes a few small proofs with each prover that is there, which takes a minute of CPU time and some gigabytes
    of memory, and fits three numbers for each: the speed of proving and of the proof of work beside the machine
    of the cost model, and the cores that are kept busy. `proofrail params`, `proofrail prove` and the prover
    service expect times by them. Measure while the machine is idle: what others take counts as slowness of the
    clock, though not of the CPU.

    Kept in the cache folder (PROOFRAIL_CACHE, else ~/.cache/proofrail) with the CPU and the program's SHA-256:
    another machine or another prover program takes no notice of it.

    \b
    Exit status:
      0  measured, and kept
      1  a prover failed; what the others gave is kept
      3  no prover that was asked for is there

    \b
    Examples:
      proofrail calibrate
      proofrail calibrate --backend stone --dry-run
      proofrail calibrate --json | jq .speeds
    """
    with command():
        asked = [one.value for one in backend] if backend else list(calibration.BACKENDS)
        results: list[_Result] = []
        missing: list[ProofrailError] = []
        failed = False
        for name in asked:
            try:
                results.append(_MEASURE[name]())
            except (TransientError, PoisonError) as error:
                absent = error.code in ("prover-missing", "verifier-missing")
                failed = failed or not absent
                missing += [error] if absent else []
                report_error(error) if backend or not absent else note(f"{name}: not here, not measured")
                continue
            if not dry_run:
                calibration.store(name, results[-1].found)
            if wants_json(as_json):
                emit_json(_to_object(results[-1], kept=not dry_run))
            else:
                _tell(results[-1], kept=not dry_run)
        if failed:
            raise ExitError(Exit.NEGATIVE)
        if not results or (backend and missing):
            raise ExitError(Exit.UNDECIDED)


def _stone() -> _Result:
    prover = programs.required(programs.PROVER)
    layout = layout_named(_LAYOUT)
    engine = _native.Program(risk_engine_artifact().read_bytes())
    runs = [("tiny run", tiny_run(_LAYOUT)), ("one allocation", engine.run(_inputs(1), _LAYOUT))]
    rows: list[_Row] = []

    def proven(what: str, run: _native.Run, parameters: StoneParameters, *, full_extension: bool) -> Measured:
        note(f"stone: {what}, {run.n_steps} steps …")
        return asyncio.run(measure(prover, run, parameters, full_extension=full_extension))

    for what, run in runs:
        log = run.n_steps.bit_length() - 1
        for log_n_cosets, full_extension in ((1, True), (2, True), (2, False)):
            if run.n_steps > 512 and log_n_cosets > 1:
                continue
            parameters = _parameters(log, log_n_cosets, 6, 0)
            model = stone_cost.predict(parameters, layout, log, full_extension=full_extension)
            made = proven(what, run, parameters, full_extension=full_extension)
            label = f"{what}, {run.n_steps} steps, blow-up {1 << log_n_cosets}" + (
                "" if full_extension else ", little memory"
            )
            rows.append(
                _Row(label, model, made.cpu_seconds, made.seconds, made.memory_bytes, len(made.proof))
            )
    idle = rows[0].cpu_seconds
    tries, seconds = 0, 0.0
    for last in _LAST_LAYERS:
        parameters = _parameters(9, 1, last, _WORK_BITS)
        made = proven("proof of work", runs[0][1], parameters, full_extension=True)
        tries += made.work_tries(layout, parameters)
        seconds += made.cpu_seconds - idle
    work = (1e6 * stone_cost.work_seconds(0), 1e6 * max(seconds, 1e-3) / tries)
    return _result("stone", rows, work)


def _parameters(log_n_steps: int, log_n_cosets: int, log_last_layer: int, work_bits: int) -> StoneParameters:
    return StoneParameters.derived(
        log_n_steps,
        log_last_layer=log_last_layer,
        n_queries=80 // log_n_cosets,
        log_n_cosets=log_n_cosets,
        pow_bits=work_bits,
    )


def _stwo() -> _Result:
    try:
        from proofrail.proving.stwo import StwoBackend
    except ImportError as error:
        raise TransientError(
            "verifier-missing", f"this installation has no stwo verifier: {error}"
        ) from error
    backend = StwoBackend()
    backend.preflight()
    compiled = risk_engine_artifact().read_bytes()
    rows = []
    for batch in _STWO_BATCHES:
        arguments = _inputs(batch)
        run = _native.Program(compiled).run(arguments, _LAYOUT, private_input=False)
        segments = json.loads(run.public_input())["memory_segments"]
        hashes = (segments["pedersen"]["stop_ptr"] - segments["pedersen"]["begin_addr"]) // 3
        what = "1 allocation" if batch == 1 else f"{batch} allocations"
        note(f"stwo: {what}, {run.real_steps} steps …")
        cpu, begin = _children_cpu(), time.monotonic()
        result = asyncio.run(backend.prove(compiled, arguments))
        rows.append(
            _Row(
                f"{what}, {run.real_steps} steps",
                predict_stwo(backend.parameters, run.real_steps, hashes),
                _children_cpu() - cpu,
                time.monotonic() - begin,
                result.peak_memory_bytes,
                len(result.proof),
            )
        )
    return _result("stwo", rows, (0.0, 0.0))


_MEASURE: Final[dict[str, Callable[[], _Result]]] = {"stone": _stone, "stwo": _stwo}


def _result(backend: str, rows: Sequence[_Row], work: tuple[float, float]) -> _Result:
    proving = fitted([row.model.cpu_seconds for row in rows], [row.cpu_seconds for row in rows])
    longest = max(rows, key=lambda row: row.seconds)
    cpus = os.cpu_count() or 1
    cores: float | None = min(longest.cpu_seconds / longest.seconds, float(cpus))
    if cores is not None and cores < _BUSY * cpus:
        note(f"{backend}: others used the machine; how many cores a proof keeps busy was not measured")
        cores = None
    faster = work[0] / work[1] if work[1] else proving
    return _Result(backend, calibration.speeds(backend), Speeds(proving, faster, cores), tuple(rows), work)


def _inputs(allocations: int) -> bytes:
    """Of a run of the risk engine; what it decides does not matter."""
    forms = [
        parse_proposal(
            canonical(
                {
                    "allocation_id": f"calibrate-{number}",
                    "jediswap_risk": 35,
                    "ekubo_risk": 39,
                    "jediswap_apy": 850,
                    "ekubo_apy": 1210,
                    "jediswap_pct": 44,
                    "ekubo_pct": 56,
                }
            )
        ).normal_form()
        for number in range(allocations)
    ]
    return json.dumps(program_input(forms)).encode()


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _after(row: _Row, speeds: Speeds) -> float:
    return row.model.cpu_seconds / speeds.proving


def _to_object(result: _Result, *, kept: bool) -> dict[str, Any]:
    """Seconds and factors as text: the wire knows no floats."""
    shown: dict[str, Any] = {
        "backend": result.backend,
        "speeds": _speeds(result.found),
        "before": _speeds(result.before),
        "kept": kept,
        "proofs": [
            {
                "what": row.what,
                "cpu_seconds": f"{row.cpu_seconds:.3f}",
                "seconds": f"{row.seconds:.3f}",
                "predicted_before": f"{_after(row, result.before):.3f}",
                "predicted_after": f"{_after(row, result.found):.3f}",
                "memory_bytes": row.memory_bytes,
                "predicted_memory_bytes": row.model.memory_bytes,
                "proof_bytes": row.proof_bytes,
                "predicted_proof_bytes": row.model.proof_bytes,
            }
            for row in result.rows
        ],
    }
    if result.work[1]:
        shown["work_seconds_per_million"] = f"{result.work[1]:.4f}"
    return shown


def _speeds(speeds: Speeds) -> dict[str, str]:
    cores = {} if speeds.cores is None else {"cores": f"{speeds.cores:.2f}"}
    return {"proving": f"{speeds.proving:.3f}", "work": f"{speeds.work:.3f}", **cores}


def _tell(result: _Result, *, kept: bool) -> None:
    table = Table(title=result.backend, title_justify="left", box=None, pad_edge=False)
    table.add_column("proof", overflow="fold")
    for name in ("CPU s", "before", "after", "MiB", "expected", "kB", "expected"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in result.rows:
        table.add_row(
            row.what,
            f"{row.cpu_seconds:.2f}",
            f"{_after(row, result.before):.2f}",
            f"{_after(row, result.found):.2f}",
            f"{row.memory_bytes >> 20:,}",
            f"{row.model.memory_bytes >> 20:,}",
            f"{row.proof_bytes / 1000:,.0f}",
            f"{row.model.proof_bytes / 1000:,.0f}",
        )
    console = SafeConsole(highlight=False)
    console.print(table)
    speeds = result.found
    busy = "" if speeds.cores is None else f", {speeds.cores:.1f} cores busy"
    console.print(
        f"{speeds.proving:.2f} times as fast as the model's machine, {speeds.work:.2f} times in the proof of work{busy}"
    )
    console.print(f"kept in {_shown(calibration.path())}\n" if kept else "not kept\n")


def _shown(path: Path) -> str:
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)

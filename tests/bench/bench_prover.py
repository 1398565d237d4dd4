"""Both backends beside the bare program on the same input, and time, memory, size and security for each setting.

Beside each time stands the CPU's: on a shared machine only that says what a proof costs. Stone is measured where its
programs are present. Many allocations: bench_allocations.
"""

from __future__ import annotations

import asyncio
import bz2
import json
import resource
import statistics
import time

import cramjam

from proofrail.cairo.program import CairoProgram
from proofrail.cairo.risk_program import load, program_input
from proofrail.proving.backend import Backend, ProofResult
from proofrail.proving.cost import Goal
from proofrail.proving.parameters import StwoParameters
from proofrail.proving.policy import Policy
from proofrail.proving.statement import Expected
from proofrail.proving.stone.backend import StoneBackend
from proofrail.proving.stwo import StwoBackend
from tests.bench import bench_stone
from tests.bench.bench_pipeline import bare_prover, forms
from tests.bench.stone_trial import FIBONACCI, RUNS
from tests.faults.proposals import several

STONE_STEPS = 4096
STONE_GOALS: tuple[Goal, ...] = ("speed", "size", "chain")
STWO_LIMIT = 1.15
STWO_SIZES = (1, 132)
"""Allocations: fixed costs weigh most in the least; 132 fill a table to its brim."""
REPEATS = 3
PARAMETERS = (
    StwoParameters(),
    StwoParameters(pow_bits=26, n_queries=70),
    StwoParameters(pow_bits=16, n_queries=80),
    StwoParameters(fold_step=1),
    StwoParameters(n_queries=38, log_blowup=2),
)


def cpu_seconds() -> float:
    """CPU seconds of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _arguments(values: list[bytes]) -> bytes:
    """The risk engine's input for these proposals."""
    return json.dumps(program_input(forms(values))).encode()


def proven(backend: Backend, program: CairoProgram, arguments: bytes) -> tuple[ProofResult, float, float]:
    """The proof, wall-clock and CPU seconds."""
    cpu, begin = cpu_seconds(), time.perf_counter()
    result = asyncio.run(backend.prove(program.compiled, arguments))
    return result, time.perf_counter() - begin, cpu_seconds() - cpu


def verified_seconds(backend: Backend, program: CairoProgram, result: ProofResult) -> float:
    """Wall-clock seconds of checking a proof against what was to be proven. Raises RefusedProof."""
    expected = Expected.of(program.words, program.builtins, result.output)
    begin = time.perf_counter()
    backend.verify(result.proof, expected, Policy(min_security_bits=1, backends=(backend.name,)))
    return time.perf_counter() - begin


def _beside_the_program() -> None:
    print("stwo, ours (proven and verified) beside the bare program on the same input")
    program, backend = load(), StwoBackend()
    for allocations in STWO_SIZES:
        values, ratios = several("bench", allocations), []
        for _ in range(REPEATS):
            bare = bare_prover(values)
            result, wall, _ = proven(backend, program, _arguments(values))
            ratios.append((wall + verified_seconds(backend, program, result)) / bare)
        print(f"  {allocations:4d} allocations: {statistics.median(ratios):.3f} times (limit {STWO_LIMIT})")


def _row(setting: str, result: ProofResult, wall: float, cpu: float, verified: float) -> str:
    return (
        f"  {result.security_bits:3d} bits  {setting:44s} {wall:6.2f} s (CPU {cpu:6.1f} s)  "
        f"{result.peak_memory_bytes / 2**30:5.2f} GiB  {len(result.proof) / 1000:5.0f} kB  "
        f"verified in {1000 * verified:.0f} ms"
    )


def _stwo_settings() -> None:
    program, arguments = load(), _arguments(several("bench", 1))
    print("stwo, the risk engine with 1 allocation, by setting")
    for parameters in PARAMETERS:
        backend = StwoBackend(parameters)
        result, wall, cpu = proven(backend, program, arguments)
        setting = (
            f"{parameters.pow_bits} + {parameters.n_queries} x {parameters.log_blowup}, "
            f"folding {1 << parameters.fold_step}"
        )
        print(_row(setting, result, wall, cpu, verified_seconds(backend, program, result)), flush=True)
    for name, size in (
        ("bzip2", len(bz2.compress(result.proof))),
        ("zstd", len(bytes(cramjam.zstd.compress(result.proof, 19)))),
    ):
        print(f"  {name} would save {100 - 100 * size / len(result.proof):.0f} % of the last one")


def _stone_settings() -> None:
    program = CairoProgram.load(FIBONACCI)
    arguments = json.dumps({"n": RUNS[STONE_STEPS]}).encode()
    print(f"stone, {STONE_STEPS} steps in layout small, by what the setting is for")
    for goal in STONE_GOALS:
        backend = StoneBackend(goal=goal)
        result, wall, cpu = proven(backend, program, arguments)
        stark = result.parameters["stark"]
        fri = stark["fri"]
        setting = f"{goal}: {fri['proof_of_work_bits']} + {fri['n_queries']} x {stark['log_n_cosets']}"
        print(_row(setting, result, wall, cpu, verified_seconds(backend, program, result)), flush=True)


def main() -> None:
    why = bench_stone.missing()
    if why is None:
        bench_stone.beside_the_program((STONE_STEPS,))
    else:
        print(f"stone is not measured: {why}")
    _beside_the_program()
    if why is None:
        _stone_settings()
    _stwo_settings()

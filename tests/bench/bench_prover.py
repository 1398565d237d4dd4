"""The stwo backend alone: time, memory and size of a proof by the size of the batch, and what limits it.

Beside each time stands the prover program's own time and the CPU's: on a shared machine only the last says
what a proof costs.
"""

from __future__ import annotations

import asyncio
import bz2
import json
import resource
import statistics
import time
from collections.abc import Sequence

import cramjam

from proofrail.cairo.program import CairoProgram
from proofrail.cairo.risk_program import program_input, risk_engine_artifact
from proofrail.proving.backend import ProofResult
from proofrail.proving.parameters import StwoParameters
from proofrail.proving.policy import Policy
from proofrail.proving.statement import Expected
from proofrail.proving.stwo import STWO_LIMITS, StwoBackend
from tests.bench.bench_pipeline import forms
from tests.faults.proposals import valid as proposal

# The last is the most that one proof takes.
BATCHES = (1, 10, 132, 264, 528)
PARAMETERS = (
    StwoParameters(),
    StwoParameters(pow_bits=26, n_queries=70),
    StwoParameters(pow_bits=16, n_queries=80),
    StwoParameters(fold_step=1),
    StwoParameters(n_queries=38, log_blowup=2),
)
VERIFICATIONS = 10


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _prove(
    program: CairoProgram, allocations: int, parameters: StwoParameters
) -> tuple[ProofResult, float, float]:
    """The proof, wall-clock and CPU seconds."""
    arguments = json.dumps(program_input(forms([proposal("bench", n) for n in range(allocations)]))).encode()
    cpu, begin = _cpu_seconds(), time.perf_counter()
    result = asyncio.run(StwoBackend(parameters).prove(program.compiled, arguments))
    return result, time.perf_counter() - begin, _cpu_seconds() - cpu


def _verify_ms(program: CairoProgram, result: ProofResult) -> float:
    expected = Expected.of(program.words, program.builtins, result.output)
    backend, policy, seconds = StwoBackend(), Policy(min_security_bits=1), []
    for _ in range(VERIFICATIONS):
        begin = time.perf_counter()
        backend.verify(result.proof, expected, policy)
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds) * 1000


def _batches(program: CairoProgram, sizes: Sequence[int]) -> None:
    print(f"one proof takes at most {STWO_LIMITS.max_steps} steps, {STWO_LIMITS.max_instances}")
    for allocations in sizes:
        result, wall, cpu = _prove(program, allocations, StwoParameters())
        own = result.timings["prove"] / 1000
        print(
            f"{allocations:4d} allocations, {result.n_steps:6d} steps: {wall:6.2f} s "
            f"(program itself {own:6.2f} s, CPU {cpu:6.1f} s), "
            f"{1000 * wall / allocations:7.1f} ms each, {result.peak_memory_bytes / 2**30:4.1f} GiB, "
            f"{len(result.proof) / 1000:.0f} kB, verified in {_verify_ms(program, result):.0f} ms"
        )


def _parameters(program: CairoProgram) -> None:
    for parameters in PARAMETERS:
        result, wall, cpu = _prove(program, 1, parameters)
        print(
            f"{parameters.security_bits} bits as {parameters.pow_bits} + {parameters.n_queries} x "
            f"{parameters.log_blowup}, folding {1 << parameters.fold_step}: {wall:5.2f} s (CPU {cpu:5.1f} s), "
            f"{result.peak_memory_bytes / 2**30:.1f} GiB, {len(result.proof) / 1000:.0f} kB"
        )
    result, _, _ = _prove(program, 1, StwoParameters())
    packed = {
        "bzip2": lambda data: bz2.compress(data),
        "zstd": lambda data: bytes(cramjam.zstd.compress(data, 19)),
    }
    for name, compress in packed.items():
        begin = time.perf_counter()
        size = len(compress(result.proof))
        saved = 100 - 100 * size / len(result.proof)
        print(f"{name} would save {saved:.0f} % of a proof in {1000 * (time.perf_counter() - begin):.0f} ms")


def main() -> None:
    program = CairoProgram.load(risk_engine_artifact())
    _batches(program, BATCHES)
    _parameters(program)

"""The Stone backend beside the bare program, and the chosen parameters beside the best found by trial.

Needs cpu_air_prover and cpu_air_verifier. CPU time counts the proof of work at its expectation: the nonce of one run
is found by luck, and always the same one.
"""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from proofrail.cairo.program import CairoProgram
from proofrail.cairo.vm import Execution, run
from proofrail.proving.stone import programs
from proofrail.proving.stone.backend import StoneBackend
from proofrail.proving.stone.choose import choose
from proofrail.proving.stone.cost import predict, work_seconds
from proofrail.proving.stone.layouts import layout_named
from proofrail.proving.stone.parameters import StoneParameters
from proofrail.proving.stone.prover_config import prover_config
from proofrail.wire.errors import TransientError

FIBONACCI = Path(__file__).parents[2] / "cairo" / "artifacts" / "fibonacci.json"
RUNS = {512: 60, 4096: 660, 32768: 5400}
"""The index of the Fibonacci number whose run has so many steps."""
BITS = 96
LIMIT = 1.05
BEST_LIMIT = 1.25
REPEATS = 3


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _files(folder: Path, made: Execution, parameters: StoneParameters) -> None:
    trace, memory = folder / "trace.bin", folder / "memory.bin"
    trace.write_bytes(made.trace)
    memory.write_bytes(made.memory)
    (folder / "public_input.json").write_text(made.public_input())
    (folder / "private_input.json").write_text(made.private_input(str(trace), str(memory)))
    (folder / "parameters.json").write_text(json.dumps(parameters.to_json()))
    (folder / "prover_config.json").write_text(json.dumps(prover_config(full_extension=True)))


def _bare(made: Execution, parameters: StoneParameters) -> tuple[float, float, int]:
    """Wall-clock seconds and CPU seconds of the program alone, and bytes of the proof."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _files(folder, made, parameters)
        command = [
            str(programs.required(programs.PROVER)),
            "--public_input_file=public_input.json",
            "--private_input_file=private_input.json",
            "--parameter_file=parameters.json",
            "--prover_config_file=prover_config.json",
            "--out_file=proof.json",
        ]
        cpu, begin = _cpu_seconds(), time.perf_counter()
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        wall, cpu = time.perf_counter() - begin, _cpu_seconds() - cpu
        size = len(json.loads((folder / "proof.json").read_bytes())["proof_hex"]) // 2 - 1
    return wall, cpu, size


def _trial(steps: int) -> Iterator[StoneParameters]:
    """Every blow-up with the proof of work and the last layer that could matter, all of the same security."""
    for log_n_cosets in (1, 2, 3, 4):
        for pow_bits in (0, 10, 14, 18, 20):
            for log_last_layer in (6, 9):
                yield StoneParameters.derived(
                    steps.bit_length() - 1,
                    log_last_layer=log_last_layer,
                    n_queries=-((pow_bits - BITS) // log_n_cosets),
                    log_n_cosets=log_n_cosets,
                    pow_bits=pow_bits,
                )


def _expected_cpu(made: Execution, parameters: StoneParameters) -> float:
    """CPU seconds, the proof of work at its expectation: measured without any, and added."""
    free = StoneParameters(
        parameters.fri_step_list,
        parameters.log_last_layer,
        parameters.n_queries,
        parameters.log_n_cosets,
        0,
        parameters.hashes,
    )
    return min(_bare(made, free)[1] for _ in range(REPEATS)) + work_seconds(parameters.pow_bits)


def missing() -> str | None:
    """Why Stone cannot be measured here; None when it can."""
    try:
        StoneBackend().preflight()
    except TransientError as error:
        return str(error)
    return None


def beside_the_program(sizes: Iterable[int]) -> None:
    """Our time over the bare program's on the same input, for runs of so many steps."""
    program = CairoProgram.load(FIBONACCI)
    print("stone, ours beside the bare program on the same input")
    for steps in sizes:
        index = RUNS[steps]
        made = run(program, {"n": index}, "small")
        choice = choose(steps, "small", BITS)
        arguments = json.dumps({"n": index}).encode()
        ratios = []
        for _ in range(REPEATS):
            bare, _, _ = _bare(made, choice.parameters)
            begin = time.perf_counter()
            asyncio.run(StoneBackend().prove(program.compiled, arguments))
            ratios.append((time.perf_counter() - begin) / bare)
        print(f"  {steps:6d} steps: {sorted(ratios)[REPEATS // 2]:.3f} times (limit {LIMIT} at 4,096)")


def _beside_the_best(program: CairoProgram, sizes: tuple[int, ...]) -> None:
    layout = layout_named("small")
    for steps in sizes:
        made = run(program, {"n": RUNS[steps]}, "small")
        print(f"{steps} steps, {BITS} bits: queries/log blow-up/work/log last layer, CPU s, predicted, bytes")
        found = {}
        for parameters in _trial(steps):
            cpu = found[parameters] = _expected_cpu(made, parameters)
            cost = predict(parameters, layout, steps.bit_length() - 1)
            print(
                f"  {parameters.n_queries:3d}/{parameters.log_n_cosets}/{parameters.pow_bits:2d}/"
                f"{parameters.log_last_layer}  {cpu:7.2f}  {cost.cpu_seconds:7.2f}  {cost.proof_bytes:,}"
            )
        chosen = _expected_cpu(made, choose(steps, "small", BITS).parameters)
        best = min(found.values())
        print(f"  chosen {chosen:.2f} s, best {best:.2f} s: {chosen / best:.2f} times (limit {BEST_LIMIT})")


def main() -> None:
    if (why := missing()) is not None:
        print(f"not measured: {why}")
        return
    beside_the_program(RUNS)
    _beside_the_best(CairoProgram.load(FIBONACCI), (512, 4096))

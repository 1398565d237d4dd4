"""Tracing: spans and commitment of a million steps beside the bare VM.

Times and peak memory are taken in processes of their own, the variants in turn, so that none inherits another's
memory. The program is the worst case: a span every six steps.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from proofrail.cairo.program import CairoProgram
from proofrail.cairo.trace import RunSpec, trace_run
from proofrail.cairo.vm import run

ARTIFACT = Path(__file__).parents[2] / "cairo" / "artifacts" / "fibonacci.json"
SIZES = (20_000, 165_000, 660_000)
"""Iterations; the middle one is a million steps."""
REPEATS = 5
VARIANTS = ("bare VM", "spans and commitment")


def measure(variant: str, iterations: int) -> dict[str, Any]:
    """Best seconds, padded steps, items and peak memory (MiB) of one variant in this process."""
    program = CairoProgram.load(ARTIFACT)
    values = {"n": iterations}
    items = steps = 0
    best = float("inf")
    for _ in range(REPEATS):
        started = time.perf_counter()
        if variant == VARIANTS[0]:
            steps = run(program, values, "small", private_input=False).n_steps
        else:
            trace = trace_run(RunSpec(program), [values], values, clock=time.time_ns, private_input=False)
            for _chunk in trace.stream():
                pass
            items, steps = trace.seal["items"], trace.n_steps
            del trace
        best = min(best, time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {"seconds": best, "steps": steps, "items": items, "peak": peak}


def _in_child(variant: str, iterations: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.bench_trace", variant, str(iterations)]
    finished = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(finished.stdout)
    return result


def _trace() -> None:
    for iterations in SIZES:
        bare, ours = (_in_child(variant, iterations) for variant in VARIANTS)
        print(
            f"{ours['steps']:>9,} steps, {ours['items']:>9,} items: bare VM {bare['seconds']:.3f} s, "
            f"with spans and commitment {ours['seconds']:.3f} s, ratio {ours['seconds'] / bare['seconds']:.2f} "
            f"  (mark 2 at a million); peak {bare['peak']} and {ours['peak']} MiB"
        )


def main() -> None:
    _trace()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1], int(sys.argv[2]))))
    else:
        main()

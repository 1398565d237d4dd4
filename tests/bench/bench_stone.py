"""The Stone backend beside the bare program, and the chosen parameters beside the best found by trial.

Needs cpu_air_prover and cpu_air_verifier. The trial and its table are stone_trial's.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from proofrail.cairo.program import CairoProgram
from proofrail.cairo.vm import Execution
from proofrail.proving.stone.backend import StoneBackend
from proofrail.proving.stone.choose import Choice, choose
from proofrail.proving.stone.prover_config import prover_config
from proofrail.wire.errors import TransientError
from tests.bench.stone_trial import (
    BITS,
    FIBONACCI,
    REPEATS,
    RUNS,
    Table,
    chosen,
    described,
    execution,
    files,
    fresh,
)

LIMIT = 1.05
BEST_LIMIT = 1.25
SHOWN = 8
MEASURED_AGAIN = 4096


def _bare_seconds(made: Execution, choice: Choice) -> float:
    """Wall-clock seconds of the program alone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = files(folder, made, choice.parameters, prover_config(full_extension=choice.full_extension))
        begin = time.perf_counter()
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        return time.perf_counter() - begin


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
        made = execution(steps)
        choice = choose(steps, "small", BITS)
        arguments = json.dumps({"n": RUNS[steps]}).encode()
        ratios = []
        for _ in range(REPEATS):
            bare = _bare_seconds(made, choice)
            begin = time.perf_counter()
            asyncio.run(StoneBackend().prove(program.compiled, arguments))
            ratios.append((time.perf_counter() - begin) / bare)
        print(f"  {steps:6d} steps: {sorted(ratios)[REPEATS // 2]:.3f} times (limit {LIMIT} at 4,096)")


def _beside_the_best(table: Table, steps: int) -> None:
    """Our choice beside the best of the kept table; of small runs both are measured again."""
    ranked, own = table.ranked(steps), chosen(steps)
    best = ranked[0]
    print(
        f"{steps} steps, {BITS} bits, {len(ranked)} settings tried: queries/log2 blow-up/work, folds, CPU s"
    )
    for one in [*ranked[:SHOWN], *([own] if own in ranked[SHOWN:] else [])]:
        print(f"  {described(one)}  {table.expected(one):7.2f}  {'ours' if one == own else ''}")
    pairs = {"kept table": (table.expected(own), table.expected(best))} if own in ranked else {}
    if steps <= MEASURED_AGAIN:
        pairs["measured now"] = (fresh(own), fresh(best))
    for how, (ours, least) in pairs.items():
        print(
            f"  {how}: ours {ours:.2f} s, best {least:.2f} s: {ours / least:.2f} times (limit {BEST_LIMIT})"
        )


def _choosing() -> None:
    """What the choice itself costs, before any process is started."""
    begin = time.perf_counter()
    for steps in RUNS:
        choose(steps, "small", BITS)
    each = 1000 * (time.perf_counter() - begin) / len(RUNS)
    print(f"choosing takes {each:.0f} ms for each run (the smallest proof takes some 500 ms)")


def main() -> None:
    _choosing()
    if (why := missing()) is not None:
        print(f"not measured: {why}")
        return
    beside_the_program(RUNS)
    table = Table()
    for steps in RUNS:
        _beside_the_best(table, steps)

"""The trial of Stone's settings: which one takes the least user CPU time at equal security, found by measuring.

A row of the table stone_trial.csv is one proof of the Fibonacci run in layout small, without proof of work: a nonce
is found by luck, so its expectation is added when the table is read. Each row is written as soon as it is measured,
and a trial goes on where it was left: `python -m tests.bench.stone_trial [--again] STEPS…`.

The grid. 512 steps: blow-ups from 2 to 32, the numbers of queries that seven amounts of work from none to 22 bits
leave, four last layers, two hashes, with and without the full extension of the trace in memory; other fold lists at
the best of them. A blow-up of which one proof takes over twice the best, the proof of work counted, is tried no
further. 4,096 and 32,768 steps take 8 and 64 times as long, so there each of these choices is tried where the others
are near their best. Threads, task sizes and Merkle layers in memory made no difference beyond the scatter at 512 and
4,096 steps, and stand as in production. The best few within CLOSE times the very best are measured three times; the
median counts.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from proofrail.cairo.program import CairoProgram
from proofrail.cairo.vm import Execution, run
from proofrail.proving.calibration import Speeds
from proofrail.proving.stone import programs
from proofrail.proving.stone.choose import choose
from proofrail.proving.stone.cost import work_seconds
from proofrail.proving.stone.fri import fri_steps
from proofrail.proving.stone.hashes import Hashes
from proofrail.proving.stone.parameters import StoneParameters
from proofrail.proving.stone.prover_config import prover_config

TABLE: Final = Path(__file__).with_name("stone_trial.csv")
FIBONACCI: Final = Path(__file__).parents[2] / "cairo" / "artifacts" / "fibonacci.json"
RUNS: Final = {512: 60, 4096: 660, 32768: 5400}
"""The index of the Fibonacci number whose run has so many steps."""
BITS: Final = 96
CLOSE: Final = 1.25
REPEATS: Final = 3
HASHES: Final = {name: Hashes(commitment=name, pow=name) for name in ("keccak256", "blake256")}
_REPEATED: Final = {512: 20, 4096: 10, 32768: 4}
_MACHINE: Final = (
    "# Two cores shared with other work, 24 GiB; layout small, 96 bits, no proof of work; user CPU.\n"
)
"""Of the kept table. Whoever measures on another says so here."""
_MEMBERS: Final = ("steps", "log_n_cosets", "n_queries", "folds", "log_last_layer", "hash", "full_lde")
_MEASURED: Final = ("user_s", "memory_mib", "proof_bytes")


@dataclass(frozen=True)
class Setting:
    """One point of the grid; `full_lde`: the whole extension of the trace is kept in memory."""

    steps: int
    log_n_cosets: int
    n_queries: int
    folds: tuple[int, ...]
    log_last_layer: int
    hash: str
    full_lde: bool

    @property
    def pow_bits(self) -> int:
        """What the queries leave to the proof of work."""
        return max(0, BITS - self.n_queries * self.log_n_cosets)

    @property
    def parameters(self) -> StoneParameters:
        return StoneParameters(
            self.folds, self.log_last_layer, self.n_queries, self.log_n_cosets, 0, HASHES[self.hash]
        )

    def cells(self) -> list[str]:
        return [
            str(self.steps),
            str(self.log_n_cosets),
            str(self.n_queries),
            "-".join(map(str, self.folds)),
            str(self.log_last_layer),
            self.hash,
            str(int(self.full_lde)),
        ]


@dataclass(frozen=True)
class Proven:
    """What one proof took."""

    user_seconds: float
    memory_mib: int
    proof_bytes: int


@cache
def execution(steps: int) -> Execution:
    return run(CairoProgram.load(FIBONACCI), {"n": RUNS[steps]}, "small")


def files(
    folder: Path, made: Execution, parameters: StoneParameters, config: Mapping[str, object]
) -> list[str]:
    """Writes what the prover program takes; the command that proves it."""
    trace, memory = folder / "trace.bin", folder / "memory.bin"
    trace.write_bytes(made.trace)
    memory.write_bytes(made.memory)
    (folder / "public_input.json").write_text(made.public_input())
    (folder / "private_input.json").write_text(made.private_input(str(trace), str(memory)))
    (folder / "parameters.json").write_text(json.dumps(parameters.to_json()))
    (folder / "prover_config.json").write_text(json.dumps(config))
    return [
        str(programs.required(programs.PROVER)),
        "--public_input_file=public_input.json",
        "--private_input_file=private_input.json",
        "--parameter_file=parameters.json",
        "--prover_config_file=prover_config.json",
        "--out_file=proof.json",
    ]


def measured(setting: Setting) -> Proven:
    """Proves in a process of its own, of which the user CPU time is taken."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = prover_config(full_extension=setting.full_lde)
        command = files(folder, execution(setting.steps), setting.parameters, config)
        prover = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(prover.pid, 0)
        prover.returncode = os.waitstatus_to_exitcode(status)
        if prover.returncode:
            raise RuntimeError(f"the prover ended with {prover.returncode} for {setting}")
        size = len(json.loads((folder / "proof.json").read_bytes())["proof_hex"]) // 2 - 1
    return Proven(used.ru_utime, used.ru_maxrss >> 10, size)


def fresh(setting: Setting) -> float:
    """Median user CPU seconds as measured now, with the proof of work at its expectation."""
    return _with_work(setting, [measured(setting) for _ in range(REPEATS)])


def described(setting: Setting) -> str:
    """One setting in a few columns."""
    folds = "-".join(map(str, setting.folds))
    return (
        f"{setting.n_queries:3d}/{setting.log_n_cosets}/{setting.pow_bits:2d}  "
        f"{folds:>9} to {1 << setting.log_last_layer:4d}  {setting.hash:9}  "
        f"{'all in memory' if setting.full_lde else 'little memory'}"
    )


def _with_work(setting: Setting, proofs: Sequence[Proven]) -> float:
    taken = statistics.median(proven.user_seconds for proven in proofs)
    return taken + (work_seconds(setting.pow_bits) if setting.pow_bits else 0.0)


class Table:
    """The rows measured so far, each at once on disk."""

    def __init__(self, path: Path = TABLE) -> None:
        self._path = path
        self.proofs: defaultdict[Setting, list[Proven]] = defaultdict(list)
        if path.exists():
            with path.open(newline="") as lines:
                for row in csv.DictReader(line for line in lines if not line.startswith("#")):
                    self.proofs[_setting(row)].append(
                        Proven(float(row["user_s"]), int(row["memory_mib"]), int(row["proof_bytes"]))
                    )

    def expected(self, setting: Setting) -> float:
        """Median user CPU seconds, with the proof of work at its expectation."""
        return _with_work(setting, self.proofs[setting])

    def ranked(self, steps: int) -> list[Setting]:
        """The settings measured for so many steps, the cheapest first."""
        return sorted((s for s in self.proofs if s.steps == steps), key=self.expected)

    def measure(self, setting: Setting, times: int = 1) -> None:
        """Until there are so many proofs of the setting."""
        while len(self.proofs[setting]) < times:
            proven = measured(setting)
            self.proofs[setting].append(proven)
            with self._path.open("a", newline="") as lines:
                csv.writer(lines, lineterminator="\n").writerow(_cells(setting, proven))

    def forget(self, steps: int) -> None:
        """Drops what was measured for so many steps."""
        self.proofs = defaultdict(list, {s: found for s, found in self.proofs.items() if s.steps != steps})
        rows = [_cells(setting, proven) for setting, proofs in self.proofs.items() for proven in proofs]
        with self._path.open("w", newline="") as lines:
            lines.write(_MACHINE)
            csv.writer(lines, lineterminator="\n").writerows([[*_MEMBERS, *_MEASURED], *rows])


def _cells(setting: Setting, proven: Proven) -> list[str]:
    measured = [f"{proven.user_seconds:.2f}", str(proven.memory_mib), str(proven.proof_bytes)]
    return [*setting.cells(), *measured]


def _setting(row: dict[str, str]) -> Setting:
    return Setting(
        int(row["steps"]),
        int(row["log_n_cosets"]),
        int(row["n_queries"]),
        tuple(map(int, row["folds"].split("-"))),
        int(row["log_last_layer"]),
        row["hash"],
        row["full_lde"] == "1",
    )


def setting(steps: int, cosets: int, work: int, last: int, hash_name: str, full_lde: bool) -> Setting:
    """With the queries that so much work leaves, and the folds that we derive."""
    folds = fri_steps(steps.bit_length() - 1, last)
    return Setting(steps, cosets, -((work - BITS) // cosets), folds, last, hash_name, full_lde)


def _grid(steps: int) -> Iterator[Setting]:
    if steps == 512:
        for cosets in (1, 2, 3, 4, 5):
            for work in (0, 10, 14, 16, 18, 20, 22):
                for last in (4, 6, 8, 10):
                    for hash_name in HASHES:
                        for full_lde in (True, False):
                            yield setting(steps, cosets, work, last, hash_name, full_lde)
        return
    if steps > 4096:
        # Blow-ups from 16 on cannot be near: 8 takes 1.8 times the best, and each doubling more than the last.
        for cosets, work, last, hash_name, full_lde in (
            (2, 16, 6, "keccak256", True),
            (2, 16, 6, "blake256", True),
            (1, 16, 6, "keccak256", True),
            (1, 16, 6, "blake256", True),
            (3, 16, 6, "keccak256", True),
            (1, 20, 9, "blake256", True),
            (1, 16, 6, "keccak256", False),
            (2, 16, 6, "keccak256", False),
            (1, 0, 6, "blake256", True),
        ):
            yield setting(steps, cosets, work, last, hash_name, full_lde)
        return
    for full_lde in (True, False):
        for cosets in (2, 1, 3, 4, 5):
            for hash_name in HASHES:
                yield setting(steps, cosets, 16, 6, hash_name, full_lde)
    for cosets in (1, 2):
        for hash_name in HASHES:
            for work, last in ((0, 6), (16, 9), (20, 6), (20, 9), (22, 8)):
                yield setting(steps, cosets, work, last, hash_name, True)


def chosen(steps: int) -> Setting:
    """What our own choice is on the model's machine, with as much memory as it wants."""
    choice = choose(steps, "small", BITS, memory=1 << 40, speeds=Speeds())
    own = choice.parameters
    return Setting(
        *(steps, own.log_n_cosets, own.n_queries, own.fri_step_list, own.log_last_layer),
        own.hashes.commitment,
        choice.full_extension,
    )


def _other_folds(best: Setting) -> Iterator[Setting]:
    """The same with lists that we never derive: smaller folds, the rest first, no 0 in front."""
    total = sum(best.folds)
    for step in (2, 3):
        rest = [total % step] if total % step else []
        yield _with_folds(best, (0, *[step] * (total // step), *rest))
    rest = [total % 4] if total % 4 else []
    yield _with_folds(best, (0, *rest, *[4] * (total // 4)))
    yield _with_folds(best, best.folds[1:])


def _with_folds(best: Setting, folds: tuple[int, ...]) -> Setting:
    return Setting(
        best.steps, best.log_n_cosets, best.n_queries, folds, best.log_last_layer, best.hash, best.full_lde
    )


def trial(table: Table, steps: int) -> None:
    """Measures what the grid has and the table lacks, and our own choice."""
    slow: set[tuple[int, bool]] = set()
    for one in _grid(steps):
        if (one.log_n_cosets, one.full_lde) in slow:
            continue
        table.measure(one)
        if table.expected(one) > 2 * table.expected(table.ranked(steps)[0]):
            slow.add((one.log_n_cosets, one.full_lde))
    table.measure(chosen(steps), REPEATS)
    if steps <= 4096:
        for one in _other_folds(table.ranked(steps)[0]):
            table.measure(one)
    while True:
        ranked = table.ranked(steps)
        limit = CLOSE * table.expected(ranked[0])
        # Of hundreds within the scatter, the first say what the best is.
        best = [one for one in ranked[: _REPEATED[steps]] if table.expected(one) <= limit]
        once = [one for one in best if len(table.proofs[one]) < REPEATS]
        if not once:
            return
        table.measure(once[0], REPEATS)


def main() -> None:
    """Goes on with the trial of so many steps each; with --again from the beginning."""
    asked = argparse.ArgumentParser(description=main.__doc__)
    asked.add_argument("steps", type=int, nargs="+", choices=list(RUNS))
    asked.add_argument("--again", action="store_true", help="forget what was measured for these steps")
    options = asked.parse_args()
    for steps in options.steps:
        if options.again:
            Table().forget(steps)
        trial(Table(), steps)


if __name__ == "__main__":
    main()

"""Checking: the events of a million steps against their invariants, beside their commitment and SHA-256.

The program is the worst case: a span every six steps, each with a digest of its own to recompute.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

from proofrail._native import Checker, Committer
from proofrail.audit.invariants.check import check_plainly
from proofrail.cairo.program import CairoProgram
from proofrail.cairo.trace import RunSpec, trace_run

ARTIFACT = Path(__file__).parents[2] / "cairo" / "artifacts" / "fibonacci.json"
ITERATIONS = 165_000
REPEATS = 3
PLAIN_LINES = 40_000


def main() -> None:
    values = {"n": ITERATIONS}
    run = trace_run(RunSpec(CairoProgram.load(ARTIFACT)), [values], values, clock=time.time_ns)
    data = b"".join(chunk.lines for chunk in run.stream())
    count = data.count(b"\n")
    check, commit, digest = (_best(work, data) for work in (_check, _commit, _digest))
    lines = data[: data.index(b"\n", len(data) * PLAIN_LINES // count)].split(b"\n")
    started = time.process_time()
    check_plainly(lambda: lines)
    plain = (time.process_time() - started) / len(lines)
    print(
        f"{count:,} events of {run.n_steps:,} steps, {len(data) // count} bytes each: checked at "
        f"{count / check / 1e6:.2f} M events/s   (mark 1.5); committed to at {count / commit / 1e6:.2f} M/s, "
        f"SHA-256 alone at {len(data) / digest / 1e6:.0f} MB/s {count / digest / 1e6:.2f} M/s; "
        f"plain checker {1e6 * plain:.0f} µs an event"
    )


def _check(data: bytes) -> None:
    checker = Checker()
    checker.feed(data)
    if checker.finish() is not None:
        raise SystemExit("the run is not clean")


def _commit(data: bytes) -> None:
    committer = Committer("r")
    committer.feed(data)
    committer.finish()


def _digest(data: bytes) -> None:
    hashlib.sha256(data).digest()


def _best(work: Callable[[bytes], None], data: bytes) -> float:
    best = float("inf")
    for _ in range(REPEATS):
        started = time.process_time()
        work(data)
        best = min(best, time.process_time() - started)
    return best


if __name__ == "__main__":
    main()

"""The audit beside the bare VM: a million steps, the risk engine's batches, and a file of 100,000 events.

Runs are audited from files, as `proofrail audit` does it, with a signature. Bare VM and audit take turns in
one process, the best of several each, so that a shared machine slows both alike; peak memory is taken in
processes of their own.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proofrail._native import Checker
from proofrail.audit.cairo_subject import subject_of
from proofrail.audit.claimed_events import EventFile
from proofrail.audit.run_audit import audit_run
from proofrail.cairo.program import CairoProgram
from proofrail.cairo.risk_program import program_input, risk_engine_artifact
from proofrail.cairo.trace import RunSpec, trace_run
from proofrail.cairo.vm import run
from proofrail.commitment.checkpoint import TRACER_KEY_NAME, Signer, generate_key, sign_checkpoint
from proofrail.wire.canonical import canonical
from proofrail.wire.ndjson import MAX_FILE_LINE, iter_lines
from tests.bench.bench_pipeline import forms
from tests.faults.proposals import valid as proposal

ROOT = Path(__file__).parents[2]
SPANS = ROOT / "cairo" / "artifacts" / "fibonacci.json"
"""A span every six steps: the worst case."""
STRAIGHT = ROOT / "tests" / "data" / "cairo" / "straight.json"
"""One span in all."""
MILLION = ((SPANS, 165_000), (STRAIGHT, 205_000))
BATCHES = (1, 100, 528)
FILE_EVENTS = 100_000
REPEATS = 7
MOST = 2.5
EVENTS, COMMITMENTS = "events.ndjson", "commitments.ndjson"
PRIVATE, VKEY = generate_key(TRACER_KEY_NAME, bytes(range(32)))


@dataclass(frozen=True)
class Case:
    """A run, published into a folder."""

    program: CairoProgram
    inputs: Sequence[Mapping[str, Any]]
    values: Mapping[str, object]
    folder: Path

    def publish(self) -> dict[str, Any]:
        """Write what a tracer publishes; the seal."""
        made = trace_run(RunSpec(self.program), self.inputs, self.values, clock=time.time_ns)
        with (self.folder / EVENTS).open("wb") as events, (self.folder / COMMITMENTS).open("wb") as claims:
            claims.writelines(line + b"\n" for line in made.input_lines)
            for chunk in made.stream():
                events.write(chunk.lines)
                claims.writelines(block + b"\n" for block in chunk.blocks)
            seal = made.seal
            seal["checkpoint"] = sign_checkpoint(
                made.run_id, seal["items"], bytes.fromhex(seal["root"]), Signer.parse(PRIVATE)
            )
            claims.write(canonical(seal) + b"\n")
        return seal

    def bare(self) -> None:
        run(self.program, self.values, "small", private_input=False)

    def audit(self, *, events: bool = True, model: bool = True) -> None:
        with (self.folder / COMMITMENTS).open("rb") as file:
            report = audit_run(
                commitments=(line for _, line in iter_lines(file, MAX_FILE_LINE)),
                events=EventFile(self.folder / EVENTS) if events else None,
                subject=subject_of(self.program),
                keys=[VKEY],
                with_model=model,
            ).report
        if report.verdict != "MATCH":
            raise AssertionError(report)


def in_turns(*works: Callable[[], object]) -> list[float]:
    """The best seconds of each, taken in turns."""
    best = [float("inf")] * len(works)
    for _ in range(REPEATS):
        for index, work in enumerate(works):
            started = time.perf_counter()
            work()
            best[index] = min(best[index], time.perf_counter() - started)
    return best


def _peak(artifact: Path, iterations: int, folder: Path, work: str) -> int:
    """MiB of a process that does one thing once."""
    command = [
        sys.executable,
        "-m",
        "tests.bench.bench_audit",
        str(artifact),
        str(iterations),
        str(folder),
        work,
    ]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _check(path: Path) -> None:
    checker = Checker()
    for piece in EventFile(path).pieces():
        checker.feed(piece)
    if checker.finish() is not None:
        raise AssertionError(path)


def _million() -> None:
    for artifact, iterations in MILLION:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            values = {"n": iterations}
            case = Case(CairoProgram.load(artifact), [values], values, folder)
            seal = case.publish()
            bare, full, less = in_turns(case.bare, case.audit, lambda case=case: case.audit(events=False))
            size = (folder / EVENTS).stat().st_size
            (checked,) = in_turns(lambda folder=folder: _check(folder / EVENTS))
            peaks = [_peak(artifact, iterations, folder, work) for work in ("bare", "audit")]
        print(
            f"{artifact.stem}, {seal['n_steps']:,} steps, {seal['items']:,} events ({size / 1e6:.0f} MB): "
            f"bare VM {bare:.3f} s, audit {full:.3f} s, ratio {full / bare:.2f}   (mark {MOST}); "
            f"without events {less:.3f} s, ratio {less / bare:.2f}; peak {peaks[0]} and {peaks[1]} MiB; "
            f"the invariants alone, which equal events need not be asked for, {checked:.3f} s"
        )


def _risk_engine() -> None:
    program = CairoProgram.load(risk_engine_artifact())
    for count in BATCHES:
        inputs = forms([proposal("bench", number) for number in range(count)])
        with tempfile.TemporaryDirectory() as name:
            case = Case(program, inputs, program_input(inputs), Path(name))
            seal = case.publish()
            bare, full, less, alone, model = in_turns(
                case.bare,
                case.audit,
                lambda case=case: case.audit(events=False),
                lambda case=case: case.audit(model=False),
                lambda inputs=inputs: subject_of(program).expected_output(inputs),
            )
        print(
            f"risk engine, {count} allocations, {seal['n_steps']:,} steps, {seal['items']:,} events: "
            f"audit {1e3 * full:.1f} ms, {1e3 * full / count:.2f} ms an allocation; from commitments alone "
            f"{1e3 * less:.1f} ms, without the independent model {1e3 * alone:.1f} ms; bare VM "
            f"{1e3 * bare:.1f} ms; the model alone {1e3 * model:.1f} ms"
        )


def _file() -> None:
    with tempfile.TemporaryDirectory() as name:
        values = {"n": FILE_EVENTS // 2}
        case = Case(CairoProgram.load(SPANS), [values], values, Path(name))
        seal = case.publish()
        bare, full = in_turns(case.bare, case.audit)
    print(
        f"a file of {seal['items']:,} events: audit {1e3 * full:.0f} ms, "
        f"{seal['items'] / full / 1e6:.2f} M events/s; bare VM {1e3 * bare:.0f} ms"
    )


def main() -> None:
    _million()
    _risk_engine()
    _file()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _artifact, _n, _folder, _work = sys.argv[1:]
        _values = {"n": int(_n)}
        _case = Case(CairoProgram.load(_artifact), [_values], _values, Path(_folder))
        getattr(_case, _work)()
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
    else:
        main()

"""Traces of the committed test programs, for the tests of spans and streams."""

import json
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from proofrail.cairo.program import CairoProgram
from proofrail.cairo.trace import RunSpec, RunTrace, trace_run

DATA = Path(__file__).parents[1] / "data" / "cairo"
ARTIFACTS = Path(__file__).parents[2] / "cairo" / "artifacts"
VOLATILE = {"timestamp", "duration_ns", "detail", "label"}


@cache
def program(name: str) -> CairoProgram:
    folder = DATA if (DATA / f"{name}.json").exists() else ARTIFACTS
    return CairoProgram.load(folder / f"{name}.json")


def traced(name: str, values: dict[str, Any], **spec: Any) -> RunTrace:
    """A run whose clock goes on by a million nanoseconds at each look."""
    ticks = count(1_700_000_000_000_000_000, 1_000_000)
    return trace_run(RunSpec(program(name), **spec), [values], values, clock=lambda: next(ticks))


def events_of(run: RunTrace, chunk_bytes: int = 1 << 20) -> list[dict[str, Any]]:
    return [json.loads(line) for chunk in run.stream(chunk_bytes) for line in chunk.lines.splitlines()]


def without_volatile(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in event.items() if name not in VOLATILE} for event in events]

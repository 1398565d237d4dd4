"""The invariant checker on large runs: a million steps, and a recursion 150,000 deep."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cairo_runs import traced

from proofrail._native import Checker
from proofrail.audit.invariants.check import check_plainly

DEEP: dict[str, Any] = {"i": 0, "n": 0, "depth": 150_000, "m": 0}


def _summary(program: str, values: dict[str, Any]) -> dict[str, Any]:
    checker = Checker()
    for chunk in traced(program, values).stream():
        assert checker.feed(chunk.lines)
    assert None is checker.finish()
    return dict(checker.summary())


@pytest.mark.slow
def test_a_million_steps_are_clean() -> None:
    """165,000 iterations of a loop, read chunk by chunk as the tracer writes them."""
    summary = _summary("fibonacci", {"n": 165_000})
    assert (1 << 20, 1 << 20, 165_001) == (summary["n_steps"], summary["steps"], summary["iterations"])


@pytest.mark.slow
def test_a_deep_recursion_is_clean() -> None:
    """Paths end at depth 64; everything else is checked down to the ground, by both checkers."""
    summary = _summary("loops", DEEP)
    assert 150_001 == summary["max_depth"]
    lines = [line for chunk in traced("loops", DEEP).stream() for line in chunk.lines.splitlines()]
    violations, plain = check_plainly(lambda: lines)
    assert [] == violations
    assert summary == {name: getattr(plain, name) for name in summary}


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "most"), [("", 120), ('"depth":150000', 300)])
def test_a_deep_recursion_takes_little_memory(tmp_path: Path, fault: str, most: int) -> None:
    """Its 300,000 lines are read in at most 120 MiB more than an empty stream when they are clean, 300 when each
    violation must be described."""
    path = tmp_path / "events.ndjson"
    with path.open("wb") as file:
        for chunk in traced("loops", DEEP).stream():
            file.write(chunk.lines.replace(fault.encode(), b'"depth":7') if fault else chunk.lines)
    empty = tmp_path / "empty.ndjson"
    empty.touch()
    status, peak = _peak(path)
    assert (1 if fault else 0) == status
    assert peak - _peak(empty)[1] < most << 10


def _peak(path: Path) -> tuple[int, int]:
    """Exit status and peak memory, in KiB, of the command in a process of its own."""
    code = (
        "import resource, sys; from proofrail.cli.application import app\n"
        "try: app(['check', sys.argv[1]])\n"
        "except SystemExit as end: print(end.code, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    command = [sys.executable, "-c", code, str(path)]
    result = subprocess.run(command, check=True, capture_output=True, text=True, timeout=240)
    status, peak = result.stdout.splitlines()[-1].split()
    return int(status), int(peak)

"""Runs of a million steps and recursion 150,000 calls deep: recorded in little memory, and rightly."""

import subprocess
import sys
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import pytest
from cairo_runs import VOLATILE, plain_events, published, traced, violations

from proofrail.wire.canonical import parse_object

DEEP = {"i": 0, "n": 0, "depth": 150_000, "m": 0}
LONG = {"i": 220, "n": 640, "depth": 0, "m": 0}
"""Loops in loops: 141,000 iterations in a million steps."""

SPARE_MB = 32
"""What recording may take beside the bare VM: the pieces in flight, not the run."""

_PEAK = """
import resource, sys
sys.path.insert(0, sys.argv[1])
from cairo_runs import program
from proofrail.cairo.trace import RunSpec, trace_run
from proofrail.cairo.vm import run
values = {name: int(value) for name, value in (pair.split("=") for pair in sys.argv[3:])}
if sys.argv[2] == "vm":
    steps = run(program("loops"), values, "small", private_input=False).n_steps
else:
    made = trace_run(RunSpec(program("loops")), [values], values, clock=lambda: 0, private_input=False)
    steps = made.n_steps if sum(len(chunk.lines) for chunk in made.stream()) > 90_000_000 else 0
print(steps, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.fixture
def deep_stack() -> Iterator[None]:
    """The second implementation recurses as the run does."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000_000)
    yield
    sys.setrecursionlimit(before)


def _peak(what: str, values: dict[str, int]) -> int:
    arguments = [f"{name}={value}" for name, value in values.items()]
    command = [sys.executable, "-c", _PEAK, str(Path(__file__).parent), what, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    steps, megabytes = map(int, done.stdout.split())
    assert steps == 1 << 20
    return megabytes


@pytest.mark.parametrize("values", [DEEP, LONG], ids=["deep", "long"])
def test_recording_takes_little_memory_beside_the_vm(values: dict[str, int]) -> None:
    """The events of a million steps, 95 MB of them, add next to nothing to the peak of the bare VM run."""
    bare, recorded = _peak("vm", values), _peak("trace", values)
    print(f"peak resident memory: bare VM {bare} MB, with all events recorded {recorded} MB")
    assert recorded <= bare + SPARE_MB


@pytest.mark.slow
@pytest.mark.usefixtures("deep_stack")
@pytest.mark.parametrize(
    ("values", "max_steps"),
    [(DEEP, None), (LONG, 999_999)],
    ids=["deep", "long, limited"],
)
def test_a_million_steps_give_the_events_of_the_text(values: dict[str, int], max_steps: int | None) -> None:
    """Every one of the 300,000 events is the second implementation's; the invariants hold; the audit agrees."""
    run = traced("loops", values, max_steps=max_steps)
    lines = [line for chunk in run.stream() for line in chunk.lines.splitlines()]
    for expected, line in zip_longest(plain_events(run, [parse_object(lines[0])]), lines):
        event = parse_object(line)
        assert expected == {name: value for name, value in event.items() if name not in VOLATILE}
    assert [] == violations(run)
    assert "MATCH" == published(run).audit(max_steps=max_steps).verdict

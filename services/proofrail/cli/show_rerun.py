"""A run made once more from its program and inputs, to look into its steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from proofrail.audit.cairo_subject import NATURAL_STEPS, subject_of
from proofrail.cairo.decode import ProgramNames
from proofrail.cairo.moment import Moments
from proofrail.cairo.program import CairoProgram
from proofrail.cairo.trace import RunSpec, RunTrace
from proofrail.cairo.vm import Execution
from proofrail.cairo.vm import run as execute
from proofrail.cli.output import interruptible
from proofrail.cli.show_source import RunSource
from proofrail.commitment.blocks import DEFAULT_BITS, DEFAULT_BLOCK_ITEMS
from proofrail.wire.canonical import JsonObject, canonical, parse_object
from proofrail.wire.errors import UnusableInputError

_FAILURES: Final = frozenset({"TileFailure", "SequenceFailure"})


@dataclass(frozen=True)
class Rerun:
    """`is_same` says whether it has the root that was published; None where no root is at hand. The timestamps
    of `made` are steps."""

    program: CairoProgram
    names: ProgramNames
    execution: Execution
    made: RunTrace
    is_same: bool | None

    @property
    def moments(self) -> Moments:
        return Moments(self.program, self.names, self.execution.trace, self.execution.memory)

    @property
    def last_step(self) -> int:
        """The last step before padding; of a failed run the one that failed, which is in no trace."""
        failed = self.execution.outcome == "failed"
        return self.execution.n_steps if failed else self.execution.real_steps - 1

    def events(self) -> Iterator[JsonObject]:
        for chunk in self.made.stream():
            for line in chunk.lines.splitlines():
                yield parse_object(line)

    def innermost(self, step: int) -> JsonObject | None:
        """The start of the innermost span that is open at a step."""
        open_spans: list[JsonObject] = []
        for event in self.events():
            kind = event["type"]
            if event["timestamp"] > step or kind in _FAILURES:
                break
            if kind in ("SequenceStart", "TileStart"):
                open_spans.append(event)
            elif kind in ("SequenceEnd", "TileEnd"):
                open_spans.pop()
        return open_spans[-1] if open_spans else None


def rerun(run: RunSource) -> Rerun:
    """Execute a run again.

    Raises UnusableInputError (`rerun-impossible` where its program or inputs are not at hand, and what the VM
    raises for inputs that are none), PoisonError as `cairo.vm.run` does.
    """
    program, names, inputs = run.program, run.names, run.inputs
    if program is None or names is None or inputs is None:
        missing = "compiled program" if program is None else "inputs"
        why = run.program_note or f"its {missing} must be at hand"
        if run.backend != "cairo":
            missing, why = "steps", f"a run of the backend {run.backend} has none that could be repeated here"
        raise UnusableInputError(
            "rerun-impossible",
            f"{run.name} cannot be executed again for want of its {missing}: {why}",
            "Give the folder that `proofrail trace` wrote, or --program FILE and --inputs FILE.",
        )
    found: Rerun | None = None
    for max_steps in _limits(run):
        made = interruptible(lambda limit=max_steps: _make(run, program, names, inputs, limit))  # type: ignore[misc]
        if found is None or made.is_same:
            found = made
        if made.is_same:
            break
    assert found is not None  # noqa: S101 - there is always a limit
    return found


def _limits(run: RunSource) -> list[int]:
    ends = [run.seal or {}, run.last]
    steps = [value for end in ends if type(value := end.get("n_steps")) is int and value >= 0]
    if any(end.get("outcome") == "failed" for end in ends):
        # A VM error comes at the step after the last completed one; the limit stops right at it.
        return [limit for most in dict.fromkeys(steps) for limit in (most + 1, most)] or [NATURAL_STEPS]
    return [max([NATURAL_STEPS, *steps])]


def _make(
    run: RunSource, program: CairoProgram, names: ProgramNames, inputs: list[JsonObject], max_steps: int
) -> Rerun:
    said: Any = run.start.get("commitment")
    commitment = said if isinstance(said, dict) else {}
    bits, block_items = commitment.get("bits"), commitment.get("block_items")
    spans: Literal["own", "all"] = "all" if run.spans == "all" else "own"
    spec = RunSpec(
        program,
        layout=str(run.start.get("layout")),
        spans=spans,
        bits=bits if type(bits) is int else DEFAULT_BITS,
        block_items=block_items if type(block_items) is int else DEFAULT_BLOCK_ITEMS,
        max_steps=max_steps,
    )
    values = subject_of(program).program_input(inputs)
    execution = execute(program, values, spec.layout, max_steps, private_input=False)
    lines = [canonical(value) for value in inputs]
    made = RunTrace(spec, lines, execution, started_ns=0, finished_ns=execution.n_steps)
    for _ in made.stream():
        pass
    published = None if run.seal is None else run.seal.get("root")
    return Rerun(
        program, names, execution, made, None if published is None else made.seal["root"] == published
    )

"""Small runs as an honest tracer publishes them, made once; and their program, which remembers what came out
of executing it, so that thousands of audits of one run cost one execution.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from proofrail.audit.cairo_subject import CairoSubject, subject_of
from proofrail.audit.settings import RunPolicy, Settings
from proofrail.audit.subject import Claim, Recomputed
from proofrail.cairo import risk_program
from proofrail.cairo.program import CairoProgram
from proofrail.cairo.trace import RunSpec, trace_run
from proofrail.commitment.checkpoint import Signer, generate_key, sign_checkpoint
from proofrail.wire.errors import ProofrailError
from tests.exhaustive.oracle import Truth, canonical, item, lines_of
from tests.unit import plain_commitment
from tests.unit.risk_cases import allocation, pair, protocol

_ROOT = Path(__file__).parents[2]
PRIVATE, VKEY = generate_key("proofrail-tracer", bytes(range(32)))
MAX_STEPS = 1 << 16


class Remembering:
    """A subject that executes equal runs once."""

    def __init__(self, subject: CairoSubject) -> None:
        self.forgetful = subject
        self.as_published: dict[bytes, bytes] = {}
        """Published lines by their items: where an item is equal, its line is given as it was published, so
        that comparing costs nothing. Empty: lines have times of their own."""
        self._runs: dict[tuple[object, ...], Recomputed] = {}
        self._outputs: dict[bytes, list[int] | None] = {}
        self.input_fault = subject.input_fault
        self.method_id = subject.method_id
        self.artifact_sha256 = subject.artifact_sha256
        self.location: Callable[[int], tuple[str, int, str] | None] = subject.location
        self.check_input = subject.check_input

    def expected_output(self, inputs: Sequence[dict[str, Any]]) -> list[int] | None:
        key = canonical(inputs)
        if key not in self._outputs:
            self._outputs[key] = self.forgetful.expected_output(inputs)
        return self._outputs[key]

    def recompute(
        self, settings: Settings, inputs: Sequence[dict[str, Any]], claim: Claim, max_steps: int | None
    ) -> Recomputed:
        """The step limit must be the policy's: else the result would rest on what is claimed."""
        assert max_steps is not None
        key = (
            settings.layout,
            settings.spans,
            settings.bits,
            settings.block_items,
            canonical(inputs),
            max_steps,
        )
        if key not in self._runs:
            made = self.forgetful.recompute(settings, inputs, claim, max_steps)
            lines = [self.as_published.get(_item(line), line) for line in made.lines()]
            kept = replace(made, trace=bytes(made.trace), memory=bytes(made.memory))
            self._runs[key] = replace(kept, lines=lambda: iter(lines))
        return self._runs[key]


def _item(line: bytes) -> bytes:
    return item(json.loads(line))


@dataclass(frozen=True, eq=False)
class Run:
    """One run: the files as published, what they truly say, and how an auditor looks at them."""

    name: str
    subject: Remembering
    policy: RunPolicy
    events: bytes
    commitments: bytes
    truth: Truth
    proposed: frozenset[bytes] | None

    def is_input(self, value: dict[str, Any]) -> bool:
        """Whether a value is an input of the program, and was proposed where that can be known."""
        if self.proposed is None:
            return True
        try:
            self.subject.check_input(value)
        except ProofrailError:
            return False
        return canonical(value) in self.proposed


def signed(run_id: str, seal: dict[str, Any]) -> str:
    """The checkpoint that the accepted key makes of a seal."""
    return sign_checkpoint(run_id, seal["items"], bytes.fromhex(seal["root"]), Signer.parse(PRIVATE))


def file_of(lines: Sequence[dict[str, Any]]) -> bytes:
    return b"".join(canonical(line) + b"\n" for line in lines)


def publish(
    name: str,
    program: CairoProgram,
    inputs: list[dict[str, Any]],
    program_input: dict[str, Any],
    *,
    proposed: bool = False,
    max_steps: int = MAX_STEPS,
    **spec: Any,
) -> Run:
    """Trace a run and commit to it. The commitment is the plain one: what is audited is not what audits."""
    ticks = count(1_700_000_000_000_000_000, 7_000_001)
    options = RunSpec(program, max_steps=max_steps, **spec)
    made = trace_run(options, inputs, program_input, clock=lambda: next(ticks), private_input=False)
    events = [json.loads(line) for chunk in made.stream() for line in chunk.lines.splitlines()]
    blocks, core = plain_commitment.commit(events, made.run_id, options.bits, options.block_items)
    start, end = events[0], events[-1]
    seal = core | {n: start[n] for n in ("program", "layout", "spans", "inputs_count", "inputs_sha256")}
    seal |= {n: end[n] for n in ("outcome", "n_steps", "output_count", "output_sha256")}
    completed = made.outcome == "completed"
    truth = Truth(
        events=events,
        inputs=inputs,
        blocks=blocks,
        seal=seal,
        checkpoint=signed(made.run_id, seal),
        trace=bytes(made.execution.trace) if completed else b"",
        memory=bytes(made.execution.memory) if completed else b"",
    )
    lines = [*map(json.loads, made.input_lines), *blocks, seal | {"checkpoint": truth.checkpoint}]
    return Run(
        name,
        Remembering(subject_of(program)),
        RunPolicy(max_steps=max_steps),
        file_of(events),
        file_of(lines),
        truth,
        frozenset(canonical(value) for value in inputs) if proposed else None,
    )


def _cairo(name: str, program: str, value: dict[str, Any], **spec: Any) -> Run:
    return publish(name, _program(program), [value], value, **spec)


@cache
def _program(name: str) -> CairoProgram:
    places = (_ROOT / "tests" / "data" / "cairo", _ROOT / "cairo" / "artifacts")
    return CairoProgram.load(next(path for folder in places if (path := folder / f"{name}.json").exists()))


def _risk(name: str, forms: list[dict[str, Any]], **spec: Any) -> Run:
    program = risk_program.load()
    return publish(name, program, forms, risk_program.program_input(forms), proposed=True, **spec)


@cache
def runs() -> tuple[Run, ...]:
    """The runs that are altered: completed and failed, in loops and nested, of all widths of packed values."""
    second = allocation(
        protocol("jediswap", 500, 5000, risk=20), protocol("ekubo", 700, 5000, risk=9), allocation_id="b:2"
    )
    # One input is read by no hint; its name has an escape, whose spelling may vary.
    return (
        _cairo("completed", "failing", {"how": 0, "\x1f \u00e9": 5}, bits=16, block_items=4, label="a\u00e9"),
        _cairo("assertion", "failing", {"how": 1}, bits=5, block_items=4),
        _cairo("step-limit", "failing", {"how": 4}, bits=1, block_items=4, max_steps=40),
        _cairo("looped", "loops", {"i": 1, "n": 1, "depth": 1, "m": 0}, bits=13, block_items=256),
        _cairo("nested", "loops", {"i": 2, "n": 1, "depth": 1, "m": 1}, bits=64, block_items=5, spans="all"),
        _cairo("fibonacci", "fibonacci", {"n": 10}, bits=16, block_items=1),
        _risk("risk", [pair()], bits=16, block_items=4),
        _risk("risk-batch", [pair(), second], bits=8, block_items=16),
    )


@cache
def siblings() -> tuple[tuple[Run, Run], ...]:
    """Runs of one program on other inputs, to splice with; and of two programs."""
    (completed, assertion, _, looped, *_), risk = runs(), runs()[-2:]
    other = _cairo("completed-2", "failing", {"how": 0, "n": 5}, bits=16, block_items=4)
    return (
        (completed, other),
        (completed, assertion),
        (assertion, completed),
        (looped, completed),
        (risk[0], risk[1]),
        (risk[1], risk[0]),
    )


def in_haste() -> None:
    """Give up on other times in recomputed events, for the millions of cases of a full run."""
    for run in {*runs(), *(run for both in siblings() for run in both)}:
        run.subject.as_published |= {_item(line): line for line in lines_of(run.events)}


def named(name: str) -> Run:
    return next(run for run in runs() if run.name == name)


def each() -> Iterator[Run]:
    yield from runs()

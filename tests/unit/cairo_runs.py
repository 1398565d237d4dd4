"""Traces of the committed test programs, for the tests of spans and streams, and what a tracer publishes of
them."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import plain_spans
from synthetic_run import PRIVATE, VKEY

from proofrail.audit.cairo_subject import CairoSubject
from proofrail.audit.invariants.check import check_events_alone
from proofrail.audit.run_audit import RunAudit, audit_run
from proofrail.audit.settings import RunPolicy
from proofrail.cairo.program import CairoProgram
from proofrail.cairo.trace import RunSpec, RunTrace, trace_run
from proofrail.commitment.blocks import Committer
from proofrail.commitment.checkpoint import Signer, sign_checkpoint
from proofrail.commitment.items import item_bytes
from proofrail.wire.canonical import canonical

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


def plain_events(run: RunTrace, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The run's events as plain_spans.py makes them from trace, memory and TraceStart, without volatile
    members."""
    execution = run.execution
    failure = execution.failure
    return plain_spans.expected_events(
        run.spec.program.compiled,
        bytes(execution.trace),
        bytes(execution.memory),
        events[0],
        execution.output,
        error={"code": failure.code, "message": failure.message} if failure else None,
        at_end=failure is not None and failure.location == "the end of the run",
    )


@dataclass(frozen=True)
class PublishedRun:
    """What a tracer publishes of a Cairo run, and what an auditor says of it."""

    program: CairoProgram
    events: list[bytes]
    commitments: list[bytes]

    def audit(self, *, with_events: bool = True, max_steps: int | None = None) -> RunAudit:
        return audit_run(
            commitments=self.commitments,
            events=(lambda: iter(self.events)) if with_events else None,
            subject=CairoSubject(self.program),
            keys=[VKEY],
            policy=RunPolicy(max_steps=max_steps),
        )


def published(run: RunTrace, edit: Callable[[list[dict[str, Any]]], None] | None = None) -> PublishedRun:
    """What an honest tracer publishes; with `edit`, one that commits to altered events and signs that. The
    seal says of the run what the altered TraceEnd says."""
    events = events_of(run)
    if edit is not None:
        edit(events)
    committer = Committer(run.run_id, run.spec.bits, run.spec.block_items)
    blocks = [block for event in events if (block := committer.append(item_bytes(event)))]
    last, core = committer.finish()
    ends = {name: events[-1][name] for name in ("outcome", "n_steps", "output_count", "output_sha256")}
    seal = run.seal | core | ends
    seal["checkpoint"] = sign_checkpoint(
        run.run_id, seal["items"], bytes.fromhex(seal["root"]), Signer.parse(PRIVATE)
    )
    lines = [*blocks, *([last] if last else []), seal]
    return PublishedRun(
        run.spec.program,
        [canonical(event) for event in events],
        [*run.input_lines, *(canonical(line) for line in lines)],
    )


def violations(run: RunTrace) -> list[dict[str, Any]]:
    """What `proofrail check` says of the run's events."""

    def lines() -> Iterator[bytes]:
        for chunk in run.stream():
            yield from chunk.lines.splitlines()

    found, _ = check_events_alone(lines)
    return [violation.to_object() for violation in found]

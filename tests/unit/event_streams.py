"""Streams of trace events for the tests of the invariant checker: real runs, hand-made ones, and ways to alter them
that keep everything else in order."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from cairo_runs import events_of, traced

from proofrail.audit.invariants.check import check_events_alone
from proofrail.audit.invariants.summary import Summary
from proofrail.audit.invariants.violations import Violation

Event = dict[str, Any]

_VECTORS = Path(__file__).parents[2] / "schemas" / "vectors" / "traces"
GOLDEN = tuple(sorted(folder.name for folder in _VECTORS.iterdir()))
NO_INPUTS = hashlib.sha256(b"").hexdigest()
NO_OUTPUT = hashlib.sha256(b"[]").hexdigest()
_RUNS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "loops": ("loops", {"i": 2, "n": 2, "depth": 2, "m": 0}, {}),
    "ackermann": ("loops", {"i": 1, "n": 0, "depth": 0, "m": 2}, {}),
    "deep": ("loops", {"i": 0, "n": 0, "depth": 70, "m": 0}, {}),
    "shapes": ("shapes", {"n": 3, "extra": 4, "values": [1, 2, 3], "rows": [[1], [2]]}, {}),
    "library": ("shapes", {"n": 1, "extra": 4, "values": [1], "rows": [[1]]}, {"spans": "all"}),
    "completed": ("failing", {"how": 0}, {}),
    "assert": ("failing", {"how": 1}, {}),
    "range": ("failing", {"how": 3}, {}),
    "after-end": ("failing", {"how": 6}, {}),
    "limit": ("failing", {"how": 4}, {"max_steps": 130}),
    "limit-at-once": ("failing", {"how": 0}, {"max_steps": 1}),
    "fibonacci": ("fibonacci", {"n": 40}, {}),
}
CAIRO_RUNS = tuple(_RUNS)


@cache
def _run(name: str) -> str:
    program, values, spec = _RUNS[name]
    return json.dumps(events_of(traced(program, values, **spec)))


def cairo_run(name: str) -> list[Event]:
    """The events of a real run, which may be altered."""
    events: list[Event] = json.loads(_run(name))
    return events


def golden(name: str) -> list[Event]:
    """The events of a golden trace, which may be altered."""
    lines = (_VECTORS / name / "events.ndjson").read_bytes().splitlines()
    return [json.loads(line) for line in lines]


def two_blocks() -> list[Event]:
    """The run "loops" as if it had two StepBlocks and two MemoryBlocks."""
    events = cairo_run("loops")
    at = next(i for i, event in enumerate(events) if event["type"] == "StepBlock")
    steps, cells, end = events[at:]
    cells["cells"] = 4096
    more_steps = steps | {"block": 1, "first_step": 4096, "steps": 4096}
    more_cells = cells | {"block": 1, "first_cell": 4096, "cells": 7}
    end["n_steps"] = 8192
    return renumbered([*events[:at], steps, more_steps, cells, more_cells, end])


def foreign_run(*, failed: bool = False) -> list[Event]:
    """A run from elsewhere: no cycles, a Failure that was caught, a loop, artifacts of its own for each tile."""
    events: list[Event] = []

    def add(kind: str, **members: Any) -> None:
        seq = len(events)
        events.append({"v": 1, "type": kind, "run_id": "a run", "seq": seq, "timestamp": 7 * seq} | members)

    def start(kind: str, name: str, path: str, depth: int, **more: Any) -> None:
        artifact = {"backend": "native", "method_id": hashlib.sha256(name.encode()).hexdigest()}
        parent = {"parent_span_id": _span("a run", more.pop("parent"))} if "parent" in more else {}
        place = {"span_id": _span("a run", len(events)), "path": path, "depth": depth}
        add(kind, **{_member(kind): name}, **place, artifact=artifact, input_bytes="c0", **parent, **more)

    def end(kind: str, name: str, seq: int, **more: Any) -> None:
        add(kind, **{_member(kind): name}, span_id=_span("a run", seq), **more)

    program = {"backend": "native", "method_id": "m", "artifact_sha256": "0" * 64}
    settings = {"layout": "python", "spans": "own", "commitment": {"bits": 16, "block_items": 256}}
    add("TraceStart", program=program, inputs_count=0, inputs_sha256=NO_INPUTS, **settings)
    start("SequenceStart", "decide", "decide", 0)
    start("SequenceStart", "score", "decide/score", 1, parent=1)
    start("TileStart", "score", "decide/score[0]", 2, parent=2, iteration=0)
    end("TileEnd", "score", 3)
    start("TileStart", "score", "decide/score[1]", 2, parent=2, iteration=1)
    end("TileEnd", "score", 5, output_bytes="")
    end("SequenceEnd", "score", 2, output_bytes="")
    start("TileStart", "try", "decide/try", 1, parent=1)
    failure = {"error": {"message": "no luck"}, "input_bytes": "c0", "path": "decide/try", "depth": 1}
    end("TileFailure", "try", 8, **failure)
    if failed:
        failure = {"error": {"code": "e", "message": "m"}, "input_bytes": "c0", "path": "decide", "depth": 0}
        end("SequenceFailure", "decide", 1, **failure)
    else:
        end("SequenceEnd", "decide", 1, output_bytes="01", duration_ns=5)
    outcome = "failed" if failed else "completed"
    add("TraceEnd", outcome=outcome, n_steps=0, output_count=0, output_sha256=NO_OUTPUT)
    return events


def renumbered(events: Sequence[Event]) -> list[Event]:
    """The same events with seqs from 0 and the span_ids that follow from them, everywhere they are named."""
    events = [copy.deepcopy(event) for event in events]
    ids: dict[str, str] = {}
    for seq, event in enumerate(events):
        event["seq"] = seq
        if "span_id" in event and event["type"].endswith("Start"):
            ids[event["span_id"]] = _span(event["run_id"], seq)
        for name in ("span_id", "parent_span_id"):
            if name in event:
                event[name] = ids.get(event[name], event[name])
    return events


def lines_of(events: Sequence[Event]) -> list[bytes]:
    return [json.dumps(event, ensure_ascii=False).encode() for event in events]


def check_lines(lines: Sequence[bytes], limit: int = 100) -> tuple[list[Violation], Summary]:
    return check_events_alone(lambda: lines, limit)


def check(events: Sequence[Event]) -> tuple[list[Violation], Summary]:
    return check_lines(lines_of(events))


def _span(run_id: str, seq: int) -> str:
    return hashlib.sha256(f"proofrail/span/v1\n{run_id}:{seq}".encode()).hexdigest()[:16]


def _member(kind: str) -> str:
    return "tile_id" if kind.startswith("Tile") else "name"

"""The golden traces of schemas/vectors/traces: what each folder holds, and how it is made again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any, Literal

from proofrail.audit.cairo_subject import subject_of
from proofrail.cairo.program import CairoProgram
from proofrail.cairo.trace import RunSpec, RunTrace, trace_run
from proofrail.commitment.blocks import Committer
from proofrail.commitment.checkpoint import Signer, generate_key, sign_checkpoint
from proofrail.commitment.items import item_bytes
from proofrail.wire.canonical import JsonObject, canonical, parse_object, parse_program_input
from proofrail.wire.ndjson import MAX_FILE_LINE, join, split

TRACES = Path(__file__).parents[2] / "schemas" / "vectors" / "traces"
SIGNER = Signer.parse(generate_key("proofrail-tracer", bytes(range(32)))[0])
"""A key that anybody can have: it signs nothing but golden data."""


@dataclass(frozen=True)
class GoldenTrace:
    """One folder: events.ndjson, commitments.ndjson and tracer.vkey; of a Cairo run also program.cairo,
    program.json and inputs.json, from which it is made again."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @cached_property
    def events(self) -> list[bytes]:
        return split((self.folder / "events.ndjson").read_bytes())

    @cached_property
    def commitments(self) -> list[bytes]:
        return split((self.folder / "commitments.ndjson").read_bytes(), MAX_FILE_LINE)

    @property
    def vkey(self) -> str:
        return (self.folder / "tracer.vkey").read_text().strip()

    @property
    def is_cairo(self) -> bool:
        return (self.folder / "program.json").exists()

    @cached_property
    def start(self) -> JsonObject:
        return parse_object(self.events[0])

    @property
    def seal(self) -> JsonObject:
        return parse_object(self.commitments[-1])

    @cached_property
    def program(self) -> CairoProgram:
        return CairoProgram.load(self.folder / "program.json")

    def executed(self, **settings: Any) -> RunTrace:
        """The run made now, from program and inputs; settings as RunSpec has them."""
        inputs = [parse_program_input((self.folder / "inputs.json").read_bytes())]
        ticks = count(1_763_712_000_000_000_000, 1_000_000)
        program_input = subject_of(self.program).program_input(inputs)
        return trace_run(RunSpec(self.program, **settings), inputs, program_input, clock=lambda: next(ticks))

    def executed_as_recorded(self) -> RunTrace:
        """The run made now, with the settings that its TraceStart names."""
        spans: Literal["own", "all"] = "all" if self.start["spans"] == "all" else "own"
        return self.executed(layout=self.start["layout"], spans=spans, **self.start["commitment"])


def golden_traces() -> list[GoldenTrace]:
    """All that there are, by name."""
    return [GoldenTrace(path.parent) for path in sorted(TRACES.glob("*/events.ndjson"))]


def event_lines(run: RunTrace) -> list[bytes]:
    """The run's events, and with that its seal."""
    return [line for chunk in run.stream() for line in split(chunk.lines)]


def committed(
    events: Iterable[bytes], run_id: str, bits: int, block_items: int, facts: JsonObject
) -> list[bytes]:
    """Blocks and signed seal over the events; `facts` are what the seal says beside the commitment."""
    committer = Committer(run_id, bits, block_items)
    blocks = [committer.append(item_bytes(parse_object(line))) for line in events]
    last, core = committer.finish()
    note = sign_checkpoint(run_id, core["items"], bytes.fromhex(core["root"]), SIGNER)
    seal = core | facts | {"checkpoint": note}
    return [canonical(message) for message in (*blocks, last, seal) if message is not None]


def write(folder: Path, events: list[bytes], commitments: list[bytes]) -> None:
    """Write a golden trace. Raises FileExistsError for one that stands: it does not change within version 1."""
    for name, data in (
        ("events.ndjson", join(events)),
        ("commitments.ndjson", join(commitments, MAX_FILE_LINE)),
        ("tracer.vkey", f"{SIGNER.vkey}\n".encode()),
    ):
        with (folder / name).open("xb") as file:
            file.write(data)


def seal_facts(seal: JsonObject) -> JsonObject:
    """What a seal says beside the commitment and its signature."""
    core = {"v", "type", "run_id", "items", "blocks", "bits", "block_items", "chain", "root", "checkpoint"}
    return {name: value for name, value in seal.items() if name not in core}


def without_volatile(line: bytes) -> JsonObject:
    """An event as it is committed to."""
    found: JsonObject = json.loads(item_bytes(parse_object(line)))
    return found

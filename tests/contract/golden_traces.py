"""The golden traces of schemas/vectors/traces: what each folder holds, and how it is made again."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from importlib.util import module_from_spec, spec_from_file_location
from io import BytesIO
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from proofrail.audit.cairo_subject import subject_of
from proofrail.cairo.program import CairoProgram
from proofrail.cairo.trace import RunSpec, RunTrace, trace_run
from proofrail.commitment.blocks import Committer
from proofrail.commitment.checkpoint import Signer, generate_key, sign_checkpoint
from proofrail.commitment.items import item_bytes
from proofrail.commitment.raster.imported import ImportedRun
from proofrail.commitment.raster.stream import StreamReader
from proofrail.tracing import CompletedTrace, Subscriber, Tracer
from proofrail.wire.canonical import JsonObject, canonical, parse_object, parse_program_input, sha256_hex
from proofrail.wire.ndjson import MAX_FILE_LINE, join, split

TRACES = Path(__file__).parents[2] / "schemas" / "vectors" / "traces"
SIGNER = Signer.parse(generate_key("proofrail-tracer", bytes(range(32)))[0])
"""A key that anybody can have: it signs nothing but golden data."""


@dataclass(frozen=True)
class Made:
    """A trace made now. `facts` are what its seal says beside the commitment."""

    events: list[bytes]
    inputs: list[bytes]
    facts: JsonObject

    def commitments(self) -> list[bytes]:
        """Input lines, blocks and signed seal."""
        start = parse_object(self.events[0])
        return [
            *self.inputs,
            *committed(self.events, start["run_id"], **start["commitment"], facts=self.facts),
        ]


class _Lines(Subscriber):
    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.completed: CompletedTrace | None = None

    def on_trace(self, event: dict[str, Any], line: bytes) -> None:
        self.lines.append(line)

    def on_complete(self, trace: CompletedTrace) -> None:
        self.completed = trace


@dataclass(frozen=True)
class GoldenTrace:
    """One folder: events.ndjson, commitments.ndjson and tracer.vkey, and what the run is made again from: of a
    Cairo run program.cairo, program.json and inputs.json, of a native one functions.py, of an imported one
    trace.stream."""

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

    def made_again(self) -> Made:
        """The trace made now, with the settings that it was made with, whatever kind it is of."""
        if self.is_cairo:
            return made_of(self.executed_as_recorded())
        if self.is_native:
            return self.traced(**self.start["commitment"])
        method_ids = dict(parse_object(self.commitments[0])["input"].get("method_ids", {}))
        return self.imported(
            self.start["program"]["backend"],
            method_id=self.start["program"]["method_id"],
            tile_method_ids=method_ids,
            **self.start["commitment"],
        )

    @property
    def is_native(self) -> bool:
        return (self.folder / "functions.py").exists()

    @cached_property
    def functions(self) -> ModuleType:
        """The module of a native trace; `call` is its run."""
        spec = spec_from_file_location(f"golden_{self.name}", self.folder / "functions.py")
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module

    def traced(self, **settings: int) -> Made:
        """The run of the native functions, made now."""
        made = _Lines()
        ticks = count(1_763_712_000_000_000_000, 1000)
        with Tracer(made, clock=lambda: next(ticks), **settings):
            self.functions.call()
        assert made.completed is not None
        return Made(made.lines, list(made.completed.input_lines), dict(made.completed.facts))

    def imported(self, backend: Literal["native", "risc0"], **settings: Any) -> Made:
        """The run that the stream is imported as, made now."""
        stream = (self.folder / "trace.stream").read_bytes()
        items = list(StreamReader(BytesIO(stream)))
        run = ImportedRun(backend, items=len(items), stream_sha256=sha256_hex(stream), **settings)
        lines = list(run.lines(items, 1_763_712_000_000_000_000))
        return Made(lines, [run.input_line], run.facts | run.results)


def golden_traces() -> list[GoldenTrace]:
    """All that there are, by name."""
    return [GoldenTrace(path.parent) for path in sorted(TRACES.glob("*/events.ndjson"))]


def made_of(run: RunTrace) -> Made:
    """A Cairo run's events, inputs and facts."""
    events = [line for chunk in run.stream() for line in split(chunk.lines)]
    return Made(events, run.input_lines, seal_facts(run.seal))


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


def write(folder: Path, made: Made) -> None:
    """Write a golden trace. Raises FileExistsError for one that stands: it does not change within version 1."""
    for name, data in (
        ("events.ndjson", join(made.events)),
        ("commitments.ndjson", join(made.commitments(), MAX_FILE_LINE)),
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

"""Runs whose tracer lies about steps and cells and signs it, and the stand-alone verifier as a module."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from proofrail.audit.cairo_subject import CairoSubject
from proofrail.audit.evidence import Evidence
from proofrail.audit.run_audit import audit_run
from proofrail.cairo.program import CairoProgram
from proofrail.cairo.trace import RunSpec, RunTrace, trace_run
from proofrail.commitment.blocks import Committer, chunk_root
from proofrail.commitment.checkpoint import Signer, generate_key, sign_checkpoint
from proofrail.commitment.items import item_bytes
from proofrail.wire.canonical import canonical

TRACER_PRIVATE, TRACER_VKEY = generate_key("proofrail-tracer", bytes(range(32)))
AUDITOR_PRIVATE, AUDITOR_VKEY = generate_key("proofrail-auditor", bytes(range(32, 64)))
TRACER, AUDITOR = Signer.parse(TRACER_PRIVATE), Signer.parse(AUDITOR_PRIVATE)

Change = Callable[[bytearray, bytearray], None]
"""Alters trace.bin and memory.bin."""


@cache
def verifier() -> ModuleType:
    """schemas/verify_evidence.py, which imports nothing of ours."""
    path = Path(__file__).parents[2] / "schemas" / "verify_evidence.py"
    spec = importlib.util.spec_from_file_location("verify_evidence", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def verifier_keys() -> tuple[list[Any], list[Any]]:
    """The tracer's and the auditor's key, as the verifier reads them."""
    read = verifier().read_keys
    return list(read([TRACER_VKEY], "proofrail-tracer")), list(read([AUDITOR_VKEY], "proofrail-auditor"))


def verify(bundle: bytes) -> tuple[list[str], list[str], str | None]:
    """What the verifier finds established, what it lacks, and its result. Raises when the bundle does not hold."""
    result: tuple[list[str], list[str], str | None] = verifier().check(bundle, *verifier_keys())
    return result


def accepts(bundle: bytes) -> bool:
    """Whether the verifier would exit 0."""
    try:
        _, lacks, result = verify(bundle)
    except Exception:
        return False
    return bool(result) and not lacks


@dataclass
class LyingRun:
    """What a tracer published that committed to altered files and signed that."""

    events: list[bytes]
    commitments: list[bytes]
    trace: bytes
    memory: bytes
    subject: CairoSubject

    def evidence(self, *, raw: bool = True) -> Evidence:
        audit = audit_run(
            commitments=self.commitments,
            events=lambda: iter(self.events),
            subject=self.subject,
            keys=[TRACER_VKEY],
            trace=self.trace if raw else None,
            memory=self.memory if raw else None,
        )
        assert audit.evidence is not None, audit.report
        return audit.evidence


def altered_step(step: int, register: str, by: int = 1) -> Change:
    """Adds to one register of a step."""

    def change(trace: bytearray, memory: bytearray) -> None:
        del memory
        at = 24 * step + 8 * ("ap", "fp", "pc").index(register)
        trace[at : at + 8] = (int.from_bytes(trace[at : at + 8], "little") + by).to_bytes(8, "little")

    return change


def altered_cell(address: int, by: int = 1) -> Change:
    """Adds to the value at an address."""

    def change(trace: bytearray, memory: bytearray) -> None:
        del trace
        for at in range(0, len(memory), 40):
            if int.from_bytes(memory[at : at + 8], "little") == address:
                value = int.from_bytes(memory[at + 8 : at + 40], "little") + by
                memory[at + 8 : at + 40] = value.to_bytes(32, "little")

    return change


def unaltered(trace: bytearray, memory: bytearray) -> None:
    """An honest tracer's files."""
    del trace, memory


@cache
def _honest(inputs: bytes) -> tuple[RunTrace, list[dict[str, Any]]]:
    program = CairoProgram.load(Path(__file__).parents[2] / "cairo" / "artifacts" / "fibonacci.json")
    run = trace_run(RunSpec(program), [json.loads(inputs)], json.loads(inputs), clock=lambda: 0)
    return run, [json.loads(line) for chunk in run.stream() for line in chunk.lines.splitlines()]


def lying(
    change: Change = unaltered,
    values: dict[str, Any] | None = None,
    edit: Callable[[list[dict[str, Any]]], object] | None = None,
) -> LyingRun:
    """A run of a real program whose trace.bin and memory.bin, or events, are altered before they are committed to."""
    inputs = {"n": 10} if values is None else values
    run, events = _honest(canonical(inputs))
    trace, memory = bytearray(run.execution.trace), bytearray(run.execution.memory)
    change(trace, memory)
    altered = [dict(event) for event in events]
    for event in altered:
        if event["type"] == "StepBlock":
            first, count = event["first_step"] * 24, event["steps"] * 24
            event["root"] = chunk_root(bytes(trace[first : first + count]), 64 * 24).hex()
        elif event["type"] == "MemoryBlock":
            first, count = event["first_cell"] * 40, event["cells"] * 40
            event["root"] = chunk_root(bytes(memory[first : first + count]), 32 * 40).hex()
    if edit is not None:
        edit(altered)
    committer = Committer(run.run_id)
    blocks = [block for event in altered if (block := committer.append(item_bytes(event)))]
    last, core = committer.finish()
    note = sign_checkpoint(run.run_id, core["items"], bytes.fromhex(core["root"]), TRACER)
    lines = [*blocks, *([last] if last else []), run.seal | core | {"checkpoint": note}]
    return LyingRun(
        [canonical(event) for event in altered],
        [*run.input_lines, *map(canonical, lines)],
        bytes(trace),
        bytes(memory),
        CairoSubject(run.spec.program),
    )

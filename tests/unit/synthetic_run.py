"""A small deterministic "program" with a tracer of its own: the audit tested without a virtual machine.

It has every type of event that a Cairo run has; what it computes is irrelevant.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from proofrail.audit.run_audit import RunAudit, audit_run
from proofrail.audit.settings import RunPolicy, Settings
from proofrail.audit.subject import Claim, Recomputed
from proofrail.commitment.blocks import Committer, chunk_root
from proofrail.commitment.checkpoint import Signer, generate_key, sign_checkpoint
from proofrail.commitment.items import item_bytes
from proofrail.commitment.runid import inputs_sha256, run_id
from proofrail.proving.statement import Segment, TracedRun
from proofrail.wire.canonical import canonical, felt_hex, sha256_hex

PRIVATE, VKEY = generate_key("proofrail-tracer", bytes(range(32)))
OTHER_PRIVATE, OTHER_VKEY = generate_key("proofrail-tracer", bytes(range(1, 33)))

Event = dict[str, Any]


@dataclass(frozen=True)
class SyntheticSubject:
    """A program of two tiles in a loop; fails at the tile when an input says so."""

    name: str = "synthetic"
    model_offset: int = 0
    input_fault: str = "inputs"

    @property
    def method_id(self) -> str:
        return "0x" + sha256_hex(self.name.encode())[:60].lstrip("0")

    @property
    def artifact_sha256(self) -> str:
        return sha256_hex(b"artifact " + self.name.encode())

    def check_input(self, value: dict[str, Any]) -> None:
        del value

    def expected_output(self, inputs: Sequence[dict[str, Any]]) -> list[int] | None:
        return [_total(inputs) + self.model_offset]

    def location(self, pc: int) -> tuple[str, int, str] | None:
        return ("synthetic.cairo", pc, "main")

    def recompute(
        self, settings: Settings, inputs: Sequence[dict[str, Any]], claim: Claim, max_steps: int | None
    ) -> Recomputed:
        del claim, max_steps
        return run(self, settings, list(inputs))


def _total(inputs: Sequence[dict[str, Any]]) -> int:
    return sum(int(value.get("amount", 0)) for value in inputs)


def run(subject: SyntheticSubject, settings: Settings, inputs: list[dict[str, Any]]) -> Recomputed:
    """The events, commitment and raw bytes of one run; made once for equal arguments."""
    return _run(subject, settings, canonical(inputs))


@cache
def _run(subject: SyntheticSubject, settings: Settings, canonical_inputs: bytes) -> Recomputed:
    inputs: list[dict[str, Any]] = json.loads(canonical_inputs)
    digest = inputs_sha256(canonical(value) for value in inputs)
    name = run_id(
        artifact_sha256=subject.artifact_sha256,
        method_id=subject.method_id,
        layout=settings.layout,
        spans=settings.spans,
        inputs_sha256=digest,
        bits=settings.bits,
        block_items=settings.block_items,
    )
    failed = any(value.get("fail") for value in inputs)
    output = [] if failed else [_total(inputs)]
    steps = b"".join(
        (s + 10).to_bytes(8, "little") * 2 + (s % 90 + 1).to_bytes(8, "little") for s in range(4200)
    )
    cells = b"".join(a.to_bytes(8, "little") + (a * a).to_bytes(32, "little") for a in range(1, 200))
    if failed:
        steps, cells = b"", b""
    program = {"backend": "cairo", "method_id": subject.method_id, "artifact_sha256": subject.artifact_sha256}
    results = {
        "outcome": "failed" if failed else "completed",
        "n_steps": 77 if failed else 4200,
        "output_count": len(output),
        "output_sha256": sha256_hex(canonical([felt_hex(value) for value in output])),
    }
    about = {
        "program": program,
        "layout": settings.layout,
        "spans": settings.spans,
        "inputs_count": len(inputs),
        "inputs_sha256": digest,
    }
    events = list(_events(subject, settings, name, inputs, failed, about, results, steps, cells))
    lines = [canonical(event) for event in events]
    committer = Committer(name, settings.bits, settings.block_items)
    blocks = [block for event in events if (block := committer.append(item_bytes(event)))]
    last, core = committer.finish()
    return Recomputed(
        run_id=name,
        outcome=str(results["outcome"]),
        output=output,
        blocks=[*blocks, *([last] if last else [])],
        seal=core | about | results,
        lines=lambda: iter(lines),
        trace=steps,
        memory=cells,
        traced=TracedRun(
            settings.layout, 4200, (Segment("program", 1, 90), Segment("execution", 90, 200)), (0, 65535)
        ),
    )


def _events(
    subject: SyntheticSubject,
    settings: Settings,
    name: str,
    inputs: list[dict[str, Any]],
    failed: bool,
    about: dict[str, Any],
    results: dict[str, Any],
    steps: bytes,
    cells: bytes,
) -> Iterator[Event]:
    seq = 0

    def event(kind: str, **members: Any) -> Event:
        nonlocal seq
        made = {
            "v": 1,
            "type": kind,
            "run_id": name,
            "seq": seq,
            "timestamp": 1_700_000_000_000_000_000 + seq,
        }
        seq += 1
        return made | members

    def span() -> str:
        return hashlib.sha256(f"proofrail/span/v1\n{name}:{seq}".encode()).hexdigest()[:16]

    artifact = {"backend": "cairo", "method_id": subject.method_id}
    commitment = {"bits": settings.bits, "block_items": settings.block_items}
    yield event("TraceStart", **about, commitment=commitment, label="synthetic")
    main = span()
    yield event(
        "SequenceStart", name="main", span_id=main, path="main", depth=0, artifact=artifact, input_bytes=""
    )
    for i, value in enumerate(inputs * 3):
        tile, data = span(), int(value.get("amount", 0)).to_bytes(32, "big").hex()
        place = {"path": f"main/tile[{i}]", "depth": 1, "iteration": i}
        yield event(
            "TileStart",
            tile_id="tile",
            span_id=tile,
            parent_span_id=main,
            **place,
            artifact=artifact,
            input_bytes=data,
        )
        if value.get("fail"):
            error = {"code": "assertion", "message": "assertion failed in tile at synthetic.cairo:3"}
            failure: dict[str, Any] = {
                "span_id": tile,
                **place,
                "error": error,
                "artifact": artifact,
                "input_bytes": data,
            }
            yield event("TileFailure", tile_id="tile", **failure, detail="the VM's own words")
            yield event(
                "SequenceFailure",
                name="main",
                span_id=main,
                depth=0,
                path="main",
                error=error,
                artifact=artifact,
                input_bytes="",
            )
            break
        yield event("TileEnd", tile_id="tile", span_id=tile, output_bytes=data, duration_ns=5, cycles=7 + i)
    else:
        yield event("SequenceEnd", name="main", span_id=main, output_bytes="", duration_ns=50, cycles=100)
    for block, start in enumerate(range(0, len(steps), 4096 * 24)):
        part = steps[start : start + 4096 * 24]
        root = chunk_root(part, 64 * 24).hex()
        yield event("StepBlock", block=block, first_step=block * 4096, steps=len(part) // 24, root=root)
    for block, start in enumerate(range(0, len(cells), 4096 * 40)):
        part = cells[start : start + 4096 * 40]
        root = chunk_root(part, 32 * 40).hex()
        yield event("MemoryBlock", block=block, first_cell=block * 4096, cells=len(part) // 40, root=root)
    yield event("TraceEnd", **results)


@dataclass
class Published:
    """What a tracer has published of a run, as lines that tests may alter."""

    events: list[bytes]
    commitments: list[bytes]
    trace: bytes
    memory: bytes
    subject: SyntheticSubject = field(default_factory=SyntheticSubject)
    keys: tuple[str, ...] = (VKEY,)

    def audit(
        self,
        *,
        with_events: bool = True,
        raw: bool = False,
        policy: RunPolicy | None = None,
        published: Callable[[str], bool] | None = None,
    ) -> RunAudit:
        return audit_run(
            commitments=self.commitments,
            events=(lambda: iter(self.events)) if with_events else None,
            subject=self.subject,
            keys=self.keys,
            policy=policy,
            published=published,
            trace=self.trace if raw else None,
            memory=self.memory if raw else None,
        )


def publish(
    inputs: list[dict[str, Any]] | None = None,
    *,
    subject: SyntheticSubject | None = None,
    layout: str = "small",
    bits: int = 16,
    block_items: int = 8,
    private: str = PRIVATE,
    edit: Callable[[list[Event]], None] | None = None,
) -> Published:
    """What an honest tracer publishes; with `edit`, one that commits to altered events and signs that."""
    program = subject or SyntheticSubject()
    values = inputs if inputs is not None else [{"amount": 5}, {"amount": 7}, {"amount": 11}]
    settings = Settings(layout, "own", bits, block_items, True, "")
    made = run(program, settings, values)
    events = [_parsed(line) for line in made.lines()]
    blocks, seal = made.blocks, made.seal
    if edit is not None:
        edit(events)
        committer = Committer(made.run_id, bits, block_items)
        blocks = [block for event in events if (block := committer.append(item_bytes(event)))]
        last, core = committer.finish()
        blocks, seal = [*blocks, *([last] if last else [])], seal | core
    checkpoint = sign_checkpoint(
        made.run_id, seal["items"], bytes.fromhex(seal["root"]), Signer.parse(private)
    )
    lines = [
        {"v": 1, "type": "Input", "run_id": made.run_id, "index": index, "input": value}
        for index, value in enumerate(values)
    ]
    commitments = [*lines, *blocks, seal | {"checkpoint": checkpoint}]
    return Published(
        [canonical(event) for event in events],
        [canonical(line) for line in commitments],
        bytes(made.trace),
        bytes(made.memory),
    )


def _parsed(line: bytes) -> Event:
    from proofrail.wire.canonical import parse_object

    return parse_object(line)

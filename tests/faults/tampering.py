"""The alterations that an auditor is tried with: what is published, and what the report must then say."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from proofrail.messaging.records import Message
from proofrail.wire.canonical import parse_object
from tests.faults import proposals
from tests.faults.forging import STRANGER_PRIVATE, Object, Run, sealed


@dataclass(frozen=True)
class Expected:
    """What a report says: of a MISMATCH its kind, of an INDETERMINATE the code of what is missing."""

    verdict: str
    kind: str
    member: str | None = None
    item: int | None = None

    @classmethod
    def read(cls, report: Object) -> Expected:
        if report["verdict"] == "MISMATCH":
            found = report["first_mismatch"]
            return cls("MISMATCH", found["kind"], found.get("member"), found.get("item"))
        missing = report["unchecked"][0]
        return cls(report["verdict"], missing.get("code", ""), missing.get("member"), missing.get("item"))


@dataclass
class Scene:
    """What is published for one case: proposals, and the records of its run."""

    run: Run
    proposed: list[bytes] = field(default_factory=list)
    records: list[Message] | None = None

    @property
    def messages(self) -> list[Message]:
        return self.run.messages() if self.records is None else self.records


Make = Callable[[str], tuple[Scene, Expected]]
"""Builds a case; takes a name that no other case uses for its proposals."""

CASES: dict[str, Make] = {}


def _mismatch(kind: str, member: str | None = None, item: int | None = None) -> Expected:
    return Expected("MISMATCH", kind, member, item)


def _case(name: str) -> Callable[[Make], Make]:
    def add(make: Make) -> Make:
        assert name not in CASES
        CASES[name] = make
        return make

    return add


def _honest(name: str) -> Scene:
    values = [proposals.valid(name)]
    return Scene(sealed(values), values)


# --- inputs -------------------------------------------------------------------------------------------------


@_case("an input that nobody proposed")
def _(name: str) -> tuple[Scene, Expected]:
    scene = _honest(name)
    scene.proposed = []
    return scene, _mismatch("proposal", "input")


@_case("one of two inputs that nobody proposed")
def _(name: str) -> tuple[Scene, Expected]:
    values = proposals.several(name, 2)
    return Scene(sealed(values), values[:1]), _mismatch("proposal", "input")


@_case("another proposal's limits under the same id")
def _(name: str) -> tuple[Scene, Expected]:
    asked = proposals.valid(name)
    forged = proposals.valid(name, max_single_bps=10_000, min_diversification=1)
    return Scene(sealed([forged]), [asked]), _mismatch("proposal", "input")


@_case("other shares under the same id")
def _(name: str) -> tuple[Scene, Expected]:
    asked = proposals.valid(name)
    found = json.loads(asked)
    for protocol, share in zip(found["protocols"], (9000, 1000), strict=True):
        protocol["proposed_bps"] = share
    forged = json.dumps(found).encode()
    return Scene(sealed([forged]), [asked]), _mismatch("proposal", "input")


@_case("a later proposal under an id in use")
def _(name: str) -> tuple[Scene, Expected]:
    asked, later = proposals.valid(name), proposals.reused(name)
    return Scene(sealed([later]), [asked, later]), _mismatch("proposal", "input")


@_case("an Input line that is not the run's")
def _(name: str) -> tuple[Scene, Expected]:
    values = proposals.several(name, 2)
    scene = Scene(sealed(values[:1]), values)
    other = sealed(values[1:]).forms[0]
    scene.run.edit_line("Input", lambda line: line.update(input=other))
    return scene, _mismatch("inputs", "inputs_sha256")


@_case("Input lines in another order")
def _(name: str) -> tuple[Scene, Expected]:
    values = proposals.several(name, 2)
    scene = Scene(sealed(values), values)
    lines = scene.run.commitments
    lines[0], lines[1] = lines[1], lines[0]
    return scene, _mismatch("inputs", "index")


# --- events -------------------------------------------------------------------------------------------------

_EVENT_MEMBERS = [
    ("TraceStart", "inputs_sha256", "inputs"),
    ("SequenceStart", "name", "name"),
    ("SequenceStart", "span_id", "span_id"),
    ("SequenceStart", "path", "path"),
    ("SequenceEnd", "output_bytes", "output_bytes"),
    ("TileStart", "parent_span_id", "parent_span_id"),
    ("TileStart", "depth", "depth"),
    ("TileStart", "artifact", "artifact"),
    ("TileStart", "input_bytes", "input_bytes"),
    ("TileEnd", "tile_id", "tile_id"),
    ("TileEnd", "output_bytes", "output_bytes"),
    ("TileEnd", "cycles", "member"),
    ("TileEnd", "seq", "seq"),
    ("TileEnd", "run_id", "run_id"),
    ("StepBlock", "root", "step"),
    ("MemoryBlock", "root", "cell"),
    ("TraceEnd", "outcome", "member"),
    ("TraceEnd", "output_sha256", "member"),
]


def altered(value: Any) -> Any:
    """Another value of the same shape."""
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return value[:-1] + ("0" if value[-1] != "0" else "1")
    name = sorted(value)[-1]
    return {**value, name: altered(value[name])}


def _event_case(type_name: str, member: str, kind: str) -> Make:
    def make(name: str) -> tuple[Scene, Expected]:
        scene = _honest(name)
        item = scene.run.item_of(type_name, member)
        scene.run.edit_event(item, lambda event: event.update({member: altered(event[member])}))
        return scene, _mismatch(kind, member, item)

    return make


for _type, _member, _kind in _EVENT_MEMBERS:
    CASES[f"{_type}.{_member}"] = _event_case(_type, _member, _kind)


def _first_difference(run: Run, honest: list[bytes], item: int) -> Expected:
    """By the order of the specification: the type, else the position in the run."""
    ours, theirs = parse_object(honest[item]), parse_object(run.events[item])
    kind = "type" if ours["type"] != theirs["type"] else "seq"
    return _mismatch(kind, kind, item)


@_case("an event dropped")
def _(name: str) -> tuple[Scene, Expected]:
    scene = _honest(name)
    honest = list(scene.run.events)
    del scene.run.events[7]
    return scene, _first_difference(scene.run, honest, 7)


@_case("two events swapped")
def _(name: str) -> tuple[Scene, Expected]:
    scene = _honest(name)
    events, honest = scene.run.events, list(scene.run.events)
    events[7], events[8] = events[8], events[7]
    return scene, _first_difference(scene.run, honest, 7)


@_case("an event twice")
def _(name: str) -> tuple[Scene, Expected]:
    scene = _honest(name)
    honest = list(scene.run.events)
    scene.run.events.insert(8, honest[7])
    return scene, _first_difference(scene.run, honest, 8)


@_case("events after the end")
def _(name: str) -> tuple[Scene, Expected]:
    scene = _honest(name)
    scene.run.events.append(scene.run.events[-1])
    return scene, _mismatch("length", item=len(scene.run.events) - 1)


@_case("events cut off at the end")
def _(name: str) -> tuple[Scene, Expected]:
    scene = _honest(name)
    del scene.run.events[-3:]
    return scene, _mismatch("length", item=len(scene.run.events))


@_case("no events at all")
def _(name: str) -> tuple[Scene, Expected]:
    scene = _honest(name)
    scene.run.events.clear()
    return scene, _mismatch("length", item=0)


@_case("a record of events missing in the middle")
def _(name: str) -> tuple[Scene, Expected]:
    scene = _honest(name)
    honest = list(scene.run.events)
    events = [one for one in scene.run.messages() if one.topic.startswith("trace.events")]
    first = (events[0].value or b"").count(b"\n")
    lost = (events[1].value or b"").count(b"\n")
    del scene.run.events[first : first + lost]
    return scene, _first_difference(scene.run, honest, first)


@_case("events of another run at the end")
def _(name: str) -> tuple[Scene, Expected]:
    scene, other = _honest(name), sealed([proposals.valid(name, 1)])
    scene.run.events[9:] = other.events[9:]
    return scene, _mismatch("run_id", "run_id", 9)


@_case("an event that is not JSON")
def _(name: str) -> tuple[Scene, Expected]:
    scene = _honest(name)
    scene.run.events[5] = scene.run.events[5][:-1]
    return scene, _mismatch("malformed", item=5)


@_case("an event with a member twice")
def _(name: str) -> tuple[Scene, Expected]:
    scene = _honest(name)
    scene.run.events[5] = scene.run.events[5].replace(b'"v":1', b'"v":1,"v":1')
    return scene, _mismatch("malformed", item=5)


@_case("an event with an unknown member")
def _(name: str) -> tuple[Scene, Expected]:
    scene = _honest(name)
    scene.run.edit_event(5, lambda event: event.update(novel=1))
    return scene, Expected("INDETERMINATE", "unknown-member", "novel", 5)


# --- commitments --------------------------------------------------------------------------------------------


@_case("a packed value")
def _(name: str) -> tuple[Scene, Expected]:
    scene = _honest(name)

    def change(block: Object) -> None:
        packed = bytearray.fromhex(block["packed"])
        packed[2 * 6] ^= 1
        block["packed"] = packed.hex()

    scene.run.edit_line("CommitmentBlock", change)
    return scene, _mismatch("packed", "packed", 6)


@_case("a block's chain")
def _(name: str) -> tuple[Scene, Expected]:
    scene = _honest(name)
    scene.run.edit_line("CommitmentBlock", lambda block: block.update(chain=altered(block["chain"])))
    return scene, _mismatch("chain", "chain")


@_case("a block missing")
def _(name: str) -> tuple[Scene, Expected]:
    scene = _honest(name)
    del scene.run.commitments[scene.run.first("CommitmentBlock")]
    return scene, _mismatch("length", item=0)


@_case("a block twice")
def _(name: str) -> tuple[Scene, Expected]:
    scene = _honest(name)
    at = scene.run.first("CommitmentBlock")
    scene.run.commitments.insert(at, scene.run.commitments[at])
    return scene, _mismatch("length")


@_case("a line after the seal")
def _(name: str) -> tuple[Scene, Expected]:
    scene = _honest(name)
    scene.run.commitments.append(scene.run.commitments[0])
    return scene, _mismatch("length")


_SEAL_KINDS = {
    "v": "version",
    "run_id": "run_id",
    "items": "length",
    "blocks": "length",
    "chain": "chain",
    "root": "root",
    "program": "program",
    "layout": "layout",
    "inputs_count": "inputs",
    "inputs_sha256": "inputs",
    "checkpoint": "signature",
    **dict.fromkeys(
        ("bits", "block_items", "spans", "outcome", "n_steps", "output_count", "output_sha256"), "member"
    ),
}


def _seal_case(member: str, kind: str) -> Make:
    def make(name: str) -> tuple[Scene, Expected]:
        scene = _honest(name)
        scene.run.edit_line("CommitmentSeal", lambda seal: seal.update({member: altered(seal[member])}))
        return scene, _mismatch(kind, member)

    return make


for _member, _kind in _SEAL_KINDS.items():
    CASES[f"CommitmentSeal.{_member}"] = _seal_case(_member, _kind)


@_case("CommitmentSeal.type")
def _(name: str) -> tuple[Scene, Expected]:
    scene = _honest(name)
    scene.run.edit_line("CommitmentSeal", lambda seal: seal.update(type="CommitmentSeat"))
    return scene, _mismatch("type", "type")


@_case("a seal with an unknown member")
def _(name: str) -> tuple[Scene, Expected]:
    scene = _honest(name)
    scene.run.edit_line("CommitmentSeal", lambda seal: seal.update(novel=1))
    return scene, Expected("INDETERMINATE", "unknown-member", "novel")


@_case("a seal that nobody has signed")
def _(name: str) -> tuple[Scene, Expected]:
    scene = _honest(name)
    scene.run.edit_line("CommitmentSeal", lambda seal: seal.pop("checkpoint"))
    return scene, _mismatch("signature", "checkpoint")


@_case("a checkpoint of a stranger's key")
def _(name: str) -> tuple[Scene, Expected]:
    values = [proposals.valid(name)]
    return Scene(sealed(values, private=STRANGER_PRIVATE), values), _mismatch("signature", "checkpoint")


@_case("a checkpoint of another run")
def _(name: str) -> tuple[Scene, Expected]:
    scene, other = _honest(name), sealed([proposals.valid(name, 1)])
    note = other.seal["checkpoint"]
    scene.run.edit_line("CommitmentSeal", lambda seal: seal.update(checkpoint=note))
    return scene, _mismatch("signature", "checkpoint")


@_case("a commitment line that is not JSON")
def _(name: str) -> tuple[Scene, Expected]:
    scene = _honest(name)
    scene.run.commitments[1] = scene.run.commitments[1][:-1]
    return scene, _mismatch("malformed")


@_case("a commitment line with a float")
def _(name: str) -> tuple[Scene, Expected]:
    scene = _honest(name)
    scene.run.commitments[-1] = scene.run.commitments[-1].replace(b'"bits":16', b'"bits":16.0')
    return scene, _mismatch("malformed")


@_case("a commitment line that is too long")
def _(name: str) -> tuple[Scene, Expected]:
    scene = _honest(name)
    scene.run.commitments[1] = scene.run.commitments[1][:-1] + b" " * 65536 + b"}"
    return scene, _mismatch("malformed")


@_case("bytes that are no text")
def _(name: str) -> tuple[Scene, Expected]:
    scene = _honest(name)
    scene.run.commitments[0] = b"\xff\xfe\x00"
    return scene, _mismatch("malformed")


# --- whole runs ---------------------------------------------------------------------------------------------


def _settings_case(kind: str, **spec: Any) -> Make:
    def make(name: str) -> tuple[Scene, Expected]:
        values = [proposals.valid(name)]
        return Scene(sealed(values, **spec), values), _mismatch(kind, next(iter(spec)))

    return make


CASES["another layout, consistently"] = _settings_case("layout", layout="recursive")
CASES["other bits, consistently"] = _settings_case("member", bits=32)
CASES["other blocks, consistently"] = _settings_case("member", block_items=8)
CASES["other spans, consistently"] = _settings_case("member", spans="all")


@_case("a run that was never sealed")
def _(name: str) -> tuple[Scene, Expected]:
    scene = _honest(name)
    del scene.run.commitments[-1]
    return scene, Expected("INDETERMINATE", "not-sealed")


@_case("events alone")
def _(name: str) -> tuple[Scene, Expected]:
    scene = _honest(name)
    scene.run.commitments.clear()
    return scene, Expected("INDETERMINATE", "not-sealed")


@_case("an honest run under another key")
def _(name: str) -> tuple[Scene, Expected]:
    scene = _honest(name)
    scene.run.run_id = "0" * 31 + "1"
    return scene, _mismatch("run_id", "run_id")

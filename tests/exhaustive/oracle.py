"""What an audit has to say of a run's published lines, from schemas/trace-v1.md alone: standard library and the plain
commitment, nothing of services/.

The oracle is given the true run, made by somebody honest, and the lines as published. It walks them in the
order of section 7 and says what differs first. Equal lines are read once, for there are millions of cases.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any

from tests.unit import plain_commitment

VOLATILE = ("timestamp", "duration_ns", "detail", "label")
ABSENT = object()

EVERY_EVENT = ("v", "type", "run_id", "seq", "timestamp")
START = ("span_id", "parent_span_id", "path", "depth", "iteration", "artifact", "input_bytes")
FAILURE = ("span_id", "depth", "path", "iteration", "error", "artifact", "input_bytes", "detail")
END = ("span_id", "output_bytes", "duration_ns", "cycles")
DEFINED = {
    "TraceStart": (
        *("program", "layout", "spans", "inputs_count", "inputs_sha256", "commitment", "label"),
        *EVERY_EVENT,
    ),
    "SequenceStart": ("name", *START, *EVERY_EVENT),
    "SequenceEnd": ("name", *END, *EVERY_EVENT),
    "TileStart": ("tile_id", *START, *EVERY_EVENT),
    "TileEnd": ("tile_id", *END, "proof_cycles", "receipt", "verified", *EVERY_EVENT),
    "TileFailure": ("tile_id", *FAILURE, *EVERY_EVENT),
    "SequenceFailure": ("name", *FAILURE, *EVERY_EVENT),
    "StepBlock": ("block", "first_step", "steps", "root", *EVERY_EVENT),
    "MemoryBlock": ("block", "first_cell", "cells", "root", *EVERY_EVENT),
    "TraceEnd": ("outcome", "n_steps", "output_count", "output_sha256", *EVERY_EVENT),
    "Input": ("v", "type", "run_id", "index", "input"),
    "CommitmentBlock": ("v", "type", "run_id", "block", "first_item", "items", "bits", "packed", "chain"),
    "CommitmentSeal": (
        *("v", "type", "run_id", "items", "blocks", "bits", "block_items", "chain", "root", "program"),
        *("layout", "spans", "inputs_count", "inputs_sha256", "outcome", "n_steps", "output_count"),
        *("output_sha256", "checkpoint"),
    ),
}
INSIDE = {
    "program": ("backend", "method_id", "artifact_sha256"),
    "artifact": ("backend", "method_id"),
    "commitment": ("bits", "block_items"),
    "error": ("code", "message"),
}
FIRST = (
    *("v", "program", "layout", "inputs_count", "inputs_sha256", "type", "seq", "run_id", "name", "tile_id"),
    *("span_id", "parent_span_id", "path", "depth", "iteration", "artifact", "input_bytes", "output_bytes"),
)
KIND = {"v": "version", "inputs_count": "inputs", "inputs_sha256": "inputs"}
HEADER = ("program", "layout", "inputs_count", "inputs_sha256")


class MalformedLineError(Exception):
    """A line that section 2 refuses."""


@dataclass(frozen=True)
class Truth:
    """The run as it really is: events and commitment lines (without checkpoint) as objects, the note."""

    events: list[dict[str, Any]]
    inputs: list[Any]
    blocks: list[dict[str, Any]]
    seal: dict[str, Any]
    checkpoint: str
    trace: bytes
    memory: bytes

    @property
    def run_id(self) -> str:
        return str(self.seal["run_id"])

    @cached_property
    def lines(self) -> list[bytes]:
        """The events in canonical form."""
        return [canonical(event) for event in self.events]


@dataclass
class Verdict:
    """MATCH, MISMATCH or INDETERMINATE, and the members that a report of it must have; ABSENT: it must not
    have it."""

    verdict: str
    found: dict[str, Any] = field(default_factory=dict)


# Section 2: reading.


@lru_cache(1 << 14)
def read(line: bytes) -> dict[str, Any]:
    """The object of a line; nobody alters it."""
    try:
        text = line.decode("utf-8")
        value = json.loads(
            text, object_pairs_hook=_members, parse_int=_Digits, parse_float=_refuse, parse_constant=_refuse
        )
    except (ValueError, RecursionError) as error:
        raise MalformedLineError(str(error)) from None
    if text.startswith("\ufeff") or "\n" in text or not isinstance(value, dict):
        raise MalformedLineError("not one object")
    result: dict[str, Any] = _settled(value, "")
    return result


class _Digits(str):
    """An integer whose name is not known yet."""


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a name twice")
    return dict(pairs)


def _refuse(text: str) -> Any:
    raise ValueError(text)


def _settled(value: Any, name: str) -> Any:
    if isinstance(value, _Digits):
        number = int(value)
        most = 2**127 if name in ("timestamp", "duration_ns") else 2**53 - 1
        if not -most <= number <= most:
            raise MalformedLineError("an integer too large")
        return number
    if isinstance(value, dict):
        return {_text(inner): _settled(element, inner) for inner, element in value.items()}
    if isinstance(value, list):
        return [_settled(element, "") for element in value]
    return _text(value) if isinstance(value, str) else value


def _text(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise MalformedLineError("a lone surrogate") from None
    return value


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def item(event: dict[str, Any]) -> bytes:
    return canonical({name: event[name] for name in event if name not in VOLATILE})


def lines_of(file: bytes) -> list[bytes]:
    lines = file.split(b"\n")
    return lines[:-1] if lines[-1] == b"" else lines


# Section 7: the first mismatch.


def judge(
    truth: Truth,
    commitments: bytes,
    events: bytes | None,
    *,
    trace: bytes | None = None,
    memory: bytes | None = None,
    note: str | None = None,
    is_input: Any = None,
) -> Verdict:
    """`note` is the checkpoint that an accepted key signed, where not the true one. `is_input(value)`, where
    given, says whether a value is an input that was really proposed."""
    lines: list[dict[str, Any]] = []
    for number, line in enumerate(lines_of(commitments), 1):
        try:
            lines.append(read(line))
        except MalformedLineError:
            return _mismatch("malformed", "commitments", line=number)
    claimed = None if events is None else lines_of(events)
    start = _first_event(claimed)
    if note is not None:
        truth = replace(truth, checkpoint=note)
    found = (
        _structure(truth, lines)
        or _versions(lines, start)
        or _unsealed(lines)
        or _header(truth, lines, start, is_input)
        or (None if claimed is None else _items(truth, claimed, trace, memory))
        or _raw(truth, trace, memory)
        or _commitment(_as_newer(truth, lines, claimed), lines)
    )
    return found or _unknown(truth, lines, claimed) or Verdict("MATCH")


def _mismatch(kind: str, where: str, **members: Any) -> Verdict:
    return Verdict("MISMATCH", {"kind": kind, "where": where, **members})


def _differs(kind: str | None, where: str, name: str, ours: Any, theirs: Any, **place: Any) -> Verdict:
    return _mismatch(
        kind or _kind(name), where, member=name, expected=_shown(ours), claimed=_shown(theirs), **place
    )


def _kind(name: str) -> str:
    return KIND.get(name) or (name if name in FIRST else "member")


def _shown(value: Any) -> Any:
    return "null" if value is None else value


def _same(ours: Any, theirs: Any) -> bool:
    if ours is ABSENT or theirs is ABSENT:
        return ours is theirs
    if type(ours) is type(theirs) and isinstance(ours, str | int):
        return bool(ours == theirs)
    return canonical(ours) == canonical(theirs)


def _first_event(claimed: list[bytes] | None) -> dict[str, Any]:
    try:
        return read(claimed[0]) if claimed else {}
    except MalformedLineError:
        return {}


def _structure(truth: Truth, lines: list[dict[str, Any]]) -> Verdict | None:
    """First all Input lines, then all blocks, then the seal, and nothing after."""
    order = ["Input", "CommitmentBlock", "CommitmentSeal"]
    true = [*["Input"] * len(truth.inputs), *["CommitmentBlock"] * len(truth.blocks), "CommitmentSeal"]
    types = [line.get("type", ABSENT) for line in lines]
    for number, kind in enumerate(types, 1):
        if kind not in order:
            return _differs("type", "commitments", "type", true[number - 1], kind, line=number)
    ranks = [order.index(kind) for kind in types]
    if ranks == sorted(ranks) and ranks.count(2) <= 1:
        return None
    numbers = [*range(len(truth.inputs)), *range(len(truth.blocks)), ABSENT]
    for at, line in enumerate(lines):
        if at >= len(true):
            return _mismatch("length", "commitments", line=at + 1, claimed=types[at])
        if types[at] != true[at]:
            return _differs("type", "commitments", "type", true[at], types[at], line=at + 1)
        name = {"Input": "index", "CommitmentBlock": "block"}.get(true[at], "")
        if name and not _same(numbers[at], line.get(name, ABSENT)):
            kind, where = ("inputs", "input") if name == "index" else ("member", "block")
            block = numbers[at] if name == "block" else ABSENT
            return _differs(kind, where, name, numbers[at], line.get(name, ABSENT), line=at + 1, block=block)
    return None


def _versions(lines: list[dict[str, Any]], start: dict[str, Any]) -> Verdict | None:
    where = {"Input": "input", "CommitmentBlock": "block", "CommitmentSeal": "seal"}
    for number, line in enumerate(lines, 1):
        if not _same(1, line.get("v", ABSENT)):
            block = line.get("block", ABSENT)
            return _differs(
                None, where[line["type"]], "v", 1, line.get("v", ABSENT), line=number, block=block
            )
    if start and not _same(1, start.get("v", ABSENT)):
        return _differs(None, "event", "v", 1, start.get("v", ABSENT), item=0, line=1)
    return None


def _unsealed(lines: list[dict[str, Any]]) -> Verdict | None:
    if not lines or lines[-1]["type"] != "CommitmentSeal":
        return Verdict("INDETERMINATE", {"part": "seal", "code": "not-sealed"})
    return None


def _header(
    truth: Truth, lines: list[dict[str, Any]], start: dict[str, Any], is_input: Any
) -> Verdict | None:
    inputs = [(n, line) for n, line in enumerate(lines, 1) if line["type"] == "Input"]
    seal, last = lines[-1], len(lines)

    def both(name: str, ours: Any = ABSENT) -> Verdict | None:
        expected = truth.seal[name] if ours is ABSENT else ours
        for claimed, where, place in (
            (seal, "seal", {"line": last}),
            (start if start.get("type") == "TraceStart" else seal, "event", {"item": 0, "line": 1}),
        ):
            theirs = claimed.get(name, ABSENT)
            if not _same(expected, theirs) and not _only_unknown(name, expected, theirs):
                return _differs(None, where, name, expected, theirs, **place)
        return None

    for number, line in inputs:
        if not isinstance(line.get("input"), dict):
            return _mismatch(
                "inputs", "input", member="input", claimed=_shown(line.get("input", ABSENT)), line=number
            )
    found = both("program") or both("layout")
    if found:
        return found
    for index, (number, line) in enumerate(inputs):
        if not _same(index, line.get("index", ABSENT)):
            return _differs("inputs", "input", "index", index, line.get("index", ABSENT), line=number)
    for number, line in inputs:
        if is_input is not None and not is_input(line["input"]):
            return _mismatch("proposal", "input", member="input", line=number)
    found = both("inputs_count", len(inputs))
    if found:
        return found
    hashed = hashlib.sha256(b"".join(canonical(line["input"]) + b"\n" for _, line in inputs)).hexdigest()
    true = truth.seal["inputs_sha256"]
    if hashed != true:
        only = inputs[0][0] if len(inputs) == 1 else ABSENT
        return _differs("inputs", "input", "inputs_sha256", hashed, true, line=only)
    if not _same(true, seal.get("inputs_sha256", ABSENT)) and _outvoted(truth, lines, start):
        only = inputs[0][0] if len(inputs) == 1 else ABSENT
        return _differs(
            "inputs", "input", "inputs_sha256", hashed, seal.get("inputs_sha256", ABSENT), line=only
        )
    found = both("inputs_sha256")
    if found:
        return found
    for number, line in inputs:
        if not _same(truth.run_id, line.get("run_id", ABSENT)):
            return _differs(None, "input", "run_id", truth.run_id, line.get("run_id", ABSENT), line=number)
    return None


def _outvoted(truth: Truth, lines: list[dict[str, Any]], start: dict[str, Any]) -> bool:
    """Whether most lines are those of another run: then the inputs are the stranger among them."""
    named = [line.get("run_id") for line in [*lines, start] if line.get("type") != "Input"]
    return any(named.count(name) > named.count(truth.run_id) for name in named)


def _only_unknown(name: str, ours: Any, theirs: Any) -> bool:
    """Whether an object has all that was expected, and members that version 1 does not define beside."""
    if name not in INSIDE or not isinstance(ours, dict) or not isinstance(theirs, dict):
        return False
    surplus = theirs.keys() - ours.keys()
    return all(_same(ours[n], theirs.get(n, ABSENT)) for n in ours) and not surplus & set(INSIDE[name])


def _items(truth: Truth, claimed: list[bytes], trace: bytes | None, memory: bytes | None) -> Verdict | None:
    for index in range(max(len(truth.events), len(claimed))):
        if truth.lines[index : index + 1] == claimed[index : index + 1]:
            continue
        ours = truth.events[index] if index < len(truth.events) else None
        place = {"item": index, "line": index + 1, "path": _path(truth, index)}
        if index >= len(claimed):
            return _mismatch(
                "length", "event", expected=ours["type"] if ours else ABSENT, claimed=ABSENT, **place
            )
        try:
            theirs = read(claimed[index])
        except MalformedLineError:
            return _mismatch("malformed", "event", expected=ours["type"] if ours else ABSENT, **place)
        if ours is None:
            return _mismatch("length", "event", expected=ABSENT, claimed=theirs.get("type", ABSENT), **place)
        name = _first_member(ours, theirs, ours["type"])
        if name is None:
            continue
        kind = {"StepBlock": "step", "MemoryBlock": "cell"}.get(ours["type"]) if name == "root" else None
        raw = trace if kind == "step" else memory if kind == "cell" else None
        if raw is not None and _root_of(raw, ours) == theirs.get(name):
            return _step(truth, raw) if kind == "step" else _cell(truth, raw)
        return _differs(kind, "event", name, ours.get(name, ABSENT), theirs.get(name, ABSENT), **place)
    return None


def _root_of(raw: bytes, block: dict[str, Any]) -> str:
    """The root over the block's bytes in a raw file."""
    first, count, record, chunk = (
        (block["first_step"], block["steps"], 24, 64)
        if block["type"] == "StepBlock"
        else (block["first_cell"], block["cells"], 40, 32)
    )
    part = raw[first * record : (first + count) * record]
    size = chunk * record
    return plain_commitment.tree_hash([part[at : at + size] for at in range(0, len(part), size)]).hex()


def _first_member(
    ours: dict[str, Any], theirs: dict[str, Any], kind: str, *, skip: tuple[str, ...] = VOLATILE
) -> str | None:
    names = [*FIRST, *sorted((ours.keys() | theirs.keys()) - set(FIRST))]
    if not _same(ours.get("type", ABSENT), theirs.get("type", ABSENT)):
        # Of a line of another type, that it is one comes before the members it therefore lacks.
        names = ["v", "type", *names]
    for name in names:
        mine, other = ours.get(name, ABSENT), theirs.get(name, ABSENT)
        if name in skip or _same(mine, other) or (mine is ABSENT and name not in DEFINED[kind]):
            continue
        if not _only_unknown(name, mine, other):
            return name
    return None


def _path(truth: Truth, index: int) -> Any:
    """The path of the span that an item belongs to."""
    if index >= len(truth.events):
        return ABSENT
    span = truth.events[index].get("span_id")
    starts = [e for e in truth.events[: index + 1] if span and e.get("span_id") == span]
    return starts[0].get("path", ABSENT) if starts else ABSENT


def _raw(truth: Truth, trace: bytes | None, memory: bytes | None) -> Verdict | None:
    if trace is not None and trace != truth.trace:
        return _step(truth, trace)
    if memory is not None and memory != truth.memory:
        return _cell(truth, memory)
    return None


def _records(data: bytes, size: int, position: int) -> bytes:
    record = data[position * size : (position + 1) * size]
    return record if len(record) == size else b""


def _first_record(ours: bytes, theirs: bytes, size: int) -> int:
    position = 0
    while ours[position * size : (position + 1) * size] == theirs[position * size : (position + 1) * size]:
        position += 1
    return position


def _number(value: int) -> int | str:
    """Section 2: integers beyond 2^53-1 are strings."""
    return value if value < 2**53 else hex(value)


def _block_item(truth: Truth, kind: str, first: str, count: str, position: int) -> Any:
    for index, event in enumerate(truth.events):
        if event["type"] == kind and event[first] <= position < event[first] + event[count]:
            return index
    return ABSENT


def _step(truth: Truth, claimed: bytes) -> Verdict:
    position = _first_record(truth.trace, claimed, 24)

    def registers(data: bytes) -> Any:
        record = _records(data, 24, position)
        if not record:
            return ABSENT
        numbers = [int.from_bytes(record[at : at + 8], "little") for at in (0, 8, 16)]
        return dict(zip(("ap", "fp", "pc"), map(_number, numbers), strict=True))

    ours, theirs = registers(truth.trace), registers(claimed)
    found: dict[str, Any] = {"step": position, "expected": ours, "claimed": theirs}
    if ours is not ABSENT:
        found |= ours
        found |= {"item": _block_item(truth, "StepBlock", "first_step", "steps", position)}
        found |= {"block": position // 4096}
        if theirs is not ABSENT:
            found["member"] = next(name for name in ("pc", "ap", "fp") if ours[name] != theirs[name])
    return _mismatch("step", "trace", **found)


def _cell(truth: Truth, claimed: bytes) -> Verdict:
    position = _first_record(truth.memory, claimed, 40)

    def cell(data: bytes) -> Any:
        record = _records(data, 40, position)
        if not record:
            return ABSENT
        return {
            "address": _number(int.from_bytes(record[:8], "little")),
            "value": hex(int.from_bytes(record[8:], "little")),
        }

    ours, theirs = cell(truth.memory), cell(claimed)
    found: dict[str, Any] = {"cell": position, "expected": ours, "claimed": theirs}
    if ours is not ABSENT:
        found |= {"address": ours["address"]}
        found |= {"item": _block_item(truth, "MemoryBlock", "first_cell", "cells", position)}
        found |= {"block": position // 4096}
        if theirs is not ABSENT:
            found["member"] = "address" if ours["address"] != theirs["address"] else "value"
    return _mismatch("cell", "memory", **found)


# Section 6, compared: packed values, chains, root, signature.


def _as_newer(truth: Truth, lines: list[dict[str, Any]], claimed: list[bytes] | None) -> Truth:
    """What is to be committed to where events have members that version 1 does not define: those too."""
    if claimed is None or not any(_undefined(read(line), read(line)["type"]) for line in claimed):
        return truth
    seal = truth.seal
    blocks, core = plain_commitment.commit(
        [read(line) for line in claimed], truth.run_id, seal["bits"], seal["block_items"]
    )
    if core["root"] != lines[-1].get("root"):
        return truth
    return replace(truth, blocks=blocks, seal=seal | core)


def _commitment(truth: Truth, lines: list[dict[str, Any]]) -> Verdict | None:
    blocks = [(n, line) for n, line in enumerate(lines, 1) if line["type"] == "CommitmentBlock"]
    for index in range(max(len(truth.blocks), len(blocks))):
        counts = {"expected": len(truth.blocks), "claimed": len(blocks), "block": index}
        if index >= len(blocks):
            return _mismatch("length", "block", item=truth.blocks[index]["first_item"], line=ABSENT, **counts)
        number, theirs = blocks[index]
        if index >= len(truth.blocks):
            return _mismatch("length", "block", line=number, **counts)
        found = _block(truth, truth.blocks[index], theirs, number)
        if found:
            return found
    seal, last = lines[-1], len(lines)
    name = _first_member(truth.seal, seal, "CommitmentSeal", skip=("chain", "root", "checkpoint"))
    name = name or _first_of(("chain", "root"), truth.seal, seal)
    if name:
        kind = "length" if name in ("items", "blocks") else name if name in ("chain", "root") else None
        return _differs(kind, "seal", name, truth.seal[name], seal.get(name, ABSENT), line=last)
    note = seal.get("checkpoint", ABSENT)
    if not _same(truth.checkpoint, note):
        return _mismatch("signature", "checkpoint", member="checkpoint", line=last)
    return None


def _block(truth: Truth, ours: dict[str, Any], theirs: dict[str, Any], number: int) -> Verdict | None:
    name = _first_member(ours, theirs, "CommitmentBlock", skip=("packed", "chain"))
    name = name or _first_of(("packed", "chain"), ours, theirs)
    if name is None:
        return None
    place: dict[str, Any] = {"block": ours["block"], "line": number}
    kind = "length" if name == "items" else name if name in ("packed", "chain") else None
    if name == "packed":
        place["item"] = _first_packed(ours, theirs.get("packed", ABSENT))
        place["path"] = ABSENT if place["item"] is ABSENT else _path(truth, place["item"])
    return _differs(kind, "block", name, ours[name], theirs.get(name, ABSENT), **place)


def _first_of(names: tuple[str, ...], ours: dict[str, Any], theirs: dict[str, Any]) -> str | None:
    return next((n for n in names if not _same(ours[n], theirs.get(n, ABSENT))), None)


def _first_packed(ours: dict[str, Any], packed: Any) -> Any:
    """The first item whose bits in the bit string are not those expected, a character that is no lower-case
    hex digit making its four bits unreadable."""
    if not isinstance(packed, str):
        return ABSENT
    mine, other = _bit_string(ours["packed"]), _bit_string(packed)
    bits = ours["bits"]
    for position in range(ours["items"]):
        part = slice(position * bits, (position + 1) * bits)
        if mine[part] != other[part]:
            return ours["first_item"] + position
    return ABSENT


def _bit_string(packed: str) -> str:
    bits = ""
    for at in range(0, len(packed), 2):
        high, low = packed[at : at + 1], packed[at + 1 : at + 2]
        for digit in (low, high):
            known = digit != "" and digit in "0123456789abcdef"
            bits += f"{int(digit, 16):04b}"[::-1] if known else "????"
    return bits


# What version 1 does not define.


def _unknown(truth: Truth, lines: list[dict[str, Any]], claimed: list[bytes] | None) -> Verdict | None:
    for index, line in enumerate(claimed or ()):
        if line == truth.lines[index]:
            continue
        pointer = _undefined(read(line), truth.events[index]["type"])
        if pointer:
            member = pointer.split("/")[1]
            return Verdict(
                "INDETERMINATE",
                {
                    "part": "events",
                    "code": "unknown-member",
                    "item": index,
                    "member": member,
                    "pointer": pointer,
                },
            )
    parts = {"Input": "inputs", "CommitmentBlock": "blocks", "CommitmentSeal": "seal"}
    for number, members in enumerate(lines, 1):
        pointer = _undefined(members, members["type"])
        if pointer:
            return Verdict(
                "INDETERMINATE",
                {
                    "part": parts[members["type"]],
                    "code": "unknown-member",
                    "line": number,
                    "pointer": pointer,
                },
            )
    return None


def _undefined(members: dict[str, Any], kind: str) -> str | None:
    for name in sorted(members):
        if name not in DEFINED[kind]:
            return f"/{name.replace('~', '~0').replace('/', '~1')}"
        if name in INSIDE and isinstance(members[name], dict):
            for inner in sorted(members[name]):
                if inner not in INSIDE[name]:
                    return f"/{name}/{inner.replace('~', '~0').replace('/', '~1')}"
    return None

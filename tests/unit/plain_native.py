"""Native traces a second time, from schemas/trace-v1.md alone: standard library only, nothing shared with services/.

`check` holds a whole stream to every rule of sections 4 and 5 and "Native traces"; `encode` and `arguments` write
values.
"""

import dataclasses
import hashlib
import json

VOLATILE = ["timestamp", "duration_ns", "detail", "label"]
START = {"TraceStart", "SequenceStart", "TileStart"}


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def digest(data):
    return hashlib.sha256(data).hexdigest()


def without_volatile(event):
    return {name: event[name] for name in event if name not in VOLATILE}


def span_id(run_id, seq):
    return digest(f"proofrail/span/v1\n{run_id}:{seq}".encode())[:16]


def run_id(start):
    program = start["program"]
    identity = {
        "artifact": program["artifact_sha256"],
        "program": program["method_id"],
        "layout": start["layout"],
        "spans": start["spans"],
        "inputs_sha256": start["inputs_sha256"],
        "commitment": start["commitment"],
    }
    return digest(b"proofrail/run/v1\n" + canonical(identity))[:32]


def check(lines):
    """The events of a stream, every rule asserted."""
    events = [json.loads(line) for line in lines]
    assert [canonical(event) for event in events] == [bytes(line) for line in lines]
    first, last = events[0], events[-1]
    assert (first["type"], last["type"]) == ("TraceStart", "TraceEnd")
    assert (first["layout"], first["spans"]) == ("native", "own")
    assert first["program"]["backend"] == "native"
    assert first["run_id"] == run_id(first)
    stack, root = [], None
    for seq, event in enumerate(events):
        assert (1, first["run_id"], seq) == (event["v"], event["run_id"], event["seq"])
        kind = event["type"]
        if kind in ("TileStart", "SequenceStart"):
            begin(event, stack)
            root = root or stack[0]
        elif kind in ("TileEnd", "SequenceEnd", "TileFailure", "SequenceFailure"):
            end(event, stack.pop(), stack)
        else:
            assert seq in (0, len(events) - 1), kind
    assert not stack
    given = {"arguments": root["event"]["input_bytes"], "entry": name_of(root["event"])}
    assert (1, digest(canonical(given) + b"\n")) == (first["inputs_count"], first["inputs_sha256"])
    output = [root["output"]] if root["output"] else []
    assert last["n_steps"] == 0
    assert (len(output), digest(canonical(output))) == (last["output_count"], last["output_sha256"])
    assert last["outcome"] == ("failed" if root["failed"] else "completed")
    return events


def name_of(event):
    return event["tile_id"] if event["type"].startswith("Tile") else event["name"]


def begin(event, stack):
    parent = stack[-1] if stack else None
    assert event["depth"] == len(stack)
    assert event["span_id"] == span_id(event["run_id"], event["seq"])
    assert event["artifact"]["backend"] == "native"
    assert len(bytes.fromhex(event["artifact"]["method_id"])) == 32
    bytes.fromhex(event["input_bytes"])
    name = name_of(event)
    iteration = event.get("iteration")
    path = name
    if parent is None:
        assert "parent_span_id" not in event
        assert iteration is None
    else:
        assert event["parent_span_id"] == parent["event"]["span_id"]
        assert parent["event"]["type"] == "SequenceStart", "a tile calls none"
        if iteration is None:
            assert not parent["iterations"], "a loop holds iterations alone"
            path = f"{parent['path']}/{name}"
        else:
            assert name == name_of(parent["event"])
            assert iteration == parent["iterations"] == parent["children"]
            assert event["artifact"] == parent["event"]["artifact"]
            if iteration == 0:
                assert event["input_bytes"] == parent["event"]["input_bytes"]
            path = f"{parent['path']}[{iteration}]"
            parent["iterations"] += 1
        parent["children"] += 1
    assert event.get("path") == (path if len(stack) <= 64 else None)
    stack.append(
        {
            "event": event,
            "path": path,
            "children": 0,
            "iterations": 0,
            "ended": None,
            "output": None,
            "failed": False,
        }
    )


def end(event, span, stack):
    started = span["event"]
    kind = started["type"].removesuffix("Start")
    assert event["type"] in (f"{kind}End", f"{kind}Failure"), "ends nest"
    assert (started["span_id"], name_of(started)) == (event["span_id"], name_of(event))
    assert (kind == "Sequence") == (span["children"] > 0), "a sequence calls, a tile does not"
    if span["iterations"]:
        # The last iteration has output_bytes, unless it failed; those before it have none.
        assert span["ended"] != "open"
    if event["type"].endswith("Failure"):
        span["failed"] = True
        for name in ("depth", "path", "iteration", "artifact", "input_bytes"):
            assert started.get(name) == event.get(name)
        assert set(event["error"]) == {"code", "message"}
    else:
        span["output"] = event.get("output_bytes")
        assert "cycles" not in event
    if "iteration" in started:
        loop = stack[-1]
        assert loop["ended"] in (None, "open"), "an iteration follows the last one"
        loop["ended"] = "open" if span["output"] is None and not span["failed"] else "last"
    else:
        assert span["failed"] or span["output"] is not None


def number(value):
    out = bytearray()
    while value > 127:
        out.append(value % 128 + 128)
        value //= 128
    return bytes(out) + bytes([value])


def text(value):
    return number(len(value.encode())) + value.encode()


def encode(value):
    return b"\x01" + body(value)


def arguments(given):
    if not given:
        return b""
    return b"\x01a" + number(len(given)) + b"".join(text(name) + body(value) for name, value in given.items())


def body(value):
    if value is None:
        return b"n"
    if value is True or value is False:
        return b"t" if value else b"f"
    if isinstance(value, int):
        size = 0
        while value and not -(1 << (8 * size - 1) if size else 0) <= value < (
            1 << (8 * size - 1) if size else 0
        ):
            size += 1
        return b"i" + number(size) + value.to_bytes(size, "big", signed=True)
    if isinstance(value, str):
        return b"s" + text(value)
    if isinstance(value, bytes):
        return b"b" + number(len(value)) + value
    if dataclasses.is_dataclass(value):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        pairs = sorted((name.encode(), text(name) + body(element)) for name, element in fields.items())
        return b"r" + text(type(value).__name__) + number(len(pairs)) + b"".join(pair for _, pair in pairs)
    if isinstance(value, list | tuple):
        tag = b"l" if isinstance(value, list) else b"u"
        return tag + number(len(value)) + b"".join(body(element) for element in value)
    pairs = sorted((body(key), body(element)) for key, element in value.items())
    return b"d" + number(len(pairs)) + b"".join(key + element for key, element in pairs)

"""How a run's events are handed out: pieces, commitment, seal, timestamps, identity."""

import json
from itertools import pairwise
from typing import Any

import pytest
from cairo_runs import events_of, program, traced
from hypothesis import given, settings
from hypothesis import strategies as st

from proofrail.cairo.trace import RunSpec, trace_run
from proofrail.commitment.blocks import Committer
from proofrail.commitment.items import item_bytes
from proofrail.commitment.runid import inputs_sha256, run_id
from proofrail.wire.canonical import canonical, parse_object, sha256_hex
from proofrail.wire.errors import PoisonError
from proofrail.wire.events import parse_event
from proofrail.wire.messages import parse_message

LOOPS = {"i": 3, "n": 4, "depth": 2, "m": 2}
LONG = {"i": 40, "n": 300, "depth": 0, "m": 1}
"""More steps than the threshold above which the commitment is made in a thread of its own."""


def _reference(events: list[dict[str, Any]], run_id: str, bits: int, block_items: int) -> tuple[Any, Any]:
    committer = Committer(run_id, bits, block_items)
    blocks = [block for event in events if (block := committer.append(item_bytes(event)))]
    last, seal = committer.finish()
    return blocks + ([last] if last else []), seal


def _assert_committed(values: dict[str, int], bits: int, block_items: int) -> None:
    """The stream's blocks and seal are what the Python Committer makes of its lines."""
    run = traced("loops", values, bits=bits, block_items=block_items)
    chunks = list(run.stream())
    events = [parse_object(line) for chunk in chunks for line in chunk.lines.splitlines()]
    blocks, core = _reference(events, run.run_id, bits, block_items)
    assert [canonical(block) for block in blocks] == [block for chunk in chunks for block in chunk.blocks]
    assert core == {name: run.seal[name] for name in core}


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 64), st.integers(1, 200))
def test_blocks_and_seal_are_those_of_the_reference(bits: int, block_items: int) -> None:
    """Whatever B and N are."""
    _assert_committed(LOOPS, bits, block_items)


@pytest.mark.parametrize(("bits", "block_items"), [(16, 256), (63, 7)])
def test_a_long_run_is_committed_to_alike(bits: int, block_items: int) -> None:
    """Also by the thread that commits while the run goes on."""
    _assert_committed(LONG, bits, block_items)


@settings(max_examples=10, deadline=None)
@given(st.integers(65_537, 200_000), st.sampled_from([LOOPS, LONG]))
def test_pieces_are_as_small_as_asked(chunk_bytes: int, values: dict[str, int]) -> None:
    """Pieces hold whole lines, never more than asked, and joined are the same stream."""
    run = traced("loops", values)
    chunks = [chunk.lines for chunk in run.stream(chunk_bytes)]
    assert all(len(lines) <= chunk_bytes and lines.endswith(b"\n") for lines in chunks)
    assert b"".join(chunk.lines for chunk in run.stream(1 << 30)) == b"".join(chunks)


def test_the_long_run_is_long_enough() -> None:
    """LONG exercises the threads, and several pieces."""
    run = traced("loops", LONG)
    assert run.execution.real_steps > 1 << 15
    assert len(list(run.stream())) > 3


def test_lines_are_canonical_and_valid() -> None:
    """Every line is canonical and fits the model of its type; so do Input lines and the seal."""
    run = traced("loops", LOOPS, spans="all", label="a label")
    for chunk in run.stream():
        for line in chunk.lines.splitlines():
            assert line == canonical(parse_object(line))
            parse_event(line)
        for block in chunk.blocks:
            parse_message(block)
    for line in [*run.input_lines, canonical(run.seal)]:
        assert line == canonical(parse_object(line))
        parse_message(line)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 4), st.integers(0, 5), st.integers(0, 4), st.integers(0, 2), st.integers(1, 700))
def test_the_invariants_of_the_text(i: int, n: int, depth: int, m: int, limit: int) -> None:
    """seq has no gaps, spans nest, depth is the nesting depth, the parent is the innermost open span."""
    run = traced("loops", {"i": i, "n": n, "depth": depth, "m": m}, spans="all", max_steps=limit)
    events = events_of(run)
    assert list(range(len(events))) == [event["seq"] for event in events]
    assert {run.run_id} == {event["run_id"] for event in events}
    open_spans: list[str] = []
    order = []
    for event in events:
        kind = event["type"]
        order.append(
            ["TraceStart", "StepBlock", "MemoryBlock", "TraceEnd"].index(kind)
            if "span_id" not in event
            else 0
        )
        if kind in ("TileStart", "SequenceStart"):
            assert (len(open_spans), open_spans[-1] if open_spans else None) == (
                event["depth"],
                event.get("parent_span_id"),
            )
            open_spans.append(event["span_id"])
        elif "span_id" in event:
            assert event["span_id"] == open_spans.pop()
    assert not open_spans
    assert sorted(order) == order
    assert ("TraceStart", "TraceEnd") == (events[0]["type"], events[-1]["type"])
    tiles = [(a, b) for a, b in pairwise(events) if a["type"] == "TileStart"]
    assert all(a["span_id"] == b.get("span_id") and b["type"] in ("TileEnd", "TileFailure") for a, b in tiles)


def test_timestamps_are_interpolated_by_step() -> None:
    """Events stand in time by their steps, from before the run to after it."""
    run = traced("loops", LOOPS)
    events = events_of(run)
    times = [event["timestamp"] for event in events]
    assert run.started_ns == times[0]
    assert run.finished_ns == times[-1]
    assert sorted(times) == times
    for event in events:
        if "cycles" in event:
            expected = event["cycles"] * (run.finished_ns - run.started_ns) // run.n_steps
            assert expected == event["duration_ns"]


def test_volatile_members_do_not_move_the_root() -> None:
    """Another clock and another label give the same run_id and the same root."""
    one = traced("loops", LOOPS)
    other = trace_run(RunSpec(program("loops"), label="x"), [LOOPS], LOOPS, clock=iter([5, 10**18]).__next__)
    for run in (one, other):
        events_of(run)
    assert (one.run_id, one.seal) == (other.run_id, other.seal)


def test_identity_inputs_and_facts_of_the_seal() -> None:
    """run_id, inputs_sha256, Input lines and the seal's members are those of the text."""
    run = traced("loops", LOOPS)
    events = events_of(run)
    loops = program("loops")
    inputs = inputs_sha256([canonical(LOOPS)])
    assert inputs == run.inputs_sha256
    assert run.run_id == run_id(
        artifact_sha256=sha256_hex(loops.compiled),
        method_id=loops.method_id,
        layout="small",
        spans="own",
        inputs_sha256=inputs,
        bits=16,
        block_items=256,
    )
    assert [{"v": 1, "type": "Input", "run_id": run.run_id, "index": 0, "input": LOOPS}] == [
        json.loads(line) for line in run.input_lines
    ]
    for name in ("program", "layout", "spans", "inputs_count", "inputs_sha256"):
        assert events[0][name] == run.seal[name]
    for name in ("outcome", "n_steps", "output_count", "output_sha256"):
        assert events[-1][name] == run.seal[name]
    assert len(events) == run.seal["items"]


def test_the_seal_waits_for_the_stream() -> None:
    """Before all events have been read there is no seal."""
    run = traced("loops", LOOPS)
    with pytest.raises(PoisonError) as caught:
        _ = run.seal
    assert "stream-unfinished" == caught.value.code
    next(iter(run.stream()))
    with pytest.raises(PoisonError):
        _ = run.seal


def test_a_stream_can_be_left_in_the_middle() -> None:
    """A long stream that nobody reads to its end leaves nothing behind that hinders the next."""
    run = traced("loops", LONG)
    for _ in range(20):
        next(iter(run.stream(70_000)))
    assert run.n_steps == events_of(run)[-1]["n_steps"]


def test_an_input_longer_than_a_kafka_line_is_kept_whole() -> None:
    """Commitment lines in files are not bound by the limit of a Kafka line."""
    values = {**LOOPS, "more": ["0x" + "f" * 62] * 1100}
    run = trace_run(RunSpec(program("loops")), [values], values, clock=lambda: 0)
    assert values == parse_object(run.input_lines[0])["input"]
    assert len(run.input_lines[0]) > 65_536

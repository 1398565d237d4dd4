"""Spans of completed runs, held to a second implementation of the text (plain_spans.py)."""

from typing import Any

import pytest
from cairo_runs import events_of, plain_events, program, traced, without_volatile
from hypothesis import given, settings
from hypothesis import strategies as st

FELTS = st.integers(-(2**260), 2**260)
MODES = st.sampled_from(["own", "all"])


def _shapes(values: list[int], extra: int) -> dict[str, Any]:
    return {"n": len(values), "values": values, "extra": extra, "rows": [[7, [8, 9]], []]}


def _inputs(values: dict[str, Any]) -> dict[str, Any]:
    """As an inputs file holds them: integers beyond 2^53-1 as "0x…" mod P."""
    prime = 2**251 + 17 * 2**192 + 1

    def felt(value: Any) -> Any:
        if isinstance(value, list):
            return [felt(item) for item in value]
        return value if abs(value) < 2**53 else hex(value % prime)

    return {name: felt(value) for name, value in values.items()}


@settings(max_examples=25, deadline=None)
@given(st.lists(FELTS, max_size=4), FELTS, MODES)
def test_every_shape_of_argument(values: list[int], extra: int, mode: str) -> None:
    """Structs, tuples, pointers, namespaces, labels and the library give the spans of the text."""
    run = traced("shapes", _inputs(_shapes(values, extra)), spans=mode)
    events = events_of(run)
    assert plain_events(run, events) == without_volatile(events)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 4), st.integers(0, 6), st.integers(0, 5), st.integers(0, 2), MODES)
def test_every_kind_of_recursion(i: int, n: int, depth: int, m: int, mode: str) -> None:
    """Loops in loops, recursion that nests, and both in one function give the spans of the text."""
    run = traced("loops", {"i": i, "n": n, "depth": depth, "m": m}, spans=mode)
    events = events_of(run)
    assert plain_events(run, events) == without_volatile(events)


def test_paths_end_at_depth_64() -> None:
    """A span at depth 64 has a path, the one below has none, and both nest rightly."""
    run = traced("loops", {"i": 0, "n": 130, "depth": 70, "m": 0})
    events = events_of(run)
    starts = {
        event["depth"]: event for event in events if event["type"].endswith("Start") and "depth" in event
    }
    assert plain_events(run, events) == without_volatile(events)
    assert "path" in starts[64]
    assert "path" not in starts[65]
    assert max(starts) == 131


@pytest.mark.parametrize("mode", ["own", "all"])
def test_the_fibonacci_program(mode: str) -> None:
    """The sample program has the spans of the text."""
    run = traced("fibonacci", {"n": 20}, spans=mode)
    events = events_of(run)
    assert plain_events(run, events) == without_volatile(events)


def test_a_loop_as_the_design_writes_it() -> None:
    """One loop, written down by hand: paths, depths, iterations, cycles and outputs."""
    events = events_of(traced("loops", {"i": 1, "n": 1, "depth": 0, "m": 0}))
    seen = [
        (event["type"], event.get("path"), event.get("depth"), event.get("iteration"))
        for event in events
        if event["type"].endswith("Start")
    ]
    assert [
        ("TraceStart", None, None, None),
        ("SequenceStart", "main", 0, None),
        ("SequenceStart", "main/outer", 1, None),
        ("SequenceStart", "main/outer[0]", 2, 0),
        ("SequenceStart", "main/outer[0]/inner", 3, None),
        ("TileStart", "main/outer[0]/inner[0]", 4, 0),
        ("TileStart", "main/outer[0]/inner[1]", 4, 1),
        ("TileStart", "main/outer[0]/tile", 3, None),
        ("TileStart", "main/outer[1]", 2, 1),
        ("TileStart", "main/down", 1, None),
        ("SequenceStart", "main/even", 1, None),
        ("TileStart", "main/even/odd", 2, None),
        ("SequenceStart", "main/ackermann", 1, None),
        ("TileStart", "main/ackermann[0]", 2, 0),
    ] == seen
    ends = {
        event["span_id"]: event for event in events if event["type"].endswith("End") and "span_id" in event
    }
    starts = {event["path"]: event["span_id"] for event in events if "path" in event}
    first, last, loop = (ends[starts[f"main/outer[0]/inner{at}"]] for at in ("[0]", "[1]", ""))
    assert "output_bytes" not in first
    assert f"{1:064x}" == last["output_bytes"] == loop["output_bytes"]
    assert loop["cycles"] == first["cycles"] + last["cycles"] + 1


def test_sizes_of_arguments_and_return_values() -> None:
    """Felts of explicit arguments and return values, of all types, come from the identifiers."""
    sizes = {
        name.removeprefix("__main__."): (arguments, returns)
        for name, _, arguments, returns, _ in program("shapes").native.functions()
        if name.startswith("__main__.")
    }
    assert {
        "Geometry.corner": (6 - 1, 2),
        "Geometry.double": (1, 1),
        "labels": (1, 1),
        "library": (1, 1),
        "main": (0, 0),
        "nothing": (0, 0),
        "several": (2 + 3 + 1, 2 + 1 + 2),
        "sum": (2, 1),
        "unnamed": (2, 2),
    } == sizes

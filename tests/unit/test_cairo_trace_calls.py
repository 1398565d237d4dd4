"""Spans of calls that are none by name, and of values of every shape, held to plain_spans.py."""

import json
from typing import Any

import pytest
from cairo_runs import events_of, plain_events, program, published, traced, violations, without_volatile
from hypothesis import given, settings
from hypothesis import strategies as st

from proofrail.cairo.program import CairoProgram
from proofrail.cairo.trace import RunSpec, trace_run

# [ap] = [fp - 3], ap++; call abs [fp - 4]; ret
HEAP = ["0x480a7ffd7fff8000", "0x10887ffc80018000", "0x208b7fff7fff7ffe"]


def _values(n: int = 2, leaves: Any = ((5, (1, 2)), (6, (3,)))) -> dict[str, Any]:
    return {"n": n, "leaves": [word for key, values in leaves for word in (key, list(values))], "code": HEAP}


def _paths(values: dict[str, Any], mode: str = "own") -> list[str]:
    return [
        f"{event['type'][:4]} {event['path']}"
        for event in events_of(traced("calls", values, spans=mode))
        if event["type"] in ("TileStart", "SequenceStart")
    ]


@settings(max_examples=20, deadline=None)
@given(
    st.integers(1, 6),
    st.lists(
        st.tuples(st.integers(-(2**53) + 1, 2**53 - 1), st.lists(st.integers(0, 9), max_size=3)), min_size=2
    ),
    st.sampled_from(["own", "all"]),
)
def test_every_kind_of_call(n: int, leaves: Any, mode: str) -> None:
    """Pointers, labels, jumps, namespaces, other modules and code on the heap give the spans of the text."""
    run = traced("calls", _values(n, leaves), spans=mode)
    events = events_of(run)
    assert plain_events(run, events) == without_volatile(events)
    assert [] == violations(run)
    assert "MATCH" == published(run).audit().verdict


@pytest.mark.parametrize("mode", ["own", "all"])
def test_the_step_limit_at_every_kind_of_call(mode: str) -> None:
    """Also where the last completed step is a call by pointer, from a label or on the heap."""
    most = traced("calls", _values()).execution.real_steps
    for limit in range(1, most - 1, 2 if mode == "own" else 7):
        run = traced("calls", _values(), spans=mode, max_steps=limit)
        events = events_of(run)
        assert plain_events(run, events) == without_volatile(events)
        assert [] == violations(run)


def test_what_is_a_call_of_what() -> None:
    """The spans of one run, written down by hand."""
    assert [
        "Sequ main",
        "Tile main/mirror",
        "Sequ main/Outer.Inner.walk",
        "Tile main/Outer.Inner.walk[0]",  # it calls a function of another module, which is not recorded
        "Tile main/Outer.Inner.walk[1]",
        "Tile main/Outer.Inner.walk[2]",
        "Tile main/idle",
        "Sequ main/jumping",
        "Tile main/jumping/idle",
        "Tile main/jumping/idle",
        "Tile main/jumps",  # goes on in square
        "Sequ main/by_pointer",
        "Sequ main/by_pointer/by_pointer",
        "Tile main/by_pointer/by_pointer/by_pointer",
        "Sequ main/not_last",
        "Sequ main/not_last/not_last",
        "Tile main/not_last/not_last/not_last",
        "Sequ main/labelled",
        "Tile main/labelled[0]",
        "Tile main/labelled[1]",
        "Tile main/labelled[2]",
        "Sequ main/within",
        "Sequ main/within[0]",
        "Sequ main/within[0]/within",
        "Sequ main/within[0]/within[0]",
        "Sequ main/within[0]/within[0]/within",
        "Tile main/within[0]/within[0]/within[0]",
        "Sequ main/here",
        "Sequ main/here/there",
        "Tile main/here/there/there",
        "Sequ main/with_data",
        "Tile main/with_data[0]",
        "Tile main/with_data[1]",
        "Tile main/with_data[2]",
        "Tile main/square",  # called back by apply
        "Tile main/square",  # called back by each iteration of each
        "Tile main/square",
        "Sequ main/labelled",
        "Tile main/labelled[0]",
        "Tile main/labelled[1]",
        "Tile main/labelled[2]",
        "Sequ main/labelled",
        "Tile main/labelled[0]",
        "Tile main/labelled[1]",
        "Tile main/square",  # called by code on the heap
    ] == _paths(_values())


def test_other_modules_are_recorded_by_their_full_names() -> None:
    """With spans "all" an imported function has the name of its own module, not its alias, and iterates too."""
    paths = _paths(_values(1), "all")
    main = "__main__.main"
    assert f"Tile {main}/__main__.Outer.Inner.walk[0]/modules.shared.twice" in paths
    each = [path for path in paths if path.startswith(f"Sequ {main}/modules.shared.each")]
    assert f"Sequ {main}/modules.shared.each[0]/modules.shared.apply/__main__.labelled" in each
    assert not any("doubled" in path for path in paths)


def test_structs_with_tuples_with_structs_are_flattened() -> None:
    """Every felt of the arguments in declaration order; pointers as addresses."""
    run = traced("calls", _values(3))
    events = events_of(run)
    start = next(event for event in events if event.get("tile_id") == "mirror")
    end = next(event for event in events if event["type"] == "TileEnd" and event.get("tile_id") == "mirror")
    taken = [int(start["input_bytes"][at : at + 64], 16) for at in range(0, len(start["input_bytes"]), 64)]
    given_back = [int(end["output_bytes"][at : at + 64], 16) for at in range(0, len(end["output_bytes"]), 64)]
    # tree: left {key, values}, right {leaf {key, values}, weight (2)}, next; pair: {leaf, second}; leaves
    left, leaf, leaves = taken[0:2], taken[2:4], taken[10]
    assert [5, 6, 3, 4, leaves] == [left[0], leaf[0], *taken[4:7]]
    assert [*leaf, 3] == taken[7:10]
    assert [*left, 3, *leaf, *leaf, 1, 2, leaves, *left] == given_back
    sizes = {name: sizes for name, _, *sizes, _ in program("calls").native.functions()}
    assert [11, 12] == sizes["__main__.mirror"]


def test_one_entry_has_one_name() -> None:
    """Of several functions of one entry the first by name holds; a function without arguments and return values in
    the compiled file has none; aliases name nothing."""
    compiled = json.loads(program("calls").compiled)
    identifiers = compiled["identifiers"]
    for name in ("__main__.zzz", "__main__.asquare"):
        identifiers[name] = identifiers["__main__.square"]
    identifiers["__main__.alias"] = {"destination": "__main__.square", "type": "alias"}
    altered = CairoProgram(json.dumps(compiled).encode())
    values = _values(2)
    run = trace_run(RunSpec(altered), [values], values, clock=lambda: 0)
    events = events_of(run)
    named = [event for event in events if event.get("tile_id") == "asquare" and "depth" in event]
    assert ["" for _ in named] == [event["input_bytes"] for event in named]
    assert 4 == len(named)
    assert not any(event.get("tile_id") in ("square", "zzz", "alias") for event in events)
    assert plain_events(run, events) == without_volatile(events)

"""The native checker, held to the plain one: the same streams are clean, the same violation is found first."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from event_streams import (
    CAIRO_RUNS,
    GOLDEN,
    Event,
    cairo_run,
    foreign_run,
    golden,
    lines_of,
    renumbered,
    two_blocks,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from proofrail._native import Checker as Native
from proofrail.audit.invariants.checker import Checker
from proofrail.wire.events import EVENT_TYPES

RUNS: dict[str, Callable[[], list[Event]]] = {
    **{name: lambda name=name: cairo_run(name) for name in CAIRO_RUNS if name != "deep"},
    **{f"golden-{name}": lambda name=name: golden(name) for name in GOLDEN},
    "foreign": foreign_run,
    "foreign-failed": lambda: foreign_run(failed=True),
    "two-blocks": two_blocks,
}
STREAMS = {name: make() for name, make in RUNS.items()}
NAMES = sorted(
    {"receipt", "verified", "proof_cycles", "output_type", "inputs", "desc", "label"}
    | {name for events in STREAMS.values() for event in events for name in event}
)
KINDS = sorted({event["type"] for events in STREAMS.values() for event in events})
VALUES: list[Any] = [
    None, True, 0, 1, 2, 64, 4096, 2**53 - 1, 2**53, "", "0", "00", "main", "cairo", "native", "failed", "completed",
    "own", "all", "0" * 16, "0" * 64, "f" * 64, "é", [], {}, {"message": "m"}, {"code": "c", "message": "m"},
]  # fmt: skip


def _plain(lines: list[bytes]) -> tuple[tuple[int, str] | None, dict[str, Any]]:
    checker = Checker()
    for line in lines:
        checker.line(line)
    _, summary = checker.finish()
    first = checker.first
    return (None if first is None else (first.line, first.code)), vars(summary)


def _native(data: bytes, cuts: list[int]) -> tuple[tuple[int, str] | None, dict[str, Any]]:
    checker = Native()
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in pairwise(places):
        checker.feed(data[start:end])
    return checker.finish(), dict(checker.summary())


def _assert_equal(lines: list[bytes], cuts: list[int] | None = None, ended: bool = True) -> str | None:
    """The code that both find first. Code and line must agree, and the counts of a clean stream."""
    data = b"\n".join(lines) + b"\n" * (ended and bool(lines))
    (first, summary), (native_first, seen) = _plain(lines), _native(data, cuts or [])
    assert first == native_first
    if first is None:
        assert {name: summary[name] for name in seen} == seen
    return None if first is None else first[1]


def _altered(events: list[Event], pick: random.Random) -> list[Event]:
    """The events with one thing changed: a member, a type, an event, or the order."""
    events = copy.deepcopy(events)
    at = pick.randrange(len(events))
    event = events[at]
    how = pick.randrange(12)
    if how < 5:
        holder = event
        name = pick.choice(sorted(holder))
        if isinstance(holder[name], dict) and pick.random() < 0.7:
            holder = holder[name]
            name = pick.choice(sorted(holder))
        holder[name] = _other(holder[name], pick)
    elif how == 5:
        event.pop(pick.choice(sorted(event)))
    elif how == 6:
        event[pick.choice(NAMES)] = copy.deepcopy(pick.choice(VALUES))
    elif how == 7:
        event |= {
            name: copy.deepcopy(value) for name, value in pick.choice(events).items() if pick.random() < 0.2
        }
    elif how == 8:
        event["type"] = pick.choice(KINDS)
        for old, new in (("name", "tile_id"), ("tile_id", "name")):
            if old in event and new == ("tile_id" if event["type"].startswith("Tile") else "name"):
                event[new] = event.pop(old)
    elif how == 9:
        del events[at]
    elif how == 10:
        events.insert(pick.randrange(len(events) + 1), copy.deepcopy(event))
    else:
        events.insert(pick.randrange(len(events)), events.pop(at))
    return renumbered(events) if pick.random() < 0.5 and _named(events) else events


def _named(events: list[Event]) -> bool:
    names = ("type", "run_id", "span_id", "parent_span_id")
    return all(
        isinstance(event.get(name, "" if "span" in name else None), str) for event in events for name in names
    )


def _other(value: Any, pick: random.Random) -> Any:
    if isinstance(value, int) and pick.random() < 0.8:
        return value + pick.choice([-1, 1, 2, -value])
    if isinstance(value, str) and value and pick.random() < 0.8:
        place = pick.randrange(len(value))
        return pick.choice([
            value[:place] + pick.choice("0123456789abcdefgz/[]") + value[place + 1 :],
            value[:place] + value[place + 1 :],
            value + "0" * 64,
            value[64:],
        ])  # fmt: skip
    return pick.choice(VALUES)


@pytest.mark.parametrize("name", RUNS)
def test_altered_runs_are_judged_alike(name: str) -> None:
    """Dozens of alterations of each run, one or two at a time: line and code of the first violation agree."""
    events = STREAMS[name]
    pick = random.Random(f"{name} 1")  # noqa: S311 - the same cases every time
    assert None is _assert_equal(lines_of(events))
    for _ in range(max(20, min(100, 1200 // len(events)))):
        altered = _altered(events, pick)
        if altered and pick.random() < 0.2:
            altered = _altered(altered, pick)
        _assert_equal([json.dumps(event).encode() for event in altered])


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("seed", range(2))
def test_many_altered_runs_are_judged_alike(name: str, seed: int) -> None:
    """The same with thousands of alterations, up to four at a time."""
    pick = random.Random(f"{name} many {seed}")  # noqa: S311 - the same cases every time
    for _ in range(1500):
        altered = STREAMS[name]
        for _ in range(pick.choice([1, 1, 1, 2, 4])):
            altered = _altered(altered, pick) or altered
        _assert_equal([json.dumps(event).encode() for event in altered])


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["foreign", "golden-native", "assert", "completed"]),
    st.integers(0, 10**6),
    st.integers(0, 3),
    st.binary(max_size=3),
    st.lists(st.integers(0, 10**6), max_size=5),
    st.booleans(),
)
def test_damaged_bytes_are_judged_alike(
    name: str, place: int, removed: int, inserted: bytes, cuts: list[int], ended: bool
) -> None:
    """Bytes put in or taken out anywhere, the stream cut into any pieces, with or without the last line feed."""
    data = b"\n".join(lines_of(STREAMS[name]))
    place %= len(data) + 1
    damaged = data[:place] + inserted + data[place + removed :]
    lines = damaged.split(b"\n")
    if ended or lines[-1]:
        _assert_equal(lines, cuts, ended)


def test_members_of_other_types_are_unknown() -> None:
    """What a type does not define may be there and be anything, whatever other types mean by it."""
    for name in ("foreign", "golden-failed", "golden-completed"):
        events = copy.deepcopy(STREAMS[name])
        for event in events:
            event |= {member: [None] for member in NAMES if member not in _defined(event["type"])}
        assert None is _assert_equal(lines_of(events))
        assert "start-missing" == _assert_equal(lines_of(events[1:]))


def _defined(kind: str) -> set[str]:
    return set(EVENT_TYPES[kind].model_fields)


def test_spelling_does_not_matter() -> None:
    """White space, order of members and escapes change nothing."""
    for events in STREAMS.values():
        spelled = [
            json.dumps(dict(reversed(event.items())), indent=None).encode() + b" \r" for event in events
        ]
        assert None is _assert_equal(spelled)


def test_nothing_at_all_has_not_ended() -> None:
    """An empty stream, and one of an empty line."""
    assert "not-ended" == _assert_equal([])
    assert "malformed-json" == _assert_equal([b""])


@pytest.mark.parametrize("cuts", [[], [1000, 65_000], [65_540]])
def test_a_line_that_is_too_long_is_named(cuts: list[int]) -> None:
    """Also before its line feed has come."""
    lines = lines_of(foreign_run())
    long = lines[0][:-1] + b',"x":"' + b"x" * 66_000 + b'"}'
    assert "line-too-long" == _assert_equal([long, *lines[1:]], cuts)
    assert "line-too-long" == _assert_equal([*lines, long], cuts, ended=False)
    fits = lines[0][:-1] + b',"x":"' + b"x" * (65_536 - len(lines[0]) - 7) + b'"}'
    assert 65_536 == len(fits)
    assert None is _assert_equal([fits, *lines[1:]], cuts)


def test_errors_of_failures_are_compared_in_depth() -> None:
    """All Failures of a run carry the same error, members that nobody defines included."""
    events = cairo_run("assert")
    for event in events[9:13]:
        event["error"] |= {"more": [{"a": [None, True, 7, "x"], "b": {}}]}
    assert None is _assert_equal(lines_of(events))
    events[12]["error"]["more"][0]["a"][2] = 8
    assert "error-differs" == _assert_equal(lines_of(events))


def test_large_inputs_are_compared_by_their_digest() -> None:
    """Inputs and outputs beyond 256 characters: the same rules."""
    felts = "".join(f"{number:064x}" for number in range(40))
    events = foreign_run()
    events[8]["input_bytes"] = events[9]["input_bytes"] = felts
    assert None is _assert_equal(lines_of(events))
    events[9]["input_bytes"] = felts[:-1] + "0"
    assert "failure-differs" == _assert_equal(lines_of(events))
    events = cairo_run("loops")
    for line in (3, 4, 16, 28):
        events[line - 1]["input_bytes"] = felts
    assert None is _assert_equal(lines_of(events))
    events[2]["input_bytes"] = felts[:-1] + "0"
    assert "loop-input-differs" == _assert_equal(lines_of(events))


def test_names_and_paths_beyond_ascii() -> None:
    """A name may hold anything; it joins the path as it is."""
    events = foreign_run()
    for event in events:
        if event.get("tile_id") == "try":
            event["tile_id"] = 'é"\U0001f600/['
        if event.get("path") == "decide/try":
            event["path"] = 'decide/é"\U0001f600/['
    assert None is _assert_equal(lines_of(events))

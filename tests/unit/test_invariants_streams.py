"""The invariant checker on whole streams: what is clean, what broken lines do, and what the summary says."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator

import pytest
from cairo_runs import events_of, traced
from event_streams import (
    CAIRO_RUNS,
    GOLDEN,
    Event,
    cairo_run,
    check,
    check_lines,
    foreign_run,
    golden,
    lines_of,
    renumbered,
    two_blocks,
)

from proofrail.audit.invariants.check import check_events_alone, check_plainly
from proofrail.audit.invariants.checker import UNKNOWN_KEPT, Checker
from proofrail.wire.errors import MalformedError
from proofrail.wire.topics import MAX_LINE


@pytest.mark.parametrize("name", CAIRO_RUNS)
def test_real_runs_are_clean(name: str) -> None:
    """Runs that complete, fail, loop, nest and meet the step limit break nothing."""
    events = cairo_run(name)
    violations, summary = check(events)
    assert [] == violations
    assert summary.clean
    plain = check_plainly(lambda: lines_of(events))
    assert ([], summary) == plain


@pytest.mark.parametrize("limit", range(2, 118, 9))
@pytest.mark.parametrize("mode", ["own", "all"])
def test_a_run_is_clean_wherever_the_step_limit_ends_it(limit: int, mode: str) -> None:
    """The step limit may fall into any span, between a loop's last iteration and its end too."""
    events = events_of(traced("failing", {"how": 0}, max_steps=limit, spans=mode))
    assert ("failed", []) == (events[-1]["outcome"], check(events)[0])


@pytest.mark.parametrize("events", [foreign_run(), foreign_run(failed=True), two_blocks()])
def test_runs_from_elsewhere_are_clean(events: list[Event]) -> None:
    """They may lack cycles, durations, error codes and a failure's artifact, and go on after a failure."""
    assert [] == check(events)[0]
    assert check(events) == check_plainly(lambda: lines_of(events))


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_traces_are_clean(name: str) -> None:
    """Completed, failed, looped, nested, native and imported: nothing broken, no member unknown."""
    events = golden(name)
    violations, summary = check(events)
    assert ([], 0) == (violations, summary.unknown_members)
    assert ([], summary) == check_plainly(lambda: lines_of(events))


def test_the_summary_counts_what_was_read() -> None:
    """Events by type, spans, iterations, depth, steps, cells and the outcome."""
    events = cairo_run("loops")
    assert {
        "v": 1,
        "type": "CheckSummary",
        "clean": True,
        "run_id": events[0]["run_id"],
        "backend": "cairo",
        "lines": 50,
        "events": {
            "MemoryBlock": 1,
            "SequenceEnd": 11,
            "SequenceStart": 11,
            "StepBlock": 1,
            "TileEnd": 12,
            "TileStart": 12,
            "TraceEnd": 1,
            "TraceStart": 1,
        },
        "spans": 23,
        "iterations": 10,
        "max_depth": 4,
        "steps": 4096,
        "cells": events[48]["cells"],
        "n_steps": 4096,
        "outcome": "completed",
        "violations": 0,
        "codes": {},
        "unknown_members": 0,
    } == check(events)[1].to_object()


@pytest.mark.parametrize(
    ("line", "code", "member"),
    [
        (b"{", "malformed-json", None),
        (b"", "malformed-json", None),
        (b"[]", "malformed-not-an-object", None),
        (b'{"v":1.0}', "malformed-float", None),
        (b'{"v":1,"v":1}', "malformed-duplicate-member", None),
        (b'{"v":"\xff"}', "malformed-utf8", None),
        (b'{"v":9007199254740992}', "malformed-integer", None),
        (b'{"v":"\\ud800"}', "malformed-surrogate", None),
        (b'{"v":' + b"[" * 127 + b"]" * 127 + b"}", "malformed-depth", None),
        (b" " * (MAX_LINE + 1), "line-too-long", None),
        (b'{"type":"StepBlock"}', "unknown-version", None),
        (b'{"type":"StepBlock","v":2}', "unknown-version", None),
        (b'{"type":"StepBlock","v":true}', "unknown-version", None),
        (b'{"type":"Stepblock","v":1}', "unknown-type", None),
        (b'{"type":"Input","v":1}', "unknown-type", None),
        (b'{"type":"TraceEnd","v":1}', "malformed-message", "run_id"),
    ],
)
def test_a_line_that_breaks_the_wire_format_is_named_and_passed(
    line: bytes, code: str, member: str | None
) -> None:
    """It has the wire's own code, and counts as an item: nothing behind it is called wrong."""
    events = foreign_run()
    lines = [*lines_of(events[:8]), line, *lines_of(renumbered([*events[:8], {}, *events[8:]])[9:])]
    violations, summary = check_lines(lines)
    assert [(code, 9, 8, member)] == [
        (v.code, v.line, v.to_object()["item"], v.place.get("member")) for v in violations
    ]
    assert {code: 1} == summary.codes
    assert 13 == summary.lines


@pytest.mark.parametrize(
    ("line", "member", "value"),
    [
        (1, "program", {"backend": "native", "method_id": "m", "artifact_sha256": "0"}),
        (1, "program", []),
        (1, "spans", "some"),
        (1, "commitment", {"bits": 65, "block_items": 1}),
        (1, "commitment", {"bits": 16, "block_items": 0}),
        (1, "label", None),
        (2, "run_id", ""),
        (2, "run_id", "x" * 257),
        (2, "seq", -1),
        (2, "seq", True),
        (2, "timestamp", -1),
        (2, "name", ""),
        (2, "span_id", "0" * 15),
        (2, "span_id", "0" * 15 + "A"),
        (2, "span_id", "0" * 16 + "\n"),
        (2, "path", None),
        (2, "iteration", None),
        (2, "parent_span_id", None),
        (2, "artifact", {"backend": "", "method_id": "m"}),
        (2, "artifact", {"backend": "b", "method_id": "m" * 129}),
        (2, "artifact", {"backend": "b"}),
        (2, "input_bytes", "0"),
        (2, "input_bytes", "AA"),
        (5, "output_bytes", None),
        (5, "cycles", None),
        (5, "duration_ns", -1),
        (5, "proof_cycles", "1"),
        (5, "receipt", "x"),
        (5, "verified", 1),
        (5, "output_type", 7),
        (4, "desc", None),
        (4, "inputs", {}),
        (4, "inputs", [{"name": "n"}]),
        (4, "inputs", [{"name": "n", "ty": None}]),
        (10, "error", {"code": "e"}),
        (10, "error", {"code": None, "message": "m"}),
        (10, "error", {"code": "", "message": "m"}),
        (10, "detail", None),
        (12, "outcome", "broken"),
        (12, "n_steps", 2**53 - 1 + 1),
        (12, "output_sha256", "0" * 63),
    ],
)
def test_members_are_what_their_type_says(line: int, member: str, value: object) -> None:
    """A member of the wrong type, out of range or null is a malformed line, for both checkers."""
    events = foreign_run()
    events[line - 1][member] = value
    lines = [json.dumps(event).encode() for event in events]
    (first, *_), _ = check_plainly(lambda: lines)
    code = "malformed-integer" if value == 2**53 else "malformed-message"
    assert (code, line) == (first.code, first.line)
    assert (line, code) == _native_first(lines)


def test_unknown_members_are_allowed_and_told() -> None:
    """They are counted, the first of them named by line and pointer, and break nothing."""
    events = foreign_run()
    events[1] |= {"colour": "red", "a/b~c": None}
    events[2]["artifact"]["size"] = 5
    events[9]["error"]["line"] = [1]
    violations, summary = check(events)
    assert [] == violations
    assert (4, True) == (summary.unknown_members, summary.clean)
    assert [
        {"line": 2, "member": "/colour"},
        {"line": 2, "member": "/a~1b~0c"},
        {"line": 3, "member": "/artifact/size"},
        {"line": 10, "member": "/error/line"},
    ] == summary.unknown
    for event in events:
        event["more"] = 0
        event["still more"] = 0
    summary = check(events)[1]
    assert (UNKNOWN_KEPT, 28) == (len(summary.unknown), summary.unknown_members)


@pytest.mark.parametrize("value", [None, 7, {}, [1]])
def test_unknown_members_may_have_the_names_of_others(value: object) -> None:
    """A TraceEnd with a span_id or path of any kind: said to be unknown, and never stumbled over."""
    events = foreign_run()
    events[-1] |= {"span_id": value, "path": value, "n_steps": 1, "seq": 99}
    violations, summary = check(events)
    assert (["seq-wrong"], 2) == ([v.code for v in violations], summary.unknown_members)


def test_few_are_listed_and_all_are_counted() -> None:
    """The list is cut where the caller says, the counts are not."""
    events = cairo_run("loops")
    for event in events:
        if "output_bytes" in event:
            event["output_bytes"] = "00"
    violations, summary = check_lines(lines_of(events), limit=3)
    assert 3 == len(violations)
    assert {"felts-wrong"} == {violation.code for violation in violations}
    assert summary.codes["felts-wrong"] == summary.violations > 3


def test_violations_are_in_order_of_lines() -> None:
    """Also one that shows only later: that an iteration was not the last."""
    events = cairo_run("loops")
    events[14]["output_bytes"] = "0" * 64
    events[15]["path"] = "x"
    violations, _ = check(events)
    assert [(15, "output-unexpected"), (16, "path-wrong")] == [(v.line, v.code) for v in violations]


def test_expected_and_claimed_are_told() -> None:
    """A violation says where it is, what was expected and what was claimed, cut to what can be shown."""
    events = cairo_run("loops")
    events[12] |= {"depth": 9, "path": "x" * 5000}
    (depth, path), _ = check(events)
    assert {
        "v": 1,
        "type": "Violation",
        "code": "depth-wrong",
        "line": 13,
        "item": 12,
        "message": "3 spans are open",
        "event": "TileStart",
        "span_id": events[12]["span_id"],
        "path": "x" * 200,
        "member": "depth",
        "expected": 3,
        "claimed": 9,
    } == depth.to_object()
    assert ("main/outer[0]/tile", 1024) == (path.place["expected"], len(path.place["claimed"]))


def test_what_cannot_be_split_into_lines_ends_the_stream() -> None:
    """An iterator that fails names the next line, and nothing after it is missed but the end."""

    def lines() -> Iterator[bytes]:
        yield from lines_of(foreign_run()[:5])
        raise MalformedError("line-too-long", "it never ends")

    violations, _ = check_events_alone(lines)
    assert [("line-too-long", 6), ("not-ended", 7)] == [(v.code, v.line) for v in violations]


def test_a_spliced_run_is_named_where_it_begins() -> None:
    """The other run's events are told once, not one by one."""
    one, other = cairo_run("loops"), cairo_run("ackermann")
    violations, summary = check([*one[:30], *other[30:]])
    assert ("run-id-differs", 31) == (violations[0].code, violations[0].line)
    assert 1 == summary.codes["run-id-differs"]


def test_a_trace_without_beginning_is_still_held_to_its_backend() -> None:
    """Where TraceStart is missing the artifacts tell a Cairo run."""
    events = cairo_run("loops")
    del events[33]["cycles"]
    _, summary = check(renumbered(events[1:]))
    assert {"start-missing": 1, "cycles-missing": 1} == summary.codes


def test_memory_grows_with_the_open_spans_alone() -> None:
    """Six times as many events cost no more memory; an open span costs less than 2 KiB."""

    def peak(name: str, **values: int) -> int:
        lines = lines_of(events_of(traced(name, values)))
        tracemalloc.start()
        try:
            checker = Checker()
            for line in lines:
                checker.line(line)
            assert [] == checker.finish()[0]
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    short, long = peak("fibonacci", n=50), peak("fibonacci", n=300)
    assert long < short + 20_000
    deep = peak("loops", i=0, n=0, depth=300, m=0)
    assert deep < short + 300 * 2048


def _native_first(lines: list[bytes]) -> tuple[int, str] | None:
    from proofrail._native import Checker as Native

    native = Native()
    native.feed(b"\n".join(lines))
    return native.finish()

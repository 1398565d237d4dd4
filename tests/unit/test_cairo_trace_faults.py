"""Failures in loops, recursion, libraries and hints, at every step: recorded, sealed, and audited to the item."""

import json
import struct
from collections.abc import Callable
from typing import Any

import plain_spans
import pytest
from cairo_runs import (
    PublishedRun,
    events_of,
    plain_events,
    program,
    published,
    traced,
    violations,
    without_volatile,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from proofrail.cairo import vm
from proofrail.cairo.program import CairoProgram
from proofrail.cairo.vm import Execution
from proofrail.wire.canonical import canonical
from proofrail.wire.errors import PoisonError

INPUTS = {"cell": -1, "code": ["0x208b7fff7fff7fff"]}
FAULTS = {
    1: ("assert-failed", "assert-failed in __main__.count at faults.cairo:15"),
    2: ("assert-failed", "assert-failed in __main__.count at faults.cairo:15"),
    3: ("assert-failed", "assert-failed in __main__.deep at faults.cairo:36"),
    4: ("assert-failed", "assert-failed in __main__.label at faults.cairo:49"),
    5: ("assert-failed", "assert-failed in modules.shared.refuse at shared.cairo:15"),
    6: ("assert-failed", "assert-failed in __main__.tile at faults.cairo:58"),
    7: (
        "hint-failed",
        "hint-failed in starkware.cairo.common.math.assert_not_zero at starkware/cairo/common/math.cairo:12",
    ),
    8: (
        "hint-failed",
        "hint-failed in starkware.cairo.common.math.assert_nn at starkware/cairo/common/math.cairo:57",
    ),
    9: ("memory-unknown", "memory-unknown in __main__.read at faults.cairo:54"),
    10: ("out-of-range", "out-of-range in __main__.write at faults.cairo:66"),
    11: ("memory-inconsistent", "memory-inconsistent in __main__.write_again at faults.cairo:72"),
    12: ("vm-error", "vm-error in __main__.sum_of_pointers at faults.cairo:76"),
    13: ("memory-unknown", "memory-unknown at pc 1126"),
    14: ("memory-unknown", "memory-unknown at a pc outside the program"),
    15: ("vm-error", "vm-error at a pc outside the program"),
    16: ("assert-failed", "assert-failed in __main__.main at faults.cairo:158"),
    17: ("out-of-range", "out-of-range in __main__.main at faults.cairo:162"),
}
STEPS = {
    1: 85,
    2: 257,
    3: 222,
    4: 15,
    5: 15,
    6: 26,
    7: 19,
    8: 26,
    9: 25,
    10: 25,
    11: 27,
    12: 29,
    13: 31,
    14: 36,
    16: 35,
    17: 37,
}
"""The steps that the original runner of cairo-lang completes before it fails. It takes the `ret` of 15 for one, which
the proof's constraints do not."""

OPEN = {
    1: ["main/count[9]", "main/count", "main"],
    2: ["main/rows[3]/count[3]", "main/rows[3]/count", "main/rows[3]", "main/rows", "main"],
    3: [None] * 7 + ["main" + "/deep" * depth for depth in range(64, -1, -1)],
    4: ["main/label", "main"],
    5: ["main"],
    6: ["main/tile", "main"],
    7: ["main"],
    8: ["main"],
}
"""Paths of the spans open at the failure, innermost first; below depth 64 there are none."""

Edit = Callable[[list[dict[str, Any]]], None]


def _found(run: PublishedRun, **how: Any) -> dict[str, Any]:
    report = run.audit(**how).report.to_object()
    assert report["verdict"] == "MISMATCH", report
    found: dict[str, Any] = report["first_mismatch"]
    return found


def _verdict(run: PublishedRun, **how: Any) -> str:
    return run.audit(**how).verdict


@pytest.mark.parametrize("mode", ["own", "all"])
@pytest.mark.parametrize("how", FAULTS)
def test_a_fault_is_recorded_and_the_audit_finds_it_real(how: int, mode: str) -> None:
    """Events are those of the text; with or without them, the auditor's own run fails the same way."""
    run = traced("faults", {"how": how, **INPUTS}, spans=mode)
    events = events_of(run)
    failure = run.execution.failure
    assert failure is not None
    assert FAULTS[how] == (failure.code, failure.message)
    assert plain_events(run, events) == without_volatile(events)
    assert [] == violations(run)
    assert ("TraceEnd", "failed") == (events[-1]["type"], events[-1]["outcome"])
    assert ["MATCH", "MATCH"] == [_verdict(published(run), with_events=each) for each in (True, False)]


@pytest.mark.parametrize("how", OPEN)
def test_open_spans_are_closed_innermost_first(how: int) -> None:
    """One Failure for each open span, then TraceEnd; iterations fail as iterations; all carry the one error."""
    events = events_of(traced("faults", {"how": how, **INPUTS}))
    failures = [event for event in events if "error" in event]
    assert events[-len(failures) - 1 : -1] == failures
    assert OPEN[how] == [event.get("path") for event in failures]
    assert list(range(len(failures)))[::-1] == [event["depth"] for event in failures]
    code, message = FAULTS[how]
    assert all({"code": code, "message": message} == event["error"] for event in failures)
    assert {1: 9, 2: 3}.get(how) == failures[0].get("iteration")
    assert "TileFailure" == failures[0]["type"]
    assert {"SequenceFailure"} >= {event["type"] for event in failures[1:]}


@pytest.mark.parametrize("how", FAULTS)
def test_as_many_steps_as_were_completed(how: int) -> None:
    """A limit of the completed steps stops right before the failing one; one step more, and it fails itself."""
    values = {"how": how, **INPUTS}
    steps = traced("faults", values).n_steps
    assert STEPS.get(how, 38) == steps
    codes = []
    for limit in (steps, steps + 1):
        limited = traced("faults", values, max_steps=limit)
        assert steps == limited.n_steps
        assert limited.execution.failure is not None
        codes.append(limited.execution.failure.code)
    assert ["step-limit", FAULTS[how][0]] == codes


def test_what_depends_on_the_machine_is_no_failed_run() -> None:
    """How much memory there is says nothing about a program: such a run is not sealed, and the place is named."""
    with pytest.raises(PoisonError) as refused:
        traced("faults", {"how": 19, **INPUTS})
    assert "memory-exhausted" == refused.value.code
    assert "faults.cairo:" in refused.value.message


@pytest.mark.parametrize("mode", ["own", "all"])
@pytest.mark.parametrize("how", [0, 18])
def test_the_step_limit_anywhere_in_loops_and_recursion(how: int, mode: str) -> None:
    """From the first step to the last, a limit gives the events of the text."""
    values = {"how": how, **INPUTS}
    most = traced("faults", values, spans=mode).execution.real_steps
    end = most - 1 if how == 0 else most
    for limit in sorted({*range(1, end, 3), *range(1, 12), *range(end - 8, end)}):
        run = traced("faults", values, spans=mode, max_steps=limit)
        events = events_of(run)
        assert ("failed", limit) == (run.outcome, run.n_steps)
        assert plain_events(run, events) == without_volatile(events)
        assert [] == violations(run)


@pytest.mark.parametrize("debug_info", [True, False])
def test_the_message_is_spelt_as_the_text_says(debug_info: bool) -> None:
    """Code, function and place of the instruction that comes next when the limit is met, wherever that is."""
    compiled = json.loads(program("faults").compiled)
    if not debug_info:
        compiled["debug_info"] = None
    faults = CairoProgram(json.dumps(compiled).encode())
    values = {"how": 18, **INPUTS}

    def run(limit: int | None) -> Execution:
        return vm.run(faults, values, "small", limit, private_input=False)

    pcs = [pc for _, _, pc in struct.iter_unpack("<QQQ", run(None).trace)]
    for limit, pc in enumerate(pcs[1:], 1):
        failure = run(limit).failure
        assert failure is not None
        assert plain_spans.message(faults.compiled, "step-limit", pc) == failure.message


def test_before_the_first_span_there_is_no_failure_event() -> None:
    """A limit that is reached before `main` is called leaves TraceStart and TraceEnd alone, and is audited."""
    run = traced("faults", {"how": 0, **INPUTS}, max_steps=1)
    assert ["TraceStart", "TraceEnd"] == [event["type"] for event in events_of(run)]
    assert "MATCH" == _verdict(published(run), max_steps=1)
    assert "SequenceFailure" not in str(events_of(run))
    two = events_of(traced("faults", {"how": 0, **INPUTS}, max_steps=2))
    assert ["TraceStart", "TileStart", "TileFailure", "TraceEnd"] == [event["type"] for event in two]


@pytest.mark.parametrize(("how", "limit"), [(0, 60), (0, 250), (3, 100), (3, 1000)])
def test_a_limited_run_is_audited_under_the_limit_it_was_made_with(how: int, limit: int) -> None:
    """With the tracer's limit as policy a real stop is a MATCH, and under any other limit a MISMATCH."""
    run = published(traced("faults", {"how": how, **INPUTS}, max_steps=limit))
    assert "MATCH" == _verdict(run, max_steps=limit)
    # The program fails by itself before 1,000 steps: then no limit above that matters.
    others = [limit - 7, limit + 1, 10_000] if limit < 1000 else [limit + 1, 10_000]
    expected = "MISMATCH" if limit < 1000 else "MATCH"
    assert {expected} == {_verdict(run, max_steps=other) for other in others}


def _claimed_failure(at: int, code: str) -> Edit:
    """Cut the run behind an item and let it have failed there."""

    def edit(events: list[dict[str, Any]]) -> None:
        end = events[-1]
        del events[at + 1 :]
        opened = [event for event in events if "artifact" in event and "depth" in event]
        closed = {event["span_id"] for event in events if event["type"].endswith("End")}
        error = {"code": code, "message": f"{code} in __main__.count at faults.cairo:15"}
        for start in reversed([event for event in opened if event["span_id"] not in closed]):
            kept = {name: start[name] for name in start if name not in ("parent_span_id", "seq", "type")}
            kind = start["type"].replace("Start", "Failure")
            events.append({**kept, "type": kind, "seq": len(events), "error": error})
        empty = traced("faults", {"how": 1, **INPUTS})
        events_of(empty)
        nothing = {name: empty.seal[name] for name in ("output_count", "output_sha256")}
        events.append({**end, **nothing, "seq": len(events), "outcome": "failed", "n_steps": 50})

    return edit


def test_a_failure_that_did_not_happen_is_found_at_its_item() -> None:
    """A completed run, published and signed as failed, differs at the first Failure."""
    run = traced("faults", {"how": 0, **INPUTS})
    honest = events_of(run)
    at = next(i for i, event in enumerate(honest) if event.get("path") == "main/rows[1]/count[2]")
    found = _found(published(run, _claimed_failure(at, "assert-failed")))
    assert ("type", at + 1) == (found["kind"], found["item"])
    assert ("TileEnd", "TileFailure") == (found["expected"], found["claimed"])
    # Stopped by a limit, it cannot have got as far as it claims in the steps it claims.
    assert "MISMATCH" == _verdict(published(run, _claimed_failure(at, "step-limit")))


def test_a_failed_run_published_as_completed_is_found_at_its_item() -> None:
    """Where the failure was left out, the first Failure is expected."""

    def complete(events: list[dict[str, Any]]) -> None:
        for event in events:
            if event["type"].endswith("Failure"):
                event["type"] = event["type"].replace("Failure", "End")
                for name in ("error", "input_bytes", "artifact", "depth", "path", "iteration", "detail"):
                    event.pop(name, None)
                event |= {"output_bytes": "", "cycles": 1}
        events[-1]["outcome"] = "completed"

    run = traced("faults", {"how": 2, **INPUTS})
    first = next(i for i, event in enumerate(events_of(run)) if "error" in event)
    found = _found(published(run, complete))
    assert ("type", first, "TileFailure", "TileEnd") == tuple(
        found[name] for name in ("kind", "item", "expected", "claimed")
    )


@pytest.mark.parametrize(
    ("member", "value", "pointer"),
    [
        ("code", "out-of-range", "/error/code"),
        ("message", "assert-failed in __main__.count at faults.cairo:16", "/error/message"),
        ("message", "assert-failed in __main__.rows at faults.cairo:15", "/error/message"),
    ],
)
def test_another_code_or_place_is_found_at_its_item(member: str, value: str, pointer: str) -> None:
    """The innermost Failure is the first that differs."""

    def edit(events: list[dict[str, Any]]) -> None:
        for event in events:
            if "error" in event:
                event["error"] = {**event["error"], member: value}

    run = traced("faults", {"how": 2, **INPUTS})
    first = next(i for i, event in enumerate(events_of(run)) if "error" in event)
    found = _found(published(run, edit))
    assert ("member", "error", first, pointer) == tuple(
        found[name] for name in ("kind", "member", "item", "pointer")
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(3, 300), st.data())
def test_what_is_altered_in_a_limited_run_is_found_at_its_item(limit: int, data: st.DataObject) -> None:
    """Without a policy the auditor takes the limit from the claim, and mislocates nothing for that."""
    run = traced("faults", {"how": 0, **INPUTS}, max_steps=limit)
    spans = [i for i, event in enumerate(events_of(run)) if "span_id" in event]
    item = data.draw(st.sampled_from(spans))

    def edit(events: list[dict[str, Any]]) -> None:
        events[item]["span_id"] = "0" * 16

    found = _found(published(run, edit))
    assert ("span_id", item) == (found["kind"], found["item"])


def test_a_report_on_a_limited_run_says_what_rests_on_the_tracers_word() -> None:
    """Any run can be stopped early and claimed to have met a limit: without a policy the report says so, with
    one the limit is checked."""
    run = published(traced("faults", {"how": 0, **INPUTS}, max_steps=100))
    report = run.audit().report
    assert "MATCH" == report.verdict
    assert ["limit"] == [part.part for part in report.unchecked if "step limit" in part.message]
    held = run.audit(max_steps=100).report
    assert ("MATCH", []) == (held.verdict, [part for part in held.unchecked if part.part == "limit"])
    first = next(i for i, line in enumerate(run.events) if b'"error"' in line)
    assert _found(run, max_steps=101)["item"] >= first


def test_a_root_altered_in_a_limited_run_is_found_in_the_seal() -> None:
    """The limit is known from the rest of the claim: the altered member is what differs, not the items."""
    for name in ("root", "chain"):
        run = published(traced("faults", {"how": 0, **INPUTS}, max_steps=100))
        seal = json.loads(run.commitments[-1])
        run.commitments[-1] = canonical({**seal, name: "0" * 64})
        for with_events in (True, False):
            found = _found(run, with_events=with_events)
            assert ("seal", name) == (found["where"], found["kind"])

"""Runs that fail: what is recorded of them, and what is no fact about a run."""

import json
from typing import Any

import pytest
from cairo_runs import events_of, plain_events, program, traced, without_volatile
from hypothesis import given, settings
from hypothesis import strategies as st

from proofrail.cairo.program import CairoProgram
from proofrail.cairo.trace import RunSpec, trace_run
from proofrail.wire.errors import PoisonError, UnusableInputError

FAILURES = {
    1: ("assert-failed", "assert-failed in __main__.check at failing.cairo:9"),
    2: (
        "hint-failed",
        "hint-failed in starkware.cairo.common.math.assert_nn at starkware/cairo/common/math.cairo:57",
    ),
    3: ("out-of-range", "out-of-range in __main__.walk at failing.cairo:25"),
    5: ("memory-unknown", "memory-unknown in __main__.unknown at failing.cairo:37"),
    6: ("builtin-inconsistent", "builtin-inconsistent at the end of the run"),
}


@pytest.mark.parametrize("mode", ["own", "all"])
@pytest.mark.parametrize("how", FAILURES)
def test_a_failed_run_is_recorded_up_to_its_failure(how: int, mode: str) -> None:
    """Open spans end with a Failure each, innermost first; no blocks; the message names code and place."""
    run = traced("failing", {"how": how}, spans=mode)
    events = events_of(run)
    failure = run.execution.failure
    assert failure is not None
    assert FAILURES[how] == (failure.code, failure.message)
    assert plain_events(run, events) == without_volatile(events)
    assert ("failed", run.n_steps, 0) == tuple(
        run.seal[name] for name in ("outcome", "n_steps", "output_count")
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 400), st.sampled_from(["own", "all"]))
def test_the_step_limit_fails_a_run_anywhere(limit: int, mode: str) -> None:
    """Wherever the limit falls, the events are those of the steps made, and these are as many as allowed."""
    run = traced("failing", {"how": 4}, spans=mode, max_steps=limit)
    events = events_of(run)
    failure = run.execution.failure
    assert failure is not None
    assert ("step-limit", limit) == (failure.code, run.n_steps)
    assert plain_events(run, events) == without_volatile(events)


def test_a_limit_that_is_not_reached_changes_nothing() -> None:
    """A run of exactly the permitted steps completes, as padding is not counted; one step less fails."""
    free = traced("failing", {"how": 0})
    allowed = free.execution.real_steps - 1
    assert "completed" == traced("failing", {"how": 0}, max_steps=allowed).outcome
    assert "failed" == traced("failing", {"how": 0}, max_steps=allowed - 1).outcome


def test_detail_stands_in_the_innermost_failure_only() -> None:
    """The VM's own text is not repeated in the failures around it."""
    failures = [event for event in events_of(traced("failing", {"how": 1})) if "error" in event]
    assert ["TileFailure", "SequenceFailure", "SequenceFailure", "SequenceFailure"] == [
        event["type"] for event in failures
    ]
    assert [True, False, False, False] == ["detail" in event for event in failures]
    assert "ASSERT_EQ" in failures[0]["detail"]


def test_a_failed_run_is_the_same_again() -> None:
    """Two runs that fail have the same commitment."""
    runs = [traced("failing", {"how": 3}) for _ in range(2)]
    for run in runs:
        events_of(run)
    assert runs[0].seal == runs[1].seal


@pytest.mark.parametrize(
    ("values", "code", "named"),
    [
        ({"how": 7}, "input-missing", '"missing"'),
        ({"how": 8}, "unknown-hint", 'print("a hint that no library has")'),
        ({}, "input-missing", '"how"'),
        ({"how": [1]}, "input-type", '"how"'),
    ],
)
def test_what_the_program_was_not_given_is_no_failed_run(
    values: dict[str, Any], code: str, named: str
) -> None:
    """A missing or unfit input and an unknown hint are errors that name it, not facts to be sealed."""
    with pytest.raises(UnusableInputError) as caught:
        traced("failing", values)
    assert code == caught.value.code
    assert named in caught.value.message
    assert "failing.cairo:" in caught.value.message


def test_a_failed_run_has_no_inputs_for_a_prover() -> None:
    """Neither public nor private input exists for a run that did not end."""
    execution = traced("failing", {"how": 1}).execution
    for ask in (execution.public_input, lambda: execution.private_input("trace.bin", "memory.bin")):
        with pytest.raises(PoisonError) as caught:
            ask()
        assert "run-failed" == caught.value.code


def test_locations_come_from_the_debug_info() -> None:
    """A pc of the trace is found in the source; one outside the program is not."""
    failing = program("failing")
    entry = {name: pc for name, pc, *_ in failing.native.functions()}["__main__.check"]
    location = failing.location(entry)
    assert location is not None
    assert ("failing.cairo", "__main__.check") == (location.file, location.function)
    assert failing.location(10**6) is None


def test_the_vms_own_text_never_keeps_a_run_from_being_sealed() -> None:
    """It is volatile: where an argument list leaves no room for it on the line, it is left out."""
    compiled = json.loads(program("failing").compiled)
    lengths = {}
    for felts in (1, 750, 1000, 1010):
        compiled["identifiers"]["__main__.check.Args"]["size"] = felts
        altered = CairoProgram(json.dumps(compiled).encode())
        run = trace_run(RunSpec(altered), [{"how": 1}], {"how": 1}, clock=lambda: 0)
        failure = next(event for event in events_of(run) if event["type"] == "TileFailure")
        assert 64 * felts == len(failure["input_bytes"])
        lengths[felts] = len(failure.get("detail", ""))
    assert lengths[1] > 0
    assert [0, 0] == [lengths[1000], lengths[1010]]

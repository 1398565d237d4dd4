"""Spans of programs put together at random, held to plain_spans.py: whatever calls whatever, from wherever."""

import pytest
from assembled import Assembled, assembled
from cairo_runs import events_of, plain_events, published, violations, without_volatile
from hypothesis import given, settings
from hypothesis import strategies as st

from proofrail.cairo.program import CairoProgram
from proofrail.cairo.trace import RunSpec, RunTrace, trace_run

MODES = st.sampled_from(["own", "all"])


def _run(program: Assembled, mode: str, max_steps: int | None) -> RunTrace:
    spec = RunSpec(CairoProgram(program.compiled), layout="plain", spans=mode, max_steps=max_steps)
    return trace_run(spec, [{}], {}, clock=lambda: 0, private_input=False)


def _check(program: Assembled, mode: str, max_steps: int | None) -> None:
    run = _run(program, mode, max_steps)
    events = events_of(run)
    assert plain_events(run, events) == without_volatile(events)
    assert [] == violations(run)
    assert "MATCH" == published(run).audit(max_steps=max_steps).verdict


@settings(max_examples=60, deadline=None)
@given(assembled(), MODES, st.none() | st.integers(1, 200))
def test_any_program_has_the_spans_of_the_text(program: Assembled, mode: str, limit: int | None) -> None:
    """Both implementations record the same; no invariant is broken; the audit agrees."""
    _check(program, mode, limit)


@pytest.mark.slow
@settings(max_examples=600, deadline=None)
@given(assembled(), MODES, st.none() | st.integers(1, 400))
def test_hundreds_of_programs_have_the_spans_of_the_text(
    program: Assembled, mode: str, limit: int | None
) -> None:
    """The same on more of them."""
    _check(program, mode, limit)

"""Spans from events: what is kept, what is folded, and at which step they begin."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from cairo_runs import events_of, program, traced
from hypothesis import given, settings
from hypothesis import strategies as st

from proofrail.cairo.source import SourceFiles
from proofrail.cairo.trace import RunSpec, RunTrace
from proofrail.cairo.vm import run as execute
from proofrail.cli.diff_items import compare_runs
from proofrail.cli.show_print import print_run
from proofrail.cli.show_source import RunSource
from proofrail.cli.show_tree import Folded, Limits, Span, StepClock, Summary, read_spans, read_tree
from proofrail.wire.canonical import canonical
from proofrail.wire.errors import UnusableInputError

LOOPS = {"i": 2, "n": 50, "depth": 20, "m": 1}


def shape(spans: list[Span | Folded]) -> list[Any]:
    return [
        span.count if isinstance(span, Folded) else (f"{span.name}{span.iteration}", shape(span.children))
        for span in spans
    ]


def test_a_tree_is_whole_without_limits() -> None:
    """Every span of the run is in it, at its place, with the steps of its inner ones at most."""
    events = events_of(traced("loops", LOOPS))
    summary = Summary()
    tree = read_tree(events, summary, Limits())
    seen = 0
    waiting = [span for span in tree if isinstance(span, Span)]
    while waiting:
        span = waiting.pop()
        seen += 1
        inner = [child for child in span.children if isinstance(child, Span)]
        assert span.is_ended
        assert (span.cycles or 0) >= sum(child.cycles or 0 for child in inner)
        assert all(child.depth == span.depth + 1 for child in inner)
        waiting += inner
    assert summary.spans == seen == sum(event["type"].endswith("Start") for event in events) - 1
    assert summary.end == events[-1]


def test_iterations_are_folded_but_for_the_first_ones_and_the_last() -> None:
    """Of 51 iterations three are shown at the beginning, one at the end; the steps of the others are added up."""
    events = events_of(traced("loops", LOOPS))
    tree = read_tree(events, Summary(), Limits(fold=4))
    whole = read_tree(events, Summary(), Limits())
    inner, all_of_it = (_first(spans, "inner") for spans in (tree, whole))
    assert [0, 1, 2, "folded", 50] == [getattr(child, "iteration", "folded") for child in inner.children]
    folded = inner.children[3]
    assert isinstance(folded, Folded)
    hidden = [child for child in all_of_it.children if isinstance(child, Span)][3:50]
    assert (47, sum(child.cycles or 0 for child in hidden)) == (folded.count, folded.cycles)


def _first(spans: list[Span | Folded], name: str) -> Span:
    waiting = list(spans)
    while waiting:
        span = waiting.pop(0)
        if isinstance(span, Span):
            if span.name == name:
                return span
            waiting += span.children
    raise AssertionError(name)


def test_as_many_as_may_be_shown_are_not_folded() -> None:
    """A fold stands for one span at least."""
    events = events_of(traced("loops", {**LOOPS, "n": 3}))
    four = _first(read_tree(events, Summary(), Limits(fold=4)), "inner")
    three = _first(read_tree(events, Summary(), Limits(fold=3)), "inner")
    assert [("inner0", []), ("inner1", []), ("inner2", []), ("inner3", [])] == shape(four.children)
    assert [("inner0", []), ("inner1", []), 1, ("inner3", [])] == shape(three.children)


def test_spans_below_the_depth_are_counted() -> None:
    """Nothing is lost silently: the innermost span that is shown says how many lie below."""
    events = events_of(traced("loops", LOOPS))
    summary = Summary()
    tree = read_tree(events, summary, Limits(depth=1))
    main = tree[0]
    assert isinstance(main, Span)
    shown = [child for child in main.children if isinstance(child, Span)]
    assert summary.spans == 1 + len(shown) + sum(child.below for child in shown)
    assert all(child.children == [] for child in shown)


def test_a_very_deep_run_is_read_without_recursion() -> None:
    """30,000 spans inside one another are not too many for a reader."""
    summary = Summary()
    starts = [{"type": "SequenceStart", "name": "f", "depth": d} for d in range(30_000)]
    tree = read_tree(starts, summary, Limits(depth=2))
    assert 30_000 == summary.spans
    assert [("fNone", [("fNone", [("fNone", [])])])] == shape(tree)


def test_the_failed_spans_and_the_innermost_of_them_are_known() -> None:
    """The first Failure in the stream is the innermost span's."""
    summary = Summary()
    tree = read_tree(events_of(traced("failing", {"how": 1})), summary, Limits())
    failed = summary.innermost_failure
    assert failed is not None
    assert ("check", "assert-failed") == (failed.name, (failed.error or {})["code"])
    assert tree[0].error == failed.error if isinstance(tree[0], Span) else False


def test_an_end_without_a_start_is_named() -> None:
    """Such a stream has no tree; the line is said."""
    with pytest.raises(UnusableInputError) as error:
        list(read_spans([{"type": "TraceStart"}, {"type": "TileEnd"}], Summary()))
    assert ("events-not-nested", 2) == (error.value.code, error.value.context["line"])


def test_spans_that_never_end_are_shown_as_such() -> None:
    """A stream that was cut still has its tree."""
    events = events_of(traced("loops", LOOPS))[:7]
    tree = read_tree(events, Summary(), Limits())
    main = tree[0]
    assert isinstance(main, Span)
    assert not main.is_ended


@pytest.mark.parametrize("duration", [5_000, 123_457, 10**12])
def test_timestamps_tell_the_first_step_of_each_span(duration: int) -> None:
    """As long as the clock is no coarser than the steps, the step is exact."""
    loops = program("loops")
    execution = execute(loops, LOOPS, "small")
    by_step = RunTrace(RunSpec(loops), [canonical(LOOPS)], execution, 0, execution.n_steps)
    by_clock = RunTrace(
        RunSpec(loops), [canonical(LOOPS)], execution, 1_000, 1_000 + execution.n_steps + duration
    )
    exact, timed = events_of(by_step), events_of(by_clock)
    clock = StepClock(timed[0], timed[-1])
    starts = [
        (e["timestamp"], clock.step(t)) for e, t in zip(exact, timed, strict=True) if "Start" in e["type"]
    ]
    assert [step for step, _ in starts] == [step for _, step in starts]


def test_a_clock_coarser_than_the_steps_tells_none() -> None:
    """Rather no step than a wrong one."""
    events = events_of(traced("loops", LOOPS))
    assert (
        StepClock(events[0], {**events[-1], "timestamp": events[0]["timestamp"] + 3}).step(events[5]) is None
    )
    assert StepClock(events[0], {}).step(events[5]) is None


def source(folder: Path, name: str, events: list[dict[str, Any]]) -> RunSource:
    path = folder / name
    path.write_bytes(b"".join(canonical(event) + b"\n" for event in events))
    return RunSource(name, path)


def alter(events: list[dict[str, Any]], item: int, **members: Any) -> list[dict[str, Any]]:
    return [{**event, **members} if at == item else event for at, event in enumerate(events)]


@pytest.mark.parametrize(
    ("item", "members", "kind", "member"),
    [
        (5, {"input_bytes": "00" * 64}, "input_bytes", "input_bytes"),
        (5, {"depth": 7}, "depth", "depth"),
        (5, {"iteration": 9, "path": "x"}, "path", "path"),
        (6, {"cycles": 1}, "member", "cycles"),
        (6, {"new": 1}, "member", "new"),
        (6, {"type": "TileStart"}, "type", "type"),
        (6, {"run_id": "other"}, "run_id", "run_id"),
    ],
)
def test_the_first_item_that_differs_is_found_from_both_sides(
    tmp_path: Path, item: int, members: dict[str, Any], kind: str, member: str
) -> None:
    """By the precedence of the text, with the place on both sides; unknown members count on either side."""
    events = events_of(traced("loops", LOOPS))
    left, right = source(tmp_path, "a", events), source(tmp_path, "b", alter(events, item, **members))
    for one, other in ((left, right), (right, left)):
        apart = compare_runs(one, other).apart
        assert apart is not None
        assert apart.difference is not None
        assert (item, kind, member) == (apart.item, apart.difference.kind, apart.difference.member)
    assert events[item].get("path", "main/outer[0]/inner[0]") == apart.places[1].path


def test_other_inputs_do_not_hide_the_first_span_that_differs(tmp_path: Path) -> None:
    """What follows from the header is left out, and said to be."""
    one = source(tmp_path, "a", events_of(traced("loops", LOOPS)))
    other = source(tmp_path, "b", events_of(traced("loops", {**LOOPS, "depth": 21})))
    found = compare_runs(one, other)
    assert ["inputs_sha256"] == list(found.header)
    assert ("parent_span_id", "run_id", "span_id") == found.left_out
    assert found.apart is not None
    assert "main/down" == found.apart.places[0].path
    assert found.apart.difference is not None
    assert "input_bytes" == found.apart.difference.member


def test_a_run_that_ends_early_differs_in_length(tmp_path: Path) -> None:
    """Either side may be the shorter one."""
    events = events_of(traced("loops", LOOPS))
    whole, cut = source(tmp_path, "a", events), source(tmp_path, "b", events[:-2])
    for one, other in ((whole, cut), (cut, whole)):
        apart = compare_runs(one, other).apart
        assert apart is not None
        assert (len(events) - 2, None) == (apart.item, apart.difference)


def test_equal_runs_are_the_same_whatever_their_clocks_say(tmp_path: Path) -> None:
    """Timestamps and other volatile members are not compared."""
    events = events_of(traced("loops", LOOPS))
    later = [{**event, "timestamp": event["timestamp"] + 5} for event in events]
    found = compare_runs(source(tmp_path, "a", events), source(tmp_path, "b", later))
    assert (True, len(events)) == (found.is_same, found.equal)


def test_a_line_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """With its number and what is wrong with it; the last event of such a file is none."""
    path = tmp_path / "events.ndjson"
    path.write_bytes(json.dumps({"v": 1, "type": "TraceStart"}).encode() + b'\n{"a":1.5}')
    broken = RunSource("broken", path)
    with pytest.raises(UnusableInputError) as error:
        list(broken.events())
    assert ("malformed-float", 2) == (error.value.code, error.value.context["line"])
    assert {} == broken.last


def test_control_characters_do_not_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What somebody published must not steer the terminal of whoever looks at it."""
    events = alter(
        events_of(traced("loops", LOOPS)), 5, name="\x1b]0;evil\x07\x1b[2J", tile_id="\x1b[2J[bold]x[/]"
    )
    run = source(tmp_path, "events.ndjson", events)
    summary = Summary()
    print_run(run, summary, read_tree(run.events(), summary, Limits()), SourceFiles([]), whole=True)
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\ufffd[2J[bold]x[/]" in shown


MISFITS = st.sampled_from([0, -1, "", "zz", "00", [], {}, None, True, 2**53, "\x1b[2J", "0" * 63])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 14), MISFITS), min_size=1, max_size=4))
def test_no_event_is_too_strange_to_be_shown_or_refused(changes: list[tuple[int, int, Any]]) -> None:
    """Whatever a member holds, there is a tree, a difference, or an error in words."""
    events = [dict(event) for event in events_of(traced("failing", {"how": 1}))]
    honest = events_of(traced("failing", {"how": 1}))
    for item, member, value in changes:
        event = events[item % len(events)]
        event[sorted(event)[member % len(event)]] = value
    with tempfile.TemporaryDirectory() as folder:
        one, other = (source_of(Path(folder), name, of) for name, of in (("a", events), ("b", honest)))
        with contextlib.suppress(UnusableInputError), redirect_stdout(io.StringIO()):
            summary = Summary()
            print_run(one, summary, read_tree(one.events(), summary, Limits()), SourceFiles([]), whole=False)
        with contextlib.suppress(UnusableInputError):
            compare_runs(one, other)
            compare_runs(other, one)


def source_of(folder: Path, name: str, events: list[dict[str, Any]]) -> RunSource:
    path = folder / name
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return RunSource(name, path)

"""Each violation that well-formed events can commit, provoked alone: what is altered, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from event_streams import (
    NO_INPUTS,
    NO_OUTPUT,
    Event,
    cairo_run,
    check,
    foreign_run,
    golden,
    renumbered,
    two_blocks,
)

from proofrail.audit.invariants.violations import CODES

Streams = Callable[[], list[Event]]
Edit = Callable[[list[Event]], list[Event] | None]


def _loops() -> list[Event]:
    return cairo_run("loops")


def _assert() -> list[Event]:
    return cairo_run("assert")


def _native() -> list[Event]:
    return golden("native")


def _set(line: int, **members: object) -> Edit:
    """Set members at a line; None takes them away."""

    def edit(events: list[Event]) -> None:
        event = events[line - 1]
        event.update(members)
        for name in [name for name, value in members.items() if value is None]:
            del event[name]

    return edit


def _drop(*lines: int) -> Edit:
    return lambda events: renumbered([event for at, event in enumerate(events, 1) if at not in lines])


def _insert(line: int, *made: Event, like: int) -> Edit:
    """Put events before a line; they take what they do not say from the event at line `like`."""
    return lambda events: renumbered(
        [*events[: line - 1], *(events[like - 1] | event for event in made), *events[line - 1 :]]
    )


def _all(*edits: Edit) -> Edit:
    def edit(events: list[Event]) -> list[Event]:
        for one in edits:
            events = one(events) or events
        return events

    return edit


def _named_otherwise(event: Event, kind: str) -> Event:
    names = {"tile_id", "name"}
    name = event["tile_id" if "tile_id" in event else "name"]
    kept = {member: value for member, value in event.items() if member not in names}
    return kept | {"type": kind, "tile_id" if kind.startswith("Tile") else "name": name}


def _other_kind(*lines: int) -> Edit:
    """Tiles become sequences, and the other way round."""

    def edit(events: list[Event]) -> None:
        for line in lines:
            kind = events[line - 1]["type"]
            other = "Sequence" if kind.startswith("Tile") else "Tile"
            events[line - 1] = _named_otherwise(
                events[line - 1], other + kind.removeprefix("Tile").removeprefix("Sequence")
            )

    return edit


def _swap(line: int) -> Edit:
    def edit(events: list[Event]) -> list[Event]:
        events[line - 1 : line + 1] = reversed(events[line - 1 : line + 1])
        return renumbered(events)

    return edit


def _wrong_run(events: list[Event]) -> list[Event]:
    return renumbered([event | {"run_id": "f" * 32} for event in events])


def _other_inputs(events: list[Event]) -> list[Event]:
    """A native run that says it had an input, and none."""
    return [events[0] | {"inputs_count": 1}, *events[1:]]


def _artifact(line: int, **members: str) -> Edit:
    def edit(events: list[Event]) -> None:
        events[line - 1]["artifact"] |= members

    return edit


def _program(**members: str) -> Edit:
    def edit(events: list[Event]) -> None:
        events[0]["program"] |= members
        for event in events:
            if "artifact" in event:
                event["artifact"]["backend"] = members["backend"]

    return edit


FELT = "0" * 63 + "1"
LARGE = f"{2**251 + 17 * 2**192 + 1:064x}"

# code, stream, alteration, line that is named, member that is named
CASES: list[tuple[str, Streams, Edit, int, str | None]] = [
    ("start-missing", foreign_run, _drop(1), 1, "type"),
    ("start-again", _loops, lambda events: renumbered([events[0], *events]), 2, None),
    ("run-id-differs", _loops, _set(7, run_id="f" * 32), 7, "run_id"),
    ("run-id-wrong", _loops, _wrong_run, 1, "run_id"),
    ("layout-wrong", _native, _program(backend="risc0"), 1, "layout"),
    ("layout-wrong", lambda: golden("imported"), _program(backend="wasm"), 1, "layout"),
    ("inputs-wrong", foreign_run, _other_inputs, 1, "inputs_count"),
    ("inputs-wrong", foreign_run, _set(1, inputs_sha256="0" * 64), 1, "inputs_count"),
    ("inputs-wrong", _native, _set(1, inputs_count=2), 2, "input_bytes"),
    ("inputs-wrong", _native, _set(2, input_bytes="01"), 2, "input_bytes"),
    ("run-id-wrong", _native, _wrong_run, 1, "run_id"),
    ("run-id-wrong", lambda: golden("imported"), _set(1, inputs_sha256="0" * 64), 1, "run_id"),
    ("outermost-again", _native, lambda events: _second_entry(events), 38, None),
    ("seq-wrong", _loops, _set(7, seq=7), 7, "seq"),
    ("seq-wrong", _loops, lambda events: events[:12] + events[14:], 13, "seq"),
    ("order-wrong", _loops, _swap(48), 49, "type"),
    ("after-end", _loops, lambda events: renumbered([*events, events[-1], events[-1]]), 51, None),
    ("not-ended", _loops, _drop(50), 50, None),
    ("not-ended", list, lambda events: events, 1, None),
    ("span-open", _loops, _drop(47), 47, "span_id"),
    ("end-missing", _loops, _drop(14), 14, "span_id"),
    ("end-missing", _loops, _drop(46), 46, "span_id"),
    ("end-without-start", _loops, _insert(32, {}, like=14), 32, "span_id"),
    ("end-without-start", _loops, lambda events: renumbered([events[0], *events[46:]]), 2, None),
    ("end-span-wrong", _loops, _set(7, span_id="0" * 16), 7, "span_id"),
    ("end-kind-wrong", _loops, _other_kind(34), 34, "type"),
    ("name-differs", _loops, _set(14, tile_id="tule"), 14, "tile_id"),
    ("name-differs", _assert, _set(11, name="wilk"), 11, "name"),
    ("span-id-wrong", _loops, _set(13, span_id="0" * 16), 13, "span_id"),
    ("parent-missing", _loops, _drop(38), 38, "parent_span_id"),
    ("parent-wrong", _loops, _set(13, parent_span_id="0" * 16), 13, "parent_span_id"),
    ("parent-wrong", _loops, _set(13, parent_span_id=None), 13, "parent_span_id"),
    ("parent-wrong", _loops, _set(2, parent_span_id="0" * 16), 2, "parent_span_id"),
    ("depth-wrong", _loops, _set(13, depth=4), 13, "depth"),
    ("path-wrong", _loops, _set(13, path="main/outer[0]/tule"), 13, "path"),
    ("path-wrong", _loops, _set(31, path=None), 31, "path"),
    ("path-wrong", _loops, _set(5, path="main/outer[0]/Inner"), 5, "path"),
    ("path-wrong", lambda: cairo_run("deep"), lambda events: _deep_path(events), 71, "path"),
    ("tile-has-child", _loops, _other_kind(31, 36), 32, None),
    ("sequence-empty", _loops, _other_kind(13, 14), 14, None),
    ("artifact-differs", _loops, _artifact(13, method_id="0x1"), 13, "artifact"),
    ("artifact-differs", foreign_run, _artifact(4, backend="cairo"), 4, "artifact"),
    ("artifact-differs", _native, _artifact(14, method_id="0" * 64), 14, "artifact"),
    ("artifact-differs", _native, _artifact(35, method_id="0x1"), 35, "artifact"),
    ("artifact-differs", _native, _artifact(35, backend="risc0"), 35, "artifact"),
    ("artifact-differs", lambda: golden("imported"), _artifact(2, backend="native"), 2, "artifact"),
    ("felts-wrong", _loops, _all(_set(2, input_bytes="00")), 2, "input_bytes"),
    ("felts-wrong", _loops, _set(47, output_bytes=LARGE), 47, "output_bytes"),
    ("function-differs", _loops, _set(25, input_bytes=""), 25, "input_bytes"),
    ("function-differs", _loops, _set(26, output_bytes=FELT * 2), 26, "output_bytes"),
    ("function-differs", _loops, lambda events: _no_loop(events), 18, "loop"),
    ("iteration-wrong", _loops, _set(8, iteration=2, path="main/outer[0]/inner[2]"), 8, "iteration"),
    ("iteration-wrong", foreign_run, _set(6, iteration=2), 6, "iteration"),
    ("iteration-misplaced", _loops, _set(25, iteration=0), 25, "iteration"),
    ("iteration-misplaced", _loops, _set(2, iteration=0), 2, "iteration"),
    ("iteration-missing", _loops, _set(8, iteration=None), 8, "iteration"),
    (
        "iteration-name-differs",
        _loops,
        _all(_set(8, tile_id="Inner"), _set(9, tile_id="Inner")),
        8,
        "tile_id",
    ),
    ("loop-input-differs", _loops, _set(3, input_bytes=FELT * 3), 4, "input_bytes"),
    ("loop-output-differs", _loops, _set(12, output_bytes=FELT), 12, "output_bytes"),
    ("output-missing", _loops, _set(14, output_bytes=None), 14, "output_bytes"),
    ("output-missing", _loops, _set(11, output_bytes=None), 11, "output_bytes"),
    ("output-missing", foreign_run, _set(7, output_bytes=None), 7, "output_bytes"),
    ("output-unexpected", _loops, _set(7, output_bytes=FELT), 7, "output_bytes"),
    ("cycles-missing", _loops, _set(34, cycles=None), 34, "cycles"),
    ("cycles-wrong", _loops, _set(12, cycles=14), 12, "cycles"),
    ("cycles-wrong", _loops, _set(36, cycles=9), 36, "cycles"),
    ("cycles-wrong", _loops, _set(34, cycles=0), 34, "cycles"),
    ("cycles-misplaced", _native, _set(36, cycles=5), 36, "cycles"),
    ("proof-misplaced", _loops, _set(34, verified=True), 34, "verified"),
    ("proof-misplaced", _loops, _set(34, receipt=""), 34, "receipt"),
    ("n-steps-too-few", _assert, _set(14, n_steps=1), 14, "n_steps"),
    ("failure-differs", _assert, _set(10, depth=2), 10, "depth"),
    ("failure-differs", _assert, _set(10, path=None), 10, "path"),
    ("failure-differs", _assert, _set(11, iteration=2), 11, "iteration"),
    ("failure-differs", _assert, _set(12, input_bytes=FELT * 2), 12, "input_bytes"),
    ("failure-differs", _assert, _artifact(12, method_id="0x1"), 12, "artifact"),
    ("artifact-missing", _assert, _set(11, artifact=None), 11, "artifact"),
    ("error-differs", _assert, _set(12, error={"code": "assert-failed", "message": "?"}), 12, "error"),
    ("error-code-missing", _assert, lambda events: _no_code(events), 10, "error.code"),
    ("error-code-missing", _native, lambda events: _caught(events, error={"message": "?"}), 38, "error.code"),
    ("artifact-missing", _native, lambda events: _caught(events, artifact=None), 38, "artifact"),
    ("error-wrong", _assert, lambda events: _error(events, "oops", "oops in a at b:1"), 10, "error.code"),
    ("error-wrong", _assert, lambda events: _error(events, "vm-error", "?"), 10, "error.message"),
    ("error-wrong", _assert, lambda events: _error(events, "vm-error", "vm-error in a"), 10, "error.message"),
    (
        "error-wrong",
        _assert,
        lambda events: _error(events, "vm-error", "vm-error at the end of the run"),
        10,
        "error.message",
    ),
    ("detail-misplaced", _assert, _set(11, detail="again"), 11, "detail"),
    ("after-failure", _assert, lambda events: _ends_well(events), 13, None),
    ("after-failure", _assert, lambda events: _goes_on(events), 13, None),
    ("outcome-wrong", _assert, lambda events: _with_blocks(events), 16, "outcome"),
    (
        "outcome-wrong",
        _native,
        _set(38, outcome="failed", output_count=0, output_sha256=NO_OUTPUT),
        38,
        "outcome",
    ),
    ("block-wrong", two_blocks, _set(49, block=2), 49, "block"),
    ("block-first-wrong", two_blocks, _set(49, first_step=4095), 49, "first_step"),
    ("block-first-wrong", two_blocks, _set(50, first_cell=1), 50, "first_cell"),
    ("block-short", two_blocks, _all(_set(48, steps=4095), _set(52, n_steps=8191)), 48, "steps"),
    ("block-short", two_blocks, _set(50, cells=1), 50, "cells"),
    ("blocks-in-failed-run", _assert, lambda events: _with_blocks(events, outcome="failed"), 16, "outcome"),
    ("steps-wrong", _loops, _set(50, n_steps=4095), 50, "n_steps"),
    ("steps-wrong", lambda: golden("imported"), _set(18, n_steps=1), 18, "n_steps"),
    ("steps-wrong", _loops, _drop(48), 49, "n_steps"),
    ("cells-missing", _loops, _drop(49), 49, None),
    ("output-wrong", _assert, _set(14, output_count=1, output_sha256="0" * 64), 14, "output_count"),
    ("output-wrong", _native, _set(38, output_sha256="0" * 64), 38, "output_sha256"),
    ("output-wrong", _native, _set(38, output_count=2), 38, "output_count"),
    ("output-wrong", _loops, _set(50, output_count=0), 50, "output_sha256"),
    ("output-wrong", _loops, _set(50, output_sha256=NO_OUTPUT), 50, "output_count"),
]


def _deep_path(events: list[Event]) -> None:
    event = next(event for event in events if event.get("depth") == 65)
    event["path"] = "main"


def _no_loop(events: list[Event]) -> list[Event]:
    """A second call of `inner`, which is a loop, as a tile."""
    inner = [events[16] | {"depth": 3}, events[23]]
    made = [_named_otherwise(inner[0], "TileStart"), _named_otherwise(inner[1], "TileEnd")]
    return renumbered([*events[:16], *made, *events[24:]])


def _no_code(events: list[Event]) -> None:
    for event in events[9:12]:
        event["error"] = {"message": "?"}
    events[12]["error"] = {"message": "?"}


def _error(events: list[Event], code: str, message: str) -> None:
    for event in events[9:13]:
        event["error"] = {"code": code, "message": message}


def _caught(events: list[Event], **members: object) -> list[Event]:
    """The native run with one more tile, which fails and is caught; members of its Failure, None for none."""
    start = events[34] | {"span_id": "x"}
    failure = {name: value for name, value in start.items() if name != "parent_span_id"}
    failure |= {"type": "TileFailure", "error": {"code": "c", "message": "m"}} | members
    failed = {name: value for name, value in failure.items() if value is not None}
    return renumbered([*events[:36], start, failed, *events[36:]])


def _second_entry(events: list[Event]) -> list[Event]:
    start = {name: value for name, value in events[34].items() if name != "parent_span_id"}
    start |= {"span_id": "x", "depth": 0, "path": start["tile_id"]}
    end = events[35] | {"span_id": "x", "output_bytes": events[36]["output_bytes"]}
    return renumbered([*events[:37], start, end, events[37]])


def _ends_well(events: list[Event]) -> None:
    made = {name: events[12][name] for name in ("v", "run_id", "seq", "timestamp", "name", "span_id")}
    events[12] = made | {"type": "SequenceEnd", "output_bytes": "", "cycles": 32}


def _goes_on(events: list[Event]) -> list[Event]:
    """After the loop has failed, main calls another tile, which fails likewise."""
    start = events[8] | {
        "path": "main/check",
        "depth": 1,
        "parent_span_id": events[1]["span_id"],
        "span_id": "x",
    }
    failure = {name: value for name, value in events[9].items() if name != "detail"}
    failed = failure | {"path": "main/check", "depth": 1, "span_id": "x"}
    return renumbered([*events[:12], start, failed, *events[12:]])


def _with_blocks(events: list[Event], outcome: str = "completed") -> list[Event]:
    blocks = [event for event in cairo_run("loops") if event["type"].endswith("Block")]
    own = [block | {"run_id": events[0]["run_id"]} for block in blocks]
    n_steps = events[-1]["n_steps"] if outcome == "failed" else 4096
    return renumbered([*events[:-1], *own, events[-1] | {"outcome": outcome, "n_steps": n_steps}])


@pytest.mark.parametrize(
    ("code", "stream", "edit", "line", "member"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)]
)
def test_each_violation_is_named_alone(
    code: str, stream: Streams, edit: Edit, line: int, member: str | None
) -> None:
    """One alteration, one violation: with its code, its line and the member, and nothing behind it."""
    before = stream()
    assert [] == check(before)[0] or not before
    events = edit(before) or before
    violations, summary = check(events)
    assert [(code, line, member)] == [(v.code, v.line, v.place.get("member")) for v in violations]
    assert {code: 1} == summary.codes
    assert not summary.clean


def test_every_code_is_provoked() -> None:
    """The cases above reach every code of the checker, and each code says what it means."""
    assert set(CODES) == {case[0] for case in CASES}
    assert all(text.endswith(".") for text in CODES.values())


def test_no_inputs_are_told_by_their_digest() -> None:
    """The digest of no inputs is that of nothing."""
    assert NO_INPUTS == foreign_run()[0]["inputs_sha256"]

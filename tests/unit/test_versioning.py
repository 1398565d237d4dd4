"""What a later version 1 adds survives, and what version 1 does not know is named: in every message, and wherever a
line is read, kept or published again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cairo_runs import PublishedRun, published, traced
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proofrail._native import Committer as NativeCommitter
from proofrail.audit.claimed_events import EventValues
from proofrail.audit.invariants.check import check_events_alone
from proofrail.commitment.blocks import Committer
from proofrail.commitment.items import item_bytes
from proofrail.wire.canonical import canonical, parse_object
from proofrail.wire.errors import MalformedError
from proofrail.wire.events import EVENT_TYPES, parse_event
from proofrail.wire.messages import MESSAGE_TYPES, IndexEntry, parse_message, to_line
from proofrail.wire.model import Part
from proofrail.wire.ndjson import iter_lines, join, split
from proofrail.wire.runs import RunAssembler

MESSAGES = Path(__file__).parents[2] / "schemas" / "vectors" / "messages"
TYPES = [*EVENT_TYPES, *MESSAGE_TYPES]
LOOPS = {"i": 1, "n": 1, "depth": 0, "m": 0}


def _defined(model: type[Part]) -> set[str]:
    return set(model.model_fields).union(*map(_defined, model.__subclasses__()))


DEFINED = _defined(Part)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
ODD = ["_", "__class__", "model_fields", "model_config", "copy", "json", "self", "to_object", "V", "€", "😀"]
NAMES = (TEXT | st.sampled_from(ODD)).filter(lambda name: name not in DEFINED)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
UNKNOWN = st.dictionaries(NAMES, VALUES, max_size=4)
"""Members by any name that version 1 does not define."""


def _examples(kind: str) -> list[dict[str, Any]]:
    return [parse_object(line) for line in split((MESSAGES / f"{kind}.ndjson").read_bytes())]


def _defined_objects(message: dict[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Where a message has objects whose members version 1 defines: the message itself, and those within."""
    open_ones = {"input", "statement", "parameters", "identities", "timings", "expected", "claimed"}
    found = [path]
    for name, value in message.items():
        if isinstance(value, dict) and name not in open_ones:
            found += _defined_objects(value, (*path, name))
    return found


def _extended(message: dict[str, Any], path: tuple[str, ...], unknown: dict[str, Any]) -> dict[str, Any]:
    if not path:
        return {**unknown, **message}
    return {**message, path[0]: _extended(message[path[0]], path[1:], unknown)}


@pytest.mark.parametrize("kind", TYPES)
@settings(max_examples=20, deadline=None)
@given(st.data(), UNKNOWN)
def test_unknown_members_of_every_message_survive_byte_for_byte(
    kind: str, data: st.DataObject, unknown: dict[str, Any]
) -> None:
    """At every level that version 1 defines: any name, any value, null among them."""
    message = data.draw(st.sampled_from(_examples(kind)))
    path = data.draw(st.sampled_from(_defined_objects(message)))
    line = canonical(_extended(message, path, unknown))
    assert line == to_line(parse_message(line))
    if kind in EVENT_TYPES:
        assert line == to_line(parse_event(line))


@settings(max_examples=40, deadline=None)
@given(UNKNOWN, st.sampled_from(_examples("AllocationIndex")))
def test_an_index_entry_that_is_published_again_keeps_them(unknown: dict[str, Any], entry: Any) -> None:
    """The tracer writes entries anew when it moves them to another run; what it does not know goes along."""
    read = parse_message(canonical({**unknown, **entry}))
    assert isinstance(read, IndexEntry)
    moved = read.model_copy(update={"run_id": "moved", "row": 1, "dead_letter": "code"})
    assert canonical({**unknown, **entry, "run_id": "moved", "row": 1, "dead_letter": "code"}) == to_line(
        moved
    )


@settings(max_examples=25, deadline=None)
@given(st.lists(UNKNOWN, min_size=1, max_size=5), st.integers(1, 5))
def test_lines_pass_through_records_and_files_as_they_are(
    tmp_path_factory: pytest.TempPathFactory, lines: list[dict[str, Any]], at_once: int
) -> None:
    """Records of a run, put together again, and files, read line by line, give the very bytes that were written."""
    written = [canonical({**members, "type": f"Novel{n}"}) for n, members in enumerate(lines)]
    seal = canonical(_examples("CommitmentSeal")[-1] | {"new": None})
    values = [join(written[start : start + at_once]) for start in range(0, len(written), at_once)]
    assert written == list(EventValues(values)())
    assembler = RunAssembler()
    runs = [run for value in [*values, join([seal])] for run in assembler.feed("r", value)]
    assert [[*written, seal]] == [list(run.read()) for run in runs]
    file = tmp_path_factory.mktemp("lines") / "events.ndjson"
    file.write_bytes(b"".join(values))
    with file.open("rb") as opened:
        assert written == [line for _, line in iter_lines(opened)]


@settings(max_examples=40, deadline=None)
@given(UNKNOWN)
@example({"receipt": "00", "verified": False, "proof_cycles": 7})
def test_unknown_members_are_committed_to(unknown: dict[str, Any]) -> None:
    """Both committers bind members that they do not know, whatever the order they came in."""
    event = {**unknown, **_examples("TileEnd")[0]}
    assert {name for name in event if name not in ("timestamp", "duration_ns", "detail", "label")} == set(
        json.loads(item_bytes(event))
    )
    ours = Committer("r", 16, 8)
    ours.append(item_bytes(event))
    block, seal = ours.finish()
    native = NativeCommitter("r", 16, 8)
    native.feed(json.dumps(dict(reversed(event.items()))).encode() + b"\n")
    assert [block, seal] == [parse_object(line) for line in native.finish()]


KNOWN_WHERE_PROVEN = {"cycles": 10, "proof_cycles": 4096, "receipt": "00ff", "verified": True}


@pytest.mark.parametrize("name", KNOWN_WHERE_PROVEN)
def test_receipts_and_proof_cycles_are_members_and_bound(name: str) -> None:
    """What proving virtual machines tell of a tile is kept by the model and bound by the commitment."""
    end = {**_examples("TileEnd")[0], **KNOWN_WHERE_PROVEN}
    model = parse_event(canonical(end))
    assert KNOWN_WHERE_PROVEN[name] == getattr(model, name)
    assert canonical(end) == to_line(model)
    assert item_bytes(end) != item_bytes({key: value for key, value in end.items() if key != name})
    for wrong in (None, [], {}, "x" if name != "receipt" else "0", -1):
        with pytest.raises(MalformedError) as refused:
            parse_event(canonical({**end, name: wrong}))
        assert name == refused.value.context["member"]


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("version", [0, 2, 10**15, "1", True, None, [1], {}])
def test_an_unknown_version_of_any_message_is_named(kind: str, version: Any) -> None:
    """The reader refuses it before anything else of the line is believed."""
    with pytest.raises(MalformedError) as refused:
        parse_message(canonical({**_examples(kind)[0], "v": version}))
    assert "unknown-version" == refused.value.code
    assert repr(version)[:40] in refused.value.message


def _altered(run: PublishedRun, item: int, **members: Any) -> PublishedRun:
    events = list(run.events)
    events[item] = canonical(parse_object(events[item]) | members)
    return PublishedRun(run.program, events, run.commitments)


@pytest.mark.parametrize(
    ("members", "kind", "code"),
    [
        ({"v": 2}, "version", "unknown-version"),
        ({"v": "1"}, "version", "unknown-version"),
        ({"type": "TileResumed"}, "type", "unknown-type"),
        ({"type": "Input"}, "type", "unknown-type"),
        ({"type": 7}, "type", "unknown-type"),
    ],
)
def test_audit_and_check_name_it_at_every_item(members: dict[str, Any], kind: str, code: str) -> None:
    """A run with one event of another version or type: both say where, and what it says."""
    run = published(traced("loops", LOOPS))
    (value,) = members.values()
    for item in range(len(run.events)):
        altered = _altered(run, item, **members)
        found = altered.audit().report.to_object()["first_mismatch"]
        assert (kind, item, value) == (found["kind"], found["item"], found["claimed"])
        violations, _ = check_events_alone(lambda altered=altered: iter(altered.events))
        named = [violation for violation in violations if violation.code == code]
        assert [item + 1] == [violation.line for violation in named]
        assert repr(value) in named[0].message


@pytest.mark.parametrize("line", range(3))
@pytest.mark.parametrize(("member", "value"), [("v", 2), ("type", "Novel")])
def test_the_audit_names_it_in_every_commitment_line(line: int, member: str, value: Any) -> None:
    """Input, block and seal of another version or type are named with their line."""
    run = published(traced("loops", LOOPS))
    commitments = list(run.commitments)
    commitments[line] = canonical(parse_object(commitments[line]) | {member: value})
    report = PublishedRun(run.program, run.events, commitments).audit().report.to_object()
    found = report["first_mismatch"]
    assert ("version" if member == "v" else "type", line + 1, value) == tuple(
        found[name] for name in ("kind", "line", "claimed")
    )


def test_a_commitment_says_nothing_of_version_and_type() -> None:
    """`commit` is arithmetic over any objects (section 6): what they say of themselves is for readers to judge."""
    committer = NativeCommitter("r", 16, 8)
    committer.feed(b'{"v":2,"type":"Novel"}\n{"type":null}\n')
    assert 2 == parse_object(committer.finish()[-1])["items"]


@pytest.mark.parametrize("path", [(), ("artifact",), ("program",), ("commitment",)])
def test_members_of_a_later_version_leave_the_verdict_open_at_every_item(path: tuple[str, ...]) -> None:
    """A tracer that says more, commits to it and signs it is neither right nor wrong: what it says cannot be
    judged."""
    run = traced("loops", LOOPS)
    events = [parse_object(line) for line in published(run).events]
    for item, event in enumerate(events):
        if path and path[0] not in event:
            continue

        def add(events: list[dict[str, Any]], item: int = item) -> None:
            events[item] = _extended(events[item], path, {"later": {"v": 2}})

        report = published(run, add).audit().report
        assert "INDETERMINATE" == report.verdict
        assert any(
            part.code == "unknown-member" and "/".join(["", *path, "later"]) in part.message
            for part in report.unchecked
        )

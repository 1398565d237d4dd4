"""What subscribers write and find: the events, their commitment, the first mismatch, and their own failures."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import plain_commitment
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_run import OTHER_VKEY, PRIVATE, VKEY
from tracing_runs import Collected, events_of

import proofrail.tracing
from proofrail.commitment.blocks import Committer
from proofrail.commitment.checkpoint import CheckpointError, Signer, sign_checkpoint, verify_checkpoint
from proofrail.commitment.items import item_bytes
from proofrail.tracing import (
    AuditSubscriber,
    CommitSubscriber,
    JsonSubscriber,
    Subscriber,
    Tracer,
    TracingError,
    loop,
    reexecute,
    sequence,
    tile,
)
from proofrail.wire.canonical import canonical, parse_object
from proofrail.wire.errors import MalformedError, PoisonError, UnusableInputError
from proofrail.wire.messages import parse_message

SIGNER = Signer.parse(PRIVATE)
_BIAS = [0]


@tile
def weigh(value: int, *, times: int = 1) -> int:
    if value < 0:
        raise ValueError(f"{value} is negative")
    return value * times + _BIAS[0]


@sequence
def survey(values: list[int], /, *more: int, **named: int) -> int:
    total = 0
    with loop("values", [*values, *more]) as steps:
        for value in steps:
            total += weigh(value, times=3)
    return total + sum(named.values())


def published(
    call: Callable[[], Any] = lambda: survey([1, 2, 3], 4, extra=5),
    *,
    signer: Signer | None = SIGNER,
    **options: Any,
) -> tuple[list[bytes], list[bytes]]:
    """Events and commitment of a run."""
    commit = CommitSubscriber(signer=signer)
    trace = events_of(call, commit, **options)
    return trace.lines, commit.lines


def test_json_lines(tmp_path: Path) -> None:
    """The file holds every event in canonical form, a line each; an open file stays open."""
    file = io.BytesIO()
    trace = events_of(lambda: survey([1]), JsonSubscriber(tmp_path / "events.ndjson"), JsonSubscriber(file))
    expected = b"".join(line + b"\n" for line in trace.lines)
    assert expected == (tmp_path / "events.ndjson").read_bytes()
    assert expected == file.getvalue()


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 64), st.integers(1, 40), st.lists(st.integers(0, 9), max_size=6))
def test_commits_as_the_text_says(bits: int, block_items: int, values: list[int]) -> None:
    """Blocks and seal are those of the reference and of the second implementation, for every packing."""
    lines, commitment = published(lambda: survey(values), bits=bits, block_items=block_items)
    events = [json.loads(line) for line in lines]
    run_id = events[0]["run_id"]
    blocks, core = plain_commitment.commit(events, run_id, bits, block_items)
    seal = json.loads(commitment[-1])
    assert [canonical(block) for block in blocks] == commitment[1:-1]
    assert core == {name: seal[name] for name in core}
    reference = Committer(run_id, bits, block_items)
    for event in events:
        reference.append(item_bytes(event))
    assert core["root"] == reference.finish()[1]["root"]


def test_the_seal_is_complete_and_signed(tmp_path: Path) -> None:
    """The file has Input line, blocks and seal; the seal says what is known of the run, and its checkpoint holds."""
    path = tmp_path / "commitments.ndjson"
    commit = CommitSubscriber(path, signer=SIGNER)
    trace = events_of(lambda: survey([1], extra=2), commit)
    lines = path.read_bytes().splitlines()
    assert commit.lines == lines
    seal = parse_message(lines[-1]).to_object()
    assert commit.seal == seal
    end = trace.events[-1]
    for name in ("outcome", "n_steps", "output_count", "output_sha256"):
        assert end[name] == seal[name]
    for name in ("program", "layout", "spans", "inputs_count", "inputs_sha256"):
        assert trace.events[0][name] == seal[name]
    note = verify_checkpoint(seal["checkpoint"], [VKEY])
    assert (len(trace.lines), seal["root"]) == (note.size, note.root.hex())
    assert "Input" == parse_message(lines[0]).type


def test_nothing_is_sealed_of_a_spoilt_trace(tmp_path: Path) -> None:
    """Without a whole trace no commitment file appears, and the events end without TraceEnd."""
    with (
        pytest.raises(TracingError),
        Tracer(JsonSubscriber(tmp_path / "events.ndjson"), CommitSubscriber(tmp_path / "commitments.ndjson")),
    ):
        survey([1, 0.5])
    assert [] == list(tmp_path.glob("*commitments*"))
    assert b"TraceEnd" not in (tmp_path / "events.ndjson").read_bytes()


class _Breaks(Subscriber):
    def __init__(self, where: str, error: Exception) -> None:
        self._where, self._error = where, error

    def on_trace(self, event: dict[str, Any], line: bytes) -> None:
        if self._where == "trace" and event["seq"] == 3:
            raise self._error

    def on_complete(self, trace: Any) -> None:
        if self._where == "complete":
            raise self._error


@pytest.mark.parametrize("where", ["trace", "complete"])
@pytest.mark.parametrize(
    ("error", "code"),
    [(OSError("disk full"), "subscriber-failed"), (PoisonError("record-refused", "no"), "record-refused")],
)
def test_a_subscriber_that_fails_seals_nothing(
    where: str, error: Exception, code: str, tmp_path: Path
) -> None:
    """The program runs to its end and keeps its result; the tracer raises the failure when it closes, and no other
    subscriber seals after it."""
    after = Collected()
    results = []
    tracer = Tracer(_Breaks(where, error), after)
    with pytest.raises((TracingError, PoisonError)) as caught, tracer:
        results.append(survey([1, 2]))
    assert ([9], code) == (results, caught.value.code)
    assert not tracer.sealed
    assert after.completed is None
    assert after.abandoned is caught.value


def test_a_failing_subscriber_does_not_hide_the_programs_exception() -> None:
    """The program's own exception passes, with a note that its trace was not sealed."""
    with (
        pytest.raises(ValueError, match="negative") as caught,
        Tracer(_Breaks("trace", OSError("disk full"))),
    ):
        survey([-1])
    assert "subscriber-failed" in caught.value.__notes__[0]


def test_what_a_subscriber_calls_is_not_traced() -> None:
    """A subscriber may use traced functions: they are no part of the run."""

    class Calls(Subscriber):
        def on_trace(self, event: dict[str, Any], line: bytes) -> None:
            assert 3 == survey([1])

    assert len(events_of(lambda: survey([1])).lines) == len(events_of(lambda: survey([1]), Calls()).lines)


def test_the_same_run_matches() -> None:
    """Run again, a completed and a failed run match in every part, by subscriber and by re-execution from the Input
    line, with and without the events."""
    for call, raises in ((lambda: survey([1, 2], 7, x=1), None), (lambda: survey([2, -1]), ValueError)):
        events, commitment = published(call, raises=raises, block_items=4)
        for given_events in (None, events):
            audit = AuditSubscriber(commitment, events=given_events, keys=[VKEY])
            events_of(call, audit, raises=raises, block_items=4)
            report = reexecute([survey], commitment, events=given_events, keys=[VKEY])
            assert report.to_object() == audit.report.to_object()
            assert ("MATCH", None) == (report.verdict, report.first_mismatch)
            assert [] == [part for part in report.unchecked if part.part != "events"]
            audit.require_match()


def _edited(lines: list[bytes], number: int, **members: Any) -> list[bytes]:
    number %= len(lines)
    event = json.loads(lines[number])
    return [*lines[:number], canonical(event | members), *lines[number + 1 :]]


def _committed(events: list[bytes], honest: list[bytes], block_items: int = 4) -> list[bytes]:
    """What a tracer publishes that commits to these events, and signs them."""
    seal = json.loads(honest[-1])
    committer = Committer(seal["run_id"], seal["bits"], block_items)
    blocks = [block for line in events if (block := committer.append(item_bytes(json.loads(line))))]
    last, core = committer.finish()
    seal |= core
    seal["checkpoint"] = sign_checkpoint(seal["run_id"], core["items"], bytes.fromhex(core["root"]), SIGNER)
    return [honest[0], *map(canonical, [*blocks, *([last] if last else []), seal])]


def test_every_changed_event_is_found_at_its_place() -> None:
    """A tracer that lies in any one event is found there: item, kind, path; from the commitment alone, item and
    block."""
    events, honest = published(block_items=4)
    audited = 0
    for number, line in enumerate(events[1:-1], 1):
        event = json.loads(line)
        member = next(name for name in ("output_bytes", "input_bytes", "name", "tile_id") if name in event)
        lies = _edited(events, number, **{member: "0174" if member.endswith("bytes") else "other"})
        commitment = _committed(lies, honest)
        found = reexecute([survey], commitment, events=lies, keys=[VKEY]).first_mismatch
        assert found is not None
        assert (member, number, number // 4, member) == (found.kind, found.item, found.block, found.member)
        located = reexecute([survey], commitment, keys=[VKEY]).first_mismatch
        assert located is not None
        assert ("packed", number // 4, number) == (located.kind, located.block, located.item)
        assert found.path == located.path
        audited += 1
    assert 20 == audited


def _flipped(lines: list[bytes], number: int, bit: int) -> list[bytes]:
    line = bytearray(lines[number])
    line[bit // 8] ^= 1 << bit % 8
    return [*lines[:number], bytes(line), *lines[number + 1 :]]


def test_flipped_bits_are_found() -> None:
    """A sample of all bits of events and commitment: what alters an item is never a match, and never found at another
    item; what only alters volatile members changes nothing."""
    events, commitment = published(lambda: survey([1, 2]), block_items=4)
    random = Random(4)  # noqa: S311
    found: Counter[str] = Counter()
    for number, line in enumerate(events):
        for _ in range(12):
            lies = _flipped(events, number, random.randrange(8 * len(line)))
            report = reexecute([survey], commitment, events=lies, keys=[VKEY])
            try:
                is_same = item_bytes(parse_object(lies[number])) == item_bytes(parse_object(line))
            except MalformedError:
                is_same = False
            assert is_same == (report.verdict == "MATCH")
            if report.first_mismatch is not None:
                assert number == report.first_mismatch.item
            found[report.verdict] += 1
    for number, line in enumerate(commitment):
        for _ in range(40):
            lies = _flipped(commitment, number, random.randrange(8 * len(line)))
            try:
                verdict = reexecute([survey], lies, keys=[VKEY]).verdict
            except UnusableInputError:
                verdict = "unusable"
            assert verdict != "MATCH"
            found[verdict] += 1
    assert found["MISMATCH"] > 200


def test_equal_packed_values_do_not_pass() -> None:
    """A block whose packed values are all right and whose chain is not is a mismatch: chains are compared in full."""
    _, commitment = published(block_items=4)
    block = json.loads(commitment[2])
    forged = _edited(commitment, 2, chain=block["chain"][:-1] + ("0" if block["chain"][-1] != "0" else "1"))
    found = reexecute([survey], forged, keys=[VKEY]).first_mismatch
    assert found is not None
    assert ("chain", 1) == (found.kind, found.block)


@pytest.mark.parametrize(
    ("alter", "kind"),
    [
        (lambda c: c[:-2] + c[-1:], "length"),
        (lambda c: [*c[:-1], c[-2], c[-1]], "length"),
        (lambda c: _edited(c, -1, root="0" * 64), "root"),
        (lambda c: _edited(c, -1, items=1), "length"),
        (lambda c: _edited(c, -1, layout="small"), "layout"),
        (lambda c: _edited(c, -1, outcome="failed"), "member"),
        (
            lambda c: _edited(
                c, -1, program={"backend": "native", "method_id": "0", "artifact_sha256": "0" * 64}
            ),
            "program",
        ),
        (lambda c: _edited(c, 0, index=1), "member"),
        (lambda c: _edited(c, 1, v=2), "version"),
        (lambda c: [*c, c[0]], "length"),
        (lambda c: [b"{", *c], "malformed"),
    ],
)
def test_altered_commitments(alter: Callable[[list[bytes]], list[bytes]], kind: str) -> None:
    """Blocks too few or too many, a seal or an input that says something else: each its kind of mismatch."""
    _, commitment = published(block_items=4)
    found = reexecute([survey], alter(commitment), keys=[VKEY])
    assert ("MISMATCH", kind) == (found.verdict, found.first_mismatch.kind if found.first_mismatch else None)


def test_events_too_few_or_too_many() -> None:
    """A stream of events that ends early or late is a mismatch of length at that item, a broken line malformed."""
    events, commitment = published()
    for lines, kind, item in (
        (events[:-3], "length", len(events) - 3),
        ([*events, events[-1]], "length", len(events)),
        ([*events[:5], b"{}}", *events[6:]], "malformed", 5),
        ([*events[:5], events[6], events[5], *events[7:]], "type", 5),
    ):
        found = reexecute([survey], commitment, events=lines).first_mismatch
        assert found is not None
        assert (kind, item) == (found.kind, found.item)


def test_what_cannot_be_decided() -> None:
    """A member of a later version, a commitment without seal, no key to a demanded signature, a trace that was not
    made: INDETERMINATE, never MATCH."""
    events, commitment = published()
    later = reexecute([survey], commitment, events=_edited(events, 2, novelty=1))
    unsealed = reexecute([survey], commitment[:-1])
    unsigned = reexecute([survey], commitment, keys=())
    audit = AuditSubscriber(commitment)
    with pytest.raises(TracingError), Tracer(audit):
        pass
    found = [
        (
            report.verdict,
            [part.code for part in report.unchecked if part.code not in ("not-at-hand", "not-reached")],
        )
        for report in (later, unsealed, unsigned, audit.report)
    ]
    assert [
        ("INDETERMINATE", ["unknown-member"]),
        ("INDETERMINATE", ["not-sealed"]),
        ("INDETERMINATE", ["key-missing"]),
        ("INDETERMINATE", ["run-not-recomputed"]),
    ] == found
    nothing = AuditSubscriber([])
    events_of(lambda: survey([1]), nothing)
    assert "INDETERMINATE" == nothing.verdict
    with pytest.raises(TracingError, match="audit-no-match"):
        audit.require_match()
    with pytest.raises(TracingError, match="trace-open"):
        _ = AuditSubscriber(commitment).report


def test_signatures() -> None:
    """A seal that a key demands to be signed, and is not or by another, is a mismatch of the signature."""
    for signer, key in ((None, VKEY), (SIGNER, OTHER_VKEY)):
        _, commitment = published(signer=signer)
        found = reexecute([survey], commitment, keys=[key]).first_mismatch
        assert found is not None
        assert "signature" == found.kind


def test_a_program_that_computes_otherwise_is_caught_while_it_runs() -> None:
    """The first block that differs is reported as soon as it is complete, once, before the program has ended."""
    values = list(range(40))
    events, commitment = published(lambda: survey(values), block_items=8)
    seen: list[Any] = []
    audit = AuditSubscriber(commitment, on_mismatch=lambda finding: seen.append((finding, len(ran.lines))))
    _BIAS[0] = 1
    try:
        ran = Collected()
        with Tracer(ran, audit, block_items=8):
            survey(values)
    finally:
        _BIAS[0] = 0
    ((finding, at),) = seen
    assert ("packed", 0, 5) == (finding.kind, finding.block, finding.item)
    assert "survey/values[0]/weigh" == finding.path
    assert at == 8 < len(events)
    assert "MISMATCH" == audit.verdict


@pytest.mark.parametrize(
    ("functions", "commitment", "code"),
    [
        ([weigh], None, "native-entry"),
        ([survey], [], "native-input"),
        (
            [survey],
            [b'{"v":1,"type":"Input","run_id":"x","index":0,"input":{"entry":"survey","arguments":"01"}}'],
            "native-input",
        ),
        (
            [survey],
            [
                b'{"v":1,"type":"Input","run_id":"x","index":0,"input":{"entry":"survey","arguments":"016101017869"}}'
            ],
            "native-input",
        ),
    ],
)
def test_what_cannot_be_executed_again(functions: Any, commitment: list[bytes] | None, code: str) -> None:
    """Without the entry or its arguments there is nothing to execute: unusable, not a verdict."""
    with pytest.raises(UnusableInputError) as caught:
        reexecute(functions, published()[1] if commitment is None else commitment)
    assert code == caught.value.code


def test_a_malformed_key_is_the_auditors_fault() -> None:
    """A key that is none is no finding about the run."""
    with pytest.raises(CheckpointError, match="key-malformed"):
        reexecute([survey], published()[1], keys=["none"])


def test_modules_hold_functions() -> None:
    """An auditor may name the module that the functions are in."""
    import test_tracing_subscribers as module

    _, commitment = published(lambda: module.survey([1]), program=[module])
    assert "MATCH" == reexecute([module], commitment).verdict


def test_the_public_names() -> None:
    """Everything that is promised can be imported, and the example of the package's documentation runs."""
    for name in proofrail.tracing.__all__:
        assert getattr(proofrail.tracing, name)
    with pytest.raises(AttributeError):
        _ = proofrail.tracing.nothing

"""The audit of a run, against everything that can be altered in what a tracer publishes."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from synthetic_run import OTHER_PRIVATE, OTHER_VKEY, VKEY, Event, Published, SyntheticSubject, publish

from proofrail.audit.run_audit import RunAudit, audit_run
from proofrail.audit.settings import RunPolicy
from proofrail.commitment.blocks import chunk_root
from proofrail.commitment.items import item_bytes
from proofrail.wire.canonical import canonical, parse_object, sha256_hex
from proofrail.wire.errors import MalformedError
from proofrail.wire.events import VOLATILE
from proofrail.wire.messages import parse_message, to_line

KINDS = {
    "v": "version",
    "program": "program",
    "layout": "layout",
    "inputs_count": "inputs",
    "inputs_sha256": "inputs",
}
NAMED = {
    *("type", "seq", "run_id", "name", "tile_id", "span_id", "parent_span_id", "path", "depth"),
    *("iteration", "artifact", "input_bytes", "output_bytes"),
}
FAILING = [{"amount": 3}, {"amount": 4, "fail": True}]


def _altered(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return ("0" if value[:1] != "0" else "1") + value[1:] if value else "00"
    if isinstance(value, dict):
        name = sorted(value)[-1]
        return {**value, name: _altered(value[name])}
    raise TypeError(value)


def _edit(lines: list[bytes], index: int, change: Callable[[Event], object]) -> None:
    event = parse_object(lines[index])
    change(event)
    lines[index] = canonical(event)


def _mismatch(audit: RunAudit) -> dict[str, Any]:
    report = audit.report.to_object()
    assert report["verdict"] == "MISMATCH", report
    assert parse_message(to_line(audit.report)) == audit.report
    found: dict[str, Any] = report["first_mismatch"]
    return found


def _event_members() -> list[Any]:
    cases = []
    for run, inputs in (("completed", None), ("failed", FAILING)):
        seen = set()
        for item, line in enumerate(publish(inputs).events):
            event = parse_object(line)
            if event["type"] in seen:
                continue
            seen.add(event["type"])
            cases += [
                pytest.param(inputs, item, name, id=f"{run}-{event['type']}-{name}")
                for name in event
                if name not in VOLATILE
            ]
    return cases


@pytest.mark.parametrize("inputs", [None, FAILING, []], ids=["completed", "failed", "no-inputs"])
@pytest.mark.parametrize("with_events", [True, False])
@pytest.mark.parametrize("bits", [1, 16, 64])
def test_an_honest_run_matches(inputs: Any, with_events: bool, bits: int) -> None:
    """What an honest tracer publishes is a MATCH, with the events and from the commitments alone."""
    audit = publish(inputs, bits=bits).audit(with_events=with_events, raw=True)
    assert audit.report.verdict == "MATCH"
    assert with_events == ("events" in audit.report.checked)
    assert audit.evidence is None


@pytest.mark.parametrize(("inputs", "item", "name"), _event_members())
@pytest.mark.parametrize("how", ["altered", "removed", "null"])
def test_every_altered_member_of_an_event_is_located(inputs: Any, item: int, name: str, how: str) -> None:
    """Item, member and kind are those of the member that was altered, removed or made null."""
    run = publish(inputs)
    expected = parse_object(run.events[item])[name]

    def change(event: Event) -> None:
        if how == "altered":
            event[name] = _altered(event[name])
        elif how == "removed":
            del event[name]
        else:
            event[name] = None

    _edit(run.events, item, change)
    found = _mismatch(run.audit())
    raw_kinds = {"StepBlock": "step", "MemoryBlock": "cell"}
    kind = KINDS.get(name, name if name in NAMED else "member")
    if name == "root":
        kind = raw_kinds[parse_object(publish(inputs).events[item])["type"]]
    assert (kind, item, name, "event") == (found["kind"], found["item"], found["member"], found["where"])
    assert expected == found["expected"]
    assert item + 1 == found["line"]


def test_volatile_members_do_not_count() -> None:
    """Other times and labels, or none, change no verdict."""
    run = publish(FAILING)
    for item in range(len(run.events)):
        _edit(run.events, item, lambda event: [event.pop(name, None) for name in VOLATILE])
    _edit(run.events, 0, lambda event: event.update(label="other", timestamp=2**70))
    assert run.audit().report.verdict == "MATCH"


@pytest.mark.parametrize("how", ["altered", "removed", "null"])
@pytest.mark.parametrize("name", sorted(parse_object(publish().commitments[-1])))
@pytest.mark.parametrize("with_events", [True, False])
def test_every_altered_member_of_the_seal_is_located(name: str, how: str, with_events: bool) -> None:
    """Each seal member is compared; the report names it."""
    run = publish()

    def change(seal: Event) -> None:
        if how == "altered":
            seal[name] = _altered(seal[name])
        elif how == "removed":
            del seal[name]
        else:
            seal[name] = None

    _edit(run.commitments, -1, change)
    found = _mismatch(run.audit(with_events=with_events))
    kinds = {
        "items": "length",
        "blocks": "length",
        "chain": "chain",
        "root": "root",
        "checkpoint": "signature",
    }
    kind = kinds.get(name) or KINDS.get(name, name if name in NAMED else "member")
    assert (kind, name) == (found["kind"], found["member"])
    assert len(run.commitments) == found["line"]


@pytest.mark.parametrize("how", ["altered", "removed"])
@pytest.mark.parametrize("block", [0, 1])
@pytest.mark.parametrize("name", sorted(parse_object(publish().commitments[3])))
def test_every_altered_member_of_a_block_is_located(name: str, block: int, how: str) -> None:
    """Block and member are named; a packed value names the item too."""
    run = publish()

    def change(line: Event) -> None:
        if how == "altered":
            line[name] = _altered(line[name])
        else:
            del line[name]

    _edit(run.commitments, 3 + block, change)
    found = _mismatch(run.audit())
    kinds = {"packed": "packed", "chain": "chain", "items": "length", "type": "type", "v": "version"}
    kind = kinds.get(name) or ("run_id" if name == "run_id" else "member")
    assert (kind, name) == (found["kind"], found["member"])
    assert 4 + block == found["line"]
    if name == "packed" and how == "altered":
        assert 8 * block == found["item"]
    if name not in ("v", "type", "block"):
        assert block == found["block"]


@pytest.mark.parametrize("value", range(8))
def test_a_packed_value_locates_its_item(value: int) -> None:
    """The first differing packed value tells the item and the path of its span."""
    run = publish()

    def change(block: Event) -> None:
        packed = bytearray.fromhex(block["packed"])
        packed[2 * value + 1] ^= 0x80
        block["packed"] = packed.hex()

    _edit(run.commitments, 3, change)
    found = _mismatch(run.audit(with_events=False))
    assert ("packed", value, 0) == (found["kind"], found["item"], found["block"])
    paths = [None, "main", *(f"main/tile[{i // 2}]" for i in range(6))]
    assert paths[value] == found.get("path")


@pytest.mark.parametrize("name", ["v", "type", "run_id", "index", "input"])
@pytest.mark.parametrize("index", [0, 1, 2])
def test_every_altered_member_of_an_input_is_located(name: str, index: int) -> None:
    """Altered Input lines are named; an altered input is told from an altered seal by the run_id."""
    run = publish()
    _edit(run.commitments, index, lambda line: line.update({name: _altered(line[name])}))
    found = _mismatch(run.audit())
    kinds = {"v": "version", "type": "type", "run_id": "run_id", "index": "inputs", "input": "inputs"}
    assert (kinds[name], "commitments" if name == "type" else "input") == (found["kind"], found["where"])
    if name == "input":
        assert found["member"] == "inputs_sha256"
    else:
        assert (name, index + 1) == (found["member"], found["line"])


def test_an_input_nobody_proposed_is_named() -> None:
    """A consistent run over an input that was never published is a MISMATCH `proposal` with its index."""
    asked = [{"amount": 5, "allocation_id": "a"}, {"amount": 7, "allocation_id": "b"}]
    digests = {sha256_hex(canonical(value)) for value in asked}
    assert publish(asked).audit(published=digests.__contains__).report.verdict == "MATCH"
    forged = publish([asked[0], {"amount": 7000, "allocation_id": "b"}])
    assert forged.audit().report.verdict == "MATCH"
    found = _mismatch(forged.audit(published=digests.__contains__))
    assert (found["kind"], found["index"], found["allocation_id"]) == ("proposal", 1, "b")


def test_a_proposal_that_cannot_be_looked_up_leaves_the_verdict_open() -> None:
    """Not to know whether an input was proposed is INDETERMINATE, never MATCH."""
    report = publish().audit(published=lambda _digest: None).report
    assert report.verdict == "INDETERMINATE"
    assert report.unchecked[0].code == "proposal-unknown"


def test_swapped_dropped_and_doubled_events_are_located() -> None:
    """Each shows at the first position where the sequence is not the recomputed one."""
    run = publish()
    run.events[4], run.events[5] = run.events[5], run.events[4]
    assert _mismatch(run.audit())["item"] == 4
    run = publish()
    del run.events[6]
    assert _mismatch(run.audit())["item"] == 6
    run = publish()
    run.events.insert(7, run.events[6])
    assert _mismatch(run.audit())["item"] == 7


@pytest.mark.parametrize("kept", [0, 1, 7, 8, 9, -1])
def test_a_truncated_tail_is_a_length(kept: int) -> None:
    """Fewer events than the run has: kind `length` at the first missing item."""
    run = publish()
    del run.events[kept:]
    found = _mismatch(run.audit())
    assert ("length", len(run.events)) == (found["kind"], found["item"])


def test_events_after_the_end_are_a_length() -> None:
    """Nothing comes after TraceEnd."""
    run = publish()
    count = len(run.events)
    run.events.append(run.events[-1])
    found = _mismatch(run.audit())
    assert ("length", count, "TraceEnd") == (found["kind"], found["item"], found["claimed"])


def test_a_splice_from_another_run_is_located() -> None:
    """Events of another run in the middle differ first in their run_id."""
    run, other = publish(), publish([{"amount": 5}, {"amount": 7}, {"amount": 12}])
    run.events[9:] = other.events[9:]
    found = _mismatch(run.audit())
    assert (found["kind"], found["item"]) == ("run_id", 9)


def test_dropped_doubled_and_swapped_commitment_lines_are_found() -> None:
    """No line of the commitments can be taken away, added or moved."""
    honest = publish()
    for number in range(len(honest.commitments) - 1):
        run = publish()
        del run.commitments[number]
        _mismatch(run.audit(with_events=False))
        run = publish()
        run.commitments.insert(number, run.commitments[number])
        _mismatch(run.audit(with_events=False))
        run = publish()
        lines = run.commitments
        lines[number], lines[number + 1] = lines[number + 1], lines[number]
        _mismatch(run.audit(with_events=False))


def test_a_run_without_a_seal_is_undecided() -> None:
    """Never sealed is INDETERMINATE, and says so."""
    run = publish()
    del run.commitments[-1]
    report = run.audit(with_events=False).report
    assert (report.verdict, report.unchecked[0].code) == ("INDETERMINATE", "not-sealed")


def test_a_forged_tail_with_equal_packed_values_is_found_by_its_chain() -> None:
    """A one-bit packed value is forged in a few tries; the block's full chain value gives it away."""
    honest = publish(bits=1, block_items=4)
    forged: Published | None = None
    for attempt in range(20_000):

        def edit(events: list[Event], attempt: int = attempt) -> None:
            events[-1]["n_steps"] = 5000 + attempt

        candidate = publish(bits=1, block_items=4, edit=edit)
        if _packed(candidate) == _packed(honest):
            forged = candidate
            break
    assert forged is not None
    found = _mismatch(forged.audit(with_events=False))
    assert found["kind"] == "chain"
    located = _mismatch(forged.audit())
    assert ("member", "n_steps", len(honest.events) - 1) == (
        located["kind"],
        located["member"],
        located["item"],
    )


def _packed(run: Published) -> list[str]:
    lines = [parse_object(line) for line in run.commitments]
    return [line["packed"] for line in lines if line["type"] == "CommitmentBlock"]


def test_events_that_the_commitments_do_not_bind_are_found() -> None:
    """Honest events beside the commitments of altered ones: the first altered block is named."""

    def edit(events: list[Event]) -> None:
        events[10]["cycles"] = 1

    run, honest = publish(edit=edit), publish()
    run.events = honest.events
    found = _mismatch(run.audit())
    assert (found["kind"], found["block"], found["item"]) == ("packed", 1, 10)


def test_another_program_is_named_even_when_all_else_is_consistent() -> None:
    """A whole run of a program the auditor does not accept is a MISMATCH `program`."""
    run = publish(subject=SyntheticSubject("another"))
    found = _mismatch(run.audit())
    assert (found["kind"], found["member"]) == ("program", "program")


@pytest.mark.parametrize(
    ("options", "kind", "member"),
    [
        ({"layout": "recursive"}, "layout", "layout"),
        ({"bits": 1}, "member", "bits"),
        ({"block_items": 4}, "member", "block_items"),
    ],
)
def test_consistent_runs_outside_the_policy_are_refused(
    options: dict[str, Any], kind: str, member: str
) -> None:
    """Other settings than the auditor's own are a MISMATCH, however consistent the run."""
    policy = RunPolicy(layout="small", spans="own", bits=16, block_items=8)
    run = publish(**options)
    assert run.audit().report.verdict == "MATCH"
    assert publish().audit(policy=policy).report.verdict == "MATCH"
    found = _mismatch(run.audit(policy=policy))
    assert (kind, member) == (found["kind"], found["member"])


def test_a_seal_signed_by_another_key_is_a_mismatch() -> None:
    """An unknown key is a MISMATCH `signature`, even of the same name."""
    found = _mismatch(publish(private=OTHER_PRIVATE).audit())
    assert (found["kind"], found["code"]) == ("signature", "checkpoint-unknown-key")
    run = publish(private=OTHER_PRIVATE)
    run.keys = (VKEY, OTHER_VKEY)
    assert run.audit().report.verdict == "MATCH"


def test_a_checkpoint_of_another_run_is_a_mismatch() -> None:
    """A valid signature over another tree head is no signature of this run."""
    run, other = publish(), publish([{"amount": 1}])
    checkpoint = parse_object(other.commitments[-1])["checkpoint"]
    _edit(run.commitments, -1, lambda seal: seal.update(checkpoint=checkpoint))
    assert (
        (found := _mismatch(run.audit()))["kind"],
        found["code"],
    ) == ("signature", "checkpoint-origin")


def test_without_a_key_the_signature_is_undecided() -> None:
    """No accepted key: INDETERMINATE, and the signature is named."""
    run = publish()
    run.keys = ()
    report = run.audit().report
    assert (
        report.verdict,
        report.unchecked[0].part,
        report.unchecked[0].code,
    ) == ("INDETERMINATE", "signature", "key-missing")


@pytest.mark.parametrize("item", [0, 3, 17])
def test_unknown_members_leave_the_verdict_open(item: int) -> None:
    """Members this version does not define are INDETERMINATE `unknown-member`, at every level."""
    for committed in (True, False):

        def add(event: Event) -> None:
            event["novel"] = {"x": 1}

        run = publish(edit=lambda events: add(events[item])) if committed else publish()
        if not committed:
            _edit(run.events, item, add)
        report = run.audit().report
        assert report.verdict == "INDETERMINATE"
        assert ("unknown-member", item, "novel") == (
            (unchecked := report.unchecked[0].to_object())["code"],
            unchecked["item"],
            unchecked["member"],
        )


def test_unknown_members_inside_objects_and_commitment_lines_leave_the_verdict_open() -> None:
    """Nested members of events, and members of Input lines, blocks and seal, count too."""
    run = publish()
    _edit(run.events, 0, lambda event: event["program"].update(novel=1))
    report = run.audit().report
    assert (
        report.verdict,
        report.unchecked[0].to_object()["pointer"],
    ) == ("INDETERMINATE", "/program/novel")
    for number in range(len(run.commitments)):
        run = publish()
        _edit(run.commitments, number, lambda line: line.update(novel=1))
        report = run.audit().report
        assert ("INDETERMINATE", number + 1) == (report.verdict, report.unchecked[0].to_object()["line"])


def test_a_mismatch_wins_over_an_unknown_member() -> None:
    """What is really wrong is said, wherever it stands."""
    run = publish()
    _edit(run.events, 1, lambda event: event.update(novel=1))
    _edit(run.events, 12, lambda event: event.update(depth=9))
    found = _mismatch(run.audit())
    assert (found["kind"], found["item"]) == ("depth", 12)
    run = publish(edit=lambda events: events[1].update(novel=1))
    _edit(run.commitments, -1, lambda seal: seal.update(n_steps=9))
    assert _mismatch(run.audit())["member"] == "n_steps"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"", "malformed-json"),
        (b"{", "malformed-json"),
        (b"[]", "malformed-not-an-object"),
        (b'{"a":1,"a":1}', "malformed-duplicate-member"),
        (b'{"a":1.0}', "malformed-float"),
        (b'{"a":"\\ud800"}', "malformed-surrogate"),
        (b'{"a":9007199254740992}', "malformed-integer"),
        (b"\xff", "malformed-utf8"),
    ],
)
def test_malformed_lines_are_located(line: bytes, code: str) -> None:
    """A line that breaks the wire format is a MISMATCH `malformed` with its position and code."""
    run = publish()
    run.events[5] = line
    found = _mismatch(run.audit())
    assert ("malformed", 5, 6, code) == (found["kind"], found["item"], found["line"], found["code"])
    run = publish()
    run.commitments[4] = line
    found = _mismatch(run.audit())
    assert ("malformed", 5, code) == (found["kind"], found["line"], found["code"])


def test_an_unknown_version_is_named() -> None:
    """An event of another version is a MISMATCH `version` that names it."""
    run = publish()
    _edit(run.events, 3, lambda event: event.update(v=2))
    found = _mismatch(run.audit())
    assert (found["kind"], found["item"], found["expected"], found["claimed"]) == ("version", 3, 1, 2)


@pytest.mark.parametrize("step", [0, 63, 64, 4095, 4096, 4199])
def test_an_altered_step_is_found_in_the_trace(step: int) -> None:
    """Step, registers and source line are reported; the StepBlock that binds it is the item."""
    run = publish()
    raw = bytearray(run.trace)
    raw[24 * step + 16] ^= 1
    run.trace = bytes(raw)
    found = _mismatch(run.audit(raw=True))
    steps = [i for i, line in enumerate(run.events) if b'"StepBlock"' in line]
    assert ("step", step, steps[step // 4096], "pc") == (
        found["kind"],
        found["step"],
        found["item"],
        found["member"],
    )
    assert found["source"] == f"synthetic.cairo:{found['pc']}"
    assert found["pc"] ^ 1 == found["claimed"]["pc"]


def test_a_step_block_of_other_steps_is_followed_down_to_the_step() -> None:
    """With the claimed trace.bin at hand the first differing step is named, else the block, saying so."""
    honest = publish()
    raw = bytearray(honest.trace)
    raw[24 * 4100] ^= 1
    block = next(i for i, line in enumerate(honest.events) if b'"first_step":4096' in line)
    root = chunk_root(bytes(raw[24 * 4096 :]), 64 * 24).hex()
    run = publish(edit=lambda events: events[block].update(root=root))
    run.trace = bytes(raw)
    found = _mismatch(run.audit(raw=True))
    assert ("step", 4100, block, "ap") == (found["kind"], found["step"], found["item"], found["member"])
    found = _mismatch(run.audit())
    assert ("step", block, "root") == (found["kind"], found["item"], found["member"])
    assert "block only" in found["because"]
    run.trace = honest.trace
    found = _mismatch(run.audit(raw=True))
    assert "does not hash" in found["because"]


@pytest.mark.parametrize("cell", [0, 31, 198])
def test_an_altered_cell_is_found_in_the_memory(cell: int) -> None:
    """Address and segment of the cell are reported."""
    run = publish()
    raw = bytearray(run.memory)
    raw[40 * cell + 8] ^= 1
    run.memory = bytes(raw)
    found = _mismatch(run.audit(raw=True))
    assert ("cell", cell + 1, "value") == (found["kind"], found["address"], found["member"])
    assert found["segment"] == ("program" if cell + 1 < 90 else "execution")


def test_memory_in_another_order_is_the_same_memory() -> None:
    """The reference runner writes cells as they were touched; only address and value count."""
    run = publish()
    records = [run.memory[i : i + 40] for i in range(0, len(run.memory), 40)]
    random.Random(3).shuffle(records)  # noqa: S311 - no secret
    run.memory = b"".join(records)
    assert run.audit(raw=True).report.verdict == "MATCH"


@pytest.mark.parametrize("change", [-24, -1, 1, 24])
def test_a_trace_of_another_length_is_found(change: int) -> None:
    """Missing and surplus bytes of trace.bin are a difference."""
    run = publish()
    run.trace = run.trace[:change] if change < 0 else run.trace + bytes(change)
    assert _mismatch(run.audit(raw=True))["kind"] == "step"


def test_an_output_the_model_does_not_compute_is_a_mismatch() -> None:
    """The independent model has the last word on a completed run's output."""
    subject = SyntheticSubject(model_offset=1)
    run = publish(subject=subject)
    run.subject = subject
    found = _mismatch(run.audit())
    assert ("output", hex(24), hex(23)) == (found["kind"], found["expected"], found["claimed"])


def test_reports_stay_small_whatever_is_claimed() -> None:
    """Long values are cut to an excerpt around the first difference."""
    run = publish()
    _edit(run.events, 2, lambda event: event.update(input_bytes="0" * 50_000))
    audit = run.audit()
    found = _mismatch(audit)
    assert found["truncated"] is True
    assert len(to_line(audit.report)) < 8192


HOSTILE: list[Any] = [None, True, -1, 0, 2**53 - 1, "", "x", "é" * 300, [], {}, [[1]], {"a": {"b": []}}]


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_no_value_of_a_member_upsets_the_audit(value: Any) -> None:
    """Whatever JSON stands in a member of any commitment line: a report, and never MATCH."""
    honest = publish()
    for number in range(len(honest.commitments)):
        for name in parse_object(honest.commitments[number]):
            run = publish()
            _edit(run.commitments, number, lambda line, name=name: line.update({name: value}))
            if run.commitments == honest.commitments:
                continue
            for with_events in (True, False):
                assert "MATCH" != run.audit(with_events=with_events).report.verdict
            run.keys = ()
            run.audit()
    for item in (0, 2, 17, 20):
        for name in set(parse_object(honest.events[item])) - VOLATILE:
            run = publish()
            _edit(run.events, item, lambda line, name=name: line.update({name: value}))
            if run.events != honest.events:
                assert "MATCH" != run.audit().report.verdict


def test_inputs_are_checked_even_where_the_run_cannot_be_repeated() -> None:
    """Without the program, Input lines that the seal does not name are still a MISMATCH."""
    run = publish()
    _edit(run.commitments, 1, lambda line: line.update(input={"amount": 8}))
    audit = audit_run(
        commitments=run.commitments, events=lambda: iter(run.events), subject=None, keys=run.keys
    )
    found = _mismatch(audit)
    assert ("inputs", "inputs_sha256") == (found["kind"], found["member"])


def _flips(lines: list[bytes], count: int, seed: int) -> list[tuple[int, int]]:
    bits = [(n, bit) for n, line in enumerate(lines) for bit in range(8 * len(line))]
    return random.Random(seed).sample(bits, min(count, len(bits)))  # noqa: S311 - no secret


def _flipped(line: bytes, bit: int) -> bytes:
    raw = bytearray(line)
    raw[bit // 8] ^= 1 << bit % 8
    return bytes(raw)


def _same_item(line: bytes, other: bytes) -> bool:
    try:
        return item_bytes(parse_object(line)) == item_bytes(parse_object(other))
    except MalformedError:
        return False


def _check_event_flips(count: int, seed: int) -> None:
    honest = publish()
    for item, bit in _flips(honest.events, count, seed):
        run = publish()
        run.events[item] = _flipped(run.events[item], bit)
        report = run.audit().report.to_object()
        if _same_item(run.events[item], honest.events[item]):
            assert report["verdict"] == "MATCH"
            continue
        where = report["first_mismatch"] if report["verdict"] == "MISMATCH" else report["unchecked"][0]
        assert report["verdict"] != "MATCH"
        assert item == where["item"]


def _check_commitment_flips(count: int, seed: int) -> None:
    honest = publish()
    for number, bit in _flips(honest.commitments, count, seed):
        run = publish()
        run.commitments[number] = _flipped(run.commitments[number], bit)
        assert run.audit().report.verdict != "MATCH"


def test_no_flipped_bit_of_an_event_passes() -> None:
    """A seeded sample of single-bit flips: each is located at its item, or changes nothing that counts."""
    _check_event_flips(300, 20)


def test_no_flipped_bit_of_a_commitment_line_passes() -> None:
    """A seeded sample of single-bit flips of inputs, blocks and seal: none is a MATCH."""
    _check_commitment_flips(300, 21)

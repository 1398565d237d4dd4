"""Places that an audit once got wrong, or could not say: each found by tests/exhaustive."""

from __future__ import annotations

from typing import Any

import pytest
from synthetic_run import Event, Published, publish

from proofrail.audit.events_alone import audit_events
from proofrail.audit.run_audit import audit_run
from proofrail.commitment.blocks import chunk_root
from proofrail.wire.canonical import canonical, parse_object
from proofrail.wire.messages import parse_message, to_line

INPUTS = [{"amount": 5}, {"amount": 7}, {"amount": 11}]


def _found(run: Published, **options: Any) -> dict[str, Any]:
    report = run.audit(**options).report
    assert "MISMATCH" == report.verdict
    assert report == parse_message(to_line(report))
    found: dict[str, Any] = report.to_object()["first_mismatch"]
    return found


def _with(line: bytes, **members: Any) -> bytes:
    return canonical(parse_object(line) | members)


@pytest.mark.parametrize(
    ("place", "digit", "item"),
    [(0, "g", 8), (1, "G", 8), (4, "!", 9), (13, "é", 11), (27, "A", 14), (31, " ", 15)],
)
def test_an_unreadable_packed_value_has_its_item_all_the_same(place: int, digit: str, item: int) -> None:
    """A character that is no lower-case hex digit spoils the values it holds bits of, and no others."""
    run = publish()
    packed = parse_object(run.commitments[4])["packed"]
    spoiled = packed[:place] + digit + packed[place + 1 :]
    run.commitments[4] = _with(run.commitments[4], packed=spoiled)
    found = _found(run)
    assert ("packed", item, 1) == (found["kind"], found["item"], found["block"])
    assert "lower-case hex" in found["because"]


@pytest.mark.parametrize(("kept", "item"), [(0, 0), (3, 0), (4, 1), (31, 7)])
def test_a_packed_text_that_is_too_short_lacks_an_item(kept: int, item: int) -> None:
    """The first value that is not there whole; in a longer text, or with padding bits set, none."""
    run = publish()
    packed = parse_object(run.commitments[3])["packed"]
    run.commitments[3] = _with(run.commitments[3], packed=packed[:kept])
    assert item == _found(run)["item"]
    run.commitments[3] = _with(run.commitments[3], packed=packed + "00")
    assert "item" not in _found(run)


def test_padding_bits_of_a_packed_text_belong_to_no_item() -> None:
    """They must be zero; one that is set is a mismatch of the block."""
    run = publish(bits=1, block_items=7)
    packed = int(parse_object(run.commitments[3])["packed"], 16)
    run.commitments[3] = _with(run.commitments[3], packed=f"{packed | 0x80:02x}")
    found = _found(run)
    assert ("packed", None, "a padding bit is set") == (found["kind"], found.get("item"), found["because"])


def test_a_line_out_of_order_is_told_from_those_it_pushed_away() -> None:
    """The first line that is not the one the seal's numbers put there: of what was swapped, doubled or moved."""
    honest = publish().commitments
    inputs, last = 3, len(honest) - 1

    def line_of(lines: list[bytes]) -> tuple[int, Any, Any]:
        run = publish()
        run.commitments = lines
        found = _found(run)
        return found["line"], found["kind"], found.get("claimed")

    swapped = [*honest[: inputs - 1], honest[inputs], honest[inputs - 1], *honest[inputs + 1 :]]
    assert (inputs, "type", "CommitmentBlock") == line_of(swapped)
    assert (1, "type", "CommitmentSeal") == line_of([honest[last], *honest[:last]])
    assert (inputs + 2, "type", "Input") == line_of([*honest[: inputs + 1], honest[0], *honest[inputs + 1 :]])
    assert (len(honest) + 1, "length", "CommitmentSeal") == line_of([*honest, honest[last]])
    moved = [*honest[:inputs], *honest[inputs + 1 :], honest[inputs]]
    assert (inputs + 1, "member", 1) == line_of(moved)


def test_lines_of_another_run_do_not_speak_for_all() -> None:
    """Of two runs' lines in one, the run_id that most of them carry tells which inputs are the strangers."""
    run, other = publish(), publish([{"amount": 1}, {"amount": 2}, {"amount": 3}])
    run.commitments[-1] = other.commitments[-1]
    found = _found(run, with_events=False)
    assert ("inputs", "seal", "inputs_sha256") == (found["kind"], found["where"], found["member"])
    run = publish()
    run.commitments[3:] = other.commitments[3:]
    found = _found(run, with_events=False)
    assert ("inputs", "input", "inputs_sha256") == (found["kind"], found["where"], found["member"])


def test_the_only_input_is_named_by_its_line() -> None:
    """Where there is one Input, it is the one that was altered."""
    run = publish([{"amount": 5}])
    run.commitments[0] = _with(run.commitments[0], input={"amount": 6})
    found = _found(run)
    assert ("inputs", "input", 1) == (found["kind"], found["where"], found["line"])


@pytest.mark.parametrize("address", [0, 3, 7, 198, 300, 2**53, 2**64 - 1])
def test_a_cell_with_another_address_is_named_itself(address: int) -> None:
    """Not the neighbours that sorting would put in its place; the claimed address may exceed 2^53−1."""
    run = publish()
    raw = bytearray(run.memory)
    raw[40 * 9 : 40 * 9 + 8] = address.to_bytes(8, "little")
    run.memory = bytes(raw)
    found = _found(run, raw=True)
    assert ("cell", 9, 10, "address") == (found["kind"], found["cell"], found["address"], found["member"])
    shown = address if address < 2**53 else hex(address)
    assert {"address": shown, "value": hex(100)} == found["claimed"]


@pytest.mark.parametrize("register", [0, 1, 2])
def test_a_register_beyond_any_bare_integer_can_be_reported(register: int) -> None:
    """Claimed bytes hold what no line may hold bare: such numbers are written as 0x…."""
    run = publish()
    raw = bytearray(run.trace)
    raw[24 * 7 + 8 * register + 7] ^= 0x80
    run.trace = bytes(raw)
    found = _found(run, raw=True)
    name = ("ap", "fp", "pc")[register]
    assert ("step", 7, name) == (found["kind"], found["step"], found["member"])
    assert int(found["claimed"][name], 16) == found["expected"][name] + 2**63


def test_a_memory_that_goes_on_far_away_can_be_reported() -> None:
    """A surplus cell is named by the address it claims."""
    run = publish()
    run.memory += (2**63).to_bytes(8, "little") + bytes(32)
    found = _found(run, raw=True)
    assert ("cell", hex(2**63), "allocated") == (found["kind"], found["address"], found["segment"])


def test_a_large_number_in_an_unknown_member_can_be_reported() -> None:
    """Nanoseconds may exceed 2^53−1 in their own member; in a report they are written as 0x…."""

    def add(events: list[Event]) -> None:
        events[0]["program"]["timestamp"] = 2**60

    report = publish(edit=add).audit().report
    assert "INDETERMINATE" == report.verdict
    assert hex(2**60) == parse_object(to_line(report))["unchecked"][0]["claimed"]


def test_a_moved_cell_that_is_committed_to_is_named_itself() -> None:
    """Also where the MemoryBlock's root was made over the altered file as it stands."""
    honest = publish()
    raw = bytearray(honest.memory)
    raw[40 * 9 + 1] ^= 1
    root = chunk_root(bytes(raw), 32 * 40).hex()
    block = next(i for i, line in enumerate(honest.events) if b'"MemoryBlock"' in line)
    run = publish(edit=lambda events: events[block].update(root=root))
    run.memory = bytes(raw)
    found = _found(run, raw=True)
    assert ("cell", 9, block) == (found["kind"], found["cell"], found["item"])


@pytest.mark.parametrize(
    "commitment", [None, {}, {"bits": 3}, {"bits": 16, "block_items": 9}, {"block_items": 8}]
)
def test_settings_that_one_line_alone_tells_are_found_from_the_run_id(commitment: Any) -> None:
    """Of events alone nothing but TraceStart says how they are committed to; altered, its run_id still tells."""
    run = publish()
    start = {name: value for name, value in parse_object(run.events[0]).items() if name != "commitment"}
    run.events[0] = canonical(start | ({} if commitment is None else {"commitment": commitment}))
    audit = audit_events(events=lambda: iter(run.events), subject=run.subject, inputs=INPUTS)
    found = audit.report.to_object()["first_mismatch"]
    assert ("member", "commitment", 0) == (found["kind"], found["member"], found["item"])
    assert {"bits": 16, "block_items": 8} == found["expected"]


def test_a_raw_file_that_goes_on_has_no_item_there() -> None:
    """Surplus bytes, a whole record or less, belong to no StepBlock; it is said that the file goes on."""
    for surplus in (1, 24):
        run = publish()
        run.trace += bytes(surplus)
        found = _found(run, raw=True)
        assert ("step", 4200, None, None) == (
            found["kind"],
            found["step"],
            found.get("item"),
            found.get("block"),
        )
        assert "goes on" in found["message"]


def test_inputs_other_than_asked_for_are_named() -> None:
    """Each input is compared with what the auditor knows was asked, and none may be missing or too many."""

    def audited(asked: list[dict[str, Any]]) -> Any:
        run = publish()
        return audit_run(commitments=run.commitments, subject=run.subject, keys=run.keys, asked=asked).report

    assert "published" in audited(INPUTS).checked
    found = audited([INPUTS[0], {"amount": 8}, INPUTS[2]]).to_object()["first_mismatch"]
    assert ("inputs", 2, 1, {"amount": 8}) == (
        found["kind"],
        found["line"],
        found["index"],
        found["expected"],
    )
    for asked in (INPUTS[:2], [*INPUTS, {"amount": 1}], []):
        found = audited(asked).to_object()["first_mismatch"]
        assert ("inputs", "inputs_count", len(asked), 3) == (
            found["kind"],
            found["member"],
            found["expected"],
            found["claimed"],
        )

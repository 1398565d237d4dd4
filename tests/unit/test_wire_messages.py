"""Trace events and messages: reading, writing back, refusing."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proofrail.wire.canonical import canonical
from proofrail.wire.errors import InvalidProposalError, MalformedError, ProofrailError
from proofrail.wire.events import EVENT_TYPES, VOLATILE, TraceEnd, parse_event
from proofrail.wire.messages import (
    MAX_DEAD_LETTER_VALUE,
    Attestation,
    AuditReport,
    DeadLetter,
    FirstMismatch,
    Registration,
    parse_message,
    reason_names,
    to_line,
)
from proofrail.wire.topics import MAX_LINE

TRACE_END = {
    "v": 1,
    "type": "TraceEnd",
    "run_id": "r",
    "seq": 3,
    "timestamp": 1_763_712_345_678_901_234,
    "outcome": "completed",
    "n_steps": 512,
    "output_count": 0,
    "output_sha256": "4f" * 32,
}
ATTESTATION = {
    "allocation_id": "a",
    "proposal_sha256": "00" * 32,
    "approved": False,
    "verdict": 5,
    "reasons": ["RISK_MISMATCH", "UNDER_DIVERSIFIED"],
    "protocols": ["x", "y"],
    "risks": [1, 2],
    "recommended_bps": [1, 9999],
    "proposed_bps": [0, 10000],
    "run_id": "r",
    "row": 0,
    "root": "00" * 32,
    "proof": {"digest": "00" * 32, "uri": "u", "backend": "stwo", "security_bits": 96, "is_mock": False},
    "audit": {"run_report": "00" * 32, "proof_report": "00" * 32},
    "timestamp": 1,
}
UNKNOWN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(st.characters(codec="ascii")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.from_regex("[a-z]{1,5}"), inner, max_size=3)
    ),
)


@given(st.dictionaries(st.from_regex(r"x_[a-z]{1,6}", fullmatch=True), UNKNOWN, max_size=4))
def test_unknown_members_survive_byte_for_byte(unknown: dict[str, object]) -> None:
    """A canonical line of a later minor version is written back as it was, nulls inside included."""
    line = canonical({**TRACE_END, **unknown})
    assert line == to_line(parse_event(line)) == to_line(parse_message(line))


def test_there_are_ten_types_of_trace_event() -> None:
    """The names of the design, and its volatile members."""
    assert set(EVENT_TYPES) == {
        "TraceStart",
        "SequenceStart",
        "SequenceEnd",
        "TileStart",
        "TileEnd",
        "TileFailure",
        "SequenceFailure",
        "StepBlock",
        "MemoryBlock",
        "TraceEnd",
    }
    assert {"timestamp", "duration_ns", "detail", "label"} == VOLATILE


@pytest.mark.parametrize("version", [0, 2, True, "1", None, [1], 10**15])
def test_an_unknown_version_is_named(version: object) -> None:
    """Nothing of a line of another version is believed."""
    with pytest.raises(MalformedError, match="unknown-version") as refused:
        parse_event(canonical({**TRACE_END, "v": version}))
    assert repr(version) in refused.value.message


@pytest.mark.parametrize("name", ["Input", "traceend", "", None, 1, ["TraceEnd"]])
def test_an_unknown_type_of_trace_event_is_named(name: object) -> None:
    """Messages are no trace events, and names are exact."""
    with pytest.raises(MalformedError, match="unknown-type") as refused:
        parse_event(canonical({**TRACE_END, "type": name}))
    assert repr(name) in refused.value.message


def test_version_and_type_must_be_there() -> None:
    """A line without them is refused like one with others."""
    for member, code in (("v", "unknown-version"), ("type", "unknown-type")):
        with pytest.raises(MalformedError, match=code):
            parse_event({name: value for name, value in TRACE_END.items() if name != member})


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("seq", -1),
        ("seq", True),
        ("seq", "0"),
        ("n_steps", None),
        ("outcome", "done"),
        ("output_sha256", "4F" * 32),
        ("output_sha256", "4f" * 31),
        ("run_id", ""),
        ("timestamp", -1),
    ],
)
def test_a_wrong_member_is_refused_by_name(member: str, value: object) -> None:
    """Types and ranges are strict, and the error says which member."""
    with pytest.raises(MalformedError, match="malformed-message") as refused:
        parse_event(canonical({**TRACE_END, member: value}))
    assert member == refused.value.context["member"]


def test_null_is_not_absence_on_the_wire() -> None:
    """An optional member may be left out, not null; in Python None means left out."""
    start = {
        "v": 1,
        "type": "TileEnd",
        "run_id": "r",
        "seq": 1,
        "timestamp": 1,
        "tile_id": "t",
        "span_id": "0" * 16,
        "output_bytes": "",
    }
    assert canonical(start) == to_line(parse_event(canonical(start)))
    with pytest.raises(MalformedError, match="must be left out"):
        parse_event(canonical({**start, "receipt": None}))
    report = AuditReport(
        run_id="r", subject="run", verdict="MATCH", checked=[], unchecked=[], first_mismatch=None
    )
    assert b"first_mismatch" not in to_line(report)


def test_version_and_type_are_written_without_being_given() -> None:
    """A model made in Python states both."""
    event = TraceEnd.model_validate(
        {name: value for name, value in TRACE_END.items() if name not in ("v", "type")}
    )
    assert canonical(TRACE_END) == to_line(event)


def test_a_mismatch_names_its_first_difference() -> None:
    """MISMATCH has a first mismatch, MATCH has none, INDETERMINATE says what it lacks."""
    base = {"run_id": "r", "subject": "run", "checked": [], "unchecked": []}
    found = FirstMismatch(kind="root", expected="00", claimed="01")
    assert AuditReport(**base, verdict="MISMATCH", first_mismatch=found).first_mismatch == found
    for verdict, mismatch in (("MISMATCH", None), ("MATCH", found), ("INDETERMINATE", None)):
        with pytest.raises(ValueError, match="inconsistent"):
            AuditReport(**base, verdict=verdict, first_mismatch=mismatch)


def test_an_attestation_agrees_with_itself() -> None:
    """Approval, reasons and arrays follow from one another; a mock is never attested."""
    assert Attestation.model_validate(ATTESTATION).verdict == 5
    for change in (
        {"approved": True},
        {"reasons": ["RISK_MISMATCH"]},
        {"reasons": ["UNDER_DIVERSIFIED", "RISK_MISMATCH"]},
        {"verdict": 64},
        {"risks": [1]},
        {"recommended_bps": [1, 2, 3]},
        {"proof": {**ATTESTATION["proof"], "is_mock": True}},
    ):
        with pytest.raises(ValueError, match="Attestation"):
            Attestation.model_validate({**ATTESTATION, **change})


FELTS = st.integers(0, 2**251).map(hex)
PLACES = st.fixed_dictionaries(
    {
        "program_hash": FELTS,
        "count": st.integers(1, 2**16),
        "root": FELTS,
        "index": st.integers(0, 2**16 - 1),
        "inputs_hash": FELTS,
        "path": st.lists(FELTS, max_size=16),
    }
)


@given(PLACES)
def test_the_place_of_a_row_survives_byte_for_byte(place: dict[str, object]) -> None:
    """`chain` is written back as it was, and left out where there is none: felts are text, counts are not."""
    line = canonical({"v": 1, "type": "Attestation", **ATTESTATION, "row": place["index"], "chain": place})
    assert line == to_line(parse_message(line))
    without = canonical({"v": 1, "type": "Attestation", **ATTESTATION})
    assert without == to_line(parse_message(without))
    assert b"chain" not in without


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("index", 1),
        ("count", 0),
        ("count", 2**16 + 1),
        ("count", "0x1"),
        ("path", ["0x1"] * 17),
        ("path", [1]),
        ("root", "0x01"),
        ("inputs_hash", None),
    ],
)
def test_the_place_of_another_row_or_form_is_refused(member: str, value: object) -> None:
    """Its index is the attestation's row; felts are "0x…"; no run has more than 65,536 rows."""
    place = {"program_hash": "0x1", "count": 1, "root": "0x2", "index": 0, "inputs_hash": "0x3", "path": []}
    told = {"v": 1, "type": "Attestation", **ATTESTATION, "chain": {**place, member: value}}
    with pytest.raises(MalformedError, match="malformed-message") as refused:
        parse_message(told)
    assert str(refused.value.context["member"]).startswith("chain")


@given(st.integers(0, 63))
def test_a_verdict_is_the_sum_of_its_reasons(verdict: int) -> None:
    """Names stand in the order of their bits, and only those of set bits."""
    bits = {
        "RISK_MISMATCH": 1,
        "OVER_MAX_SINGLE": 2,
        "UNDER_DIVERSIFIED": 4,
        "OVER_DEVIATION": 8,
        "OVER_VOLATILITY": 16,
        "UNDER_LIQUIDITY": 32,
    }
    assert [name for name in bits if verdict & bits[name]] == reason_names(verdict)


@pytest.mark.parametrize("verdict", [-1, 64])
def test_other_verdicts_do_not_exist(verdict: int) -> None:
    """There are six reasons."""
    with pytest.raises(ValueError, match="not a verdict"):
        reason_names(verdict)


@given(
    st.none() | st.binary(max_size=2000),
    st.none() | st.integers(0, 600_000).map(lambda size: b"\xff" * size),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=50).map(lambda text: text * 200),
)
@example(b"\x01" * 2000, b"\x01" * 600_000, "\x01" * 5000)
def test_a_dead_letter_always_fits_a_line(key: bytes | None, value: bytes | None, message: str) -> None:
    """Whatever was refused, its dead letter can be published, and says when the value was cut."""
    letter = DeadLetter.of(
        InvalidProposalError("proposal-x", message),
        topic="t",
        partition=0,
        offset=1,
        key=key,
        value=value,
        attempts=1,
    )
    line = to_line(letter)
    assert len(line) <= MAX_LINE
    assert letter == parse_message(line)
    held = value or b""
    assert held[: MAX_DEAD_LETTER_VALUE // 2].hex() == letter.value
    assert (len(held) if len(held) > MAX_DEAD_LETTER_VALUE // 2 else None) == letter.size
    assert (key is None) == (letter.key is None)


def test_a_dead_letter_says_why_and_where() -> None:
    """Code, message and coordinates are those of the error and the record."""
    letter = DeadLetter.of(
        ProofrailError("a-code", "why", "what next"),
        topic="t",
        partition=2,
        offset=7,
        key=b"k",
        value=b"\x00{",
        attempts=3,
    )
    assert {
        "v": 1,
        "type": "DeadLetter",
        "topic": "t",
        "partition": 2,
        "offset": 7,
        "key": "k",
        "code": "a-code",
        "message": "why",
        "value": "007b",
        "attempts": 3,
    } == letter.to_object()


def test_a_registration_says_what_its_outcome_rests_on() -> None:
    """A fact exactly with `recorded`, a code and its words exactly with `refused`."""
    said = {
        **{
            name: ATTESTATION[name]
            for name in ("allocation_id", "proposal_sha256", "run_id", "row", "approved")
        },
        "attestation": "0" * 64,
        "proof": "0" * 64,
        "ledger": {"kind": "file"},
        "timestamp": 1,
    }
    recorded = {**said, "outcome": "recorded", "fact": {"fact_hash": "0x1"}}
    refused = {**said, "outcome": "refused", "code": "policy-mock", "message": "it is a mock"}
    for whole in (recorded, refused):
        assert {**whole, "v": 1, "type": "Registration"} == Registration.model_validate(whole).to_object()
    for broken in (
        {**recorded, "outcome": "refused"},
        {**refused, "outcome": "recorded"},
        {**recorded, "code": "policy-mock", "message": "it is a mock"},
        {name: value for name, value in refused.items() if name != "message"},
    ):
        with pytest.raises(ValueError, match="Registration"):
            Registration.model_validate(broken)

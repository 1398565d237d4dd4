"""The native Committer, held to the Python reference."""

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proofrail._native import Committer, NativeError
from proofrail.commitment import blocks as reference
from proofrail.commitment.items import item_bytes
from proofrail.wire.canonical import canonical, parse_object
from proofrail.wire.errors import MalformedError

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NAMES = (
    st.sampled_from(
        ["timestamp", "duration_ns", "detail", "label", "a", "b", "", "é", "\U0001f600", "\uff00"]
    )
    | TEXT
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | TEXT
    | st.text('\\"\n\x00\x1f/ab', max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)
EVENTS = st.dictionaries(NAMES, VALUES, max_size=6)
LARGE = st.integers(-(2**127), 2**127 - 1)


def _native(
    data: bytes, run_id: str = "r", bits: int = 16, block_items: int = 256, cuts: Any = ()
) -> list[bytes]:
    committer = Committer(run_id, bits, block_items)
    out = []
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in pairwise(places):
        out += committer.feed(data[start:end])
    return out + committer.finish()


def _reference(
    events: list[dict[str, Any]], run_id: str = "r", bits: int = 16, block_items: int = 256
) -> list[bytes]:
    committer = reference.Committer(run_id, bits, block_items)
    out = [block for event in events if (block := committer.append(item_bytes(event)))]
    last, seal = committer.finish()
    return [canonical(line) for line in [*out, *([last] if last else []), seal]]


def _respelled(value: Any, choose: Callable[[list[str]], str]) -> str:
    """One of all spellings: any white space, any order of members, any escape where one may stand."""
    gap = lambda: choose(["", "", " ", "\t", "\r ", "  "])  # noqa: E731
    if isinstance(value, dict):
        members = [
            f"{gap()}{_respelled(name, choose)}{gap()}:{gap()}{_respelled(inner, choose)}{gap()}"
            for name, inner in sorted(value.items(), key=lambda _: choose(list("abcdefgh")))
        ]
        return "{" + (",".join(members) or gap()) + "}"
    if isinstance(value, list):
        return "[" + (",".join(gap() + _respelled(inner, choose) + gap() for inner in value) or gap()) + "]"
    if not isinstance(value, str):
        return choose(["-0", "0"]) if value == 0 and value is not False else json.dumps(value)
    return '"' + "".join(_letter(letter, choose) for letter in value) + '"'


def _letter(letter: str, choose: Callable[[list[str]], str]) -> str:
    units = letter.encode("utf-16-be").hex()
    spellings = [json.dumps(letter)[1:-1]]
    spellings.append("".join(f"\\u{units[start : start + 4].upper()}" for start in range(0, len(units), 4)))
    if letter == "/":
        spellings.append("\\/")
    if letter >= " " and letter not in '"\\':
        spellings += [letter, letter]
    return choose(spellings)


def _spelled(event: dict[str, Any], how: int) -> bytes:
    """One of several spellings of the same object."""
    if how == 0:
        return canonical(event)
    shuffled = dict(reversed(event.items()))
    return json.dumps(shuffled, ensure_ascii=how == 1, indent=None, separators=None).encode() + b"\r" * (
        how == 3
    )


def _code(line: bytes) -> str:
    try:
        _native(line + b"\n")
    except NativeError as error:
        return str(error.args[0])
    return "accepted"


def _reference_code(line: bytes) -> str:
    try:
        parse_object(line)
    except MalformedError as error:
        return error.code
    return "accepted"


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(EVENTS, st.integers(0, 3)), max_size=12),
    st.integers(1, 64),
    st.integers(1, 5) | st.integers(1, 2**53 - 1),
    TEXT,
    st.lists(st.integers(0, 5000), max_size=4),
    st.booleans(),
)
def test_blocks_and_seal_equal_the_reference(
    spelled: list[tuple[dict[str, Any], int]],
    bits: int,
    block_items: int,
    run_id: str,
    cuts: list[int],
    ended: bool,
) -> None:
    """Any objects in any spelling, cut anywhere, with or without the last line feed."""
    data = b"\n".join(_spelled(event, how) for event, how in spelled) + b"\n" * (ended and bool(spelled))
    events = [event for event, _ in spelled]
    assert _reference(events, run_id, bits, block_items) == _native(data, run_id, bits, block_items, cuts)


@settings(max_examples=300, deadline=None)
@given(EVENTS, st.data())
def test_every_spelling_has_the_same_item(event: dict[str, Any], data: st.DataObject) -> None:
    """White space, escapes, order of members and minus zero leave no trace in what is committed to."""
    random = data.draw(st.randoms(use_true_random=False))
    line = _respelled(event, random.choice).encode()
    assert event == parse_object(line)
    assert _reference([event]) == _native(line)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text('ab"\\é\x7f\x00', max_size=10), min_size=2, max_size=24), st.data())
def test_names_in_any_order_and_number(names: list[str], data: st.DataObject) -> None:
    """Names that share their first bytes, and names that stand twice, at the top and inside."""
    random = data.draw(st.randoms(use_true_random=False))
    members = ",".join(_respelled({name: 1}, random.choice)[1:-1] for name in names)
    for line in (f"{{{members}}}", f'{{"a":[{{{members}}}],"label":{{{members}}}}}'):
        assert _reference_code(line.encode()) == _code(line.encode())
        if len(set(names)) == len(names):
            assert _reference([parse_object(line.encode())]) == _native(line.encode())


@settings(max_examples=50, deadline=None)
@given(LARGE, LARGE)
def test_nanoseconds_may_be_large_at_every_level(outer: int, inner: int) -> None:
    """timestamp and duration_ns may exceed 2^53-1; deeper inside they are committed to."""
    event = {"timestamp": outer, "a": {"duration_ns": inner, "timestamp": outer}}
    for how in range(3):
        assert _reference([event]) == _native(_spelled(event, how))


@settings(max_examples=200, deadline=None)
@given(EVENTS, st.integers(0, 3), st.integers(0, 400), st.binary(max_size=3), st.integers(0, 3))
@example({}, 0, 1, b',"a":1', 0)
@example({"a": 1}, 0, 5, b"\xed\xa0\x80", 0)
def test_a_damaged_line_is_refused_by_both_or_by_neither(
    event: dict[str, Any], how: int, place: int, inserted: bytes, removed: int
) -> None:
    """Bytes put in or taken out of a line: native part and reference agree whether it still is an object."""
    line = _spelled(event, how)
    place %= len(line) + 1
    damaged = (line[:place] + inserted + line[place + removed :]).replace(b"\n", b" ")
    assert (_reference_code(damaged) == "accepted") == (_code(damaged) == "accepted"), damaged
    if _code(damaged) == "accepted":
        assert _reference([parse_object(damaged)]) == _native(damaged)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b" ",
        b"[]",
        b"1",
        b"null",
        b'{"a":1,"a":1}',
        b'{"a":1,"\\u0061":1}',
        b'{"x":{"":1,"":2}}',
        b'{"a":1.0}',
        b'{"a":1e2}',
        b'{"a":-0.0}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":9007199254740992}',
        b'{"a":-9007199254740992}',
        b'{"a":[[9007199254740992]]}',
        b'{"timestamp":[9007199254740992]}',
        b'{"timestamp":170141183460469231731687303715884105728}',
        b'{"a":"\\ud800"}',
        b'{"a":"\\udc00\\ud800"}',
        b'{"\\udfff":1}',
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":01}',
        b'{"a":+1}',
        b'{"a":.5}',
        b'{"a":1.}',
        b'{"a":-}',
        b'{"a":1}{',
        b"{'a':1}",
        b'{"a":"\t"}',
        b'{"a":"\\x"}',
        b'{"a":tru}',
        b'{"a":' + b"[" * 127 + b"]" * 127 + b"}",
        b"[" * 60_000,
    ],
)
def test_codes_are_those_of_the_reference(line: bytes) -> None:
    """A line that is malformed in one way is refused with the same code as by parse_object."""
    assert _reference_code(line) != "accepted"
    assert _reference_code(line) == _code(line)


@pytest.mark.parametrize(
    "line",
    [
        b'{"a":-0}',
        b'{"a":9007199254740991,"b":-9007199254740991}',
        b'\t{ "a" : [ ] , "b" : { } }\r',
        b'{"a":"\\ud83d\\ude00\\/\\u00e9\x7f"}',
        b'{"a":' + b"[" * 126 + b"]" * 126 + b"}",
    ],
)
def test_unusual_lines_that_are_fine(line: bytes) -> None:
    """Minus zero, extreme integers, white space, escapes, deep nesting: as the reference reads them."""
    assert _reference([parse_object(line)]) == _native(line)


def test_errors_say_which_line() -> None:
    """The message starts with the number of the line, whatever the pieces."""
    committer = Committer("r")
    committer.feed(b'{"a":1}\n{"a"')
    with pytest.raises(NativeError) as caught:
        committer.feed(b':2}\n\n{"a":3}\n')
    code, message = caught.value.args
    assert "malformed-json" == code
    assert message.startswith("line 3: ")
    with pytest.raises(NativeError) as caught:
        committer.feed(b"{}\n")
    assert "committer-over" == caught.value.args[0]
    with pytest.raises(NativeError):
        committer.finish()


@pytest.mark.parametrize("cuts", [(), (70_000,), (10, 65_000)])
def test_a_line_has_at_most_64_kib(cuts: tuple[int, ...]) -> None:
    """65,536 bytes are the most; what is longer is refused, also before its line feed has come."""
    fits = b'{"a":"' + b"x" * (65_536 - 8) + b'"}'
    assert 65_536 == len(fits)
    assert _reference([json.loads(fits)]) == _native(fits + b"\n", cuts=cuts)
    for data in (b"{}\n" + fits + b" \n", b"{}\n" + fits + b" "):
        with pytest.raises(NativeError) as caught:
            _native(data, cuts=cuts)
        assert "line-too-long" == caught.value.args[0]
        assert caught.value.args[1].startswith("line 2: ")


@pytest.mark.parametrize(
    ("bits", "block_items", "code"), [(0, 1, "bits"), (65, 1, "bits"), (1, 0, "block-items")]
)
def test_parameters_out_of_range(bits: int, block_items: int, code: str) -> None:
    """bits lies in 1 … 64, block_items is at least 1."""
    with pytest.raises(NativeError) as caught:
        Committer("r", bits, block_items)
    assert f"commitment-{code}" == caught.value.args[0]

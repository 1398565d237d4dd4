"""Reading items out of what a traced program wrote: wherever they stand, and nothing that is broken passed over."""

from __future__ import annotations

import io
import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raster_items import example_b, items, json_text, prefixed, read, undelimited

from proofrail.commitment.raster import stream as module
from proofrail.commitment.raster.item import Item, item_object, parse_item
from proofrail.commitment.raster.stream import StreamError, StreamReader

ITEMS = example_b()
ONE = json_text(ITEMS[0])
ONE_BASE64 = json_text(ITEMS[0], base64_data=True)
TOOL_LINES = [
    "RASTER_TRACE:00206d97a6c02676a41a9636c6cd4e5d2d47d14d27a35d18e608115fd93cd42e6b3a00",
    "RASTER_TRACE:root:6f5355fc6efa7dc8560fd197701cce2bb9d337ccabae11b875f8fc7be65d3383",
    "RASTER_TRACE:computed length: 12",
    "RASTER_TRACE:diff index: 3",
    f'RASTER_AUDIT:{{"success":false,"diff":{{"index":0}},"trace_window":[{ONE}]}}',
]
FOREIGN = [
    "",
    "plain text",
    'Claim { who: "ada", weight: 5 }',
    '{"level":"info","inputs":3}',
    '{"desc":"no item","inputs":[1,2]}',
    '{"inputs": {"a": {"b": {"c": "}"}}}}',
    '{{{ " {" -',
    'said \\"fn_name\\": and fn_name: in words',
    'TraceItem { fn_name: "only", desc: Some("x") }',
    "RASTER_TRACE",
    "tab\tand \x1b[31mcolour\x1b[0m",
    "[1,2,3]",
    "{}",
]


def _fails(stream: bytes | str) -> StreamError:
    data = stream.encode() if isinstance(stream, str) else stream
    with pytest.raises(StreamError) as caught:
        read(data)
    assert 2 <= len(str(caught.value))
    return caught.value


@settings(max_examples=60, deadline=None)
@given(st.lists(items(), max_size=6), st.sampled_from([True, False]))
def test_round_trip(found: list[Item], base64_data: bool) -> None:
    """Whatever an item says, it is read as it was written: without delimiters, on lines after the prefix, on lines of
    NDJSON, and with spaces and escapes that other writers of JSON make."""
    texts = [json_text(item, base64_data=base64_data) for item in found]
    objects = [item_object(item, base64_data=base64_data) for item in found]

    assert found == read("".join(texts).encode())
    assert found == read("\n".join(texts).encode())
    assert found == read("".join(f"RASTER_TRACE:{text}\r\n" for text in texts).encode())
    assert found == read("\n".join(json.dumps(obj) for obj in objects).encode())
    assert found == read("\n".join(json.dumps(obj, sort_keys=True) for obj in objects).encode())


@pytest.mark.parametrize("foreign", FOREIGN + TOOL_LINES)
def test_foreign_text_around_items(foreign: str) -> None:
    """Foreign text before, between and behind items, on their line or its own, is passed over and counted."""
    for apart in ("\n", "", " "):
        if foreign.startswith("RASTER_AUDIT") and apart != "\n":
            continue
        if foreign == "RASTER_TRACE" and apart != "\n":
            continue
        text = apart.join([foreign, ONE_BASE64, foreign, ONE, "RASTER_TRACE:" + ONE, foreign]) + "\n"
        reader = StreamReader(io.BytesIO(text.encode()))

        assert [ITEMS[0]] * 3 == list(reader)
        assert 3 == reader.items
        assert (3 if foreign else 0) == reader.skipped.pieces
        assert 3 * len(foreign.encode()) == reader.skipped.bytes


def test_text_before_the_prefix() -> None:
    """A program that prints without a line feed has its text glued before the prefix: the item is had all the same."""
    reader = StreamReader(io.BytesIO(f"busy... RASTER_TRACE:{ONE}\nRASTER_TRACE:{ONE} done\n".encode()))

    assert [ITEMS[0]] * 2 == list(reader)
    assert {
        "pieces": 2,
        "bytes": 11,
        "first": {"line": 1, "offset": 0, "text": "busy..."},
    } == reader.skipped.to_object()


def test_items_in_an_audit_result_are_copies() -> None:
    """The window of an audit result repeats items of the trace; they are none of the stream."""
    assert [ITEMS[0]] == read("\n".join([f"RASTER_TRACE:{ONE}", TOOL_LINES[-1]]).encode())


def test_what_is_skipped_is_told() -> None:
    """Pieces, bytes, and the first piece with its place; white space alone is nothing."""
    reader = StreamReader(io.BytesIO(f"\n  \n{ONE}  hello \tworld\n\nmore{ONE}\n".encode()))

    assert 2 == len(list(reader))
    assert (2, 16) == (reader.skipped.pieces, reader.skipped.bytes)
    assert (3, 4 + len(ONE) + 2, "hello \tworld") == (
        reader.skipped.line,
        reader.skipped.offset,
        reader.skipped.text,
    )


def _changed(**members: Any) -> str:
    obj = item_object(ITEMS[0], base64_data=False) | members
    return json.dumps({name: value for name, value in obj.items() if value is not ...})


@pytest.mark.parametrize(
    "members",
    [
        {"fn_name": None},
        {"fn_name": 1},
        {"fn_name": ...},
        {"desc": ...},
        {"desc": 1},
        {"inputs": None},
        {"inputs": {}},
        {"inputs": [1]},
        {"inputs": [{"name": "x"}]},
        {"inputs": [{"name": "x", "ty": None}]},
        {"inputs": [{"name": "x", "ty": "u64", "more": 1}]},
        {"input_data": None},
        {"input_data": {}},
        {"input_data": [256]},
        {"input_data": [-1]},
        {"input_data": [True]},
        {"input_data": ["1"]},
        {"input_data": [1.0]},
        {"input_data": [[1]]},
        {"input_data": [10**30]},
        {"input_data": "AA"},
        {"input_data": "AA="},
        {"input_data": "AB=="},
        {"input_data": "A A="},
        {"input_data": "AA==\n"},
        {"input_data": "-_8="},
        {"input_data": "AAAA===="},
        {"input_data": "äAAA"},
        {"output_type": 5},
        {"output_data": ...},
        {"output_data": float("nan")},
        {"more": None},
        {"desc": "\ud800"},
    ],
    ids=str,
)
def test_wrong_members(members: dict[str, Any]) -> None:
    """An item with a member of another type, too few, or one that the tool does not write, is broken: with and without
    the prefix, at its line and byte."""
    text = _changed(**members)

    for before in ("", "RASTER_TRACE:", "glued "):
        error = _fails(f"{ONE}\n{before}{text}\n{ONE}")
        assert "raster-item-broken" == error.code
        assert {"line": 2, "offset": len(ONE) + 1 + len(before)} == error.context


def test_duplicate_member() -> None:
    """A member twice is broken: two readers would take different ones."""
    assert "raster-item-broken" == _fails(ONE.replace('"desc":null', '"desc":null,"desc":"x"')).code
    assert "raster-item-broken" == _fails(ONE.replace('"ty":"String"', '"ty":"String","ty":"u8"')).code


def test_bytes_that_are_no_utf8() -> None:
    """Bytes that are no UTF-8 break an item, and are skipped outside of one."""
    assert "raster-item-broken" == _fails(ONE.encode().replace(b"greet", b"gr\xffet")).code
    assert [ITEMS[0]] == read(b"\xff\xfd" + ONE.encode() + b"\x80\n")
    assert "raster-stream-encoding" == _fails(ONE.encode("utf-16")).code


def test_arrays_nested_beyond_measure() -> None:
    """Hostile nesting is a broken item, no crash."""
    deep = "[" * 200_000 + "]" * 200_000
    assert "raster-item-broken" == _fails(ONE.replace('"input_data":[', f'"input_data":[{deep},')).code


@pytest.mark.parametrize("form", [undelimited, prefixed], ids=["undelimited", "prefixed"])
def test_every_truncation(form: Any) -> None:
    """A stream cut anywhere but between two items is an error; cut between them it gives the items before."""
    whole = form(ITEMS[:2])
    first = len(form(ITEMS[:1]))
    ends = {0: 0, first: 1, len(whole): 2}
    if form is prefixed:
        ends |= {first - 1: 1, len(whole) - 1: 2}
        # The first letters of a prefix could be anything; from its underscore on they are a prefix that is cut.
        ends |= {start + more: count for start, count in ((0, 0), (first, 1)) for more in range(1, 7)}
    for length in range(len(whole) + 1):
        if length in ends:
            assert ITEMS[: ends[length]] == read(whole[:length])
        else:
            assert _fails(whole[:length]).code in ("raster-item-broken", "raster-stream-cut")


def test_every_line_cut_and_followed() -> None:
    """An item cut anywhere with another one behind it, on the next line or on the same, is never passed over."""
    for length in range(1, len(ONE)):
        head = ONE[:length]
        assert "raster" in _fails(f"RASTER_TRACE:{head}\nRASTER_TRACE:{ONE}\n").code
        if length > 1:  # a brace alone is what any program may print
            assert "raster" in _fails(f"{head}\n{ONE}\n").code
            assert "raster" in _fails(f"{head}{ONE_BASE64}").code
            assert "raster" in _fails(f"{head}RASTER_TRACE:{ONE}").code


def test_what_is_left_of_an_item() -> None:
    """An item that lost its head is broken as long as a name is left of it, and foreign text after that."""
    named = ONE.rindex('"output_data"')
    for length in range(1, named + 1):
        assert "raster-item-broken" == _fails(ONE[length:]).code
    reader = StreamReader(io.BytesIO(ONE[named + 1 :].encode()))
    assert [] == list(reader)
    assert 1 == reader.skipped.pieces


def test_every_altered_byte() -> None:
    """An item with any byte replaced by any of a few others is another item, or an error, or had as it was (in white
    space): never passed over."""
    data = prefixed(ITEMS[:2])
    start = len(prefixed(ITEMS[:1])) + len("RASTER_TRACE:")
    for position in range(start, len(data) - 1):
        for byte in (b'"', b"{", b"}", b"\n", b"x", b"\x00", b"9", b","):
            if data[position : position + 1] == byte:
                continue
            try:
                found = read(data[:position] + byte + data[position + 1 :])
            except StreamError:
                continue
            assert 2 == len(found)
            assert ITEMS[1] != found[1]


def test_items_over_several_lines() -> None:
    """Pretty-printed items are refused, not passed over: the tool writes an item on one line."""
    assert "raster-item-broken" == _fails(json.dumps(json.loads(ONE), indent=2)).code


def test_prefix_without_anything() -> None:
    """A prefix that nothing follows is a line that was cut."""
    assert "raster-stream-cut" == _fails("RASTER_TRACE:").code
    assert "raster-item-broken" == _fails("RASTER_TRACE:\n").code
    assert "raster-item-broken" == _fails("RASTER_TRACE:{}\n").code
    assert "raster-item-broken" == _fails(f'RASTER_AUDIT:{{"success":true,"trace_window":[{ONE}\n').code


def test_items_across_the_reading_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """However the stream is cut into pieces while it is read, the same items, counts and places come out."""
    stream = "\n".join(
        ["noise", ONE, FOREIGN[2] + ONE_BASE64 + FOREIGN[4], *TOOL_LINES, "RASTER_TRACE:" + ONE]
    )
    whole = StreamReader(io.BytesIO(stream.encode()))
    expected = list(whole)
    for chunk in (1, 2, 3, 7, 64, 100):
        monkeypatch.setattr(module, "_CHUNK", chunk)
        reader = StreamReader(io.BytesIO(stream.encode()))
        assert expected == list(reader)
        assert whole.skipped == reader.skipped
        assert whole.sha256() == reader.sha256()
        broken = stream + "\n" + _changed(desc=1)
        assert len(stream.encode()) + 1 == _fails(broken).context["offset"]


def test_an_item_larger_than_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """An object without end is an error at a limit, so that memory stays bounded."""
    monkeypatch.setattr(module, "MAX_ITEM", 1 << 20)
    endless = ONE[:-2] + ",1" * (1 << 20)

    assert "raster-item-too-long" == _fails(endless).code


@pytest.mark.parametrize(
    "noise", [b'{{{"{"{ {"a":{', b'{"desc"', b'{"desc":"', b'{"inputs":[', b'{"desc":{"a":"}'], ids=repr
)
def test_hostile_text_costs_little(noise: bytes) -> None:
    """Text full of objects that open and never close is passed over in time that grows with its length alone."""
    assert [ITEMS[0]] == read(noise * 8_000 + b"\n" + ONE.encode())


def test_random_noise() -> None:
    """Whatever bytes stand between items, all items are had, or the stream is refused."""
    source = random.Random(7)  # noqa: S311 - a test's noise
    alphabet = [
        b"{",
        b"}",
        b'"',
        b":",
        b",",
        b"\n",
        b"RASTER_TRACE:",
        b"desc",
        b"inputs",
        b"\\",
        b" ",
        b"[1]",
        b"x",
    ]
    for _ in range(2000):
        noise = [b"".join(source.choices(alphabet, k=source.randrange(8))) for _ in range(3)]
        try:
            found = read(noise[0] + b"\n" + ONE.encode() + noise[1] + ONE_BASE64.encode() + noise[2])
        except StreamError:
            continue
        assert [ITEMS[0]] * 2 == found


def test_parse_item_of_the_seed() -> None:
    """The two forms of the first item of hello-tiles, as the reference prints them, are one item."""
    old = (
        '{"fn_name":"greet","desc":null,"inputs":[{"name":"name","ty":"String"}],"input_data":"BlJhc3Rlcg==",'
        '"output_type":"String","output_data":"EUhlbGxvLCBSYXN0ZXIhISEh"}'
    )
    assert ITEMS[0] == parse_item(json.loads(old))
    assert ONE_BASE64 == old

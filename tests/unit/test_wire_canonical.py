"""Strict reading and canonical writing of JSON."""

import json

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from proofrail.wire.canonical import (
    FELT_PRIME,
    MAX_DEPTH,
    MAX_SAFE_INTEGER,
    canonical,
    felt_hex,
    parse_felt,
    parse_object,
    parse_program_input,
    sha256_hex,
)
from proofrail.wire.errors import MalformedError

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SAFE = st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER)
SCALARS = st.none() | st.booleans() | SAFE | TEXT
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4)
)
OBJECTS = st.dictionaries(TEXT, VALUES, max_size=6)


def _nested(levels: int) -> dict[str, object]:
    value: object = 1
    for _ in range(levels - 1):
        value = [value]
    return {"a": value}


@given(OBJECTS)
@example({"\ufb33": 1, "\U0001f600": 2, "\u20ac": {"\U0010ffff": 1, "\uffff": 2}})
def test_canonical_form_is_that_of_the_rfc_8785_package(value: dict[str, object]) -> None:
    """Two implementations of RFC 8785 write the same bytes for every object without large integers."""
    assert rfc8785.dumps(value) == canonical(value)


@given(OBJECTS)
def test_canonical_lines_read_back_to_themselves(value: dict[str, object]) -> None:
    """Reading a canonical line and writing it again changes no byte and no value."""
    line = canonical(value)
    assert value == parse_object(line)
    assert line == canonical(parse_object(line))


@given(OBJECTS, st.booleans())
def test_spelling_does_not_matter(value: dict[str, object], ascii_only: bool) -> None:
    """Escapes, white space and the order of members leave the canonical form as it is."""
    spelled = json.dumps(dict(reversed(value.items())), ensure_ascii=ascii_only, separators=(" , ", " :\t"))
    assert canonical(value) == canonical(parse_object(spelled.encode()))


@given(st.dictionaries(st.text(st.characters(codec="ascii")), VALUES, max_size=6))
def test_ascii_names_sort_as_python_sorts_them(value: dict[str, object]) -> None:
    """With ASCII names at the top, canonical form has them in the order of Python's sort."""
    assert sorted(value) == list(json.loads(canonical(value)))


@given(st.integers(-(2**127), 2**127 - 1), st.sampled_from(["timestamp", "duration_ns"]))
def test_nanoseconds_keep_every_digit(value: int, name: str) -> None:
    """`timestamp` and `duration_ns` hold up to signed 128 bits, at every level, without rounding."""
    line = f'{{"{name}":{value},"x":[{{"{name}":{value}}}]}}'.encode()
    assert {name: value, "x": [{name: value}]} == parse_object(line)
    assert line == canonical(parse_object(line))


def _refusal(line: bytes) -> str:
    """The code a line is refused with, "" when it is read as something that can be written and read again."""
    try:
        value = parse_object(line)
    except MalformedError as error:
        return error.code
    assert value == parse_object(canonical(value))
    return ""


@given(st.binary(max_size=200) | TEXT.map(str.encode))
def test_any_bytes_are_read_or_refused_with_a_code(line: bytes) -> None:
    """No input makes the reader fail in any other way than by MalformedError."""
    assert _refusal(line).startswith("malformed-") or parse_object(line) is not None


@given(VALUES, st.integers(0, 2**32))
def test_one_changed_bit_never_escapes_the_reader(value: object, seed: int) -> None:
    """A damaged line is read as something canonical or refused with a code."""
    line = bytearray(canonical({"value": value}))
    line[seed % len(line)] ^= 1 << seed % 8
    assert _refusal(bytes(line)).startswith("malformed-") or parse_object(bytes(line)) is not None


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ({"a": 1.0}, "malformed-float"),
        ({"a": float("nan")}, "malformed-float"),
        ({"a": [MAX_SAFE_INTEGER + 1]}, "malformed-integer"),
        ({"timestamp": [MAX_SAFE_INTEGER + 1]}, "malformed-integer"),
        ({"timestamp": 2**127}, "malformed-integer"),
        ({"a": "\ud800"}, "malformed-surrogate"),
        ({"\udfff": 1}, "malformed-surrogate"),
        ({1: "a"}, "malformed-json"),
        ({"a": {"b"}}, "malformed-json"),
        ({"a": b"b"}, "malformed-json"),
        (_nested(MAX_DEPTH + 1), "malformed-depth"),
    ],
    ids=repr,
)
def test_what_could_not_be_read_back_is_not_written(value: object, code: str) -> None:
    """The writer refuses with the reader's codes."""
    with pytest.raises(MalformedError) as refused:
        canonical(value)
    assert code == refused.value.code


def test_the_deepest_object_is_read_and_written() -> None:
    """127 levels are allowed, in objects and in arrays."""
    line = canonical(_nested(MAX_DEPTH))
    assert line == canonical(parse_object(line))


def test_tuples_are_arrays() -> None:
    """Models hold tuples; on the wire they are arrays."""
    assert b'{"a":[1,[2]]}' == canonical({"a": (1, (2,))})


@given(st.integers(0, FELT_PRIME - 1))
def test_felts_read_back(value: int) -> None:
    """Every felt has one spelling."""
    assert value == parse_felt(felt_hex(value))


@pytest.mark.parametrize(
    "text", ["", "0x", "1", "0X1", "0x01", "0xA", "0x1 ", "-0x1", "0x1\n", hex(FELT_PRIME), "0x" + "1" * 65]
)
def test_other_spellings_are_no_felts(text: str) -> None:
    """Upper case, leading zeros, signs and values from P on are refused."""
    with pytest.raises(MalformedError, match="malformed-felt"):
        parse_felt(text)


@pytest.mark.parametrize("value", [-1, FELT_PRIME])
def test_felt_hex_takes_felts_only(value: int) -> None:
    """A number outside the field is a mistake of the caller."""
    with pytest.raises(ValueError, match="not a felt"):
        felt_hex(value)


@given(st.integers())
def test_large_integers_of_an_inputs_file_become_felts(value: int) -> None:
    """Beyond ±(2^53−1) an integer of an inputs file is its residue mod P as "0x…"; within it stays."""
    kept = -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER
    expected = value if kept else hex(value % FELT_PRIME)
    assert {"a": [expected], "timestamp": expected} == parse_program_input(
        b'{\n "a": [%d],\n "timestamp": %d\n}\n' % (value, value)
    )


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b'{"a":1.5}', "malformed-float"),
        (b'{"a":1,"a":2}', "malformed-duplicate-member"),
        (b"[1]", "malformed-not-an-object"),
        (b'{"a":' + b"9" * 4001 + b"}", "malformed-integer"),
        (b'{"a":1}\n{"b":2}\n', "malformed-json"),
    ],
    ids=repr,
)
def test_an_inputs_file_is_as_strict_otherwise(data: bytes, code: str) -> None:
    """Only line feeds and large integers are treated differently."""
    with pytest.raises(MalformedError) as refused:
        parse_program_input(data)
    assert code == refused.value.code


def test_an_inputs_file_fits_its_line() -> None:
    """The deepest object of an inputs file can be written as the input of an Input line, one level deeper."""
    deepest = _nested(MAX_DEPTH - 1)
    assert deepest == parse_program_input(canonical(deepest))
    assert canonical({"input": parse_program_input(canonical(deepest))})
    with pytest.raises(MalformedError, match="malformed-depth"):
        parse_program_input(canonical(_nested(MAX_DEPTH)))


def test_sha256_hex_is_sha_256() -> None:
    """The digest of "abc" (FIPS 180-4)."""
    assert "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" == sha256_hex(b"abc")

"""Python values as bytes: one encoding a value, one value an encoding."""

from __future__ import annotations

import dataclasses
import decimal
import enum
from collections import OrderedDict
from typing import Any, NamedTuple

import plain_native
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from proofrail.tracing import Record, TracingError, decode, encode
from proofrail.tracing.values import MAX_DEPTH, encode_arguments, encode_result
from proofrail.wire.errors import MalformedError


@dataclasses.dataclass(frozen=True)
class Share:
    name: str
    bps: int


class Point(NamedTuple):
    x: int
    y: int


class Limits(BaseModel):
    most: int
    least: int | None = None


class Colour(enum.IntEnum):
    RED = 1


_KEYS = st.one_of(st.text(max_size=4), st.integers(), st.binary(max_size=4))
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(min_value=-(2**300), max_value=2**300),
        st.text(max_size=8),
        st.binary(max_size=8),
        st.builds(Share, st.text(max_size=4), st.integers()),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(_KEYS, inner, max_size=4),
    ),
    max_leaves=12,
)


def _exact(value: Any) -> Any:
    """Comparable without `1 == True`."""
    if isinstance(value, list | tuple):
        return type(value), [_exact(element) for element in value]
    if isinstance(value, dict):
        return dict, {(type(key), key): _exact(element) for key, element in value.items()}
    return type(value), value


@given(VALUES)
def test_reads_back_what_it_writes(value: Any) -> None:
    """Every value comes back, with its types, and is written again as the same bytes."""
    encoded = encode(value)
    decoded = decode(encoded, [Share])
    assert _exact(value) == _exact(decoded)
    assert encoded == encode(decode(encoded))


@given(VALUES)
def test_writes_what_the_text_says(value: Any) -> None:
    """The encoding is that of a second implementation made from the normative text."""
    assert plain_native.encode(value) == encode(value)


@given(VALUES, VALUES)
@settings(max_examples=100)
def test_no_two_values_share_bytes(one: Any, other: Any) -> None:
    """Encodings are equal exactly when values and types are."""
    assert (_exact(one) == _exact(other)) == (encode(one) == encode(other))


@given(st.binary(max_size=24))
@settings(max_examples=150)
def test_bytes_are_refused_or_canonical(data: bytes) -> None:
    """What the reader accepts, the writer writes: there is no second spelling of any value."""
    for version in (b"", b"\x01"):
        try:
            value = decode(version + data)
        except MalformedError:
            continue
        assert version + data in (encode(value), encode_result(value), _as_arguments(value))


def _as_arguments(value: Any) -> bytes | None:
    return encode_arguments(value) if isinstance(value, dict) and all(type(k) is str for k in value) else None


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (None, "016e"),
        (True, "0174"),
        (0, "016900"),
        (1, "01690101"),
        (-1, "016901ff"),
        (127, "0169017f"),
        (128, "0169020080"),
        (-128, "01690180"),
        (-129, "016902ff7f"),
        ("é", "017302c3a9"),
        (b"", "016200"),
        ([1, (2,)], "016c02690101750169" + "0102"),
        ({"b": 1, "a": 2, 3: 4}, "016403690103" + "690104" + "730161" + "690102" + "730162" + "690101"),
        (Share("x", 5), "0172055368617265" + "02" + "03627073690105" + "046e616d65730178"),
        (Point(1, 2), "017205506f696e74" + "02" + "0178690101" + "0179690102"),
        (Limits(most=1), "0172064c696d697473" + "02" + "056c656173746e" + "046d6f7374690101"),
    ],
)
def test_bytes_stay(value: Any, encoded: str) -> None:
    """The encoding of each kind of value, pinned: it is committed to, so it never changes."""
    assert encoded == encode(value).hex()


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (1.0, "value-not-encodable"),
        ({1}, "value-not-encodable"),
        (frozenset(), "value-not-encodable"),
        (bytearray(b"x"), "value-not-encodable"),
        (decimal.Decimal(1), "value-not-encodable"),
        (Colour.RED, "value-not-encodable"),
        (OrderedDict(a=1), "value-not-encodable"),
        (object(), "value-not-encodable"),
        (Share, "value-not-encodable"),
        ({True: 1}, "value-not-encodable"),
        ({(1,): 1}, "value-not-encodable"),
        ([{"x": [1.5]}], "value-not-encodable"),
        ("\ud800", "value-not-text"),
        ({"\udfff": 1}, "value-not-text"),
    ],
)
def test_refuses_what_another_process_would_not_find_again(value: Any, code: str) -> None:
    """What has no deterministic form is an error with a code and a way out, never empty bytes."""
    with pytest.raises(TracingError) as caught:
        encode(value)
    assert code == caught.value.code
    assert caught.value.next_step


def test_refuses_what_lies_too_deep() -> None:
    """A value that holds itself ends in an error, and the deepest that is written can be read."""
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(TracingError, match="value-too-deep"):
        encode(endless)
    deep: Any = None
    for _ in range(MAX_DEPTH - 1):
        deep = [deep]
    assert deep == decode(encode(deep))
    with pytest.raises(MalformedError):
        decode(b"\x01" + b"l\x01" * MAX_DEPTH + b"n")


@pytest.mark.parametrize(
    "data",
    [
        "02",
        "0102",
        "016e6e",
        "01690100",
        "016902ff80",
        "01698001" + "00" * 128,
        "0173" + "01ff",
        "016c05",
        "016402690102" + "6e" + "690101" + "6e",
        "016402690101" + "6e" + "690101" + "6e",
        "0164016e6e",
        "01720178020162" + "6e" + "0161" + "6e",
        "0161010178",
        "016100",
        "01ff",
        "0169ffffffffffffffffffff01",
    ],
)
def test_refuses_other_spellings(data: str) -> None:
    """Another version, numbers with spare bytes, keys out of order or twice, bytes missing or left over: refused."""
    with pytest.raises(MalformedError, match="malformed-native-value"):
        decode(bytes.fromhex(data))


def test_records_without_their_class() -> None:
    """A record can be read, and written again, by someone who has not its class; with a wrong class it is refused."""
    encoded = encode(Share("x", 5))
    assert Record("Share", {"bps": 5, "name": "x"}) == decode(encoded)
    assert encoded == encode(decode(encoded))

    class Share2:
        pass

    Share2.__name__ = "Share"
    with pytest.raises(MalformedError, match="cannot be made"):
        decode(encoded, [Share2])


def test_arguments_keep_their_order() -> None:
    """Arguments stand in the order of declaration; none are no bytes; nothing returned is no bytes."""
    given_arguments = {"b": 1, "a": [None]}
    assert plain_native.arguments(given_arguments) == encode_arguments(given_arguments)
    assert ["b", "a"] == list(decode(encode_arguments(given_arguments)))
    assert (b"", b"") == (encode_arguments({}), encode_result(None))
    assert encode([]) == encode_result([])

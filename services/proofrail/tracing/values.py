"""Python values as bytes: the input_bytes and output_bytes of native traces (schemas/trace-v1.md, "Native traces").

    0x01 value                a value                       0x01 "a" n (text value)…   arguments, in their order
    "n" "t" "f"               None, True, False             "l" n value…               list
    "i" n bytes               integer, two's complement     "u" n value…               tuple
    "s" n UTF-8               string                        "d" n (key value)…         dict, by ascending key bytes
    "b" n bytes               bytes                         "r" text n (text value)…   record, by ascending name bytes

`n` is an unsigned LEB128 number, `text` is `n UTF-8`. Every number takes as few bytes as it can, so each value has
one encoding and no two values share one; what is not that encoding is refused when it is read.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from types import CoroutineType, GeneratorType
from typing import Any, Final

from pydantic import BaseModel

from proofrail.tracing.errors import TracingError
from proofrail.wire.errors import MalformedError

VERSION: Final = 1
"""The first byte of every encoding."""

MAX_DEPTH: Final = 100
"""Values inside one another, the outermost counted."""

_VERSION: Final = bytes([VERSION])
_SUGGESTIONS: Final[Mapping[type[Any], str]] = {
    float: "Pass an integer in a smaller unit, or its text",
    set: "Pass a sorted list: a set has no order that another process would find again",
    frozenset: "Pass a sorted list: a set has no order that another process would find again",
    bytearray: "Pass bytes(…): what is recorded must not change afterwards",
    CoroutineType: "Decorate the async function itself, below whatever else decorates it",
    GeneratorType: "Return a list: a generator runs when the call has ended",
}
_OTHERWISE: Final = (
    "Pass None, booleans, integers, strings, bytes, lists, tuples, dicts or records: dataclasses, named tuples, "
    "pydantic models"
)


@dataclasses.dataclass(frozen=True)
class Record:
    """A dataclass, named tuple or pydantic model as it is read back where its class is not known: its name and
    fields. Encoded again it gives the same bytes."""

    name: str
    fields: Mapping[str, Any]


def encode(value: Any) -> bytes:
    """The encoding of a value: None, bool, int of any size, str, bytes, list, tuple, dict with keys that are
    str, int or bytes, dataclass, named tuple, pydantic model, and what they hold.

    Types are exact: a subclass of int or dict is another type, and refused. A record's class counts by its
    `__name__` alone. Raises TracingError: `value-not-encodable` (floats and sets among others), `value-not-text`,
    `value-too-deep`.
    """
    out = bytearray(_VERSION)
    _write(out, value, 1)
    return bytes(out)


def encode_arguments(arguments: Mapping[str, Any]) -> bytes:
    """The encoding of a call's arguments by name, in their order; no bytes when there are none. Raises as
    `encode`."""
    if not arguments:
        return b""
    out = bytearray(_VERSION + b"a")
    _write_number(out, len(arguments))
    for name, value in arguments.items():
        _write_text(out, name)
        try:
            _write(out, value, 2)
        except TracingError as error:
            raise error.within(f"argument {name}") from None
    return bytes(out)


def encode_result(value: Any) -> bytes:
    """The encoding of a call's return value; no bytes for None. Raises as `encode`."""
    try:
        return b"" if value is None else encode(value)
    except TracingError as error:
        raise error.within("its result") from None


def decode(data: bytes, records: Iterable[type[Any]] = ()) -> Any:
    """The value that `data` encodes; None for no bytes, a dict by name for a call's arguments.

    Records become instances of the class of their name among `records`, made with their fields as keyword
    arguments, or `Record` where there is none. Raises MalformedError `malformed-native-value`, with the `offset`,
    for anything that `encode` does not write.
    """
    if not data:
        return None
    reader = _Reader(data, {made.__name__: made for made in records})
    if reader.take(1) != _VERSION:
        raise reader.refused(f"the first byte is {data[0]:#04x}; version {VERSION} is known")
    value = reader.arguments() if data[1:2] == b"a" else reader.value(1)
    if reader.at != len(data):
        raise reader.refused("bytes follow the value")
    return value


def _write(out: bytearray, value: Any, depth: int) -> None:
    kind = type(value)
    if depth > MAX_DEPTH:
        raise TracingError(
            "value-too-deep",
            f"the value holds values more than {MAX_DEPTH} deep, or itself",
            "Pass flatter data",
        )
    if kind is int:
        # Zero takes no bytes; any other as many as hold its sign.
        width = 0 if value == 0 else (value if value > 0 else ~value).bit_length() // 8 + 1
        out += b"i"
        _write_number(out, width)
        out += value.to_bytes(width, "big", signed=True)
    elif kind is str:
        out += b"s"
        _write_text(out, value)
    elif value is None:
        out += b"n"
    elif kind is bool:
        out += b"t" if value else b"f"
    elif kind is bytes:
        out += b"b"
        _write_number(out, len(value))
        out += value
    elif kind is list or kind is tuple:
        out += b"l" if kind is list else b"u"
        _write_number(out, len(value))
        for element in value:
            _write(out, element, depth + 1)
    elif kind is dict:
        _write_dict(out, value, depth)
    else:
        name, fields = _record(value)
        out += b"r"
        _write_text(out, name)
        _write_number(out, len(fields))
        for field in sorted(fields, key=_utf8):
            _write_text(out, field)
            _write(out, fields[field], depth + 1)


def _write_dict(out: bytearray, value: dict[Any, Any], depth: int) -> None:
    entries = []
    for key in value:
        if type(key) not in (str, int, bytes):
            # True and 1 are one key to Python and two to the encoding.
            raise TracingError(
                "value-not-encodable",
                f"a dict has a key of type {type(key).__name__}",
                "Use strings, integers or bytes as keys",
            )
        encoded = bytearray()
        _write(encoded, key, depth + 1)
        entries.append((bytes(encoded), value[key]))
    entries.sort(key=lambda entry: entry[0])
    out += b"d"
    _write_number(out, len(entries))
    for encoded_key, element in entries:
        out += encoded_key
        _write(out, element, depth + 1)


def _record(value: Any) -> tuple[str, Mapping[str, Any]]:
    kind = type(value)
    if kind is Record:
        return value.name, value.fields
    if isinstance(value, BaseModel):
        return kind.__name__, dict(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return kind.__name__, {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        return kind.__name__, dict(zip(kind._fields, value, strict=True))
    raise TracingError(
        "value-not-encodable",
        f"a value of type {kind.__qualname__} has no native encoding",
        _SUGGESTIONS.get(kind, _OTHERWISE),
        type=kind.__qualname__,
    )


def _write_number(out: bytearray, number: int) -> None:
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _write_text(out: bytearray, text: str) -> None:
    data = _utf8(text)
    _write_number(out, len(data))
    out += data


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise TracingError(
            "value-not-text",
            "a string holds a lone surrogate, which has no UTF-8",
            "Pass bytes where it is not text",
        ) from None


class _Reader:
    def __init__(self, data: bytes, records: Mapping[str, type[Any]]) -> None:
        self.at = 0
        self._data = data
        self._records = records

    def arguments(self) -> dict[str, Any]:
        self.take(1)
        found = self._named(2, ordered=False)
        if not found:
            raise self.refused("no arguments are no bytes")
        return found

    def value(self, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise self.refused(f"values lie more than {MAX_DEPTH} deep")
        tag = self.take(1)
        if tag == b"n":
            return None
        if tag in (b"t", b"f"):
            return tag == b"t"
        if tag == b"i":
            return self._integer()
        if tag == b"s":
            return self.text()
        if tag == b"b":
            return self.take(self.number())
        if tag in (b"l", b"u"):
            elements = [self.value(depth + 1) for _ in range(self._count())]
            return elements if tag == b"l" else tuple(elements)
        if tag == b"d":
            return self._dict(depth)
        if tag == b"r":
            name = self.text()
            fields = self._named(depth + 1, ordered=True)
            return self._made(name, fields)
        raise self.refused(f"no value starts with {tag!r}")

    def take(self, count: int) -> bytes:
        if count > len(self._data) - self.at:
            raise self.refused("the bytes end inside a value")
        self.at += count
        return self._data[self.at - count : self.at]

    def number(self) -> int:
        result = shift = 0
        while True:
            byte = self.take(1)[0]
            result |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
            if shift > 63:
                raise self.refused("a number has too many bytes")
        if byte == 0 and shift:
            raise self.refused("a number has a byte too many")
        return result

    def text(self) -> str:
        data = self.take(self.number())
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise self.refused("text is not UTF-8") from None

    def refused(self, why: str) -> MalformedError:
        return MalformedError(
            "malformed-native-value", f"no native value: {why} (byte {self.at})", offset=self.at
        )

    def _made(self, name: str, fields: dict[str, Any]) -> Any:
        if name not in self._records:
            return Record(name, fields)
        try:
            return self._records[name](**fields)
        except (TypeError, ValueError) as error:
            raise self.refused(f"{name} cannot be made of its fields: {error}") from error

    def _integer(self) -> int:
        data = self.take(self.number())
        value = int.from_bytes(data, "big", signed=True)
        shorter = data[1:]
        if data and int.from_bytes(shorter, "big", signed=True) == value:
            raise self.refused("an integer has a byte too many")
        return value

    def _count(self) -> int:
        # Each element takes a byte at least: a count beyond that is refused before memory is.
        count = self.number()
        if count > len(self._data) - self.at:
            raise self.refused("the bytes end inside a value")
        return count

    def _dict(self, depth: int) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        last = b""
        for _ in range(self._count()):
            start = self.at
            if self._data[start : start + 1] not in (b"s", b"i", b"b"):
                raise self.refused("a key is neither text, integer nor bytes")
            key = self.value(depth + 1)
            encoded = self._data[start : self.at]
            if encoded <= last:
                raise self.refused("keys do not ascend")
            last = encoded
            found[key] = self.value(depth + 1)
        return found

    def _named(self, depth: int, *, ordered: bool) -> dict[str, Any]:
        found: dict[str, Any] = {}
        last: bytes | None = None
        for _ in range(self._count()):
            name = self.text()
            encoded = name.encode()
            if name in found or (ordered and last is not None and encoded <= last):
                raise self.refused("names repeat or do not ascend")
            last = encoded
            found[name] = self.value(depth)
        return found

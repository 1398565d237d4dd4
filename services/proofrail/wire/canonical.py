"""Strict reading and canonical writing of JSON (design section 5, "Wire format"; schemas/trace-v1.md
section 2).

`parse_object` accepts exactly the objects the wire format allows; `canonical` writes the one form each of
them has (RFC 8785). The two are inverse on canonical lines: `canonical(parse_object(line)) == line`.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Final, NoReturn, TypeAlias

from proofrail.wire.errors import MalformedError

JsonObject: TypeAlias = dict[str, Any]

MAX_SAFE_INTEGER: Final = 2**53 - 1
"""Largest absolute value of a bare integer: what an IEEE 754 double, hence any JSON reader, holds exactly."""

MAX_DEPTH: Final = 127
"""Arrays and objects inside one another, the outermost counted: what common parsers accept by default."""

NANOSECOND_MEMBERS: Final = frozenset({"timestamp", "duration_ns"})
"""Members whose value may exceed MAX_SAFE_INTEGER (nanoseconds; up to a signed 128-bit integer)."""

FELT_PRIME: Final = 2**251 + 17 * 2**192 + 1
"""The order of the field of Cairo's memory cells."""

_NANOSECOND_LIMIT: Final = 2**127
_NANOSECOND_DIGITS: Final = len(str(_NANOSECOND_LIMIT))
_MAX_INPUT_DIGITS: Final = 4000
_SAFE_DIGITS: Final = len(str(MAX_SAFE_INTEGER))
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_STRING_OR_BRACKET: Final = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', re.DOTALL)
_FELT: Final = re.compile(r"0x(?:0|[1-9a-f][0-9a-f]{0,63})")


class _LargeInteger(int):
    """An integer beyond ±(2^53−1), marked until the name of its member is known."""


def parse_object(line: bytes) -> JsonObject:
    """The JSON object of one NDJSON line, without its line feed.

    Raises MalformedError with one of these codes: `malformed-utf8`, `malformed-json` (not JSON, a byte
    order mark, a line feed inside, anything after the object), `malformed-not-an-object`,
    `malformed-duplicate-member`, `malformed-float` (any number with a fraction or an exponent, NaN,
    Infinity), `malformed-integer` (beyond ±(2^53−1), save the value of a member named `timestamp` or
    `duration_ns`, which may be any signed 128-bit integer), `malformed-surrogate` (a lone surrogate in a
    string or a name), `malformed-depth` (more than 127 levels).
    """
    if b"\n" in line:
        raise MalformedError(
            "malformed-json", "a line feed stands inside the line; one object stands on one line"
        )
    return _parse(line, _DECODER, MAX_DEPTH)


def parse_program_input(data: bytes) -> JsonObject:
    """The object in the inputs file of a program, as it is committed to (schemas/trace-v1.md section 3).

    As `parse_object`, but the object may be spread over lines, and every integer beyond ±(2^53−1) becomes
    the string "0x…" of its residue mod P. Raises MalformedError with the codes of `parse_object`.
    """
    return _parse(data, _FELT_DECODER, MAX_DEPTH - 1)


def canonical(value: Any) -> bytes:
    """The canonical form (RFC 8785, UTF-8) of a JSON value: dict, list, tuple, str, int, bool or None.

    Names are sorted by their UTF-16 code units. Raises MalformedError, with the codes of `parse_object`,
    for anything that could not be read back: floats, large integers, lone surrogates, names that are not
    strings, other types.

    The `rfc8785` package refuses the integers that `timestamp` and `duration_ns` carry, writes floats, and
    costs nearly three times as much as this. It and the standard library's encoder write the same bytes
    once floats are out and names sort alike, which they do unless a name holds a character beyond U+FFFF;
    only then are the names put in order here. The tests hold this function to that package.
    """
    if _check(value, "", 0):
        return _PRESORTED.encode(_utf16_ordered(value)).encode()
    return _SORTED.encode(value).encode()


def sha256_hex(data: bytes) -> str:
    """SHA-256 as 64 lower-case hex characters."""
    return hashlib.sha256(data).hexdigest()


def felt_hex(value: int) -> str:
    """A felt, 0 … P−1, as it travels: "0x…", lower case, no leading zeros. Raises ValueError out of range."""
    if not 0 <= value < FELT_PRIME:
        raise ValueError(f"{value} is not a felt: it must lie in 0 … P-1")
    return hex(value)


def parse_felt(text: str) -> int:
    """The felt written as "0x…". Raises MalformedError (`malformed-felt`) for any other spelling or a value
    ≥ P."""
    if not isinstance(text, str) or not _FELT.fullmatch(text) or (value := int(text, 16)) >= FELT_PRIME:
        raise MalformedError(
            "malformed-felt",
            f"{text!r:.80} is not a felt: write 0x and lower-case hex without leading zeros, below P",
        )
    return value


def check_depth(text: str, max_depth: int = MAX_DEPTH) -> None:
    """Raise MalformedError (`malformed-depth`) for JSON text with more levels of arrays and objects than `max_depth`.

    Before it is parsed: Python's own bound is the recursion limit of the process, which a library may have raised
    beyond what the stack holds.
    """
    if text.count("{") + text.count("[") <= max_depth:
        return
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        mark = match.group()
        depth += (mark in "[{") - (mark in "]}")
        if depth > max_depth:
            raise MalformedError(
                "malformed-depth", f"arrays and objects are nested more than {max_depth} deep"
            )


def _parse(line: bytes, decoder: json.JSONDecoder, max_depth: int) -> JsonObject:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedError(
            "malformed-utf8", f"byte {error.start} is not UTF-8: {error.reason}", offset=error.start
        ) from None
    if text.startswith("\ufeff"):
        raise MalformedError("malformed-json", "the line starts with a byte order mark; remove it")
    check_depth(text, max_depth)
    try:
        value = decoder.decode(text)
    except json.JSONDecodeError as error:
        raise MalformedError(
            "malformed-json", f"not JSON at character {error.pos}: {error.msg}", offset=error.pos
        ) from None
    if type(value) is not dict:
        raise MalformedError(
            "malformed-not-an-object",
            f"the line holds {_KINDS.get(type(value), 'a number')}, not a JSON object",
        )
    if _SURROGATE_ESCAPE.search(text):
        _refuse_surrogates(value)
    return value


def _pairs(pairs: list[tuple[str, Any]]) -> JsonObject:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise MalformedError(
                    "malformed-duplicate-member", f"the member {_shown(name)} stands twice in one object"
                )
            seen.add(name)
    for name, value in pairs:
        kind = type(value)
        if kind is _LargeInteger:
            if not _fits_nanoseconds(name, value):
                _refuse_integer(f"the member {_shown(name)}")
            members[name] = int(value)
        elif kind is list:
            _refuse_large_integers(value, name)
    return members


def _refuse_large_integers(values: list[Any], name: str) -> None:
    for value in values:
        if type(value) is _LargeInteger:
            _refuse_integer(f"an array in the member {_shown(name)}")
        if type(value) is list:
            _refuse_large_integers(value, name)


def _integer(text: str) -> int:
    if len(text) < _SAFE_DIGITS:
        return int(text)
    if len(text) > _NANOSECOND_DIGITS + 1:  # int() of a hostile length costs quadratic time, or raises
        _refuse_integer("a member")
    value = int(text)
    return value if -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER else _LargeInteger(value)


def _residue(text: str) -> int | str:
    if len(text) > _MAX_INPUT_DIGITS:
        _refuse_integer("a member")
    value = int(text)
    return value if -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER else felt_hex(value % FELT_PRIME)


def _fits_nanoseconds(name: str, value: int) -> bool:
    return name in NANOSECOND_MEMBERS and -_NANOSECOND_LIMIT <= value < _NANOSECOND_LIMIT


def _float(text: str) -> NoReturn:
    raise MalformedError(
        "malformed-float", f"{text:.40} is not an integer: numbers have no fraction and no exponent"
    )


def _refuse_integer(where: str) -> NoReturn:
    raise MalformedError(
        "malformed-integer",
        f"{where} is a bare integer beyond ±(2^53-1)",
        'Write it as a string "0x…" in lower-case hex',
    )


def _refuse_surrogates(value: Any) -> None:
    if type(value) is str:
        if _SURROGATE.search(value):
            raise MalformedError("malformed-surrogate", f"{_shown(value)} holds a lone surrogate")
    elif type(value) is list:
        for element in value:
            _refuse_surrogates(element)
    elif type(value) is dict:
        for name, element in value.items():
            _refuse_surrogates(name)
            _refuse_surrogates(element)


def _check(value: Any, name: str, depth: int) -> bool:
    """Refuse what has no canonical form; true if a name below holds a character beyond U+FFFF."""
    if isinstance(value, str):
        _refuse_surrogates(str(value))
        return False
    if value is None or isinstance(value, bool):
        return False
    if isinstance(value, int):
        if not -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER and not _fits_nanoseconds(name, value):
            _refuse_integer(f"the member {_shown(name)}")
        return False
    if depth == MAX_DEPTH:
        raise MalformedError("malformed-depth", f"arrays and objects are nested more than {MAX_DEPTH} deep")
    wide = False
    if isinstance(value, dict):
        for member, element in value.items():
            if not isinstance(member, str):
                raise MalformedError("malformed-json", f"the member name {member!r:.40} is not a string")
            if not member.isascii():
                _refuse_surrogates(member)
                wide = wide or max(member) > "\uffff"
            wide = _check(element, member, depth + 1) or wide
        return wide
    if isinstance(value, list | tuple):
        for element in value:
            wide = _check(element, "", depth + 1) or wide
        return wide
    if isinstance(value, float):
        _float(repr(value))
    raise MalformedError("malformed-json", f"a {type(value).__name__} has no JSON form")


def _utf16_ordered(value: Any) -> Any:
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return {name: _utf16_ordered(value[name]) for name in names}
    if isinstance(value, list | tuple):
        return [_utf16_ordered(element) for element in value]
    return value


def _shown(text: str) -> str:
    return json.dumps(text[:64])


_KINDS: Final = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_float=_float, parse_int=_integer, parse_constant=_float
)
_FELT_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_float=_float, parse_int=_residue, parse_constant=_float
)
_SORTED: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_PRESORTED: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)

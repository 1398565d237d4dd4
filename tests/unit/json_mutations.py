"""Every small change of a JSON object: of each number, hex string, text, list and object in it, by name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from proofrail.wire.canonical import FELT_PRIME

Path = tuple[str | int, ...]
_TWICE: Final = "\x7ftwice"
"""Behind a member's name, so that the member stands there twice once it is gone."""
_GONE: Final = object()


def mutations(obj: dict[str, Any], *, but: Sequence[Path] = ()) -> Iterator[tuple[str, bytes]]:
    """Name and text of each mutation; the text is otherwise in canonical form. `but` leaves out what is at or below
    these paths."""
    for path, value in _places(obj, (), but):
        shown = "/".join(map(str, path))
        for how, other in _others(value):
            yield f"{shown} {how}", _text(_put(obj, path, other))
        if path and isinstance(path[-1], str):
            yield f"{shown} removed", _text(_put(obj, path, _GONE))
            yield f"{shown} renamed", _text(_put(obj, path, _GONE, also=("renamed", value)))
            yield f"{shown} twice", _text(_put(obj, path, value, also=(path[-1] + _TWICE, value)))


def _places(value: Any, path: Path, but: Sequence[Path]) -> Iterator[tuple[Path, Any]]:
    if any(path[: len(left)] == left for left in but):
        return
    yield path, value
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _places(member, (*path, name), but)
    elif isinstance(value, list):
        for index, element in enumerate(value):
            yield from _places(element, (*path, index), but)


def _others(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield "with an unknown member", {**value, "unknown": 0}
        yield "as a list", list(value.values())
        yield "as null", None
        return
    if isinstance(value, bool) or value is None:
        yield "otherwise", not value
        yield "as a number", int(bool(value))
        yield "as text", json.dumps(value)
    elif isinstance(value, int):
        yield from _numbers(value)
    elif isinstance(value, str):
        yield from _texts(value)
    elif isinstance(value, list):
        yield from _lists(value)
    yield "in a list", [value]
    yield "in an object", {"value": value}
    if value is not None:
        yield "as null", None


def _numbers(value: int) -> Iterator[tuple[str, Any]]:
    for how, other in {
        "+1": value + 1,
        "-1": value - 1,
        "x2": value * 2,
        "as 0": 0,
        "negative": -value,
        "beyond 64 bits": value + (1 << 64),
        "plus P": value + FELT_PRIME,
    }.items():
        if other != value:
            yield how, other
    yield "as a float", float(value)
    yield "as text", str(value)
    yield "as hex", hex(value)
    yield "as true", True


def _texts(value: str) -> Iterator[tuple[str, Any]]:
    yield "empty", ""
    yield "with a blank", value + " "
    if not value.startswith("0x"):
        yield "in capitals", value.upper()
        yield "as another name", "nosuch"
        return
    number = int(value, 16)
    yield "+1", hex((number + 1) % FELT_PRIME)
    yield "-1", hex((number - 1) % FELT_PRIME)
    yield "plus P", hex(number + FELT_PRIME)
    yield "with a leading zero", "0x0" + value[2:]
    yield "with 0X", "0X" + value[2:]
    yield "without 0x", value[2:]
    yield "in decimal", str(number)
    yield "as a number", number
    if value != value.upper().replace("X", "x"):
        yield "in capitals", "0x" + value[2:].upper()


def _lists(value: list[Any]) -> Iterator[tuple[str, Any]]:
    yield "empty", []
    yield "without the first", value[1:]
    yield "without the last", value[:-1]
    yield "with the first twice", [value[0], *value]
    yield "with the last twice", [*value, value[-1]]
    if value != value[::-1]:
        yield "reversed", value[::-1]
    for index in range(len(value) - 1):
        if value[index] != value[index + 1]:
            swapped = [*value[:index], value[index + 1], value[index], *value[index + 2 :]]
            yield f"with {index} and {index + 1} swapped", swapped


def _put(obj: Any, path: Path, value: Any, also: tuple[str, Any] | None = None) -> Any:
    """A copy of the object along the path, with another value there."""
    if not path:
        return value
    step, *rest = path
    if isinstance(obj, list):
        return [_put(one, tuple(rest), value, also) if at == step else one for at, one in enumerate(obj)]
    copied = dict(obj)
    if rest:
        copied[step] = _put(obj[step], tuple(rest), value, also)
    elif value is _GONE:
        del copied[step]
    else:
        copied[step] = value
    if also is not None and not rest:
        copied[also[0]] = also[1]
    return copied


def _text(value: Any) -> bytes:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.replace(_TWICE, "").encode()

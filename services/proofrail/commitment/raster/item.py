"""Items of a Raster trace: a completed call of a tile, and its JSON form.

The tool writes an item when the tile returns (inner before outer). Type strings and descriptions are opaque text, as
the compiler printed it, and part of what is hashed: nothing here normalises them.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any, Final, NoReturn

MEMBERS: Final = ("fn_name", "desc", "inputs", "input_data", "output_type", "output_data")
"""The members of an item, in the order in which they are written and hashed; none may be absent."""

_INPUT_MEMBERS: Final = ("name", "ty")
_INTEGER_ONLY: Final = {int}


@dataclass(frozen=True, slots=True)
class Item:
    """One completed call.

    `inputs` are (name, type) in source order; `input_data` and `output_data` the serialised arguments and return
    value; `output_type` is None when nothing is returned.
    """

    fn_name: str
    desc: str | None
    inputs: tuple[tuple[str, str], ...]
    input_data: bytes
    output_type: str | None
    output_data: bytes


def parse_item(obj: dict[str, Any]) -> Item:
    """The item of a JSON object, its data a base64 string (standard, padded) or an array of numbers 0 … 255.

    Raises ValueError, whose text names the member, for anything else: a member too many or too few, or one of another
    type.
    """
    _exactly(obj, MEMBERS, "an item")
    inputs = obj["inputs"]
    if type(inputs) is not list:
        _refuse("inputs", "must be an array")
    return Item(
        _text(obj["fn_name"], "fn_name"),
        _optional(obj["desc"], "desc"),
        tuple(_input(value, index) for index, value in enumerate(inputs)),
        _data(obj["input_data"], "input_data"),
        _optional(obj["output_type"], "output_type"),
        _data(obj["output_data"], "output_data"),
    )


def item_object(item: Item, *, base64_data: bool) -> dict[str, Any]:
    """The JSON object of an item, its data as base64 strings or as arrays of numbers."""
    return {
        "fn_name": item.fn_name,
        "desc": item.desc,
        "inputs": [{"name": name, "ty": ty} for name, ty in item.inputs],
        "input_data": _written(item.input_data, base64_data),
        "output_type": item.output_type,
        "output_data": _written(item.output_data, base64_data),
    }


def _exactly(obj: dict[str, Any], names: tuple[str, ...], what: str) -> None:
    for name in names:
        if name not in obj:
            _refuse(name, "is missing")
    if len(obj) != len(names):
        extra = next(name for name in obj if name not in names)
        _refuse(f"{extra!r:.80}", f"is no member of {what}")


def _input(value: Any, index: int) -> tuple[str, str]:
    if type(value) is not dict:
        _refuse(f"inputs[{index}]", "must be an object")
    _exactly(value, _INPUT_MEMBERS, "an input")
    return _text(value["name"], f"inputs[{index}].name"), _text(value["ty"], f"inputs[{index}].ty")


def _text(value: Any, name: str) -> str:
    if type(value) is not str:
        _refuse(name, "must be a string")
    try:
        value.encode()
    except UnicodeEncodeError:
        _refuse(name, "holds a lone surrogate")
    text: str = value
    return text


def _optional(value: Any, name: str) -> str | None:
    return None if value is None else _text(value, name)


def _data(value: Any, name: str) -> bytes:
    if type(value) is str:
        try:
            data = binascii.a2b_base64(value.encode("ascii"), strict_mode=True)
        except (binascii.Error, UnicodeEncodeError):
            _refuse(name, "is not base64 (standard alphabet, padded)")
        # Bits that the last character has to spare would be lost, and two texts would mean one item.
        if base64.b64encode(data).decode() != value:
            _refuse(name, "is not the one base64 form of its bytes")
        return data
    if type(value) is not list:
        _refuse(name, "must be a base64 string or an array of numbers 0 … 255")
    if value and set(map(type, value)) != _INTEGER_ONLY:
        _refuse(name, "must hold integers only")
    try:
        return bytes(value)
    except (ValueError, OverflowError):
        _refuse(name, "must hold numbers 0 … 255 only")


def _written(data: bytes, base64_data: bool) -> str | list[int]:
    return base64.b64encode(data).decode() if base64_data else list(data)


def _refuse(member: str, why: str) -> NoReturn:
    raise ValueError(f"{member} {why}")

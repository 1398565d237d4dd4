"""The two encodings of an item that are hashed, postcard and bincode 1.3, as far as items need them.

postcard (since the seed's commit): lengths and counts as varints, data as its bytes. bincode (before): lengths and
counts as u64 little-endian, data as its text in base64. Options are 00, or 01 and the value, in both; structures are
their members in order.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from enum import StrEnum

from proofrail.commitment.raster.item import Item


class Encoding(StrEnum):
    """Under which of the tool's rules a commitment was made."""

    POSTCARD = "postcard"
    """Each item is one leaf."""
    BINCODE = "bincode"
    """Each item is appended twice, as the tool of that time did."""


def encode_item(item: Item, encoding: Encoding) -> bytes:
    """The bytes of which an item's leaf is the SHA-256."""
    postcard = encoding is Encoding.POSTCARD
    count = varint if postcard else _u64
    data = bytes if postcard else base64.b64encode

    def counted(value: bytes) -> bytes:
        return count(len(value)) + value

    parts = [counted(item.fn_name.encode()), _option(item.desc, counted), count(len(item.inputs))]
    for name, ty in item.inputs:
        parts.append(counted(name.encode()))
        parts.append(counted(ty.encode()))
    parts.append(counted(data(item.input_data)))
    parts.append(_option(item.output_type, counted))
    parts.append(counted(data(item.output_data)))
    return b"".join(parts)


def varint(value: int) -> bytes:
    """An unsigned integer as postcard writes it: 7 bits a byte, the low ones first, the high bit set while more
    follow."""
    if value < 0x80:
        return value.to_bytes()
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _u64(value: int) -> bytes:
    return value.to_bytes(8, "little")


def _option(text: str | None, counted: Callable[[bytes], bytes]) -> bytes:
    return b"\x00" if text is None else b"\x01" + counted(text.encode())

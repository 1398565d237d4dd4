"""The program hash of stwo's own verifiers: Blake2s over a program's words.

Source: stwo-cairo, `get_verification_output` (cairo-air 1.3.0, utils.rs); the encoding of felts is that of the Cairo
library's `encode_felt252_data_and_calc_blake_hash`.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from typing import Final

from proofrail.wire.canonical import FELT_PRIME

_SMALL: Final = 1 << 63
_LARGE_MARK: Final = 1 << 255
"""The highest bit of the highest limb, which no felt has."""


def blake_program_hash(words: Sequence[int]) -> int:
    """A felt. Each word below 2^63 is two 32-bit limbs, the higher first; any other eight, and marked. Limbs are
    hashed as little-endian bytes; so is the digest read, mod P."""
    encoded = bytearray()
    for word in words:
        size, value = (2, word) if word < _SMALL else (8, word | _LARGE_MARK)
        limbs = struct.unpack(f">{size}I", value.to_bytes(4 * size, "big"))
        encoded += struct.pack(f"<{size}I", *limbs)
    return int.from_bytes(hashlib.blake2s(encoded).digest(), "little") % FELT_PRIME

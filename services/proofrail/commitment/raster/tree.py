"""The append-only Merkle tree of the Raster tool: depth 32, SEED as its first leaf and as every missing one.

    node over children at level l (leaves are level 0) = SHA-256( byte(l) ‖ left ‖ right )

Leaves are not hashed again. This is not the tree of RFC 6962 that our own commitment has (`commitment.tree`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from proofrail.commitment.raster.encoding import varint

DEPTH: Final = 32
SEED: Final = bytes.fromhex("6d97a6c02676a41a9636c6cd4e5d2d47d14d27a35d18e608115fd93cd42e6b3a")

_sha256 = hashlib.sha256
_TAGS: Final = [bytes([level]) for level in range(DEPTH)]
_EMPTY: Final = [SEED]
for _tag in _TAGS:
    _EMPTY.append(_sha256(_tag + _EMPTY[-1] + _EMPTY[-1]).digest())
_LEVELS: Final = list(zip(_TAGS, _EMPTY, strict=False))


@dataclass(frozen=True, slots=True)
class Frontier:
    """All that is needed to go on appending: `position` of the last leaf (the leaves so far, less one), that leaf, and
    the left siblings on its way up, lowest first, one for each one-bit of `position`.
    """

    position: int
    leaf: bytes
    ommers: tuple[bytes, ...]

    def to_bytes(self) -> bytes:
        """As the tool writes it: postcard, each hash preceded by its length."""
        parts = [varint(self.position), b"\x20", self.leaf, varint(len(self.ommers))]
        for ommer in self.ommers:
            parts += (b"\x20", ommer)
        return b"".join(parts)


class Tree:
    """A growing tree in the memory of its frontier. It begins with one leaf, SEED."""

    def __init__(self) -> None:
        self._position = 0
        self._leaf = SEED
        self._ommers: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        """Append a leaf of 32 bytes. Raises OverflowError when the tree is full."""
        if self._position == 2**DEPTH - 1:
            raise OverflowError("a tree of depth 32 holds 2^32 leaves, the seed among them")
        node, bits, level = self._leaf, self._position, 0
        while bits & 1:
            node = _sha256(_TAGS[level] + self._ommers[level] + node).digest()
            bits >>= 1
            level += 1
        self._ommers[:level] = [node]
        self._leaf = leaf
        self._position += 1

    def root(self) -> bytes:
        """The root of all 32 levels over the leaves so far."""
        node, bits = self._leaf, self._position
        ommers = iter(self._ommers)
        for tag, empty in _LEVELS:
            node = _sha256(tag + next(ommers) + node if bits & 1 else tag + node + empty).digest()
            bits >>= 1
        return node

    def frontier(self) -> Frontier:
        """The tree as it is now."""
        return Frontier(self._position, self._leaf, tuple(self._ommers))

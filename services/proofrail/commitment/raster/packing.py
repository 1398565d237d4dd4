"""Packed blocks of the Raster tool: one truncated root for each item, and nothing else.

A commitment file is a bit string, least significant bit of each byte first (which is also how its u64 little-endian
words read): value i fills bits [i·B, (i+1)·B), and zero bits fill up the last word. No header, item count, width or
checksum says what it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from proofrail.commitment.blocks import Packer, chain_value
from proofrail.commitment.raster.encoding import Encoding, encode_item
from proofrail.commitment.raster.item import Item
from proofrail.commitment.raster.tree import Frontier, Tree

WORD = 8
"""Bytes of a word."""

_GROUP = 64
"""So many values of any width are whole words."""


class RasterCommitter:
    """The value of each item, in the memory of a frontier. `bits`, 1 … 64, is the width of a value."""

    def __init__(self, encoding: Encoding, bits: int) -> None:
        self._encoding = encoding
        self._bits = bits
        self._tree = Tree()

    def append(self, item: Item) -> int:
        """Append an item; the low bits of the root after it."""
        leaf = hashlib.sha256(encode_item(item, self._encoding)).digest()
        self._tree.append(leaf)
        if self._encoding is Encoding.BINCODE:
            self._tree.append(leaf)
        return chain_value(self.root(), self._bits)

    def root(self) -> bytes:
        """The root over the items so far, of which a value is the low bits."""
        return self._tree.root()

    def frontier(self) -> Frontier:
        """The tree as it is now. Its position is the number of items so far, twice that under bincode."""
        return self._tree.frontier()


def file_size(items: int, bits: int) -> int:
    """Bytes of the commitment to so many items."""
    return -(-items * bits // 64) * WORD


def pack_words(values: Iterable[int], bits: int) -> Iterator[bytes]:
    """The commitment file of the values, in pieces of whole words; memory does not grow with their number."""
    packer = Packer(bits)
    for value in values:
        packer.append(value)
        if packer.count == _GROUP:
            yield packer.finish()
            packer = Packer(bits)
    if packer.count:
        rest = packer.finish()
        yield rest + bytes(-len(rest) % WORD)


def commit_items(items: Iterable[Item], encoding: Encoding, bits: int) -> Iterator[bytes]:
    """The commitment file of the items, in pieces of whole words."""
    committer = RasterCommitter(encoding, bits)
    return pack_words(map(committer.append, items), bits)

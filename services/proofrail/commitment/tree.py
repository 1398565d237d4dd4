"""The Merkle tree of RFC 6962 section 2.1: root, inclusion and consistency proofs.

Everything here works on leaf hashes (see `items.leaf_hash`). The tree over n leaves splits at the largest
power of two below n; its root over no leaves is the hash of nothing. Proofs are lists of node hashes,
lowest first; they are checked as RFC 9162 sections 2.1.3.2 and 2.1.4.2 say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
"""The root of the tree without leaves."""


def node_hash(left: bytes, right: bytes) -> bytes:
    """`H(0x01 ‖ left ‖ right)`."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class TreeHasher:
    """The root of a growing tree, in memory logarithmic in its size."""

    def __init__(self) -> None:
        self.size = 0
        """Leaves appended so far."""
        # Roots of the perfect subtrees that make up the tree, largest first: one for each one-bit of the
        # size.
        self._peaks: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        """Append a leaf hash (32 bytes)."""
        complete = self.size
        while complete & 1:
            leaf = node_hash(self._peaks.pop(), leaf)
            complete >>= 1
        self._peaks.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """The root over the leaves so far."""
        if not self._peaks:
            return EMPTY_ROOT
        root = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            root = node_hash(peak, root)
        return root


def merkle_root(leaves: Iterable[bytes]) -> bytes:
    """The root over leaf hashes."""
    tree = TreeHasher()
    for leaf in leaves:
        tree.append(leaf)
    return tree.root()


class Tree:
    """A tree that is kept whole, for proofs about many of its leaves: twice the memory of its leaf hashes."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self._levels: list[Sequence[bytes]] = [leaves]
        """Level h holds the roots of the perfect subtrees of 2^h leaves."""
        while len(below := self._levels[-1]) > 1:
            pairs = zip(below[::2], below[1::2], strict=False)
            self._levels.append([node_hash(left, right) for left, right in pairs])

    @property
    def size(self) -> int:
        """The number of leaves."""
        return len(self._levels[0])

    def root(self) -> bytes:
        """The root over all leaves."""
        return self._root(0, self.size) if self.size else EMPTY_ROOT

    def leaf(self, index: int) -> bytes:
        """The leaf hash at `index`."""
        return self._levels[0][index]

    def inclusion_proof(self, index: int) -> list[bytes]:
        """The audit path of leaf `index` (RFC 6962 section 2.1.1). Raises IndexError when there is no such
        leaf."""
        if not 0 <= index < self.size:
            raise IndexError(f"leaf {index} of a tree of {self.size}")
        path: list[bytes] = []
        start, size = 0, self.size
        while size > 1:
            k = _split(size)
            if index - start < k:
                path.append(self._root(start + k, size - k))
                size = k
            else:
                path.append(self._root(start, k))
                start, size = start + k, size - k
        return path[::-1]

    def _root(self, start: int, size: int) -> bytes:
        # RFC 6962 splits a tree at powers of two, so that a subtree starts at a multiple of its split.
        if size & (size - 1) == 0:
            height = size.bit_length() - 1
            return self._levels[height][start >> height]
        k = _split(size)
        return node_hash(self._root(start, k), self._root(start + k, size - k))


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether `proof` shows that leaf hash `leaf` is leaf `index` of the tree of `size` leaves under
    `root`."""
    if not 0 <= index < size:
        return False
    position, last, node = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if position & 1 or position == last:
            node = node_hash(sibling, node)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            node = node_hash(node, sibling)
        position >>= 1
        last >>= 1
    return last == 0 and node == root


def consistency_proof(leaves: Sequence[bytes], size: int) -> list[bytes]:
    """The proof that the first `size` leaves are a prefix of all (RFC 6962 section 2.1.2).

    Raises ValueError unless `size` lies in 1 … len(leaves).
    """
    if not 1 <= size <= len(leaves):
        raise ValueError(f"no prefix of {size} leaves in a tree of {len(leaves)}")
    return _subproof(leaves, size, whole=True)


def verify_consistency(
    size: int, root: bytes, later_size: int, later_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether `proof` shows that the tree of `size` leaves under `root` is a prefix of the later one."""
    if not 1 <= size <= later_size:
        return False
    if size == later_size:
        return not proof and root == later_root
    path = list(proof)
    if size & (size - 1) == 0:
        path.insert(0, root)
    if not path:
        return False
    position, last = size - 1, later_size - 1
    while position & 1:
        position >>= 1
        last >>= 1
    old = new = path[0]
    for node in path[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            old = node_hash(node, old)
            new = node_hash(node, new)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            new = node_hash(new, node)
        position >>= 1
        last >>= 1
    return last == 0 and old == root and new == later_root


def _subproof(leaves: Sequence[bytes], size: int, *, whole: bool) -> list[bytes]:
    if size == len(leaves):
        return [] if whole else [merkle_root(leaves)]
    k = _split(len(leaves))
    if size <= k:
        return [*_subproof(leaves[:k], size, whole=whole), merkle_root(leaves[k:])]
    return [*_subproof(leaves[k:], size - k, whole=False), merkle_root(leaves[:k])]


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1

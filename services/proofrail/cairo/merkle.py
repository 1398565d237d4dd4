"""A Pedersen Merkle tree over any number of leaves, as cairo/merkle.cairo makes it.

A level of k nodes has ⌈k / 2⌉ parents h(left, right); where the last node has no neighbour, 0 stands in its place. The
depth follows from the number of leaves alone, and a path has that length. Leaves are told apart from nodes by
what they are (risk_rows.py), not by this tree.
"""

from __future__ import annotations

from collections.abc import Sequence

from proofrail.cairo.pedersen import pedersen_hash


def depth(count: int) -> int:
    """The length of every path in a tree over `count` leaves, at least one."""
    return (count - 1).bit_length()


def nodes(count: int) -> int:
    """How many nodes stand above `count` leaves: a hash each."""
    found = 0
    while count > 1:
        count = (count + 1) // 2
        found += count
    return found


def root(leaves: Sequence[int]) -> int:
    """The root of a tree over at least one leaf."""
    return _levels(leaves)[-1][0]


def paths(leaves: Sequence[int]) -> list[tuple[int, ...]]:
    """For each leaf the nodes beside its way to the root, from the leaf's neighbour upwards."""
    levels = _levels(leaves)[:-1]
    return [
        tuple(_beside(level, index >> height) for height, level in enumerate(levels))
        for index in range(len(leaves))
    ]


def root_above(leaf: int, index: int, path: Sequence[int]) -> int:
    """The root to which a path leads from the leaf at `index`."""
    node = leaf
    for height, sibling in enumerate(path):
        right = index >> height & 1
        node = pedersen_hash(sibling, node) if right else pedersen_hash(node, sibling)
    return node


def _levels(leaves: Sequence[int]) -> list[list[int]]:
    levels = [list(leaves)]
    while len(level := levels[-1]) > 1:
        levels.append([pedersen_hash(level[at], _beside(level, at)) for at in range(0, len(level), 2)])
    return levels


def _beside(level: Sequence[int], at: int) -> int:
    neighbour = at ^ 1
    return level[neighbour] if neighbour < len(level) else 0

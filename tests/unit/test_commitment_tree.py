"""The Merkle tree of RFC 6962."""

import plain_commitment as plain
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofrail.commitment.items import leaf_hash
from proofrail.commitment.tree import (
    EMPTY_ROOT,
    Tree,
    TreeHasher,
    consistency_proof,
    merkle_root,
    node_hash,
    verify_consistency,
    verify_inclusion,
)

LEAVES = [leaf_hash(bytes([i])) for i in range(33)]


@given(st.lists(st.binary(max_size=8), max_size=70))
def test_the_growing_tree_has_the_roots_of_the_definition(entries: list[bytes]) -> None:
    """Appending leaf by leaf gives the recursive definition's root at every size."""
    tree = TreeHasher()
    assert EMPTY_ROOT == tree.root()
    for size, entry in enumerate(entries, 1):
        tree.append(leaf_hash(entry))
        assert (size, plain.tree_hash(entries[:size])) == (tree.size, tree.root())


@pytest.mark.parametrize("size", range(1, 34))
def test_every_leaf_is_shown_to_be_in_the_tree(size: int) -> None:
    """Each inclusion proof holds, is logarithmic, and for no other leaf, place, size or root."""
    leaves, root = LEAVES[:size], merkle_root(LEAVES[:size])
    tree = Tree(leaves)
    assert (size, root) == (tree.size, tree.root())
    for index, leaf in enumerate(leaves):
        assert leaf == tree.leaf(index)
        proof = tree.inclusion_proof(index)
        assert len(proof) <= (size - 1).bit_length()
        assert verify_inclusion(leaf, index, size, proof, root)
        assert not verify_inclusion(node_hash(leaf, leaf), index, size, proof, root)
        assert not verify_inclusion(leaf, index, size, proof, EMPTY_ROOT)
        assert not verify_inclusion(leaf, index, size, [*proof, root], root)
        assert not any(
            verify_inclusion(leaf, other, size, proof, root) for other in range(size) if other != index
        )
        if proof:
            assert not verify_inclusion(leaf, index, size, proof[:-1], root)


@pytest.mark.parametrize("size", range(1, 34))
def test_every_prefix_is_shown_to_be_consistent(size: int) -> None:
    """Each consistency proof holds, and for no other root or size."""
    later = merkle_root(LEAVES[:size])
    for prefix in range(1, size + 1):
        root = merkle_root(LEAVES[:prefix])
        proof = consistency_proof(LEAVES[:size], prefix)
        assert verify_consistency(prefix, root, size, later, proof)
        assert not verify_consistency(prefix, EMPTY_ROOT, size, later, proof)
        assert not verify_consistency(prefix, root, size, EMPTY_ROOT, proof)
        assert not verify_consistency(prefix, root, size, later, [*proof, root])
        if proof:
            assert not verify_consistency(prefix, root, size, later, proof[:-1])


def test_impossible_positions_are_refused() -> None:
    """There is no leaf outside the tree and no prefix longer than it."""
    for index in (-1, 3):
        with pytest.raises(IndexError):
            Tree(LEAVES[:3]).inclusion_proof(index)
        assert not verify_inclusion(LEAVES[0], index, 3, [], LEAVES[0])
    for size in (0, 4):
        with pytest.raises(ValueError, match="no prefix"):
            consistency_proof(LEAVES[:3], size)
        assert not verify_consistency(size, EMPTY_ROOT, 3, merkle_root(LEAVES[:3]), [])
    assert not verify_consistency(3, EMPTY_ROOT, 5, EMPTY_ROOT, [])

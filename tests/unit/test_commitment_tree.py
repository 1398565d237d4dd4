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

# The eight leaves and roots of the test vectors that Certificate Transparency's implementations share.
ENTRIES = [
    bytes.fromhex(entry)
    for entry in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [leaf_hash(bytes([i])) for i in range(33)]


def test_the_shared_vectors_hold() -> None:
    """Roots over 0 to 8 entries are those that other implementations publish."""
    leaves = [leaf_hash(entry) for entry in ENTRIES]
    assert ROOTS == [merkle_root(leaves[:size]).hex() for size in range(1, 9)]
    assert "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" == EMPTY_ROOT.hex()


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

"""The golden proof for the registry on chain: which settings it fits, under which hashes the registry would know it."""

from __future__ import annotations

import pytest
from stone_goldens import POLICY, expected, needs_stone, proof

from proofrail.proving.provable import check_registry
from proofrail.proving.stone import verifier
from proofrail.proving.stone.presets import members
from proofrail.proving.stone.proof import StoneProof

NAME = "chainrec"
REGISTERED = {
    "preset": "recursive/blake2s_248_lsb/stone6/strict",
    "layout": "recursive",
    "hasher": "blake2s_248_lsb",
    "stone_version": "stone6",
    "memory_verification": "strict",
    "config_hash": "0x1244205655d6419955dab1f2cbdf60f96d079c7dbe3ddf6acb0a7345cb046dd",
    "verification_hash": "0x429b0874d1aea5471f4f89ce419fc47d5f818e8bab2d2da1b8ec521da09805c",
}


def test_the_proof_fits_the_preset_that_it_was_made_for() -> None:
    """In the strictest of the registry's checks, for its program names all builtins of the layout: which is what
    `prove --for chain` asks for before it starts a prover."""
    check_registry(expected(NAME), strict=True)
    assert REGISTERED.items() <= members(StoneProof.read(proof(NAME)), "stone6").items()


@needs_stone
@pytest.mark.stone
def test_stone_accepts_it_and_its_identities_are_published() -> None:
    """By whatever build is at hand, as long as it is of that version."""
    verified = verifier.verify(proof(NAME), expected(NAME), POLICY)
    assert REGISTERED.items() <= verified.identities.items()

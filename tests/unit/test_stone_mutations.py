"""Every small change of everything in a golden Stone proof but its own bytes: none accepted with another meaning.

Without a verifier all is refused but what is listed here by name; with it, that too.
"""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Callable, Iterator

import pytest
from json_mutations import mutations
from stone_goldens import POLICY, POSEIDON, SMALLEST, WEAK_POLICY, Object, expected, needs_stone, proof

from proofrail.proving.errors import PolicyError, RefusedProof
from proofrail.proving.policy import Policy
from proofrail.proving.stone import verifier
from proofrail.proving.stone.proof import StoneProof
from proofrail.proving.stone.transcript import WORD, work_at
from proofrail.wire.canonical import canonical

FRI = "proof_parameters/stark/fri"
HASHES = (
    "keccak256",
    "blake256",
    "keccak256_masked160_msb",
    "keccak256_masked160_lsb",
    "blake256_masked160_msb",
    "blake256_masked248_lsb",
    "poseidon3",
    "pedersen",
)
# Parameters that are bound by the proof's own bytes alone: they hold for those that it was made with. None makes the
# proof state another thing; some claim more security than it has, until it is verified.
LEFT_TO_STONE = {
    SMALLEST: {
        f"{FRI}/fri_step_list with 1 and 2 swapped",
        f"{FRI}/n_queries +1",
        f"{FRI}/n_queries x2",
        f"{FRI}/proof_of_work_bits +1",
        "proof_parameters/stark/log_n_cosets +1",
        "commitment_hash is blake256",
        "commitment_hash is blake256_masked248_lsb",
        "commitment_hash is pedersen",
        "commitment_hash is poseidon3",
        *(
            f"page_hash is {name}"
            for name in HASHES
            if name != "keccak256"  # its own
        ),
    },
    POSEIDON: {
        f"{FRI}/fri_step_list with 1 and 2 swapped",
        f"{FRI}/n_queries +1",
        f"{FRI}/n_queries x2",
        f"{FRI}/proof_of_work_bits +1",
        f"{FRI}/proof_of_work_bits x2",
        "proof_parameters/stark/log_n_cosets +1",
        "proof_parameters/stark/log_n_cosets x2",
        "proof_parameters/n_verifier_friendly_commitment_layers +1",
        "proof_parameters/n_verifier_friendly_commitment_layers -1",
        "proof_parameters/n_verifier_friendly_commitment_layers as 0",
        "proof_parameters/n_verifier_friendly_commitment_layers x2",
        "proof_parameters/verifier_friendly_channel_updates otherwise",
    },
}
POLICIES = {SMALLEST: POLICY, POSEIDON: WEAK_POLICY}
SPELLINGS: dict[str, Callable[[str], object]] = {
    "in capitals": str.upper,
    "with capitals behind 0x": lambda text: "0x" + text[2:].upper(),
    "with one capital": lambda text: (
        text[:2] + re.sub("[a-f]", lambda found: found[0].upper(), text[2:], count=1)
    ),
    "with 0X": lambda text: "0X" + text[2:],
    "without 0x": lambda text: text[2:],
    "with half a byte before": lambda text: "0x0" + text[2:],
    "with half a byte behind": lambda text: text + "0",
    "with a blank before": lambda text: " " + text,
    "with a line feed behind": lambda text: text + "\n",
    "with another alphabet's digit": lambda text: text[:-1] + "\N{ARABIC-INDIC DIGIT ONE}",
    "of no bytes": lambda text: "0x",
    "as a list": lambda text: [text],
    "as null": lambda text: None,
}


def _object(name: str) -> Object:
    obj: Object = json.loads(proof(name))
    return obj


def _clipped(name: str) -> Object:
    """The proof cut behind its proof of work: checks that need no verifier read no further."""
    read = StoneProof.read(proof(name))
    obj = _object(name)
    obj["proof_hex"] = obj["proof_hex"][: 2 + 2 * (work_at(read.layout, read.parameters) + WORD)]
    return obj


def _relabelled(obj: Object) -> Iterator[tuple[str, bytes]]:
    """Each hash named otherwise."""
    for member in ("commitment_hash", "channel_hash", "pow_hash", "page_hash"):
        for name in HASHES:
            other = copy.deepcopy(obj)
            parameters = other["proof_parameters"]
            holder = parameters["statement"] if member == "page_hash" else parameters
            if holder[member] != name:
                holder[member] = name
                yield f"{member} is {name}", canonical(other)


def _changes(name: str, obj: Object) -> Iterator[tuple[str, bytes]]:
    """All of the smallest proof; of the other one its parameters, for the rest is alike."""
    parts = [("proof_hex",)] if name == SMALLEST else [("proof_hex",), ("public_input",)]
    yield from mutations(obj, but=parts)
    if name == SMALLEST:
        yield from _relabelled(obj)


def _examined(data: bytes, policy: Policy) -> str | None:
    try:
        verifier.examine(data, expected(), policy)
    except (RefusedProof, PolicyError) as error:
        return error.code
    return None


@pytest.mark.parametrize("name", POLICIES)
def test_every_change_is_refused_without_a_verifier_but_for_those_listed(name: str):
    """Each number, text, list and object of statement and parameters: off by one, of another type, spelled otherwise,
    gone, renamed, there twice, in another order."""
    assert _examined(canonical(_clipped(name)), POLICIES[name]) is None
    codes = {how: _examined(data, POLICIES[name]) for how, data in _changes(name, _clipped(name))}
    assert len(codes) > (2000 if name == SMALLEST else 150)
    assert LEFT_TO_STONE[name] == {how for how, code in codes.items() if code is None}
    assert all(re.match("(proof|parameters|policy)-", code) for code in codes.values() if code is not None)


@pytest.mark.parametrize("how", SPELLINGS)
def test_the_proofs_own_bytes_are_spelled_in_one_way(how: str):
    """Whatever Stone's reader of hex makes of it."""
    obj = _object(SMALLEST)
    obj["proof_hex"] = SPELLINGS[how](obj["proof_hex"])
    assert "proof-hex" == _examined(canonical(obj), POLICY)


def _verified(data: bytes, policy: Policy) -> str | None:
    try:
        verifier.verify(data, expected(), policy)
    except (RefusedProof, PolicyError) as error:
        return error.code
    return None


@needs_stone
@pytest.mark.stone
@pytest.mark.slow
@pytest.mark.parametrize("name", POLICIES)
def test_with_stone_nothing_changed_is_accepted(name: str):
    """What is left to Stone it refuses, and a sample of the bits of the proof's own bytes."""
    assert _verified(proof(name), POLICIES[name]) is None
    for how, data in _changes(name, _object(name)):
        if how in LEFT_TO_STONE[name]:
            assert "proof-refused" == _verified(data, POLICIES[name]), how
    dice = random.Random(name)  # noqa: S311 -- a fixed choice of bits
    for _ in range(60):
        obj = _object(name)
        data = bytearray.fromhex(obj["proof_hex"][2:])
        bit = dice.randrange(len(data) * 8)
        data[bit // 8] ^= 1 << bit % 8
        obj["proof_hex"] = "0x" + data.hex()
        assert _verified(canonical(obj), POLICIES[name]) in ("proof-refused", "proof-nonce"), bit

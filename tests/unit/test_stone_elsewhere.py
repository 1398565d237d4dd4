"""Two Stone proofs that others made, and some 80 alterations of each: what we say of them, and what Stone says.

Stone's verdicts are those of tests/data/stone/elsewhere/MANIFEST.json; tests that ask Stone again are marked `stone`.
"""

from __future__ import annotations

import gzip
import json
import random
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from stone_alterations import Object, add_prime, altered, digits_of, flip_nibble

from proofrail.cairo.program import CairoProgram
from proofrail.cairo.vm import run
from proofrail.proving.errors import PolicyError, RefusedProof
from proofrail.proving.policy import Policy
from proofrail.proving.statement import Expected, TracedRun
from proofrail.proving.stone import programs, verifier
from proofrail.proving.stone.proof import StoneProof
from proofrail.wire.canonical import sha256_hex

CHECKOUT = Path(__file__).parents[2]
DATA = CHECKOUT / "tests" / "data" / "stone" / "elsewhere"
PROOFS: dict[str, Any] = json.loads((DATA / "MANIFEST.json").read_text())["proofs"]
FIB, WEAK = "small_fib512_96", "small_prog_weak"
HASH_BITS = 80
"""What the 160-bit hash of one of them is worth, whatever its queries."""

needs_stone = pytest.mark.skipif(
    programs.find(programs.VERIFIER) is None, reason="Stone's cpu_air_verifier is not on PATH"
)

# What we say before any verifier is asked, by alteration.

UNCHANGED = {
    # Stone's own defaults, spelled out: the canonical form is that of the proof unaltered.
    "channel_hash (absent) -> keccak256",
    "commitment_hash (absent) -> keccak256_masked160_msb",
    "n_verifier_friendly_commitment_layers (absent) -> 0",
    "pow_hash (absent) -> keccak256",
    "statement.page_hash (absent) -> keccak256",
    "verifier_friendly_channel_updates (absent) -> False",
}

GAPS = {
    # What Stone's verifier accepts, or dies of (*), and we refuse.
    "trailing byte 00": "proof-trailing",
    "trailing byte ff": "proof-trailing",
    "trailing 32 zero bytes": "proof-trailing",
    "trailing 32 bytes 01..01": "proof-trailing",
    "hex upper case": "proof-hex",
    "public_memory last value + p (non-canonical)": "proof-felt",
    "public_memory last value re-spelled with leading zeros": "proof-felt",
    "public_input: unknown key added": "proof-malformed",
    "public_input: dynamic_params key removed": "proof-malformed",
    "proof_parameters: unknown key added": "parameters-malformed",
    "pow_hash (absent) -> blake256": "parameters-unbound",
    "verifier_friendly_commitment_hash (absent) -> keccak256": "parameters-unbound",
    "verifier_friendly_commitment_hash (absent) -> poseidon3": "parameters-unbound",
    "verifier_friendly_commitment_hash (absent) -> keccak256_masked160_lsb": "parameters-unbound",
    "n_queries 1 -> 0": "policy-parameters",  # *
    "n_queries 18 -> 0": "policy-parameters",  # *
    "combined: n_queries 0 and proof_of_work_bits 0": "policy-parameters",  # *
}

REFUSED = {
    # What both refuse, we without asking.
    "public_memory last value +1 (output)": "proof-output",
    "public_memory first value +1 (padding cell)": "proof-program",
    "public_memory middle value +1": "proof-program",
    "public_memory last address +1": "proof-public-memory",
    "public_memory entries 0,1 swapped": "proof-memory-order",
    "public_memory last entry duplicated": "proof-public-memory",
    "public_memory last entry removed": "proof-public-memory",
    "public_memory last entry page 0 -> 1": "proof-public-memory",
    "n_queries 18 -> 1": "policy-security",
    "proof_of_work_bits 24 -> 0": "policy-security",
    "proof_of_work_bits 24 -> 1": "policy-security",
    "proof_of_work_bits 24 -> 2": "policy-security",
    "last_layer_degree_bound 64 -> 32": "parameters-fri",
    "last_layer_degree_bound 64 -> 128": "parameters-fri",
    "last_layer_degree_bound 64 -> 1": "parameters-fri",
    "log_n_cosets 1 -> 0": "policy-parameters",
    "log_n_cosets 4 -> 3": "policy-security",
    "fri_step_list [0, 4, 3] -> [0, 4]": "parameters-fri",
    "fri_step_list [0, 4, 3] -> [0, 4, 2]": "parameters-fri",
    "fri_step_list [0, 4, 3] -> [0, 4, 3, 1]": "parameters-fri",
    "fri_step_list [0, 4, 3] -> [0]": "parameters-fri",
    "fri_step_list [0, 4, 4, 2] -> [0, 4, 4]": "parameters-fri",
    "fri_step_list [0, 4, 4, 2] -> [0, 4, 4, 1]": "parameters-fri",
    "fri_step_list [0, 4, 4, 2] -> [0, 4, 4, 2, 1]": "parameters-fri",
    "fri_step_list [0, 4, 4, 2] -> [0]": "parameters-fri",
    "n_verifier_friendly_commitment_layers (absent) -> 9999": "parameters-unbound",
    "use_extension_field False -> True": "parameters-malformed",
    "use_extension_field removed": "parameters-malformed",
    "field PrimeField0 -> ExtensionField": "parameters-malformed",
    "field PrimeField0 -> PrimeField1": "parameters-malformed",
    "field PrimeField0 -> TestField": "parameters-malformed",
    "field removed": "parameters-malformed",
    "one nibble appended": "proof-hex",
    "empty proof (0x00)": "proof-short",
    "output.stop_ptr +1": "proof-public-memory",
    "execution.begin_addr +1": "proof-program",
    "program.stop_ptr +1": "proof-states",
    "range_check.stop_ptr +1": "proof-segments",
    "rc_min +1": "proof-range-check",
    "rc_max +1": "proof-range-check",
    "rc_max -1": "proof-range-check",
    "n_steps x2": "parameters-fri",
    f"{WEAK}: n_steps /2": "parameters-fri",
    f"{FIB}: n_steps /2": "parameters-steps",
    "n_steps -1": "parameters-steps",
    "layout -> dex": "proof-layout",
    "layout -> recursive": "parameters-steps",
    "layout -> recursive_with_poseidon": "parameters-steps",
    "layout -> plain": "proof-segments",
    "layout -> nosuch": "parameters-layout",
    f"{FIB}: channel_hash (absent) -> poseidon3": "proof-nonce",
}

LEFT_TO_STONE = {
    # Only the proof's own bytes tell: they hold for the parameters they were made with, and as they were made.
    "nibble flipped: first",
    "nibble flipped: quarter",
    "nibble flipped: half",
    "nibble flipped: three quarters",
    "nibble flipped: last",
    "last byte removed",
    "leading 00 byte prepended",
    "n_queries 1 -> 2",
    "n_queries 18 -> 17",
    "n_queries 18 -> 19",
    "n_queries 18 -> 36",
    "proof_of_work_bits 0 -> 1",
    "proof_of_work_bits 0 -> 2",
    "proof_of_work_bits 0 -> 8",
    "proof_of_work_bits 24 -> 8",
    "proof_of_work_bits 24 -> 23",
    "proof_of_work_bits 24 -> 25",
    "log_n_cosets 1 -> 2",
    "log_n_cosets 4 -> 5",
    "fri_step_list [0, 4, 3] -> [0, 3, 4]",
    "fri_step_list [0, 4, 4, 2] -> [0, 2, 4, 4]",
    "commitment_hash (absent) -> keccak256",
    "commitment_hash (absent) -> keccak256_masked160_lsb",
    "commitment_hash (absent) -> blake256",
    "commitment_hash (absent) -> poseidon3",
    "commitment_hash keccak256 -> keccak256_masked160_msb",
    "commitment_hash keccak256 -> keccak256_masked160_lsb",
    "commitment_hash keccak256 -> blake256",
    "commitment_hash keccak256 -> poseidon3",
    "commitment_hash removed",
    "channel_hash (absent) -> blake256",
    f"{WEAK}: channel_hash (absent) -> poseidon3",
    "verifier_friendly_channel_updates (absent) -> True",
    "n_verifier_friendly_commitment_layers (absent) -> 1",
    "statement.page_hash (absent) -> pedersen",
}


@cache
def _file(name: str) -> bytes:
    return gzip.decompress((DATA / f"{name}.proof.json.gz").read_bytes())


def _object(name: str) -> Object:
    proof: Object = json.loads(_file(name))
    return proof


@cache
def _canonical(name: str) -> bytes:
    return StoneProof.canonical_form(_file(name))


@cache
def _expected(name: str) -> Expected:
    """The statement of the proof as it was made; its program is not ours to run."""
    traced = TracedRun.of(_object(name)["public_input"])
    return replace(verifier.what_it_states(_canonical(name)), traced=traced)


def _policy(name: str) -> Policy:
    return Policy(min_security_bits=min(PROOFS[name]["security_bits"], HASH_BITS), backends=("stone",))


def _cases() -> Iterator[tuple[str, str, str]]:
    """Proof, alteration, and what Stone said of it."""
    for name, proof in PROOFS.items():
        for verdicts in proof["verdicts"].values():
            for words, verdict in verdicts.items():
                if isinstance(verdict, str):
                    yield name, words, verdict.partition(":")[0]


def _named(name: str, words: str) -> str:
    """How the tables above name the alteration: by its words, or for one proof alone."""
    alone = f"{name}: {words}"
    return alone if alone in REFUSED or alone in LEFT_TO_STONE else words


def _examined(name: str, proof: Object) -> str:
    """Our word on a proof from elsewhere without any verifier: a code, "same" for the proof unaltered in another
    spelling, or "asks"."""
    try:
        canonical = StoneProof.canonical_form(json.dumps(proof).encode())
        verifier.examine(canonical, _expected(name), _policy(name))
    except (RefusedProof, PolicyError) as error:
        return error.code
    return "same" if canonical == _canonical(name) else "asks"


@pytest.mark.parametrize("name", PROOFS)
def test_a_proof_from_elsewhere_is_read(name: str):
    """Statement and security are what its makers say, and it is the file that they gave."""
    made = PROOFS[name]
    assert made["sha256"] == sha256_hex(_file(name))
    examined = verifier.examine(_canonical(name), _expected(name), _policy(name))
    statement = examined.statement
    assert (made["layout"], made["n_steps"]) == (statement.layout, statement.n_steps)
    assert made["output"] == list(statement.output)
    assert min(made["security_bits"], HASH_BITS) == examined.security_bits
    assert 2 * made["proof_bytes"] == digits_of(_object(name))
    with pytest.raises(PolicyError) as weak:
        verifier.examine(_canonical(name), _expected(name), Policy(backends=("stone",)))
    assert "policy-security" == weak.value.code


def test_another_program_with_the_same_output_is_told_apart():
    """Our Fibonacci program outputs what theirs does; it is not the same program."""
    ours = CairoProgram.load(CHECKOUT / "cairo" / "artifacts" / "fibonacci.json")
    made = run(ours, {"n": 60}, "small")
    assert PROOFS[FIB]["output"] == made.output
    expected = Expected.of(ours.words, ours.builtins, made.output)
    with pytest.raises(RefusedProof) as refused:
        verifier.examine(_canonical(FIB), expected, _policy(FIB))
    assert "proof-program" == refused.value.code


@pytest.mark.parametrize(("name", "words"), [case[:2] for case in _cases()])
def test_each_alteration_is_answered_as_listed(name: str, words: str):
    """Without a verifier: refused with its own code, unchanged by its canonical form, or left to Stone."""
    told = GAPS | REFUSED | dict.fromkeys(UNCHANGED, "same") | dict.fromkeys(LEFT_TO_STONE, "asks")
    expected = told[_named(name, words)]
    expected = "asks" if expected == "proof-trailing" else expected
    assert expected == _examined(name, altered(_object(name), words))


def test_we_are_stricter_than_stone_exactly_where_listed():
    """What Stone accepts or dies of is unchanged in meaning, or a gap that we close; nothing that it refuses is
    accepted."""
    tolerated = {_named(name, words) for name, words, verdict in _cases() if verdict != "reject"}
    refused = {_named(name, words) for name, words, verdict in _cases() if verdict == "reject"}
    assert UNCHANGED | GAPS.keys() == tolerated
    assert REFUSED.keys() | LEFT_TO_STONE == refused


@needs_stone
@pytest.mark.slow
@pytest.mark.stone
@pytest.mark.parametrize("name", PROOFS)
def test_stone_answers_as_its_makers_say(name: str, tmp_path: Path):
    """Each alteration, asked of the verifier at hand: accepted, refused, or ended by signal 11."""
    words_of = {0: "accept", 1: "reject", -11: "crash"}
    said = {}
    for _, words, _ in filter(lambda case: case[0] == name, _cases()):
        path = tmp_path / "altered.json"
        path.write_text(json.dumps(altered(_object(name), words)))
        ended = subprocess.run(
            [str(programs.required(programs.VERIFIER)), "--in_file", str(path)],
            capture_output=True,
            check=False,
        )
        said[words] = words_of[ended.returncode]
    assert {words: verdict for which, words, verdict in _cases() if which == name} == said


def _verified(name: str, proof: Object) -> str:
    try:
        verifier.verify(StoneProof.canonical_form(json.dumps(proof).encode()), _expected(name), _policy(name))
    except (RefusedProof, PolicyError) as error:
        return error.code
    return "accepted"


@needs_stone
@pytest.mark.slow
@pytest.mark.stone
@pytest.mark.parametrize("name", PROOFS)
def test_what_is_left_to_stone_is_refused_with_it(name: str):
    """With the verifier nothing but the unchanged is accepted."""
    assert "accepted" == _verified(name, _object(name))
    open_ = [*LEFT_TO_STONE, *(words for words, code in GAPS.items() if code == "proof-trailing")]
    for which, words, _ in _cases():
        if which == name and _named(name, words) in open_:
            code = GAPS.get(words, "proof-refused")
            assert code == _verified(name, altered(_object(name), words)), words


@needs_stone
@pytest.mark.slow
@pytest.mark.stone
@pytest.mark.parametrize("name", PROOFS)
def test_a_sample_of_the_proofs_own_bytes_is_refused(name: str):
    """Digits flipped and words plus P, anywhere: each is refused."""
    dice = random.Random(5)  # noqa: S311 -- a fixed choice of places
    for _ in range(40):
        proof = _object(name)
        flip_nibble(proof, dice.randrange(digits_of(proof)))
        assert _verified(name, proof) in ("proof-refused", "proof-nonce")
    words = digits_of(_object(name)) // 64
    for word in dice.sample(range(words), 40):
        proof = _object(name)
        if add_prime(proof, word):
            assert "proof-refused" == _verified(name, proof), word

"""What the caller must check of a proof that the library accepts: one code for each way to cheat."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from proofrail._native import NativeError
from proofrail.proving import verifier
from proofrail.proving.blake import blake_program_hash
from proofrail.proving.errors import PolicyError, RefusedProof
from proofrail.proving.policy import Policy
from proofrail.proving.roots import known_root
from proofrail.proving.statement import Expected

WORDS = (0x40780017FFF7FFF, 2, 0x1104800180018000, 4, 0x10780017FFF7FFF, 0, 5, 6)
EXPECTED = Expected.of(WORDS, ["output", "pedersen"], [7, 8])
FACTS: dict[str, Any] = {
    "variant": "canonical_small",
    "preprocessed_root": known_root(1, 21),
    "config": {
        "pow_bits": 20,
        "n_queries": 76,
        "log_blowup": 1,
        "fold_step": 3,
        "log_last_layer": 0,
        "lifting_log_size": 21,
        "channel_salt": 0,
    },
    "program": [hex(word) for word in WORDS],
    "program_hash_blake": hex(blake_program_hash(WORDS)),
    "output": ["0x7", "0x8"],
    "segments": [
        {"builtin": "output", "begin": 50, "end": 52},
        {"builtin": "pedersen", "begin": 52, "end": 58},
    ],
    "initial_state": {"pc": 1, "ap": 11, "fp": 11},
    "final_state": {"pc": 5, "ap": 50, "fp": 11},
}

Change = Callable[[dict[str, Any]], None]


def stated(monkeypatch: pytest.MonkeyPatch, change: Change) -> None:
    """Lets the native verifier accept a proof that states `FACTS`, changed."""
    facts = copy.deepcopy(FACTS)
    change(facts)
    for name in ("read_stwo", "verify_stwo"):
        monkeypatch.setattr(verifier, name, lambda proof: json.dumps(facts))


def at(*path: Any, value: Any) -> Change:
    def change(facts: dict[str, Any]) -> None:
        target: Any = facts
        for step in path[:-1]:
            target = target[step]
        target[path[-1]] = value

    return change


def other_program(words: tuple[int, ...]) -> Change:
    def change(facts: dict[str, Any]) -> None:
        facts["program"] = [hex(word) for word in words]
        facts["program_hash_blake"] = hex(blake_program_hash(words))

    return change


def swap(facts: dict[str, Any]) -> None:
    facts["segments"][1]["builtin"] = "range_check96"


def drop_last_segment(facts: dict[str, Any]) -> None:
    del facts["segments"][1]


def ecdsa_used(facts: dict[str, Any]) -> None:
    facts["segments"].append({"builtin": "ecdsa", "begin": 60, "end": 62})


def test_an_honest_proof_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proof of what was expected gives its statement, security and parameters."""
    stated(monkeypatch, lambda facts: None)
    verified = verifier.verify(b"", EXPECTED, Policy())
    assert 96 == verified.security_bits
    assert EXPECTED.program_hash == verified.statement.to_dict()["program_hash"]
    assert 2 == verified.statement.to_dict()["output_count"]
    assert known_root(1, 21) == verified.parameters["preprocessed_root"]
    assert 21 == verified.parameters["lifting_log_size"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (at("preprocessed_root", value="00" * 32), "proof-preprocessed-root"),
        (at("program_hash_blake", value="0x1"), "proof-program-hash"),
        (at("variant", value="canonical"), "proof-tables"),
        (at("config", "lifting_log_size", value=25), "proof-tables"),
        (at("config", "lifting_log_size", value=None), "proof-tables"),
        (at("config", "log_blowup", value=2), "proof-tables"),
        (at("config", "channel_salt", value=1), "proof-salt"),
        (other_program((*WORDS[:-1], 7)), "proof-program"),
        (other_program(WORDS[:-1]), "proof-program"),
        (at("output", 1, value="0x9"), "proof-output"),
        (at("segments", 0, value={"builtin": "output", "begin": 50, "end": 53}), "proof-segments"),
        (at("segments", 0, value={"builtin": "output", "begin": 49, "end": 51}), "proof-segments"),
        (at("segments", 1, value={"builtin": "pedersen", "begin": 51, "end": 57}), "proof-segments"),
        (at("segments", 1, value={"builtin": "pedersen", "begin": 52, "end": 59}), "proof-segments"),
        (at("segments", 1, value={"builtin": "pedersen", "begin": 58, "end": 52}), "proof-segments"),
        (swap, "proof-builtins"),
        (drop_last_segment, "proof-builtins"),
        (ecdsa_used, "proof-builtins"),
        (at("initial_state", "pc", value=2), "proof-states"),
        (at("initial_state", "ap", value=12), "proof-states"),
        (at("final_state", "pc", value=6), "proof-states"),
        (at("final_state", "fp", value=12), "proof-states"),
        (at("final_state", "ap", value=10), "proof-states"),
    ],
)
def test_each_way_to_cheat_has_a_code(monkeypatch: pytest.MonkeyPatch, change: Change, code: str) -> None:
    """A proof that the library accepts but that states something else is refused, by name."""
    stated(monkeypatch, change)
    with pytest.raises(RefusedProof) as caught:
        verifier.verify(b"", EXPECTED, Policy())
    assert code == caught.value.code


def test_an_unproven_builtin_must_stay_unused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the program declares ecdsa, its segment must be empty: no table constrains it."""
    stated(monkeypatch, ecdsa_used)
    with pytest.raises(RefusedProof) as caught:
        verifier.verify(b"", Expected.of(WORDS, ["output", "pedersen", "ecdsa"], [7, 8]), Policy())
    assert "proof-segments" == caught.value.code


@pytest.mark.parametrize(
    ("change", "policy", "code"),
    [
        (at("config", "n_queries", value=75), Policy(), "policy-security"),
        (at("config", "n_queries", value=1), Policy(), "policy-security"),
        (at("config", "pow_bits", value=40), Policy(), "policy-parameters"),
        (at("config", "fold_step", value=6), Policy(), "policy-parameters"),
        (lambda facts: None, Policy(backends=("stone",)), "policy-backend"),
        (lambda facts: None, Policy(layouts=("small",)), "policy-layout"),
        (lambda facts: None, Policy(program_hashes=("0x1",)), "policy-program"),
    ],
)
def test_the_policy_is_read_from_the_proof_itself(
    monkeypatch: pytest.MonkeyPatch, change: Change, policy: Policy, code: str
) -> None:
    """Security comes from the proof's own configuration, whatever was published beside it."""
    stated(monkeypatch, change)
    with pytest.raises(PolicyError) as caught:
        verifier.verify(b"", EXPECTED, policy)
    assert code == caught.value.code


def test_the_first_differing_output_word_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal says which word differs, and both values."""
    stated(monkeypatch, at("output", value=["0x7"]))
    stated(monkeypatch, at("output", 1, value="0x9"))
    with pytest.raises(RefusedProof) as caught:
        verifier.verify(b"", EXPECTED, Policy())
    assert {"index": 1, "proven": "0x9", "expected": "0x8"} == caught.value.context


def test_the_native_verdict_keeps_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the native verifier refuses is refused with its own code and words."""

    def refuse(proof: bytes) -> str:
        raise NativeError("proof-refused", "Invalid logup sum")

    stated(monkeypatch, lambda facts: None)
    monkeypatch.setattr(verifier, "verify_stwo", refuse)
    with pytest.raises(RefusedProof) as caught:
        verifier.verify(b"", EXPECTED, Policy())
    assert ("proof-refused", "Invalid logup sum") == (caught.value.code, caught.value.message)


def test_a_proof_beyond_all_size_is_not_even_parsed() -> None:
    """The size is bounded before anything is read."""
    with pytest.raises(RefusedProof) as caught:
        verifier.verify(bytes(verifier.MAX_PROOF_BYTES + 1), EXPECTED, Policy())
    assert "proof-too-large" == caught.value.code


@pytest.mark.parametrize("junk", [b"", b"\0", b"\xff" * 100, b"\xff" * 8 + b"\0" * 1000, bytes(5000)])
def test_junk_is_malformed(junk: bytes) -> None:
    """Bytes that are no proof are refused by the real native verifier, without a panic."""
    with pytest.raises(RefusedProof) as caught:
        verifier.verify(junk, EXPECTED, Policy())
    assert caught.value.code in {"proof-malformed", "proof-trailing", "proof-structure"}

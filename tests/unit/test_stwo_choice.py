"""stwo's parameters: every admissible setting has a pinned root, and the choice reaches what was asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofrail.proving.cost import Goal
from proofrail.proving.errors import PolicyError
from proofrail.proving.parameters import HASH_BITS, StwoParameters
from proofrail.proving.policy import Policy
from proofrail.proving.roots import LOG_ROWS, PREPROCESSED_ROOTS, known_root
from proofrail.proving.stwo_choice import MAX_PEDERSEN, MAX_STEPS, choose_stwo

GIB = 1 << 30


@settings(deadline=None, max_examples=80)
@given(
    st.integers(1, MAX_STEPS),
    st.integers(1, HASH_BITS),
    st.sampled_from(["speed", "size"]),
    st.integers(0, MAX_PEDERSEN),
)
def test_a_choice_is_admissible_and_strong_enough(steps: int, bits: int, goal: Goal, hashes: int):
    """Any run, security and goal: queries beside the proof of work, a pinned root, never more bits than the hash
    gives; with a query less and nothing to spare, the policy refuses it."""
    found = choose_stwo(steps, bits, goal, pedersen_hashes=hashes, memory=24 * GIB)
    for priced in found.ranking[:5]:
        parameters = priced.parameters
        parameters.check()
        assert bits <= parameters.security_bits <= HASH_BITS
        assert known_root(parameters.log_blowup, priced.lifting_log_size) is not None
        assert parameters == StwoParameters.of(vars(parameters))
        weaker = replace(parameters, n_queries=parameters.n_queries - 1)
        if weaker.security_bits < bits:
            with pytest.raises(PolicyError) as refused:
                Policy(min_security_bits=bits).check(backend="stwo", security_bits=weaker.security_bits)
            assert "policy-security" == refused.value.code


def test_each_blow_up_in_use_has_one_root():
    """What `check` lets pass is what has a root, with the tables of 2^20 rows and no others."""
    for log_blowup in range(-1, 8):
        parameters = StwoParameters(log_blowup=log_blowup)
        pinned = (log_blowup, LOG_ROWS + log_blowup) in PREPROCESSED_ROOTS
        if pinned:
            parameters.check()
        else:
            with pytest.raises(PolicyError):
                parameters.check()
    assert all(LOG_ROWS + log_blowup == lifting for log_blowup, lifting in PREPROCESSED_ROOTS)
    assert len(PREPROCESSED_ROOTS) == len(set(PREPROCESSED_ROOTS.values()))


def test_security_ends_where_the_hash_does():
    """200 queries are worth no more than Blake2s resists collisions."""
    assert HASH_BITS == StwoParameters(n_queries=200).security_bits


def test_a_short_proof_takes_a_greater_blow_up_where_there_is_memory():
    """Size on a large machine, on a small one, and speed."""
    large, little, fast = (
        choose_stwo(1000, goal=goal, memory=memory * GIB).parameters.log_blowup
        for goal, memory in (("size", 24), ("size", 4), ("speed", 24))
    )
    assert large > little
    assert (1, 1) == (little, fast)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((0,), "parameters-steps"),
        ((MAX_STEPS + 1,), "parameters-steps"),
        ((1, 0), "parameters-security"),
        ((1, HASH_BITS + 1), "parameters-security"),
        ((1, 96, "chain"), "parameters-goal"),
    ],
)
def test_what_stwo_cannot_prove_is_refused(arguments: tuple[int, ...], code: str):
    """Runs, security levels and goals that are not stwo's."""
    with pytest.raises(PolicyError) as refused:
        choose_stwo(*arguments)
    assert code == refused.value.code


def test_more_hashes_than_the_tables_hold_are_refused():
    """56 rows a hash, and no table larger than the fixed ones."""
    with pytest.raises(PolicyError) as refused:
        choose_stwo(1, pedersen_hashes=MAX_PEDERSEN + 1)
    assert "parameters-instances" == refused.value.code

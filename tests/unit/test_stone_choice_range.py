"""Stone's parameters over the whole range of runs: an admissible set, or a refusal in words."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofrail.proving.calibration import Speeds
from proofrail.proving.cost import Goal
from proofrail.proving.errors import PolicyError
from proofrail.proving.policy import Policy
from proofrail.proving.stone.choose import Choice, choose
from proofrail.proving.stone.hashes import LOCAL, REGISTRY_HASHERS
from proofrail.proving.stone.layouts import LAYOUTS
from proofrail.proving.stone.parameters import StoneParameters

GIB = 1 << 30
GOALS: tuple[Goal, ...] = ("speed", "size", "chain")
REFUSALS = {"parameters-steps", "parameters-layout", "parameters-security"}

requests = st.tuples(
    st.integers(8, 25).map(lambda log: 1 << log),
    st.sampled_from([*LAYOUTS, "starknet"]),
    st.integers(0, 130),
    st.sampled_from(GOALS),
)


def _cap(goal: Goal) -> int:
    """Most bits that the hashes give."""
    hashes = REGISTRY_HASHERS.values() if goal == "chain" else [LOCAL]
    return max(one.collision_bits for one in hashes)


def _possible(steps: int, name: str, bits: int, goal: Goal) -> bool:
    layout = LAYOUTS.get(name)
    return (
        layout is not None
        and layout.least_steps <= steps <= 1 << 24
        and 1 <= bits <= _cap(goal)
        and (layout.on_chain or goal != "chain")
    )


def _check(choice: Choice, steps: int, bits: int, goal: Goal) -> None:
    parameters = choice.parameters
    assert steps * 16 == 1 << (parameters.log_last_layer + sum(parameters.fri_step_list))
    assert 0 == parameters.fri_step_list[0]
    assert all(1 <= fold <= 4 for fold in parameters.fri_step_list[1:])
    assert 2 <= len(parameters.fri_step_list) <= 15
    assert parameters.log_last_layer <= 15
    assert bits <= parameters.security_bits <= parameters.hashes.collision_bits
    assert (20 if goal == "chain" else 0) <= parameters.pow_bits <= 30
    assert 1 <= parameters.n_queries <= 256
    assert parameters == StoneParameters.of(parameters.to_json())


@settings(deadline=None, max_examples=150)
@given(requests)
def test_every_request_gets_an_admissible_set_or_a_refusal(request: tuple[int, str, int, Goal]):
    """All steps, layouts, bits and goals: what is chosen keeps the FRI equation and every limit of Stone and of the
    registry; what cannot exist is refused with a code and words, and nothing else is."""
    steps, name, bits, goal = request
    if _possible(*request):
        _check(choose(steps, name, bits, goal), steps, bits, goal)
    else:
        with pytest.raises(PolicyError) as refused:
            choose(steps, name, bits, goal)
        assert refused.value.code in REFUSALS
        assert refused.value.message


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_ends_of_the_range_are_reached(name: str):
    """The least and the most steps of each layout, at one bit and at the most the hashes give, for each goal."""
    layout = LAYOUTS[name]
    for goal in GOALS if layout.on_chain else GOALS[:2]:
        for steps in (layout.least_steps, 1 << 24):
            for bits in (1, _cap(goal)):
                _check(choose(steps, name, bits, goal), steps, bits, goal)


@settings(deadline=None, max_examples=60)
@given(requests.filter(lambda request: _possible(*request)), st.integers(1, 3), st.integers(1, 3))
def test_weaker_parameters_never_pass(request: tuple[int, str, int, Goal], fewer: int, less: int):
    """With fewer queries or less work than chosen, and less than asked for, a proof is refused by the policy; with
    none or with queries that count for nothing, by the parameters' own check."""
    steps, name, bits, goal = request
    chosen = choose(steps, name, bits, goal).parameters
    policy = Policy(min_security_bits=bits, backends=("stone",))
    policy.check(backend="stone", security_bits=chosen.security_bits)
    for weaker in (
        replace(chosen, n_queries=max(1, chosen.n_queries - fewer)),
        replace(chosen, pow_bits=max(0, chosen.pow_bits - less)),
        replace(chosen, log_n_cosets=max(1, chosen.log_n_cosets - 1)),
    ):
        if weaker.query_bits < bits:
            with pytest.raises(PolicyError) as refused:
                policy.check(backend="stone", security_bits=weaker.security_bits)
            assert "policy-security" == refused.value.code
    for unsound in (replace(chosen, n_queries=0), replace(chosen, pow_bits=31, n_queries=chosen.n_queries)):
        with pytest.raises(PolicyError) as refused:
            unsound.check(steps.bit_length() - 1)
        assert "policy-parameters" == refused.value.code


def test_memory_and_time_grow_with_the_run():
    """Up to 2^24 steps the predictions grow, and the largest do not fit a machine of 24 GiB."""
    for name, layout in LAYOUTS.items():
        logs = range(24, layout.least_steps.bit_length() - 2, -3)
        costs = [choose(1 << log, name, memory=24 * GIB).cost for log in reversed(logs)]
        for smaller, larger in pairwise(costs):
            assert smaller.cpu_seconds < larger.cpu_seconds
        assert costs[0].fits(24 * GIB)
        assert not costs[-1].fits(24 * GIB)


def test_the_extended_trace_is_kept_where_it_leaves_half_of_the_memory():
    """The same parameters with a quarter of the memory take longer and still fit."""
    plenty, little = choose(32_768, "small", memory=24 * GIB), choose(32_768, "small", memory=2 * GIB)
    assert (True, False) == (plenty.full_extension, little.full_extension)
    assert plenty.cost.cpu_seconds < little.cost.cpu_seconds
    assert little.cost.fits(2 * GIB)


def test_the_fastest_machine_chooses_as_the_slowest():
    """One factor for all changes what is expected, and not what is chosen."""
    slow, fast = (choose(4096, "small", speeds=Speeds(factor, factor)) for factor in (0.1, 10.0))
    assert slow.parameters == fast.parameters
    assert slow.cost.cpu_seconds == pytest.approx(100 * fast.cost.cpu_seconds)

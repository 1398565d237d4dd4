"""The policy and the parameters that meet it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofrail.proving.backend import Limits
from proofrail.proving.calibration import Speeds
from proofrail.proving.errors import PolicyError
from proofrail.proving.parameters import StwoParameters
from proofrail.proving.policy import Policy
from proofrail.proving.stwo_choice import choose_stwo

GOOD: dict[str, Any] = {"backend": "stwo", "security_bits": 96, "layout": "all", "program_hash": "0x1"}


def test_the_default_policy_takes_a_proof_of_96_bits() -> None:
    """96 bits of stwo are good enough without further settings."""
    Policy().check(backend="stwo", security_bits=96)


@pytest.mark.parametrize(
    ("policy", "change", "code"),
    [
        (Policy(), {"security_bits": 95}, "policy-security"),
        (Policy(min_security_bits=100), {}, "policy-security"),
        (Policy(), {"backend": "other"}, "policy-backend"),
        (Policy(layouts=("small",)), {}, "policy-layout"),
        (Policy(layouts=("small",)), {"layout": None}, "policy-layout"),
        (Policy(program_hashes=("0x2",)), {}, "policy-program"),
        (Policy(program_hashes=("0x2",)), {"program_hash": None}, "policy-program"),
        (Policy(), {"is_mock": True}, "policy-mock"),
    ],
)
def test_each_rule_has_a_code_of_its_own(policy: Policy, change: dict[str, Any], code: str) -> None:
    """What breaks one rule is refused with that rule's code."""
    with pytest.raises(PolicyError) as caught:
        policy.check(**{**GOOD, **change})
    assert code == caught.value.code


def test_a_restricted_policy_takes_what_it_names() -> None:
    """Layouts and programs that a policy names pass."""
    Policy(layouts=("all",), program_hashes=("0x1",)).check(**GOOD)


def test_a_mock_passes_only_by_name() -> None:
    """A mock needs no security, but must be allowed explicitly, and its backend too."""
    Policy(backends=("mock",), allow_mock=True).check(backend="mock", security_bits=0, is_mock=True)


@given(bits=st.integers(min_value=1, max_value=128))
def test_chosen_parameters_have_the_security_asked_for(bits: int) -> None:
    """Whatever is asked for is reached, with queries and not with proof of work alone."""
    parameters = choose_stwo(bits=bits).parameters
    assert parameters.security_bits >= bits
    assert parameters.n_queries >= 1
    parameters.check()


def test_the_default_is_96_bits() -> None:
    """The default parameters meet the default policy exactly."""
    assert choose_stwo(speeds=Speeds()).parameters == StwoParameters()
    assert 96 == StwoParameters().security_bits


@pytest.mark.parametrize(
    "change",
    [
        {"pow_bits": 31, "n_queries": 65},
        {"pow_bits": 96, "n_queries": 0},
        {"fold_step": 0},
        {"fold_step": 5},
        {"log_blowup": 0},
        {"log_blowup": 5},
        {"log_last_layer": 7},
        {"n_queries": -1},
    ],
)
def test_security_that_does_not_come_from_queries_is_refused(change: dict[str, int]) -> None:
    """Settings that only count bits, or that no verifier of ours was tried with, are refused."""
    with pytest.raises(PolicyError) as caught:
        StwoParameters(**change).check()
    assert "policy-parameters" == caught.value.code


def test_parameters_survive_the_proof_config() -> None:
    """What the prover is told is what a proof's own configuration is read as."""
    parameters = StwoParameters(pow_bits=10, n_queries=50, log_blowup=2)
    assert parameters == StwoParameters.of({**vars(parameters), "lifting_log_size": 22})
    assert "--queries=50" in parameters.arguments()


LIMITS = Limits(max_steps=100, max_instances={"pedersen": 10}, max_output_words=20)


@pytest.mark.parametrize(
    ("steps", "instances", "words", "culprit"),
    [
        (100, {"pedersen": 10}, 20, None),
        (101, {}, 0, "101 steps"),
        (1, {"pedersen": 11}, 0, "11 uses of pedersen"),
        (1, {}, 21, "21 output words"),
    ],
)
def test_a_run_beyond_a_limit_is_named(
    steps: int, instances: dict[str, int], words: int, culprit: str | None
) -> None:
    """A run that one proof cannot take is recognised before proving, by what is too much."""
    said = LIMITS.exceeded(steps, instances, words)
    assert said is None if culprit is None else said is not None and said.startswith(culprit)

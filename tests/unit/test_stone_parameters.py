"""Parameters of Stone proofs: derived for any run, within every verifier's limits, refused where they cannot be."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofrail.proving.errors import PolicyError
from proofrail.proving.stone.choose import choose
from proofrail.proving.stone.fri import check_fri, fri_steps
from proofrail.proving.stone.hashes import LOCAL, REGISTRY_HASHERS, Hashes
from proofrail.proving.stone.layouts import LAYOUTS
from proofrail.proving.stone.parameters import StoneParameters

_LAST_64 = {
    9: (0, 4, 3),
    10: (0, 4, 4),
    11: (0, 4, 4, 1),
    12: (0, 4, 4, 2),
    13: (0, 4, 4, 3),
    14: (0, 4, 4, 4),
    15: (0, 4, 4, 4, 1),
    17: (0, 4, 4, 4, 3),
    20: (0, 4, 4, 4, 4, 2),
}
_LAST_128 = {9: (0, 4, 2), 11: (0, 4, 4), 12: (0, 4, 4, 1), 15: (0, 4, 4, 4), 20: (0, 4, 4, 4, 4, 1)}


def _runs() -> st.SearchStrategy[tuple[str, int]]:
    return st.sampled_from(list(LAYOUTS.values())).flatmap(
        lambda layout: st.tuples(
            st.just(layout.name),
            st.integers(layout.least_steps.bit_length() - 1, 24).map(lambda log: 1 << log),
        )
    )


def _refused(code: str, *arguments: object, **named: object) -> None:
    with pytest.raises(PolicyError) as refused:
        choose(*arguments, **named)
    assert code == refused.value.code


@pytest.mark.parametrize(("log_last", "table"), [(6, _LAST_64), (7, _LAST_128)])
def test_folds_are_those_that_stone_is_known_to_accept(log_last: int, table: dict[int, tuple[int, ...]]):
    """The fold lists with which real proofs were made, for last layers of degree 64 and 128."""
    assert table == {log: fri_steps(log, log_last) for log in table}


@settings(deadline=None, max_examples=40)
@given(_runs(), st.integers(1, 124), st.sampled_from(["speed", "size"]))
def test_a_choice_fits_its_run_and_reaches_the_security_asked_for(run: tuple[str, int], bits: int, goal: str):
    """For every layout and number of steps: the FRI equation holds, and bits are not fewer than asked for."""
    layout, steps = run
    found = choose(steps, layout, bits, goal)
    parameters = found.parameters
    parameters.check(steps.bit_length() - 1)
    assert parameters.security_bits >= bits
    assert steps * 16 == 1 << (parameters.log_last_layer + sum(parameters.fri_step_list))


@settings(deadline=None, max_examples=40)
@given(_runs(), st.integers(1, 124))
def test_a_choice_for_the_chain_keeps_within_the_registrys_limits(run: tuple[str, int], bits: int):
    """The verifier on chain refuses less than 20 bits of work, folds beyond 4, more than 15 layers; 160-bit hashes
    are not taken for more than 80 bits."""
    layout, steps = run
    if not LAYOUTS[layout].on_chain:
        _refused("parameters-layout", steps, layout, bits, "chain")
        return
    found = choose(steps, layout, bits, "chain")
    parameters = found.parameters
    assert 20 <= parameters.pow_bits <= 49
    assert all(1 <= fold <= 4 for fold in parameters.fri_step_list[1:])
    assert 2 <= len(parameters.fri_step_list) <= 15
    assert ("keccak_160_lsb" if bits <= 80 else "blake2s_248_lsb") == found.hasher


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((4095, "small"), "parameters-steps"),
        ((0, "small"), "parameters-steps"),
        ((256, "small"), "parameters-steps"),
        ((1 << 25, "small"), "parameters-steps"),
        ((512, "recursive"), "parameters-steps"),
        ((512, "nosuch"), "parameters-layout"),
        ((512, "small", 129), "parameters-security"),
        ((512, "small", 0), "parameters-security"),
        ((512, "small", 125, "chain"), "parameters-security"),
        ((512, "plain", 80, "chain"), "parameters-layout"),
    ],
)
def test_what_cannot_exist_is_refused_in_words(arguments: tuple[object, ...], code: str):
    """No process is spawned for a number of steps, a layout or a security that no proof can have."""
    _refused(code, *arguments)


def test_a_hasher_of_160_bits_is_no_good_for_96():
    """80 bits are all that a 160-bit digest gives, however many queries there are."""
    _refused("parameters-security", 16_384, "recursive", 96, "chain", hasher="keccak_160_lsb")
    _refused("parameters-hash", 16_384, "recursive", 96, "chain", hasher="keccak_248_lsb")
    _refused("parameters-hash", 16_384, "recursive", 96, "speed", hasher="keccak_160_lsb")


def test_stones_default_hash_caps_the_security():
    """A parameter file that names no commitment hash is worth 80 bits, not the 96 of its queries."""
    stark = {
        "fri": {
            "fri_step_list": [0, 4, 3],
            "last_layer_degree_bound": 64,
            "n_queries": 18,
            "proof_of_work_bits": 24,
        },
        "log_n_cosets": 4,
    }
    read = StoneParameters.of({"field": "PrimeField0", "stark": stark, "use_extension_field": False})
    assert (96, 80) == (read.query_bits, read.security_bits)


@settings(deadline=None, max_examples=40)
@given(_runs(), st.integers(1, 80), st.sampled_from(["speed", "size"]))
def test_a_parameter_file_reads_back_as_what_was_written(run: tuple[str, int], bits: int, goal: str):
    """Nothing of the parameters is lost in Stone's own format, whatever the hashes."""
    layout, steps = run
    parameters = choose(steps, layout, bits, goal).parameters
    assert parameters == StoneParameters.of(parameters.to_json())


@pytest.mark.parametrize("hashes", [LOCAL, *REGISTRY_HASHERS.values()])
def test_hashes_read_back_as_what_was_written(hashes: Hashes):
    """The sets for our own use and for the registry survive Stone's format."""
    assert hashes == Hashes.of(hashes.members())


@pytest.mark.parametrize(
    ("folds", "log_last"),
    [
        ((4, 4), 5),
        ((0, 4, 4), 6),
        ((0, 5, 2), 6),
        ((0, 0, 4, 3), 6),
        ((), 13),
        ((0, 4, 3), -1),
        ((0, 4, 2, 1), 7),
    ],
)
def test_folds_that_do_not_fit_are_refused(folds: tuple[int, ...], log_last: int):
    """512 steps: a list that does not begin with 0, is out of range or does not add up."""
    with pytest.raises(PolicyError) as refused:
        check_fri(folds, log_last, 9)
    assert "parameters-fri" == refused.value.code


@pytest.mark.parametrize(
    "altered",
    [
        {"field": "PrimeField1"},
        {"use_extension_field": True},
        {"strange": 1},
        {"stark": {}},
        {"stark": 1},
        {"statement": {"page_hash": "keccak256", "more": 1}},
        {"statement": 1},
        {"commitment_hash": 1},
        {"n_verifier_friendly_commitment_layers": -1},
        {"verifier_friendly_channel_updates": 1},
    ],
)
def test_a_parameter_file_with_anything_else_in_it_is_malformed(altered: dict[str, object]):
    """Stone ignores members that it does not know; a file with them is not what it seems."""
    good = choose(512, "small").parameters.to_json()
    with pytest.raises(PolicyError) as refused:
        StoneParameters.of({**good, **altered})
    assert "parameters-malformed" == refused.value.code

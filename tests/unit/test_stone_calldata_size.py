"""How many felts of calldata a proof takes at most, and the parameters with which it fits a transaction."""

from __future__ import annotations

import json
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from risk_cases import CHAIN, pair
from stone_goldens import needs_stone, proof

from proofrail.cairo.risk_program import program_input
from proofrail.proving.errors import PolicyError
from proofrail.proving.statement import TracedRun
from proofrail.proving.stone import programs
from proofrail.proving.stone.ask import annotated
from proofrail.proving.stone.calldata import calldata
from proofrail.proving.stone.calldata_size import (
    AROUND_A_PROOF,
    MAX_CALLDATA,
    Transaction,
    fewest_felts,
    most_felts,
    public_cells,
)
from proofrail.proving.stone.choose import Choice, choose
from proofrail.proving.stone.hashes import REGISTRY_HASHERS
from proofrail.proving.stone.layouts import layout_named
from proofrail.proving.stone.parameters import StoneParameters
from proofrail.proving.stone.proof import StoneProof

RECURSIVE = layout_named("recursive")
HASHES = REGISTRY_HASHERS["blake2s_248_lsb"]
MASK = 133
CELLS = 1336
"""Of the chain build, whatever the batch."""


def _plain(parameters: StoneParameters, cells: int, queries: set[int]) -> int:
    """Felts of a proof of 16,384 steps whose queries are these, counted part by part as the verifier's types have them,
    and those around it."""
    folds = parameters.fri_step_list[1:]
    height = 18 + parameters.log_n_cosets

    def siblings(nodes: set[int], levels: int) -> int:
        count = 0
        for _ in range(levels):
            count += sum(node ^ 1 not in nodes for node in nodes)
            nodes = {node >> 1 for node in nodes}
        return count

    felts = 4 + 4  # the call, the configuration's names
    felts += 3 * 3 + 2 + (1 + 3 * len(folds)) + (1 + 1 + len(folds)) + 6
    felts += 4 + 1 + 1 + (1 + 2 * 6) + 2 + 1 + (1 + 2 * cells) + 1 + 1
    felts += 3 + (1 + MASK + 2) + (1 + len(folds)) + (1 + (1 << parameters.log_last_layer)) + 1
    for columns in (7, 3, 2):
        felts += 2 + columns * len(queries) + 2 + siblings(queries, height)
    felts += 1
    for fold in folds:
        height -= fold
        cosets = {query >> fold for query in queries}
        felts += 1 + len(cosets) * (1 << fold) - len(queries) + 1 + siblings(cosets, height)
        queries = cosets
    return felts


def _reversed(number: int, bits: int) -> int:
    return int(f"{number:0{bits}b}"[::-1], 2)


def _parameters(log_n_cosets: int, queries: int, folds: tuple[int, ...], log_last: int) -> StoneParameters:
    return StoneParameters((0, *folds), log_last, queries, log_n_cosets, 20, HASHES)


SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(
    lambda folds: (tuple(folds), 18 - sum(folds))
)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 6), st.integers(1, 80), SHAPES, st.data())
def test_no_proof_takes_more_and_one_takes_as_many(
    log_n_cosets: int, count: int, shape: tuple[tuple[int, ...], int], data: st.DataObject
) -> None:
    """Whatever the queries, the bound holds; queries that are as far apart as can be reach it."""
    parameters = _parameters(log_n_cosets, count, *shape)
    most = most_felts(parameters, RECURSIVE, 14, CELLS)
    height = 18 + log_n_cosets
    some = data.draw(st.sets(st.integers(0, (1 << height) - 1), min_size=1, max_size=count))
    assert _plain(parameters, CELLS, some) <= most
    if count <= 1 << (parameters.log_last_layer + log_n_cosets):  # so that queries need meet in no layer
        assert most == _plain(parameters, CELLS, {_reversed(number, height) for number in range(count)})


@pytest.mark.parametrize(("log_n_cosets", "queries"), [(2, 38), (4, 18), (5, 14), (6, 11)])
def test_no_folds_take_fewer(log_n_cosets: int, queries: int) -> None:
    """Of all lists of up to six folds, in any order."""

    def felts(folds: tuple[int, ...], log_last: int) -> int:
        return most_felts(_parameters(log_n_cosets, queries, folds, log_last), RECURSIVE, 14, CELLS)

    lists = [folds for length in range(1, 7) for folds in product(range(1, 5), repeat=length)]
    least = min(felts(folds, 18 - sum(folds)) for folds in lists if 0 <= 18 - sum(folds) <= 10)
    (first, *folds), log_last = fewest_felts(14, log_n_cosets, queries)
    assert (0, least) == (first, felts(tuple(folds), log_last))


@needs_stone
@pytest.mark.stone
def test_a_proof_takes_hardly_fewer() -> None:
    """The golden proof in the layout that one transaction can take: within a tenth of the bound."""
    read = StoneProof.read(proof("chainrec"))
    felts = calldata(read, annotated(programs.required(programs.VERIFIER), read.data))
    cells = len(read.public_input["public_memory"])
    most = most_felts(read.parameters, RECURSIVE, 14, cells)
    assert 0.9 * most < len(felts) + AROUND_A_PROOF <= most


def test_the_public_memory_is_known_from_the_segments() -> None:
    """As many cells as the VM tells, for any batch of the chain build; not for a run of which nothing is known."""
    for forms in ([pair()], [pair() | {"allocation_id": f"a-{number}"} for number in range(12)]):
        public_input = json.loads(CHAIN.run(program_input(forms)).public_input())
        cells = public_cells(TracedRun.of(public_input))
        assert CELLS == cells == len(public_input["public_memory"])
    assert public_cells(TracedRun("recursive", 16_384, (), (0, 1))) is None


def test_the_chain_build_is_proven_to_96_bits_in_one_transaction() -> None:
    """With a blow-up of 32, for half as much would take more queries than there is room for."""
    choice = choose(16_384, "recursive", 96, "chain", transaction=Transaction(CELLS))
    expected = StoneParameters((0, 3, 3, 3, 3), 6, 14, 5, 26, HASHES)
    assert (expected, 4988) == (choice.parameters, choice.ranking[0].felts)
    assert "in one transaction of 5,000 felts" in choice.why


@settings(deadline=None, max_examples=60)
@given(
    st.integers(14, 17),
    st.integers(40, 124),
    st.builds(Transaction, st.integers(0, 3000), st.integers(2000, 9000)),
)
def test_what_is_chosen_fits_and_is_the_cheapest_that_does(
    log_n_steps: int, bits: int, transaction: Transaction
) -> None:
    """Every set that is offered has bits enough and fits; or none does, and that is said by its code."""

    def chosen(transaction: Transaction) -> Choice:
        return choose(1 << log_n_steps, "recursive", bits, "chain", transaction=transaction, memory=1 << 40)

    least = min(one.felts or 0 for one in chosen(Transaction(transaction.cells, 1 << 20)).ranking)
    if transaction.felts < least:
        with pytest.raises(PolicyError, match="parameters-calldata"):
            chosen(transaction)
        return
    choice = chosen(transaction)
    for one in choice.ranking:
        felts = most_felts(one.parameters, RECURSIVE, log_n_steps, transaction.cells)
        assert one.felts == felts <= transaction.felts
        assert bits <= one.parameters.security_bits
    assert choice.cost.cpu_seconds <= 1.05 * min(one.cost.cpu_seconds for one in choice.ranking)


def test_what_fits_no_transaction_is_refused_with_the_figures() -> None:
    """A program of twice the length, at the limit of the public networks."""
    with pytest.raises(PolicyError) as refused:
        choose(16_384, "recursive", 96, "chain", transaction=Transaction(2 * CELLS))
    assert "parameters-calldata" == refused.value.code
    assert f"{4 * CELLS:,}" in refused.value.message
    assert f"{MAX_CALLDATA:,}" in refused.value.message

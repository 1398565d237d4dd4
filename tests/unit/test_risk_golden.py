"""The golden vectors of the reference, in the program and in the model."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from crypto_cpp_py.cpp_bindings import cpp_hash
from risk_cases import allocation, expected, metrics, output, pair, protocol

from proofrail.cairo import risk_model
from proofrail.cairo.risk_program import decode_output

PRIME = 2**251 + 17 * 2**192 + 1

RISKS = {
    (6500, 3500, 1, 98, 800): 35,
    (5000, 2500, 2, 95, 600): 39,
    (0, 0, 0, 100, 730): 5,
    (10000, 10000, 3, 0, 0): 95,
    (399, 249, 0, 97, 729): 5,
    (400, 250, 1, 96, 657): 9,
    (10000, 0, 3, 100, 800): 55,
    (0, 10000, 0, 0, 0): 80,
    (8000, 6000, 3, 50, 365): 94,
    (8000, 6000, 3, 50, 364): 94,
    (1, 1, 0, 100, 0): 10,
    (9999, 9999, 2, 1, 1): 95,
}

# jediswap APY, ekubo APY, jediswap risk, ekubo risk → recommended shares; whether limits 6000 / 2 hold.
SHARES = [
    ((850, 1210, 35, 39), (4383, 5617), True),
    ((850, 1210, 41, 46), (4401, 5599), True),
    ((100, 100, 50, 50), (5000, 5000), True),
    ((850, 1210, 5, 95), (9182, 818), False),
    ((0, 0, 10, 10), (0, 10000), False),
    ((1200, 0, 20, 20), (10000, 0), False),
]

HASHES = [
    (
        0x3D937C035C878245CAF64531A5756109C53068DA139362728FEB561405371CB,
        0x208A0A10250E382E1E4BBE2880906C2791BF6275695E02FBBC6AEFF9CD8B31A,
        0x30E480BED5FE53FA909CC0F8C4D99B8F9F2C016BE4C41E13A4848797979C662,
    ),
    (
        0x58F580910A6CA59B28927C08FE6C43E2E303CA384BADC365795FC645D479D45,
        0x78734F65A067BE9BDB39DE18434D71E79F7B6466A4B66BBD979AB9E7515FE0B,
        0x68CC0B76CDDD1DD4ED2301ADA9B7C872B23875D5FF837B3A87993E0D9996B87,
    ),
]


@pytest.mark.parametrize(("measured", "risk"), RISKS.items())
def test_the_model_computes_the_risk_of_the_reference(measured: tuple[int, ...], risk: int) -> None:
    """Each risk vector holds in plain Python."""
    assert risk == risk_model.computed_risk(metrics(*measured))


def test_the_program_computes_the_risks_of_the_reference() -> None:
    """All risk vectors hold in one run, six protocols an allocation."""
    measured = list(RISKS)
    forms = [
        allocation(
            *(
                protocol(f"p{number}", 100, 1000 if number else 5000, values)
                for number, values in enumerate(measured[start : start + 6])
            ),
            allocation_id=f"a-{start}",
        )
        for start in (0, 6)
    ]
    rows = decode_output(output(*forms))
    assert list(RISKS.values()) == [risk for row in rows for risk in row.risks]


@pytest.mark.parametrize(("inputs", "shares", "within_limits"), SHARES)
def test_recommended_shares_are_those_of_the_reference(
    inputs: tuple[int, int, int, int], shares: tuple[int, int], within_limits: bool
) -> None:
    """Each allocation vector holds in program and model; proposed as recommended, the limits decide."""
    jedi_apy, ekubo_apy, jedi_risk, ekubo_risk = inputs
    form = allocation(
        protocol("jediswap", jedi_apy, shares[0], risk=jedi_risk),
        protocol("ekubo", ekubo_apy, shares[1], risk=ekubo_risk),
    )
    (row,) = decode_output(output(form))
    assert shares == risk_model.recommended_shares((jedi_apy, ekubo_apy), (jedi_risk, ekubo_risk))
    assert shares == row.recommended_bps
    assert within_limits == row.approved
    assert expected(form) == output(form)


@pytest.mark.parametrize(("left", "right", "result"), HASHES)
def test_pedersen_agrees_with_published_vectors(left: int, right: int, result: int) -> None:
    """The library that the model's hash is held against computes Starkware's Pedersen hash."""
    assert result == cpp_hash(left, right)


@pytest.mark.parametrize("elements", [[], [0], [1, 2**248 - 1], list(range(30)), [PRIME - 1, 2**128, 7]])
def test_the_array_hash_is_the_chain_of_hashes(elements: list[int]) -> None:
    """The model's hash is h(…h(h(0, x_0), x_1)…, count), by another library."""
    assert functools.reduce(cpp_hash, [*elements, len(elements)], 0) == risk_model.pedersen_array_hash(
        elements
    )


def test_the_whole_row_of_a_known_allocation() -> None:
    """One row is pinned down to the last felt, so that program and model cannot drift together."""
    row = [
        0x8FE63A6224321DE5D0A24CF30067D37A358706B1ED38B015282AB68DC69AE9,
        0x7AE7465D0659BB6A9E9CEBCF257AB076A60F5E55ECE4FA0C56713CFCD334B45,
        *(0, 0, 2),
        *(35, 4383, 4400),
        *(39, 5617, 5600),
    ]
    assert row == output(pair())[2:]


@pytest.mark.parametrize(
    ("form", "verdict"),
    [
        (pair(), 0),
        (allocation(protocol("a", 0, 5000, risk=7), protocol("b", 0, 5000, risk=7)), 0),
        (pair(max_single_bps=5600), 0),
        (pair(max_single_bps=5599), 2),
        (pair(min_diversification=3), 4),
        (pair(max_deviation_bps=17), 0),
        (pair(max_deviation_bps=16), 8),
        (pair(max_volatility_bps=3500), 0),
        (pair(max_volatility_bps=3499), 16),
        (pair(min_liquidity=2), 0),
        (pair(min_liquidity=1), 32),
        (pair(max_deviation_bps=0, max_volatility_bps=0, min_liquidity=0, min_diversification=8), 60),
    ],
)
def test_limits_tip_at_their_value(form: dict[str, Any], verdict: int) -> None:
    """What equals a limit is within it, what is one beyond is not."""
    (row,) = decode_output(output(form))
    assert verdict == row.verdict
    assert expected(form) == output(form)


@pytest.mark.parametrize(("share", "verdict"), [(999, 4), (1000, 0), (1001, 0)])
def test_a_share_counts_as_diversified_from_1000_bps(share: int, verdict: int) -> None:
    """999 bps do not count, 1000 do."""
    form = allocation(
        protocol("a", proposed=share, risk=1),
        protocol("b", proposed=10_000 - share, risk=1),
        max_single_bps=10_000,
    )
    assert verdict == decode_output(output(form))[0].verdict
    assert expected(form) == output(form)


@pytest.mark.parametrize("risk", [34, 36])
def test_a_given_risk_that_differs_is_a_reason(risk: int) -> None:
    """The computed risk is used, and the difference rejects."""
    first = protocol("jediswap", 850, 4400, (6500, 3500, 1, 98, 800), risk)
    second = protocol("ekubo", 1210, 5600, (5000, 2500, 2, 95, 600), 39)
    form = allocation(first, second)
    (row,) = decode_output(output(form))
    assert (1, (35, 39)) == (row.verdict, row.risks)
    assert expected(form) == output(form)


def test_all_reasons_add_up() -> None:
    """A proposal that breaks every rule has the verdict 63, one that breaks the first two has 3."""
    wild, tame = (6500, 9000, 3, 98, 800), (5000, 2500, 2, 95, 600)
    protocols = (protocol("a", 850, 9500, wild, 99), protocol("b", 1210, 500, tame, 1))
    every = {"max_deviation_bps": 500, "max_volatility_bps": 4000, "min_liquidity": 0}
    forms = [allocation(*protocols, **every), allocation(*protocols, min_diversification=1)]
    assert [63, 3] == [row.verdict for row in decode_output(output(*forms))]
    assert expected(*forms) == output(*forms)


def test_without_metrics_or_money_the_metrics_limits_do_not_trigger() -> None:
    """Rules 16 and 32 look only at protocols with metrics and a share above 0."""
    wild = (0, 10_000, 3, 100, 800)
    form = allocation(
        protocol("empty", 100, 0, wild),
        protocol("given", 100, 5000, risk=90),
        protocol("tame", 100, 5000, (0, 100, 0, 100, 800)),
        max_volatility_bps=100,
        min_liquidity=0,
    )
    assert 0 == decode_output(output(form))[0].verdict
    assert expected(form) == output(form)


def test_ids_and_names_at_their_extremes() -> None:
    """The shortest and longest id and name are taken."""
    forms = [
        allocation(protocol("A", risk=0), protocol("z" * 31, risk=100), allocation_id=allocation_id)
        for allocation_id in ("-", "Z" * 64)
    ]
    assert expected(*forms) == output(*forms)

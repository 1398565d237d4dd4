"""The program refuses what is out of range, whoever feeds it: no validation stands before these runs."""

from __future__ import annotations

from typing import Any

import pytest
from risk_cases import BUILDS, Build, allocation, pair, protocol

from proofrail.cairo.risk_program import program_input

pytestmark = BUILDS

PRIME = 2**251 + 17 * 2**192 + 1
NEVER = (-1, 2**128, PRIME // 2, PRIME - 2**120)

HEADER = ("id", "n", "max_single", "min_diversification", "max_deviation", "max_volatility", "min_liquidity")
PROTOCOL = (
    *("name", "apy", "proposed", "has_metrics"),
    *("utilization", "volatility", "liquidity", "audit_score", "age"),
    *("has_risk", "risk"),
)
# The allowed range of each felt of the first protocol, which has metrics and a risk.
RANGES: dict[str, tuple[int, int]] = {
    "id": (0, 2**248 - 1),
    "max_single": (1, 10_000),
    "min_diversification": (1, 8),
    "max_deviation": (0, 10_000),
    "max_volatility": (0, 10_000),
    "min_liquidity": (0, 3),
    "name": (1, 2**247 - 1),
    "apy": (0, 100_000),
    "has_metrics": (1, 1),
    "utilization": (0, 10_000),
    "volatility": (0, 10_000),
    "liquidity": (0, 3),
    "audit_score": (0, 100),
    "age": (0, 36_500),
    "has_risk": (1, 1),
    "risk": (0, 100),
}


def _fed(build: Build, changes: dict[int, int], form: dict[str, Any] | None = None, count: int = 1) -> str:
    """The outcome of a run on a valid allocation's felts with some of them changed."""
    both = allocation(
        protocol("jediswap", 850, 4400, (6500, 3500, 1, 98, 800), 35),
        protocol("ekubo", 1210, 5600, (5000, 2500, 2, 95, 600)),
    )
    given = program_input([form or both])
    for position, value in changes.items():
        given["data"][position] = value
    return build.run({**given, "n": count}).outcome


def _position(member: str, number: int = 0) -> int:
    if member in HEADER:
        return HEADER.index(member)
    return len(HEADER) + number * len(PROTOCOL) + PROTOCOL.index(member)


@pytest.mark.parametrize("member", RANGES)
def test_the_ends_of_a_range_are_taken(build: Build, member: str) -> None:
    """The lowest and the highest value of each member run."""
    assert ["completed", "completed"] == [_fed(build, {_position(member): value}) for value in RANGES[member]]


@pytest.mark.parametrize("member", RANGES)
def test_beyond_a_range_there_is_no_run(build: Build, member: str) -> None:
    """One below, one above and values that wrap in the field fail, for each member."""
    low, high = RANGES[member]
    beyond = [low - 1, 2**248 if member == "name" else high + 1]
    beyond += [value for value in NEVER if not low <= value % PRIME <= high]
    assert ["failed"] * len(beyond) == [_fed(build, {_position(member): value}) for value in beyond]


@pytest.mark.parametrize("count", [-1, 0, 1, 9, 2**128])
def test_a_number_of_protocols_out_of_range_fails(build: Build, count: int) -> None:
    """An allocation has 2 … 8 protocols, also when there is memory for more."""
    many = allocation(*(protocol(f"p{i}", 1, 1250, risk=1) for i in range(8)))
    assert "failed" == _fed(build, {_position("n"): count}, many)


def test_one_protocol_fails(build: Build) -> None:
    """A single protocol that gets all is one too few."""
    assert "failed" == _fed(
        build, {}, allocation(protocol("a", proposed=10_000, risk=1), max_single_bps=10_000)
    )


def test_nine_protocols_fail(build: Build) -> None:
    """Nine protocols whose shares add up are one too many."""
    shares = (1200, *[1100] * 8)
    nine = allocation(*(protocol(f"p{i}", 1, share, risk=1) for i, share in enumerate(shares)))
    assert "failed" == _fed(build, {}, nine)


@pytest.mark.parametrize("count", [-1, 0, 2**16 + 1, 2**128])
def test_a_batch_size_out_of_range_fails(build: Build, count: int) -> None:
    """A run takes 1 … 2^16 allocations."""
    assert "failed" == _fed(build, {}, count=count)


def test_a_batch_shorter_than_stated_fails(build: Build) -> None:
    """Two allocations are announced, one is there."""
    assert "failed" == _fed(build, {}, count=2)


@pytest.mark.parametrize(
    "shares", [(4400, 5599), (4400, 5601), (0, 0), (-1, 10_001), (2**128, 10_000 - 2**128)]
)
def test_shares_that_do_not_add_up_fail(build: Build, shares: tuple[int, int]) -> None:
    """Shares are not negative and add up to 10,000."""
    changes = {_position("proposed", number): share for number, share in enumerate(shares)}
    assert "failed" == _fed(build, changes)


@pytest.mark.parametrize("member", ["utilization", "volatility", "liquidity", "audit_score", "age"])
def test_absent_metrics_are_zero(build: Build, member: str) -> None:
    """A metric that is said to be absent cannot smuggle a value into the hash."""
    given = allocation(protocol("a", risk=10), protocol("b", risk=10))
    assert "completed" == _fed(build, {}, given)
    assert "failed" == _fed(build, {_position(member): 1}, given)


def test_an_absent_risk_is_zero(build: Build) -> None:
    """Nor can a risk that is said to be absent."""
    assert "failed" == _fed(build, {_position("risk", 1): 1}, pair())


@pytest.mark.parametrize("risk", [-1, 101, 2**128])
def test_a_risk_without_metrics_is_in_range(build: Build, risk: int) -> None:
    """A given risk is bounded too where no metrics stand beside it."""
    given = allocation(protocol("a", risk=100), protocol("b", risk=0))
    assert "completed" == _fed(build, {}, given)
    assert "failed" == _fed(build, {_position("risk"): risk}, given)


def test_neither_metrics_nor_risk_fails(build: Build) -> None:
    """A protocol's risk must be known."""
    given = allocation(protocol("a", risk=0), protocol("b", risk=10))
    assert "failed" == _fed(build, {_position("has_risk"): 0}, given)


@pytest.mark.parametrize("member", ["has_metrics", "has_risk"])
@pytest.mark.parametrize("flag", [-1, 2, 2**128])
def test_flags_are_boolean(build: Build, member: str, flag: int) -> None:
    """A flag is 0 or 1."""
    assert "failed" == _fed(build, {_position(member): flag})

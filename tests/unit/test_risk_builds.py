"""The size of a run of each build, known before it is made: what batches are gathered by."""

from __future__ import annotations

import json
from typing import Any

import pytest
import risk_cases
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from risk_cases import allocation, allocations, pair, protocol

from proofrail.cairo.risk_builds import BUILDS, CHAIN, RiskBuild, Size
from proofrail.cairo.risk_program import program_input
from proofrail.cairo.vm import Execution
from proofrail.proving.stone.layouts import LAYOUTS
from proofrail.proving.stone.uses import STEPS_PER_USE

RUNS = {"risk_engine": risk_cases.FIRST, "risk_engine_chain": risk_cases.CHAIN}
EACH = pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
ROOM = Size(LAYOUTS[CHAIN.layout].least_steps, 128)


def _run(build: RiskBuild, forms: list[dict[str, Any]]) -> Execution:
    execution = RUNS[build.name].run(program_input(forms))
    assert execution.failure is None
    return execution


def _uses(execution: Execution) -> dict[str, int]:
    private = json.loads(execution.private_input("", ""))
    return {name: len(private.get(name, ())) for name in ("pedersen", "bitwise", "range_check")}


def _named(forms: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [form | {"allocation_id": f"a-{number}"} for number, form in enumerate(forms)]


BATCHES = st.lists(allocations(), min_size=1, max_size=6).map(_named)


@EACH
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(BATCHES)
def test_the_size_of_a_run_is_a_close_bound(build: RiskBuild, forms: list[dict[str, Any]]) -> None:
    """Never fewer steps than are taken, and at most a third more; Pedersen instances exactly."""
    execution = _run(build, forms)
    size = build.size(forms)
    assert execution.real_steps <= size.steps <= execution.real_steps * 4 // 3
    assert size.hashes == _uses(execution)["pedersen"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(allocations(), min_size=3, max_size=16).map(_named))
def test_whatever_fits_is_proven_in_the_shortest_run_of_the_layout(forms: list[dict[str, Any]]) -> None:
    """As many as fit take 16,384 steps: there the bitwise builtin has room for them whenever the steps have, and the
    range check is not used."""
    while not CHAIN.size(forms).fits(ROOM):
        forms.pop()
    execution = _run(CHAIN, forms)
    uses = _uses(execution)
    assert ROOM.steps == execution.n_steps
    assert uses["bitwise"] * STEPS_PER_USE[CHAIN.layout]["bitwise"] <= CHAIN.size(forms).steps
    assert 0 == uses["range_check"]


def _demanding(number: int, protocols: int) -> dict[str, Any]:
    """An allocation over so many protocols that has all that takes steps."""
    share = 10_000 // protocols
    members = [
        protocol(f"p{at}", 850, share, (6500, 3500, 1, 98, 600), risk=3) for at in range(protocols - 1)
    ]
    last = protocol("last", 850, 10_000 - share * (protocols - 1), (6500, 3500, 1, 98, 600), risk=3)
    limits = {"max_single_bps": 100, "min_diversification": 8, "max_deviation_bps": 10}
    limits |= {"max_volatility_bps": 10, "min_liquidity": 0}
    return allocation(*members, last, allocation_id=f"a-{number}", **limits)


def test_how_many_allocations_fit() -> None:
    """Fifteen over two protocols with metrics; twelve of them whatever is in them; and of the largest that there are,
    over eight protocols, three. So none is too large for a run of its own."""
    most = {}
    for name, make in (
        ("usual", lambda number: pair() | {"allocation_id": f"a-{number}"}),
        ("demanding", lambda number: _demanding(number, 2)),
        ("largest", lambda number: _demanding(number, 8)),
    ):
        fitting = [
            count
            for count in range(1, 20)
            if CHAIN.size([make(number) for number in range(count)]).fits(ROOM)
        ]
        most[name] = max(fitting)
        execution = _run(CHAIN, [make(number) for number in range(max(fitting))])
        assert ROOM.steps == execution.n_steps
    assert {"usual": 15, "demanding": 12, "largest": 3} == most


@EACH
@given(allocations())
def test_no_allocation_is_smaller_than_the_least(build: RiskBuild, form: dict[str, Any]) -> None:
    """A run that has no room for the least has room for none."""
    assert build.least.fits(build.size_of(form))

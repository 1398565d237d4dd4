"""Proposals in normal form for the tests of the risk engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from proofrail.cairo import risk_model, risk_rows
from proofrail.cairo.program import CairoProgram
from proofrail.cairo.risk_program import chain_artifact, load, load_chain, program_input, risk_engine_artifact
from proofrail.cairo.vm import Execution, run

DEFAULT_LIMITS = {
    "max_single_bps": 6000,
    "min_diversification": 2,
    "max_deviation_bps": 10_000,
    "max_volatility_bps": 10_000,
    "min_liquidity": 3,
}
MEMBERS = ("utilization_bps", "volatility_bps", "liquidity", "audit_score", "age_days")


@dataclass(frozen=True)
class Build:
    """A build of the risk engine: its layout, the module of its decisions, and what its model expects."""

    module: str
    layout: str
    artifact: Callable[[], Path]
    program: Callable[[], CairoProgram]
    expected_output: Callable[[Iterable[Mapping[str, Any]]], list[int]]

    def __str__(self) -> str:
        return self.layout

    def run(self, given: dict[str, Any], program: CairoProgram | None = None) -> Execution:
        """One run on the program's own input, of the build or of a program made from it."""
        return run(program or self.program(), given, self.layout, max_steps=100_000)


FIRST = Build(
    "__main__",
    "small",
    risk_engine_artifact,
    load,
    lambda forms: risk_model.expected_output(map(risk_model.decide, forms)),
)
CHAIN = Build("risk_engine", "recursive", chain_artifact, load_chain, risk_rows.expected_output)
BUILDS = pytest.mark.parametrize("build", [FIRST, CHAIN], ids=str)


def metrics(*values: int) -> dict[str, int]:
    """Utilization, volatility, liquidity, audit score, age."""
    return dict(zip(MEMBERS, values, strict=True))


def protocol(
    name: str = "jediswap",
    apy: int = 850,
    proposed: int = 5000,
    measured: tuple[int, ...] | None = None,
    risk: int | None = None,
) -> dict[str, Any]:
    """A protocol with `measured` metrics or `risk` or both."""
    member: dict[str, Any] = {"name": name, "apy_bps": apy, "proposed_bps": proposed}
    if measured is not None:
        member["metrics"] = metrics(*measured)
    if risk is not None:
        member["risk"] = risk
    return member


def allocation(*protocols: dict[str, Any], allocation_id: str = "a-1", **limits: int) -> dict[str, Any]:
    """A proposal in normal form; limits not given have their defaults."""
    return {
        "v": 1,
        "type": "AllocationProposal",
        "allocation_id": allocation_id,
        "protocols": list(protocols),
        "limits": DEFAULT_LIMITS | limits,
    }


def pair(**limits: int) -> dict[str, Any]:
    """An approved allocation over two protocols with metrics."""
    return allocation(
        protocol("jediswap", 850, 4400, (6500, 3500, 1, 98, 800)),
        protocol("ekubo", 1210, 5600, (5000, 2500, 2, 95, 600)),
        **limits,
    )


def execute(*forms: dict[str, Any]) -> Execution:
    """One run over a batch."""
    return run(load(), program_input(forms), "small")


def output(*forms: dict[str, Any]) -> list[int]:
    """The output of a run that must not fail; the chain build's run over the same must be as its model expects."""
    assert CHAIN.expected_output(forms) == CHAIN.run(program_input(forms)).output
    execution = execute(*forms)
    assert execution.failure is None
    return execution.output


def expected(*forms: dict[str, Any]) -> list[int]:
    """What the model expects of it."""
    return FIRST.expected_output(forms)


def _edgy(low: int, high: int, *special: int) -> st.SearchStrategy[int]:
    return st.one_of(st.sampled_from((low, high, *special)), st.integers(low, high))


_METRICS = st.builds(
    metrics,
    _edgy(0, 10_000, 399, 400, 9999),
    _edgy(0, 10_000, 249, 250, 9999),
    st.integers(0, 3),
    _edgy(0, 100, 97, 98, 99),
    _edgy(0, 36_500, 656, 657, 658, 729, 730, 731),
)
_RISKS = _edgy(0, 100, 5, 95)
_NAMES = st.text("abcXYZ019-_", min_size=1, max_size=31)
_IDS = st.text("abcXYZ019-_.:", min_size=1, max_size=64)


@st.composite
def allocations(draw: st.DrawFn) -> dict[str, Any]:
    """Every valid proposal, drawn towards the places where a comparison may tip."""
    names = draw(st.lists(_NAMES, min_size=2, max_size=8, unique=True))
    apys = st.just(0) if draw(st.integers(0, 9)) == 0 else _edgy(0, 100_000, 850, 1210)
    shares = draw(st.one_of(_cut_shares(len(names)), _round_shares(len(names))))
    protocols = [
        protocol(name, draw(apys), share, measured, risk)
        for name, share, (measured, risk) in zip(
            names, shares, [draw(_known_risk()) for _ in names], strict=True
        )
    ]
    risks = [risk_model.computed_risk(p["metrics"]) if "metrics" in p else p["risk"] for p in protocols]
    recommended = risk_model.recommended_shares((p["apy_bps"] for p in protocols), risks)
    gaps = [abs(p - r) for p, r in zip(shares, recommended, strict=True)]
    volatilities = [p["metrics"]["volatility_bps"] for p in protocols if "metrics" in p]
    limits = {
        "max_single_bps": draw(_edgy(1, 10_000, 6000, *_around(shares, 1, 10_000))),
        "min_diversification": draw(st.integers(1, 8)),
        "max_deviation_bps": draw(_edgy(0, 10_000, *_around(gaps, 0, 10_000))),
        "max_volatility_bps": draw(_edgy(0, 10_000, *_around(volatilities, 0, 10_000))),
        "min_liquidity": draw(st.integers(0, 3)),
    }
    given = draw(st.sets(st.sampled_from(sorted(limits))))
    return allocation(*protocols, allocation_id=draw(_IDS), **{name: limits[name] for name in given})


@st.composite
def _known_risk(draw: st.DrawFn) -> tuple[tuple[int, ...] | None, int | None]:
    measured = draw(st.none() | _METRICS)
    if measured is None:
        return None, draw(_RISKS)
    agreeing = risk_model.computed_risk(measured)
    return tuple(measured.values()), draw(st.sampled_from((None, None, agreeing)) | _RISKS)


@st.composite
def _cut_shares(draw: st.DrawFn, count: int) -> list[int]:
    cuts = sorted(draw(st.lists(st.integers(0, 10_000), min_size=count - 1, max_size=count - 1)))
    return [end - start for start, end in zip([0, *cuts], [*cuts, 10_000], strict=True)]


@st.composite
def _round_shares(draw: st.DrawFn, count: int) -> list[int]:
    shares = draw(st.lists(st.sampled_from((0, 0, 999, 1000, 1001)), min_size=count - 1, max_size=count - 1))
    shares.append(10_000 - sum(shares))
    return draw(st.permutations(shares))


def _around(values: list[int] | tuple[int, ...], low: int, high: int) -> list[int]:
    near = {value + step for value in values for step in (-1, 0, 1)}
    return sorted(value for value in near if low <= value <= high)

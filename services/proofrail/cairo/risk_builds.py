"""The builds of the risk engine as the services run them: in which layout, and how much of a run a batch takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from proofrail.cairo import merkle
from proofrail.cairo.program import CairoProgram
from proofrail.cairo.risk_program import (
    MAX_STEPS,
    RUN_STEPS,
    checks_of,
    load,
    load_chain,
    pedersens_of,
    steps_of,
)
from proofrail.cairo.trace import RunSpec

BuildName = Literal["risk_engine", "risk_engine_chain"]

# What the chain build does besides deciding, exactly; but that a value that is left alone is shown beside a 0, as if
# there were another. tests/unit/test_risk_builds.py holds the bound.
_CHAIN_RUN: Final = 37
_STEPS_A_CHECK: Final = 6
_CHAIN_ALLOCATION: Final = 71
_CHAIN_PROTOCOL: Final = 75
_TWO_PROTOCOLS: Final = 9
_FOUR_PROTOCOLS: Final = 2
_LEVEL: Final = 13
_NODE: Final = 17

_LEAF_PEDERSENS: Final = 3

_SMALLEST: Final[Mapping[str, Any]] = {
    "protocols": ({"risk": 0}, {"risk": 0}),
    "limits": {"max_deviation_bps": 10_000, "max_volatility_bps": 10_000, "min_liquidity": 3},
}


@dataclass(frozen=True, slots=True)
class Size:
    """What something takes of a run: VM steps, no more than these, and Pedersen instances, exactly."""

    steps: int
    hashes: int

    def __add__(self, other: Size) -> Size:
        return Size(self.steps + other.steps, self.hashes + other.hashes)

    def fits(self, room: Size) -> bool:
        return self.steps <= room.steps and self.hashes <= room.hashes


@dataclass(frozen=True)
class RiskBuild:
    """One build: its program, its layout, and the size of its runs."""

    name: BuildName
    layout: str
    load: Callable[[], CairoProgram]
    size_of: Callable[[Mapping[str, Any]], Size]
    """What an allocation, in normal form, adds to a run."""
    besides: Callable[[int], Size]
    """What a run over so many allocations takes besides."""

    @property
    def least(self) -> Size:
        """Of the smallest allocation there is: over two protocols with given risks."""
        return self.size_of(_SMALLEST)

    def spec(self) -> RunSpec:
        """How the services run it: tracer, prover and auditor agree on it by taking it from here."""
        return RunSpec(self.load(), layout=self.layout, max_steps=MAX_STEPS)

    def size(self, normal_forms: Iterable[Mapping[str, Any]]) -> Size:
        """Of a whole run."""
        sizes = [self.size_of(form) for form in normal_forms]
        return sum(sizes, self.besides(len(sizes)))


def _size(form: Mapping[str, Any]) -> Size:
    return Size(steps_of(form), pedersens_of(form))


def _besides(count: int) -> Size:
    del count
    return Size(RUN_STEPS, 0)


def _chain_size(form: Mapping[str, Any]) -> Size:
    n = len(form["protocols"])
    twos, fours = -(-n // 2), -(-n // 4)
    rows = _CHAIN_ALLOCATION + _CHAIN_PROTOCOL * n + _TWO_PROTOCOLS * twos + _FOUR_PROTOCOLS * fours
    return Size(steps_of(form) + _STEPS_A_CHECK * checks_of(form) + rows, n + twos + fours + _LEAF_PEDERSENS)


def _chain_besides(count: int) -> Size:
    nodes = merkle.nodes(count)
    return Size(RUN_STEPS + _CHAIN_RUN + _LEVEL * merkle.depth(count) + _NODE * nodes, nodes)


FIRST: Final = RiskBuild("risk_engine", "small", load, _size, _besides)
CHAIN: Final = RiskBuild("risk_engine_chain", "recursive", load_chain, _chain_size, _chain_besides)

BUILDS: Final[Mapping[BuildName, RiskBuild]] = {build.name: build for build in (FIRST, CHAIN)}
"""By name, the one that is run by default first."""

"""A prover who chooses the hints: wrong guesses must fail, wherever they are made.

The compiled program's hints are replaced by ones that guess what the test says; its words stay the same, so
whatever run completes here could be proven.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from risk_cases import BUILDS, CHAIN, Build, allocation, protocol

from proofrail.cairo.program import CairoProgram
from proofrail.cairo.risk_program import program_input
from proofrail.cairo.vm import Execution

PRIME = 2**251 + 17 * 2**192 + 1
COMPARE = "memory[ap] = 0 if 0 <= (ids.a % PRIME) < range_check_builtin.bound else 1"
OPPOSITE = "memory[ap] = 0 if 0 <= ((-ids.a - 1) % PRIME) < range_check_builtin.bound else 1"
GUESS_BIT = 'ids.bit = program_input["bit"]'
GUESS = 'ids.q = program_input["q"]\nids.r = program_input["r"]'


@dataclass(frozen=True)
class Site:
    """A hint of the program: its function, and which of that function's hints of its kind it is."""

    function: str
    number: int = 0

    def __str__(self) -> str:
        return f"{self.function}-{self.number}"


# What the VM says when a cell cannot hold what the program asks of it, as opposed to a hint that went wrong.
SOUND_FAILURES = {"out-of-range", "assert-failed", "memory-inconsistent"}
# The chain build shows ranges in the end. Before it comes to that, the VM may give up for reasons of its own: an
# address that only a field can hold, a later hint that finds nothing, a value above all that the bitwise builtin
# takes. test_risk_chain.py holds that nothing else differs from the first build.
GIVEN_UP = {"small": set(), "recursive": {"vm-error", "hint-failed"}}

# Two protocols alike, so that a guess that is made for both is right or wrong for both.
MEASURED = (6500, 3500, 1, 98, 600)
RISK = 35 + 1
APY = 850
SCORE = APY * 10_000 // (RISK + 1)

# What each division divides, and by what.
DIVISIONS = {
    Site("risk_score", 0): (6500, 400),
    Site("risk_score", 1): (3500, 250),
    Site("risk_score", 2): (730 - 600, 73),
    Site("assess_protocols", 1): (APY * 10_000, RISK + 1),
    Site("recommend_shares"): (SCORE * 10_000, 2 * SCORE),
}
COMPARISONS = (
    Site("evaluate_all"),
    Site("assess_protocols", 0),
    Site("assess_protocols", 1),
    Site("risk_score"),
    Site("judge_deviation"),
    Site("judge_metrics", 0),
    Site("judge_metrics", 1),
)


def _alike(**limits: int) -> dict[str, Any]:
    return allocation(protocol("a", APY, 5000, MEASURED), protocol("b", APY, 5000, MEASURED), **limits)


def _with_small_share() -> dict[str, Any]:
    large, small = protocol("a", APY, 9001, MEASURED), protocol("b", APY, 999, MEASURED)
    return allocation(large, small, max_single_bps=10_000)


def _with_hint(build: Build, site: Site, divides: bool, code: str) -> CairoProgram:
    """The program with one hint replaced; where it compares, `ids.bit` is the cell at ap."""
    compiled = json.loads(build.artifact().read_bytes())
    scope = f"{build.module}.{site.function}"
    kind = "divmod" if divides else COMPARE
    ordered = sorted(compiled["hints"].items(), key=lambda at: int(at[0]))
    hints = [
        hint
        for _, hints in ordered
        for hint in hints
        if kind in hint["code"] and hint["accessible_scopes"][-1] == scope
    ]
    hint, references = hints[site.number], compiled["reference_manager"]["references"]
    hint["code"] = code
    if not divides:
        flow = hint["flow_tracking_data"]
        flow["reference_ids"][f"{scope}.bit"] = len(references)
        at_ap = {"ap_tracking_data": flow["ap_tracking"], "pc": 0, "value": "[cast(ap, felt*)]"}
        references.append(at_ap)
    return CairoProgram.load(json.dumps(compiled).encode())


def _with_bit(build: Build, site: Site, bit: int, form: dict[str, Any]) -> Execution:
    given = program_input([form]) | {"bit": bit % PRIME}
    return build.run(given, _with_hint(build, site, False, GUESS_BIT))


def _divided(build: Build, site: Site, quotient: int, rest: int) -> Execution:
    given = program_input([_alike()]) | {"q": quotient % PRIME, "r": rest % PRIME}
    return build.run(given, _with_hint(build, site, True, GUESS))


def _wrong_guesses(value: int, divisor: int) -> list[tuple[int, int]]:
    """Shifted by multiples, negative, with a rest that does not belong, and fractions of the field."""
    quotient, rest = divmod(value, divisor)
    shifts = (-quotient - 1, -quotient, -1, 1, 2**128, PRIME // 2)
    guesses = [(quotient + shift, rest - shift * divisor) for shift in shifts if shift]
    guesses += [(quotient, rest + 1), (quotient + 1, rest)]
    inverse = pow(divisor, -1, PRIME)
    wrong_rests = {0, 1, divisor // 2, divisor - 1, rest - 1, rest + 1} - {rest, -1, divisor}
    return guesses + [((value - wrong) * inverse, wrong) for wrong in sorted(wrong_rests)]


def _fails(build: Build, execution: Execution) -> bool:
    code = execution.failure.code if execution.failure else "completed"
    return code in SOUND_FAILURES | GIVEN_UP[build.layout]


@BUILDS
@pytest.mark.parametrize("site", DIVISIONS, ids=str)
def test_only_the_true_quotient_runs(build: Build, site: Site) -> None:
    """Every other quotient fails with whatever rest: shifted by a multiple, negative, or a field fraction."""
    value, divisor = DIVISIONS[site]
    quotient, rest = divmod(value, divisor)
    honest = _divided(build, site, quotient, rest)
    assert (None, build.expected_output([_alike()])) == (honest.failure, honest.output)

    wrong = _wrong_guesses(value, divisor)
    assert [] == [guess for guess in wrong if not _fails(build, _divided(build, site, *guess))]


@BUILDS
def test_an_id_has_one_split(build: Build) -> None:
    """The quotient and rest by which the id is shown to be below 2^248 cannot be chosen otherwise."""
    form = _alike()
    quotient, rest = divmod(program_input([form])["data"][0], 2**120)
    site = Site("evaluate_all")
    assert "completed" == _divided(build, site, quotient, rest).outcome
    guesses = [(quotient + shift, rest - shift * 2**120) for shift in (-1, 1, 2**100)]
    guesses += [(quotient + 1, rest), (2**128 - 1, rest), (quotient, rest + 1)]
    assert [] == [guess for guess in guesses if not _fails(build, _divided(build, site, *guess))]


@BUILDS
@pytest.mark.parametrize("too_long", [2**247 + 2**128, 2**248, 2**250, PRIME - 1])
def test_no_split_lets_a_long_name_pass(build: Build, too_long: int) -> None:
    """Names from 2^247 + 2^128 on have no split; the largest quotients and rests are the best tries."""
    given = program_input([_alike()])
    given["data"][7] = given["data"][18] = too_long
    program = _with_hint(build, Site("assess_protocols", 0), True, GUESS)
    for quotient in (2**128 - 1, 2**128 - 2, too_long >> 119, too_long >> 120, 0):
        for rest in ((too_long - quotient * 2**119) % PRIME, 0, 2**128 - 1):
            execution = build.run(given | {"q": quotient, "r": rest}, program)
            assert _fails(build, execution)


LIMITS = (
    {},
    {"max_single_bps": 4999},
    {"min_diversification": 3},
    {"max_deviation_bps": 0, "max_volatility_bps": 3500, "min_liquidity": 1},
    {"max_volatility_bps": 3499, "min_liquidity": 0},
)


@BUILDS
@pytest.mark.parametrize("site", COMPARISONS, ids=str)
def test_no_branch_is_entered_wrongly(build: Build, site: Site) -> None:
    """A run in which a comparison's bit is guessed wrongly fails, whichever way the comparison goes."""
    program = _with_hint(build, site, False, OPPOSITE)
    reached = 0
    for limits in LIMITS:
        form = _alike(**limits)
        if site.function.startswith("judge") and form["limits"]["max_volatility_bps"] == 10_000:
            continue
        if site.function == "judge_deviation" and form["limits"]["max_deviation_bps"] == 10_000:
            continue
        reached += 1
        execution = build.run(program_input([form]), program)
        assert _fails(build, execution)
    assert reached > 0


@BUILDS
@pytest.mark.parametrize(
    ("site", "form"),
    [
        (Site("evaluate_all"), _alike(min_diversification=3)),
        (Site("assess_protocols", 0), _alike(max_single_bps=4999)),
        (Site("assess_protocols", 1), _with_small_share()),
        (Site("judge_metrics", 0), _alike(max_volatility_bps=3499)),
        (Site("judge_metrics", 1), _alike(min_liquidity=0)),
    ],
    ids=str,
)
def test_nothing_passes_as_within_its_bound(build: Build, site: Site, form: dict[str, Any]) -> None:
    """Guessing 0 everywhere, also where it is right, does not get past what is beyond its bound."""
    assert _fails(build, _with_bit(build, site, 0, form))


@BUILDS
@pytest.mark.parametrize(
    ("site", "form"),
    [
        (Site("evaluate_all"), _alike(min_diversification=3)),
        (Site("assess_protocols", 0), _alike(max_single_bps=4999)),
    ],
    ids=str,
)
def test_a_bit_that_counts_is_one(build: Build, site: Site, form: dict[str, Any]) -> None:
    """Neither can the weight of what is beyond its bound be chosen: sums of others might cancel out."""
    honest = _with_bit(build, site, 1, form)
    assert (None, build.expected_output([form])) == (honest.failure, honest.output)
    guesses = (2, -1, 2**128)
    assert [] == [bit for bit in guesses if not _fails(build, _with_bit(build, site, bit, form))]


@BUILDS
def test_every_hint_is_accounted_for(build: Build) -> None:
    """A hint added to the program must be added to these tests; the chain build has one more division, of how many
    cells it checks at once (test_risk_chain.py)."""
    compiled = json.loads(build.artifact().read_bytes())
    codes = [hint["code"] for hints in compiled["hints"].values() for hint in hints]
    assert len(COMPARISONS) == codes.count(COMPARE)
    divisions = len(DIVISIONS) + (3 if build is CHAIN else 2)
    assert divisions == sum("divmod" in code for code in codes)
    others = {code for code in codes if code != COMPARE and "divmod" not in code}
    assert {
        "memory[ap] = segments.add()",
        'ids.n = program_input["n"]',
        'segments.write_arg(ids.data, program_input["data"])',
    } == others

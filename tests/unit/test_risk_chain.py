"""The chain build beside its model and beside the first build: same decisions, other builtins, a root as output."""

from __future__ import annotations

import json
from functools import reduce
from itertools import pairwise
from typing import Any

import pytest
from cairo_runs import published
from crypto_cpp_py.cpp_bindings import cpp_hash
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from risk_cases import BUILDS, CHAIN, FIRST, Build, allocation, allocations, pair, protocol
from synthetic_run import VKEY

from proofrail.audit.cairo_subject import ChainRiskSubject, RiskSubject, subject_of
from proofrail.audit.run_audit import audit_run
from proofrail.audit.settings import RunPolicy
from proofrail.cairo import risk_model, risk_rows
from proofrail.cairo.pedersen import PRIME, pedersen_hash
from proofrail.cairo.program import CairoProgram
from proofrail.cairo.risk_program import load_chain, program_hashes, program_input, samples
from proofrail.cairo.trace import RunSpec, trace_run
from proofrail.cairo.vm import Execution
from proofrail.wire.proposals import parse_proposal

CALL = "0x1104800180018000"
SPLIT = 'ids.q = program_input["q"]\nids.r = program_input["r"]'
FELTS = st.integers(0, PRIME - 1)


def _batch(count: int, **limits: int) -> list[dict[str, Any]]:
    return [pair(**limits) | {"allocation_id": f"a-{number}"} for number in range(count)]


def _private(execution: Execution) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = json.loads(execution.private_input("", ""))
    return found


def _checked(forms: list[dict[str, Any]], build: Build) -> list[int]:
    """The values that a run of the build shows to be of [0, 2^128), in order."""
    execution = build.run(program_input(forms))
    assert execution.failure is None
    private = _private(execution)
    if build is FIRST:
        return [int(cell["value"], 16) for cell in private["range_check"]]
    assert [] == private["range_check"]
    assert {2**128 - 1} == {int(instance["y"], 16) for instance in private["bitwise"]}
    return [int(instance["x"], 16) for instance in private["bitwise"]]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(allocations(), min_size=1, max_size=3))
def test_chain_build_and_model_agree(forms: list[dict[str, Any]]) -> None:
    """Any batch of valid proposals gives the root that the model expects."""
    execution = CHAIN.run(program_input(forms))
    assert (None, CHAIN.expected_output(forms)) == (execution.failure, execution.output)


def test_the_samples_have_the_expected_root() -> None:
    """Every verdict, both shapes, 2 … 8 protocols in one run."""
    forms = [parse_proposal(line).normal_form() for line in samples()[0].read_bytes().splitlines()]
    assert CHAIN.expected_output(forms) == CHAIN.run(program_input(forms)).output


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(allocations(), min_size=1, max_size=2))
def test_both_builds_check_the_same_values(forms: list[dict[str, Any]]) -> None:
    """What evaluate_all puts into range-check cells, the chain build shows by the bitwise builtin, one for one, and
    behind an odd one a 0; it uses no range check. The two values before, of the number of allocations, are the first
    build's alone: in the chain build the loop that counts it down shows as much."""
    _, _, *first = _checked(forms, FIRST)
    assert first + [0] * (len(first) % 2) == _checked(forms, CHAIN)


def _functions(build: Build) -> dict[str, list[str]]:
    compiled = json.loads(build.artifact().read_bytes())
    starts = {
        name: found["pc"] for name, found in compiled["identifiers"].items() if found["type"] == "function"
    }
    ends = sorted([*starts.values(), len(compiled["data"])])
    return {
        name.removeprefix(f"{build.module}."): compiled["data"][start : ends[ends.index(start) + 1]]
        for name, start in starts.items()
        if name.startswith(f"{build.module}.")
    }


def test_both_builds_decide_by_the_same_words() -> None:
    """The functions that decide are the same, word for word, but for how far it is to the tables. What the hints
    of the first build cannot bring about is thus out of reach in the chain build, too."""
    first, chain = _functions(FIRST), _functions(CHAIN)
    assert first.keys() - {"main"} == chain.keys()
    assert [] == [name for name in chain if name != "risk_score" and first[name] != chain[name]]
    # Where risk_score calls for its own address, and the four reads relative to it.
    pairs = list(zip(first["risk_score"], chain["risk_score"], strict=True))
    assert 5 == sum(ours != theirs for ours, theirs in pairs)
    assert [CALL] == [
        before for (before, _), (ours, theirs) in pairwise(pairs) if ours != theirs and before == CALL
    ]


def _counts(forms: list[dict[str, Any]]) -> tuple[int, int, int, int]:
    """Steps after and before padding, Pedersen and bitwise instances of a run."""
    execution = CHAIN.run(program_input(forms))
    private = _private(execution)
    return execution.n_steps, execution.real_steps, len(private["pedersen"]), len(private["bitwise"])


def _demanding(number: int) -> dict[str, Any]:
    """An allocation over two protocols that takes about all the steps there are for one."""
    return allocation(
        protocol("jediswap", 850, 9400, (6500, 3500, 1, 98, 600), 3),
        protocol("ekubo", 1210, 600, (5000, 2500, 2, 95, 600), 2),
        allocation_id=f"a-{number}",
        max_single_bps=5000,
        min_diversification=5,
        max_deviation_bps=10,
        max_volatility_bps=10,
        min_liquidity=0,
    )


@pytest.mark.parametrize(
    ("forms", "figures"),
    [
        (_batch(1), (16_384, 1025, 7, 54)),
        (_batch(12), (16_384, 11_846, 96, 636)),
        (_batch(16), (16_384, 15_741, 127, 848)),
        ([_demanding(number) for number in range(12)], (16_384, 15_194, 96, 876)),
    ],
    ids=["one", "twelve", "sixteen", "demanding"],
)
def test_figures_of_the_readme(forms: list[dict[str, Any]], figures: tuple[int, ...]) -> None:
    """Sixteen allocations over two protocols take 16,384 steps, and whatever is in them twelve."""
    assert figures == _counts(forms)


def _forged(forms: list[dict[str, Any]], q: int, r: int) -> Execution:
    compiled = json.loads(CHAIN.artifact().read_bytes())
    (hint,) = (
        hint
        for hints in compiled["hints"].values()
        for hint in hints
        if hint["accessible_scopes"][-1] == "risk_checks.show_ranges"
    )
    hint["code"] = SPLIT
    given = program_input(forms) | {"q": q % PRIME, "r": r % PRIME}
    return CHAIN.run(given, CairoProgram.load(json.dumps(compiled).encode()))


def test_no_split_leaves_a_value_unchecked() -> None:
    """However the number of values is split, each is shown to be in range, or there is no run: the rest is 0 or 1, and
    the loop counts its half down to 0."""
    even, odd = [pair()], [pair(max_deviation_bps=10)]
    for forms in (even, odd):
        count = len(_checked(forms, FIRST)) - 2
        execution = _forged(forms, *divmod(count + 1, 2))
        assert CHAIN.expected_output(forms) == execution.output
        assert count + count % 2 == len(_private(execution)["bitwise"])
        half = pow(2, -1, PRIME)
        for rest in (0, 1):
            split = ((count + 1 - rest) * half, rest)
            endless = split[0] % PRIME >= 2**32
            assert endless == bool(_forged(forms, *split).failure)
        # A rest of 2 or more would leave the last values out, one below 0 reach beyond them.
        for rest in (2, 3, count + 1, -1, half):
            refused = _forged(forms, (count + 1 - rest) * half, rest).failure
            assert refused is not None
            assert "assert-failed" == refused.code


@pytest.mark.parametrize("value", [2**128, 2**250, 2**251, PRIME - 1])
def test_a_value_out_of_range_is_not_shown(value: int) -> None:
    """One above the range, the largest values, and what a negative number is in the field."""
    given = program_input([pair()])
    given["data"][2] = (value - (2**128 - 1 - 10_000)) % PRIME  # max_single, whose upper bound is so checked
    execution = CHAIN.run(given)
    assert execution.failure is not None
    assert "risk_checks.show_ranges" == execution.failure.function


def _plain_word(*numbers: tuple[int, int]) -> int:
    return int("".join(f"{number:0{width}b}" for number, width in numbers), 2)


def test_the_whole_leaf_of_a_known_allocation() -> None:
    """One row, its hash and its leaf from the definition, bit by bit and by another Pedersen library."""
    identity = 0x8FE63A6224321DE5D0A24CF30067D37A358706B1ED38B015282AB68DC69AE9
    asked = _plain_word(
        *((2, 4), (6000, 14), (2, 4), (10_000, 14), (10_000, 14), (3, 2)),
        *((850, 17), (4400, 14), (1, 1), (6500, 14), (3500, 14), (1, 2), (98, 7), (800, 16), (0, 1), (0, 7)),
        *((1210, 17), (5600, 14), (1, 1), (5000, 14), (2500, 14), (2, 2), (95, 7), (600, 16), (0, 1), (0, 7)),
    )
    names = (int.from_bytes(name, "big") for name in (b"jediswap", b"ekubo"))
    tag = int.from_bytes(b"proofrail/inputs/v1", "big")
    inputs_hash = reduce(cpp_hash, [identity, asked, *names], tag)
    row = [identity, inputs_hash, *(0, 0, 2), *(35, 4383, 4400), *(39, 5617, 5600)]
    assert row == risk_rows.row(pair())

    decided = _plain_word((0, 6), (2, 4), (35, 7), (4383, 14), (4400, 14), (39, 7), (5617, 14), (5600, 14))
    leaf = reduce(cpp_hash, [identity, inputs_hash, decided], int.from_bytes(b"proofrail/row/v1", "big"))
    assert leaf == risk_rows.leaf(row)
    assert [2, 1, leaf] == CHAIN.run(program_input([pair()])).output
    assert 0x585533920098B4DD6325E1EDA131450186B6E5C3E0CD004A19F528CCF44AB3 == leaf


def test_three_protocols_and_five_stand_in_more_words() -> None:
    """An odd protocol stands alone in its word, a fifth share in a second one."""
    five = allocation(*(protocol(f"p{number}", 100 + number, 2000, risk=number) for number in range(5)))
    limits = ((5, 4), (6000, 14), (2, 4), (10_000, 14), (10_000, 14), (3, 2))
    told = [
        ((100 + at, 17), (2000, 14), (0, 1), (0, 14), (0, 14), (0, 2), (0, 7), (0, 16), (1, 1), (at, 7))
        for at in range(5)
    ]
    names = [int.from_bytes(f"p{number}".encode(), "big") for number in range(5)]
    words = [_plain_word(*limits, *told[0], *told[1]), _plain_word(*told[2], *told[3]), _plain_word(*told[4])]
    identity = risk_model.decide(five).id
    elements = [identity, words[0], *names[:2], words[1], *names[2:4], words[2], names[4]]
    hashed = reduce(cpp_hash, elements, int.from_bytes(b"proofrail/inputs/v1", "big"))
    assert hashed == risk_rows.inputs_hash(five)

    _, _, _, verdict, _, *shares = row = risk_rows.row(five)
    widths = (7, 14, 14) * 5
    first = _plain_word((verdict, 6), (5, 4), *zip(shares[:12], widths[:12], strict=True))
    second = _plain_word(*zip(shares[12:], widths[12:], strict=True))
    tag = int.from_bytes(b"proofrail/row/v1", "big")
    assert reduce(cpp_hash, [identity, hashed, first, second], tag) == risk_rows.leaf(row)


@settings(max_examples=20, deadline=None)
@given(FELTS, FELTS)
def test_the_hash_of_two_felts(left: int, right: int) -> None:
    """As by another library, the largest felts included."""
    for a, b in ((left, right), (0, right), (PRIME - 1, left), (2**248, 2**248 - 1)):
        assert cpp_hash(a, b) == pedersen_hash(a, b)


@pytest.mark.parametrize("felts", [(-1, 0), (0, PRIME)])
def test_what_is_no_felt_has_no_hash(felts: tuple[int, int]) -> None:
    """Two spellings of a felt would be two values with one hash."""
    with pytest.raises(ValueError, match="felts"):
        pedersen_hash(*felts)


def test_the_program_hashes_are_known() -> None:
    """The identities of both builds, under which a registry on chain knows them: a change must be meant."""
    assert (
        "0xdcb349bd6bd3def1dfb9373fd76465439d026212945eed106110af383f55ae",
        "0x7ed757e70d0f51e5bcb0540913907654a4cded4ac0739398c21560c20b22545",
    ) == program_hashes()


@BUILDS
def test_a_build_is_known_by_its_words(build: Build) -> None:
    """Its inputs are proposals, and its own model expects its output."""
    subject = subject_of(build.program())
    assert isinstance(subject, RiskSubject)
    assert (build is CHAIN) == isinstance(subject, ChainRiskSubject)
    assert build.expected_output([pair()]) == subject.expected_output([pair()])


def test_the_chain_build_has_the_builtins_of_its_layout() -> None:
    """All of the layout `recursive` in order, as the registry's verifier wants them in strict mode."""
    assert ("output", "pedersen", "range_check", "bitwise") == CHAIN.program().builtins


def test_a_run_of_the_chain_build_is_audited() -> None:
    """From commitments and events alone: executed again, its output held against the model."""
    forms = _batch(2)
    spec = RunSpec(load_chain(), layout=CHAIN.layout)
    told = published(trace_run(spec, forms, program_input(forms), clock=lambda: 0))
    audit = audit_run(
        commitments=told.commitments,
        events=lambda: iter(told.events),
        subject=subject_of(load_chain()),
        keys=[VKEY],
        policy=RunPolicy(),
    )
    assert "MATCH" == audit.report.verdict
    assert "output" in audit.report.checked

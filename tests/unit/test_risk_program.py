"""What goes into the program, what comes out of it, its artifact, samples and adapter."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from risk_cases import BUILDS, Build, allocation, execute, expected, pair, protocol

from proofrail.cairo import compiler, risk_model
from proofrail.cairo.adapter import AllocationToTraceAdapter
from proofrail.cairo.risk_program import (
    decode_output,
    load,
    program_input,
    risk_engine_artifact,
    samples,
)
from proofrail.wire.canonical import sha256_hex
from proofrail.wire.errors import InvalidProposalError, PoisonError, UnusableInputError
from proofrail.wire.proposals import parse_proposal


def test_the_input_lists_every_member_in_order() -> None:
    """Header, then eleven felts a protocol; what is absent is 0 behind a flag that is 0."""
    form = allocation(
        protocol("ab", 1, 4000, (2, 3, 1, 5, 6)), protocol("c", 7, 6000, risk=8), allocation_id="x"
    )
    identity = int(sha256_hex(b"x"), 16) % 2**248
    header = [identity, 2, 6000, 2, 10_000, 10_000, 3]
    first = [0x6162, 1, 4000, 1, 2, 3, 1, 5, 6, 0, 0]
    second = [0x63, 7, 6000, 0, 0, 0, 0, 0, 0, 1, 8]
    assert {"n": 1, "data": [*header, *first, *second]} == program_input([form])


@pytest.mark.parametrize(
    "broken", [{}, {"protocols": 1}, pair() | {"limits": {}}, pair() | {"protocols": [None]}]
)
def test_what_is_no_normal_form_is_refused(broken: dict[str, Any]) -> None:
    """Builder and model name their refusal instead of breaking."""
    for refuse in (lambda: program_input([broken]), lambda: risk_model.decide(broken)):
        with pytest.raises(InvalidProposalError) as raised:
            refuse()
        assert "proposal-not-normal" == raised.value.code


@pytest.mark.parametrize(
    "form",
    [
        pair(max_single_bps=0),
        pair(min_liquidity=4),
        allocation(protocol("a", proposed=10_000, risk=1)),
        allocation(protocol("a", risk=1), protocol("a", risk=1)),
        allocation(protocol("a", risk=101), protocol("b", risk=1)),
        allocation(protocol("a"), protocol("b", risk=1)),
        allocation(protocol("a", proposed=4999, risk=1), protocol("b", risk=1)),
        allocation(protocol("a", 100_001, risk=1), protocol("b", risk=1)),
        allocation(protocol("a", measured=(0, 0, 4, 0, 0)), protocol("b", risk=1)),
        allocation(protocol("a", measured=(0, 0, 0, 0, True)), protocol("b", risk=1)),
    ],
)
def test_the_model_decides_on_valid_proposals_alone(form: dict[str, Any]) -> None:
    """Whatever the program would refuse, the model refuses too."""
    with pytest.raises(InvalidProposalError):
        risk_model.decide(form)


def _changed(position: int, value: int) -> list[int]:
    felts = expected(pair())
    felts[position] = value
    return felts


@pytest.mark.parametrize(
    "felts",
    [
        [],
        [1],
        [1, 0],
        expected(pair())[:-1],
        [*expected(pair()), 0],
        _changed(0, 2),
        _changed(1, 2),
        _changed(2, 2**248),
        _changed(4, 1),
        _changed(5, 64),
        _changed(6, 1),
        _changed(6, 3),
        _changed(7, 101),
        _changed(8, 4382),
        _changed(9, 4401),
    ],
)
def test_decoding_is_strict(felts: list[int]) -> None:
    """Another length, schema or version, a value out of range, shares that do not add up: no output."""
    with pytest.raises(PoisonError) as raised:
        decode_output(felts)
    assert "risk-output-malformed" == raised.value.code


def _counts(*forms: dict[str, Any]) -> tuple[int, int, int]:
    """Steps, range checks and Pedersen instances of a run."""
    execution = execute(*forms)
    segments = json.loads(execution.public_input())["memory_segments"]
    range_checks, pedersens = (
        segments[name]["stop_ptr"] - segments[name]["begin_addr"] for name in ("range_check", "pedersen")
    )
    return execution.real_steps, range_checks, pedersens // 3


@pytest.mark.parametrize(
    ("protocols", "age", "figures"),
    [(2, 800, (404, 51, 31)), (2, 600, (418, 55, 31)), (3, 800, (560, 74, 42)), (8, 800, (1340, 189, 97))],
)
def test_figures_of_the_readme(protocols: int, age: int, figures: tuple[int, int, int]) -> None:
    """What an approved allocation adds to a run, as cairo/README.md states it: a change must be meant."""
    shares = [10_000 - 1250 * (protocols - 1), *[1250] * (protocols - 1)]
    members = [protocol(f"p{i}", 850, share, (6500, 3500, 1, 98, age)) for i, share in enumerate(shares)]
    forms = [allocation(*members, allocation_id=str(number), max_single_bps=10_000) for number in range(20)]
    added = [(all_ - half) / 10 for half, all_ in zip(_counts(*forms[:10]), _counts(*forms), strict=True)]
    assert list(figures) == added


def test_the_artifact_is_what_the_sources_compile_to() -> None:
    """By the digests recorded at compilation; `make check` compiles again."""
    assert [] == compiler.stale_digests()


def test_a_changed_source_is_noticed(tmp_path: Path) -> None:
    """A source that differs by a byte, a missing artifact and a missing manifest are each named."""
    cairo = tmp_path / "cairo"
    (cairo / "artifacts").mkdir(parents=True)
    assert "MANIFEST.json cannot be read" in compiler.stale_digests(tmp_path)[0]
    origin = risk_engine_artifact().resolve().parents[1]
    for path in [*origin.glob("*.cairo"), *origin.glob("artifacts/*.json")]:
        (cairo / path.relative_to(origin)).write_bytes(path.read_bytes())
    assert [] == compiler.stale_digests(tmp_path)
    with (cairo / "risk_tables.cairo").open("a") as source:
        source.write("\n")
    (cairo / "artifacts" / "fibonacci.json").unlink()
    assert [
        "cairo/risk_tables.cairo has changed since risk_engine was compiled",
        "cairo/risk_tables.cairo has changed since risk_engine_chain was compiled",
        "cairo/artifacts/fibonacci.json is not what was compiled",
    ] == compiler.stale_digests(tmp_path)


@BUILDS
def test_the_artifact_holds_no_path_of_a_machine(build: Build) -> None:
    """Sources are named as in the checkout, the library's as in its package."""
    compiled = build.artifact().read_text()
    files = set(re.findall(r'"filename":"([^"]*)"', compiled))
    assert {"cairo/risk_engine.cairo", "cairo/risk_tables.cairo"} <= files
    assert [] == [name for name in files if name.startswith("/")]


def test_the_program_is_provable_by_both_backends() -> None:
    """Output first, and no builtin that stwo or the layout small lacks."""
    assert ("output", "pedersen", "range_check") == load().builtins


def test_another_artifact_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """PROOFRAIL_RISK_ENGINE goes first, and a file that is not there is an error."""
    monkeypatch.setenv("PROOFRAIL_RISK_ENGINE", str(tmp_path / "absent.json"))
    with pytest.raises(UnusableInputError) as raised:
        risk_engine_artifact()
    assert "risk-engine-missing" == raised.value.code


def test_the_adapter_makes_a_proposal_of_seven_parameters() -> None:
    """Percent become basis points once, limits are filled in, and the digest is the seed form's."""
    form = AllocationToTraceAdapter().allocation_to_trace("a-1", 35, 39, 850, 1210, 44, 56)
    assert form == allocation(
        protocol("jediswap", 850, 4400, risk=35), protocol("ekubo", 1210, 5600, risk=39)
    )


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        (("a", 101, 39, 850, 1210, 44, 56), "jediswap_risk"),
        (("a", 35, 39, 850, 100_001, 44, 56), "ekubo_apy"),
        (("a", 35, 39, 850, 1210, 44, 57), "ekubo_pct"),
        (("a b", 35, 39, 850, 1210, 44, 56), "allocation_id"),
    ],
)
def test_the_adapter_names_the_parameter_it_refuses(parameters: tuple[Any, ...], named: str) -> None:
    """An invalid parameter is an InvalidProposalError whose message names it."""
    with pytest.raises(InvalidProposalError, match=named):
        AllocationToTraceAdapter().allocation_to_trace(*parameters)


def test_the_samples_show_every_verdict() -> None:
    """Both shapes, 2 … 8 protocols, limits given and absent, approved and rejected for each reason alone."""
    lines = samples()[0].read_bytes().splitlines()
    proposals = [parse_proposal(line) for line in lines]
    verdicts = {risk_model.decide(proposal.normal_form()).verdict for proposal in proposals}
    assert {0, 1, 2, 4, 8, 16, 32, 63} <= verdicts
    assert len(proposals) >= 16
    assert len(proposals) == len({proposal.allocation_id for proposal in proposals})
    assert (
        {b"jediswap_pct" in line for line in lines}
        == {b'"limits"' in line for line in lines}
        == {True, False}
    )
    assert {2, 8} <= {len(proposal.protocols) for proposal in proposals}


def test_every_bad_sample_is_refused_or_reuses_an_id() -> None:
    """Each line has a stable code; the last is a valid proposal under an id that a good one has."""
    good, bad = (path.read_bytes().splitlines() for path in samples())
    codes = []
    for line in bad[:-1]:
        with pytest.raises(InvalidProposalError) as raised:
            parse_proposal(line)
        codes.append(raised.value.code)
    assert {
        "proposal-out-of-range",
        "proposal-shares-sum",
        "proposal-unknown-member",
        "proposal-missing-member",
        "proposal-missing-risk",
        "proposal-wrong-type",
        "proposal-duplicate-protocol",
        "proposal-invalid-text",
        "proposal-unknown-version",
        "proposal-unknown-type",
        "proposal-malformed-json",
        "proposal-malformed-float",
        "proposal-malformed-integer",
        "proposal-malformed-surrogate",
        "proposal-malformed-duplicate-member",
    } <= set(codes)
    digests = {proposal.allocation_id: proposal.digest() for proposal in map(parse_proposal, good)}
    reused = parse_proposal(bad[-1])
    assert reused.allocation_id in digests
    assert reused.digest() != digests[reused.allocation_id]

"""Proposals: normal form and digest, over the whole domain; the table of refusals is in tests/contract."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofrail.wire.canonical import canonical, parse_object, sha256_hex
from proofrail.wire.errors import InvalidProposalError
from proofrail.wire.proposals import Proposal, parse_proposal
from proofrail.wire.topics import MAX_LINE

LIMITS = {
    "max_single_bps": (6000, st.integers(1, 10_000)),
    "min_diversification": (2, st.integers(1, 8)),
    "max_deviation_bps": (10_000, st.integers(0, 10_000)),
    "max_volatility_bps": (10_000, st.integers(0, 10_000)),
    "min_liquidity": (3, st.integers(0, 3)),
}
IDS = st.from_regex(r"[A-Za-z0-9._:-]{1,64}", fullmatch=True)
METRICS = st.fixed_dictionaries(
    {
        "utilization_bps": st.integers(0, 10_000),
        "volatility_bps": st.integers(0, 10_000),
        "liquidity": st.integers(0, 3),
        "audit_score": st.integers(0, 100),
        "age_days": st.integers(0, 36_500),
    }
)


@st.composite
def proposals(draw: st.DrawFn) -> dict[str, Any]:
    """Valid proposals in native form."""
    names = draw(
        st.lists(st.from_regex(r"[A-Za-z0-9_-]{1,31}", fullmatch=True), min_size=2, max_size=8, unique=True)
    )
    cuts = sorted(draw(st.lists(st.integers(0, 10_000), min_size=len(names) - 1, max_size=len(names) - 1)))
    shares = [high - low for low, high in zip([0, *cuts], [*cuts, 10_000], strict=True)]
    protocols = []
    for name, share in zip(names, shares, strict=True):
        protocol = {"name": name, "apy_bps": draw(st.integers(0, 100_000)), "proposed_bps": share}
        known = draw(st.sampled_from([("metrics",), ("risk",), ("metrics", "risk")]))
        if "metrics" in known:
            protocol["metrics"] = draw(METRICS)
        if "risk" in known:
            protocol["risk"] = draw(st.integers(0, 100))
        protocols.append(protocol)
    proposal = {"v": 1, "type": "AllocationProposal", "allocation_id": draw(IDS), "protocols": protocols}
    limits = draw(
        st.none() | st.fixed_dictionaries({}, optional={name: s for name, (_, s) in LIMITS.items()})
    )
    return proposal if limits is None else {**proposal, "limits": limits}


def _bytes(obj: object) -> bytes:
    return json.dumps(obj).encode()


@given(proposals())
def test_normal_form_fills_in_limits_and_nothing_else(proposal: dict[str, Any]) -> None:
    """All five limits are there; everything else is as it was proposed."""
    filled = {name: default for name, (default, _) in LIMITS.items()}
    expected = {**proposal, "limits": {**filled, **proposal.get("limits", {})}}
    assert expected == parse_proposal(_bytes(proposal)).normal_form()


@given(proposals())
def test_the_digest_is_that_of_the_canonical_normal_form(proposal: dict[str, Any]) -> None:
    """Reading the normal form again changes neither form nor digest."""
    first = parse_proposal(_bytes(proposal))
    line = canonical(first.normal_form())
    assert line == canonical(parse_proposal(line).normal_form())
    assert sha256_hex(line) == first.digest() == parse_proposal(line).digest()


@given(proposals(), proposals())
def test_different_proposals_have_different_digests(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Digests are equal exactly when normal forms are."""
    left, right = parse_proposal(_bytes(one)), parse_proposal(_bytes(other))
    assert (left.normal_form() == right.normal_form()) == (left.digest() == right.digest())


@given(
    IDS,
    st.integers(0, 100),
    st.integers(0, 100),
    st.integers(0, 100_000),
    st.integers(0, 100_000),
    st.integers(0, 100),
)
def test_the_seeds_form_means_the_same(
    allocation_id: str, jedi_risk: int, ekubo_risk: int, jedi_apy: int, ekubo_apy: int, jedi_pct: int
) -> None:
    """The seed's form and its native counterpart have one normal form; percent become basis points once."""
    seed = {
        "allocation_id": allocation_id,
        "jediswap_risk": jedi_risk,
        "ekubo_risk": ekubo_risk,
        "jediswap_apy": jedi_apy,
        "ekubo_apy": ekubo_apy,
        "jediswap_pct": jedi_pct,
        "ekubo_pct": 100 - jedi_pct,
    }
    native = {
        "v": 1,
        "type": "AllocationProposal",
        "allocation_id": allocation_id,
        "protocols": [
            {"name": "jediswap", "apy_bps": jedi_apy, "proposed_bps": jedi_pct * 100, "risk": jedi_risk},
            {
                "name": "ekubo",
                "apy_bps": ekubo_apy,
                "proposed_bps": 10_000 - jedi_pct * 100,
                "risk": ekubo_risk,
            },
        ],
    }
    assert parse_proposal(_bytes(native)) == parse_proposal(_bytes(seed))


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for step, element in inner for found in _paths(element, (*path, step)))]


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


@given(proposals(), st.data())
def test_an_unknown_member_anywhere_is_refused_by_its_path(
    proposal: dict[str, Any], data: st.DataObject
) -> None:
    """Whatever object the member is added to, the error names it."""
    objects = [path for path in _paths(proposal) if isinstance(_at(proposal, path), dict)]
    path = data.draw(st.sampled_from(objects))
    _at(proposal, path)["surprise"] = 1
    with pytest.raises(InvalidProposalError) as refused:
        parse_proposal(_bytes(proposal))
    assert "proposal-unknown-member" == refused.value.code
    assert str(refused.value.context["member"]).endswith("surprise")


@given(proposals(), st.data())
def test_a_value_of_another_type_anywhere_is_refused(proposal: dict[str, Any], data: st.DataObject) -> None:
    """No boolean, text, null, array or object passes for an integer, and none for anything else."""
    paths = [path for path in _paths(proposal) if path and not isinstance(_at(proposal, path), dict)]
    path = data.draw(st.sampled_from(paths))
    old = _at(proposal, path)
    wrong = [value for value in (True, False, None, "1", 1, [], {}) if type(value) is not type(old)]
    _at(proposal, path[:-1])[path[-1]] = data.draw(st.sampled_from(wrong))
    with pytest.raises(InvalidProposalError, match=r"proposal-(wrong-type|unknown-version|unknown-type)"):
        parse_proposal(_bytes(proposal))


@given(st.binary(max_size=300) | proposals().map(lambda p: _bytes(p)[:-1]))
def test_any_bytes_are_a_proposal_or_refused_with_a_code(value: bytes) -> None:
    """Nothing a record may hold makes the reader fail in any other way."""
    with pytest.raises(InvalidProposalError, match=r"\[proposal-"):
        parse_proposal(value)


def test_a_tombstone_is_refused() -> None:
    """A record without a value is no proposal."""
    with pytest.raises(InvalidProposalError, match="proposal-empty"):
        parse_proposal(None)


def test_size_is_checked_before_anything_is_parsed() -> None:
    """64 KiB pass the check of size, one byte more does not; the line feed is not counted."""
    for size, code in ((MAX_LINE, "proposal-malformed-json"), (MAX_LINE + 1, "proposal-too-large")):
        with pytest.raises(InvalidProposalError, match=code):
            parse_proposal(b"x" * size + b"\n")


def test_a_refusal_names_member_and_range() -> None:
    """The message can be read by whoever made the mistake."""
    value = (
        b'{"allocation_id":"a","jediswap_risk":101,"ekubo_risk":1,"jediswap_apy":1,"ekubo_apy":1,'
        b'"jediswap_pct":50,"ekubo_pct":50}'
    )
    with pytest.raises(InvalidProposalError) as refused:
        parse_proposal(value)
    assert "jediswap_risk: must lie in 0 … 100" == refused.value.message
    assert refused.value.next_step


def test_proposals_are_frozen() -> None:
    """Nothing can be changed after validation."""
    proposal = parse_proposal(
        canonical(
            parse_object(
                b'{"allocation_id":"a","jediswap_risk":1,"ekubo_risk":1,"jediswap_apy":1,'
                b'"ekubo_apy":1,"jediswap_pct":50,"ekubo_pct":50}'
            )
        )
    )
    assert isinstance(proposal, Proposal)
    with pytest.raises(ValueError, match="frozen"):
        proposal.allocation_id = "b"

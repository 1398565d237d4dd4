"""Proposals for whole systems, and what must have become of them in the end."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from proofrail.cairo.risk_model import decide
from proofrail.wire import topics
from proofrail.wire.canonical import canonical, sha256_hex
from proofrail.wire.errors import ProofrailError
from proofrail.wire.messages import reason_names
from proofrail.wire.proposals import Proposal, parse_proposal
from tests.faults.watching import Contents


def valid(name: str, number: int = 0, **limits: int) -> bytes:
    """A proposal with two protocols and metrics, different for each number."""
    protocols = [
        {
            "name": protocol,
            "apy_bps": 500 + (number * 37 + shift) % 2000,
            "proposed_bps": share,
            "metrics": {
                "utilization_bps": (number * 101 + shift) % 10001,
                "volatility_bps": (number * 53 + shift) % 10001,
                "liquidity": number % 4,
                "audit_score": (number * 7 + shift) % 101,
                "age_days": (number * 13 + shift) % 2000,
            },
        }
        for protocol, share, shift in (("jediswap", 4500, 0), ("ekubo", 5500, 11))
    ]
    found = {
        "v": 1,
        "type": "AllocationProposal",
        "allocation_id": f"{name}-{number}",
        "protocols": protocols,
    }
    return json.dumps(found | ({"limits": limits} if limits else {})).encode()


def several(name: str, count: int) -> list[bytes]:
    return [valid(name, number) for number in range(count)]


def seed(name: str) -> bytes:
    """A valid proposal in the seed's form."""
    members = {"jediswap_risk": 35, "ekubo_risk": 39, "jediswap_apy": 850, "ekubo_apy": 1210}
    return json.dumps({"allocation_id": name, **members, "jediswap_pct": 44, "ekubo_pct": 56}).encode()


def invalid(name: str) -> bytes:
    """Well-formed, and no proposal: its shares do not add up."""
    return valid(name).replace(b"4500", b"4501", 1)


def reused(name: str, number: int = 0) -> bytes:
    """Another proposal under the id of `valid(name, number)`."""
    return valid(name, number, max_single_bps=7000)


def form_of(value: bytes) -> dict[str, Any]:
    return parse_proposal(value).normal_form()


def digest_of(value: bytes) -> str:
    return parse_proposal(value).digest()


def decision_of(attestation: dict[str, Any]) -> dict[str, Any]:
    """What an attestation says of the decision."""
    names = ("approved", "verdict", "reasons", "risks", "recommended_bps", "proposed_bps")
    return {name: attestation[name] for name in names}


def expected_decision(value: bytes) -> dict[str, Any]:
    """What the independent model decides, as an attestation says it."""
    decision = decide(form_of(value))
    return {
        "approved": decision.verdict == 0,
        "verdict": decision.verdict,
        "reasons": reason_names(decision.verdict),
        "risks": list(decision.risks),
        "recommended_bps": list(decision.recommended_bps),
        "proposed_bps": list(decision.proposed_bps),
    }


def due(contents: Contents) -> tuple[dict[str, Proposal], set[tuple[str, int, int]]]:
    """The proposals that must be attested, by allocation_id (the first valid one of each id counts), and the
    places of the records that must be dead-lettered."""
    first: dict[str, Proposal] = {}
    refused: set[tuple[str, int, int]] = set()
    for record in contents.records[topics.PROPOSALS]:
        try:
            proposal = parse_proposal(record.value)
        except ProofrailError:
            refused.add((record.topic, record.partition, record.offset))
            continue
        kept = first.setdefault(proposal.allocation_id, proposal)
        if kept.digest() != proposal.digest():
            refused.add((record.topic, record.partition, record.offset))
    return first, refused


def is_settled(contents: Contents) -> bool:
    """Everything that was proposed has come to its end, and every run has both its reports."""
    first, refused = due(contents)
    return (
        set(first) <= {one["allocation_id"] for one in contents.attestations()}
        and len(refused) <= len(contents.letters())
        and all(contents.reports(run, subject) for run in contents.runs for subject in ("run", "proof"))
    )


def assert_settled_once(contents: Contents) -> None:
    """Every valid proposal has exactly one attestation and every invalid one exactly one dead letter; every
    run exactly one seal, one terminal record, one run report and one proof report; nothing stands twice."""
    first, refused = due(contents)
    attestations = contents.attestations()
    assert dict.fromkeys(first, 1) == Counter(one["allocation_id"] for one in attestations)
    for one in attestations:
        assert first[one["allocation_id"]].digest() == one["proposal_sha256"]
    places = Counter((one["topic"], one["partition"], one["offset"]) for one in contents.letters())
    assert dict.fromkeys(refused, 1) == places

    runs = contents.runs
    assert len(set(runs)) == len(runs)
    assert runs
    assert dict.fromkeys(runs, 1) == Counter(one["run_id"] for one in contents.lines(topics.PROOFS))
    assert {"Proof"} == {one["type"] for one in contents.lines(topics.PROOFS)}
    for run in runs:
        for subject in ("run", "proof"):
            assert ["MATCH"] == [report["verdict"] for report in contents.reports(run, subject)]
    assert 2 * len(runs) == len(contents.lines(topics.REPORTS))
    assert set(runs) == {one["run_id"] for one in attestations}

    seals = {seal["run_id"]: seal for seal in contents.lines(topics.COMMITMENTS, "CommitmentSeal")}
    events = Counter(event["run_id"] for event in contents.lines(topics.EVENTS))
    assert {run: seal["items"] for run, seal in seals.items()} == events
    blocks = Counter(block["run_id"] for block in contents.lines(topics.COMMITMENTS, "CommitmentBlock"))
    assert {run: seal["blocks"] for run, seal in seals.items()} == blocks
    inputs = Counter(
        sha256_hex(canonical(one["input"])) for one in contents.lines(topics.COMMITMENTS, "Input")
    )
    assert {proposal.digest(): 1 for proposal in first.values()} == inputs
    index = Counter(one["allocation_id"] for one in contents.lines(topics.INDEX))
    assert dict.fromkeys(first, 1) == index

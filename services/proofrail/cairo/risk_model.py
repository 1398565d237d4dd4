"""The risk engine's decision in plain Python, independent of cairo/risk_engine.cairo (design section 6).

The auditor compares a run's output with it. It therefore shares nothing with the program or with what feeds
it: the formulas are written here as the design states them, undivided and without tables, and the hash is
another library's than the VM's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from proofrail._native import pedersen_array_hash as _array_hash
from proofrail.wire.canonical import felt_hex
from proofrail.wire.errors import InvalidProposalError

_SCHEMA: Final = 1
_MODEL_VERSION: Final = 0
_WHOLE_BPS: Final = 10_000

_REASONS: Final = (
    (1, "RISK_MISMATCH"),
    (2, "OVER_MAX_SINGLE"),
    (4, "UNDER_DIVERSIFIED"),
    (8, "OVER_DEVIATION"),
    (16, "OVER_VOLATILITY"),
    (32, "UNDER_LIQUIDITY"),
)

_LIMITS: Final = {
    "max_single_bps": (1, 10_000),
    "min_diversification": (1, 8),
    "max_deviation_bps": (0, 10_000),
    "max_volatility_bps": (0, 10_000),
    "min_liquidity": (0, 3),
}
_METRICS: Final = {
    "utilization_bps": (0, 10_000),
    "volatility_bps": (0, 10_000),
    "liquidity": (0, 3),
    "audit_score": (0, 100),
    "age_days": (0, 36_500),
}


@dataclass(frozen=True, slots=True)
class Decision:
    """What is decided on one allocation; shares in basis points, protocols in the proposal's order."""

    id: int
    inputs_hash: int
    model_version: int
    verdict: int
    reasons: tuple[str, ...]
    protocols: tuple[str, ...]
    risks: tuple[int, ...]
    recommended_bps: tuple[int, ...]
    proposed_bps: tuple[int, ...]

    @property
    def approved(self) -> bool:
        """Whether nothing speaks against the proposal."""
        return self.verdict == 0

    def row(self) -> list[int]:
        """The allocation's row of the program's output."""
        shares = zip(self.risks, self.recommended_bps, self.proposed_bps, strict=True)
        return [
            self.id,
            self.inputs_hash,
            self.model_version,
            self.verdict,
            len(self.protocols),
            *(felt for share in shares for felt in share),
        ]


def decide(normal_form: Mapping[str, Any]) -> Decision:
    """The decision on a proposal in normal form.

    Raises InvalidProposalError `proposal-not-normal` for what is no valid proposal in that form.
    """
    try:
        return _decide(normal_form)
    except (KeyError, TypeError, AttributeError, UnicodeError) as error:
        raise _invalid(f"it lacks a member or has one of another type: {error!r}") from error


def expected_output(decisions: Iterable[Decision]) -> list[int]:
    """What the program outputs for a batch: [1, N, row …]."""
    rows = [decision.row() for decision in decisions]
    return [_SCHEMA, len(rows), *(felt for row in rows for felt in row)]


def reason_names(verdict: int) -> tuple[str, ...]:
    """The reasons to reject that a verdict is the sum of, by ascending value."""
    return tuple(name for value, name in _REASONS if verdict & value)


def computed_risk(metrics: Mapping[str, int]) -> int:
    """The risk 5 … 95 of a protocol's metrics (reference, risk and allocation maths)."""
    liquidity_points = {0: 0, 1: 5, 2: 15, 3: 30}[metrics["liquidity"]]
    age = metrics["age_days"]
    raw = (
        metrics["utilization_bps"] * 25 // 10_000
        + metrics["volatility_bps"] * 40 // 10_000
        + liquidity_points
        + (100 - metrics["audit_score"]) * 3 // 10
        + (0 if age >= 730 else (730 - age) * 10 // 730)
    )
    return min(max(raw, 5), 95)


def recommended_shares(apys_bps: Iterable[int], risks: Iterable[int]) -> tuple[int, ...]:
    """The recommended shares in basis points; the last protocol gets what is missing to 10,000."""
    scores = [apy * 10_000 // (risk + 1) for apy, risk in zip(apys_bps, risks, strict=True)]
    total = sum(scores)
    shares = [score * 10_000 // total if total else 0 for score in scores[:-1]]
    return (*shares, _WHOLE_BPS - sum(shares))


def pedersen_array_hash(elements: Iterable[int]) -> int:
    """h(…h(h(0, x_0), x_1)…, count)."""
    return int(_array_hash([felt_hex(element) for element in elements]), 16)


def hashed_inputs(normal_form: Mapping[str, Any]) -> Iterable[int]:
    """All that a decision rests on, in the order in which it is hashed: of an allocation 8 felts, then 11 of each
    protocol."""
    limits, protocols = normal_form["limits"], normal_form["protocols"]
    yield _identity(normal_form)
    yield _MODEL_VERSION
    yield len(protocols)
    for limit in _LIMITS:
        yield limits[limit]
    for protocol in protocols:
        metrics = protocol.get("metrics")
        yield int.from_bytes(protocol["name"].encode("ascii"), "big")
        yield protocol["apy_bps"]
        yield protocol["proposed_bps"]
        yield 0 if metrics is None else 1
        for metric in _METRICS:
            yield 0 if metrics is None else metrics[metric]
        yield 1 if "risk" in protocol else 0
        yield protocol.get("risk", 0)


def _identity(form: Mapping[str, Any]) -> int:
    return int.from_bytes(hashlib.sha256(form["allocation_id"].encode("ascii")).digest(), "big") % 2**248


def _decide(form: Mapping[str, Any]) -> Decision:
    limits, protocols = form["limits"], form["protocols"]
    _check(limits, protocols)
    names = tuple(protocol["name"] for protocol in protocols)
    proposed = tuple(protocol["proposed_bps"] for protocol in protocols)
    risks = tuple(
        computed_risk(protocol["metrics"]) if "metrics" in protocol else protocol["risk"]
        for protocol in protocols
    )
    recommended = recommended_shares((protocol["apy_bps"] for protocol in protocols), risks)
    verdict = _verdict(limits, protocols, risks, recommended)
    return Decision(
        id=_identity(form),
        inputs_hash=pedersen_array_hash(hashed_inputs(form)),
        model_version=_MODEL_VERSION,
        verdict=verdict,
        reasons=reason_names(verdict),
        protocols=names,
        risks=risks,
        recommended_bps=recommended,
        proposed_bps=proposed,
    )


def _verdict(
    limits: Mapping[str, int],
    protocols: list[dict[str, Any]],
    risks: tuple[int, ...],
    recommended: tuple[int, ...],
) -> int:
    proposed = [protocol["proposed_bps"] for protocol in protocols]
    measured = [p["metrics"] for p in protocols if p["proposed_bps"] > 0 and "metrics" in p]
    rejections = {
        1: any("risk" in p and p["risk"] != risk for p, risk in zip(protocols, risks, strict=True)),
        2: any(share > limits["max_single_bps"] for share in proposed),
        4: sum(share >= 1000 for share in proposed) < limits["min_diversification"],
        8: any(
            abs(share - wanted) > limits["max_deviation_bps"]
            for share, wanted in zip(proposed, recommended, strict=True)
        ),
        16: any(metrics["volatility_bps"] > limits["max_volatility_bps"] for metrics in measured),
        32: any(metrics["liquidity"] > limits["min_liquidity"] for metrics in measured),
    }
    return sum(value for value, rejected in rejections.items() if rejected)


def _check(limits: Mapping[str, int], protocols: list[dict[str, Any]]) -> None:
    for name, (low, high) in _LIMITS.items():
        _check_range(f"limits.{name}", limits[name], low, high)
    _check_range("the number of protocols", len(protocols), 2, 8)
    for position, protocol in enumerate(protocols):
        path = f"protocols[{position}]"
        _check_range(f"the length of {path}.name", len(protocol["name"]), 1, 31)
        _check_range(f"{path}.apy_bps", protocol["apy_bps"], 0, 100_000)
        _check_range(f"{path}.proposed_bps", protocol["proposed_bps"], 0, _WHOLE_BPS)
        if "metrics" in protocol:
            for name, (low, high) in _METRICS.items():
                _check_range(f"{path}.metrics.{name}", protocol["metrics"][name], low, high)
        if "risk" in protocol:
            _check_range(f"{path}.risk", protocol["risk"], 0, 100)
        elif "metrics" not in protocol:
            raise _invalid(f"{path} has neither metrics nor risk")
    if len({protocol["name"] for protocol in protocols}) != len(protocols):
        raise _invalid("two protocols have the same name")
    total = sum(protocol["proposed_bps"] for protocol in protocols)
    if total != _WHOLE_BPS:
        raise _invalid(f"the proposed shares add up to {total}, not to {_WHOLE_BPS}")


def _check_range(name: str, value: int, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        raise _invalid(f"{name} is {value!r:.40}, not an integer of {low} … {high}")


def _invalid(why: str) -> InvalidProposalError:
    return InvalidProposalError(
        "proposal-not-normal",
        f"this is not the normal form of a valid proposal: {why}",
        "Pass proposals through proofrail.wire.proposals.parse_proposal",
    )

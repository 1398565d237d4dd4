"""Why an allocation was rejected, in words and in its own numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from proofrail.explorer.model.allocation import Reason
from proofrail.explorer.model.rows import Share

_DIVERSIFIED_BPS: Final = 1000
"""From such a share on a protocol counts towards min_diversification."""

Limits = Mapping[str, int]
Details = Callable[[Sequence[Share], Limits], Iterator[str]]


def reasons(names: Sequence[str], shares: Sequence[Share], limits: Limits) -> tuple[Reason, ...]:
    """The reasons of these names. `limits`: as proposed, defaults filled in; empty where the proposal is not known."""
    return tuple(
        Reason(
            name=name,
            text=_REASONS[name][0],
            detail="; ".join(_REASONS[name][1](shares, limits)) or None if limits else None,
        )
        for name in names
    )


def _other_risks(shares: Sequence[Share], _: Limits) -> Iterator[str]:
    for one in shares:
        if one.given_risk is not None and one.risk is not None and one.given_risk != one.risk:
            yield f"{one.protocol}: {one.given_risk} given, {one.risk} computed"


def _too_large(shares: Sequence[Share], limits: Limits) -> Iterator[str]:
    for one in shares:
        if one.proposed_bps > limits["max_single_bps"]:
            yield f"{one.protocol}: {_percent(one.proposed_bps)} of at most {_percent(limits['max_single_bps'])}"


def _too_few(shares: Sequence[Share], limits: Limits) -> Iterator[str]:
    count = sum(one.proposed_bps >= _DIVERSIFIED_BPS for one in shares)
    yield f"{count} of at least {limits['min_diversification']}"


def _too_far(shares: Sequence[Share], limits: Limits) -> Iterator[str]:
    for one in shares:
        apart = 0 if one.recommended_bps is None else abs(one.proposed_bps - one.recommended_bps)
        if apart > limits["max_deviation_bps"]:
            yield f"{one.protocol}: {_percent(apart)} of at most {_percent(limits['max_deviation_bps'])}"


def _too_volatile(shares: Sequence[Share], limits: Limits) -> Iterator[str]:
    for one in shares:
        volatility = _measured(one, "volatility_bps")
        if volatility > limits["max_volatility_bps"]:
            yield f"{one.protocol}: {_percent(volatility)} of at most {_percent(limits['max_volatility_bps'])}"


def _too_illiquid(shares: Sequence[Share], limits: Limits) -> Iterator[str]:
    for one in shares:
        category = _measured(one, "liquidity")
        if category > limits["min_liquidity"]:
            yield f"{one.protocol}: category {category} of at most {limits['min_liquidity']}"


def _measured(share: Share, name: str) -> int:
    """0 where there is no such metric, or nothing is to be put there."""
    return (share.metrics or {}).get(name, 0) if share.proposed_bps else 0


def _percent(bps: int) -> str:
    return f"{bps / 100:.2f}".rstrip("0").rstrip(".") + " %"


_REASONS: Final[Mapping[str, tuple[str, Details]]] = {
    "RISK_MISMATCH": ("a given risk differs from the one computed from the metrics", _other_risks),
    "OVER_MAX_SINGLE": ("a proposed share is above max_single_bps", _too_large),
    "UNDER_DIVERSIFIED": (
        "fewer than min_diversification protocols get at least 1,000 basis points",
        _too_few,
    ),
    "OVER_DEVIATION": (
        "a proposed share is further than max_deviation_bps from the recommended one",
        _too_far,
    ),
    "OVER_VOLATILITY": (
        "a protocol with a share is more volatile than max_volatility_bps",
        _too_volatile,
    ),
    "UNDER_LIQUIDITY": ("a protocol with a share is less liquid than min_liquidity", _too_illiquid),
}

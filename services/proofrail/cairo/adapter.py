"""From the allocator's seven parameters to a proposal (the seed's AllocationToTraceAdapter)."""

from __future__ import annotations

from typing import Any

from proofrail.wire.canonical import canonical
from proofrail.wire.proposals import parse_proposal


class AllocationToTraceAdapter:
    """Turns an allocation over JediSwap and Ekubo into what the risk engine takes."""

    def allocation_to_trace(
        self,
        allocation_id: str,
        jediswap_risk: int,
        ekubo_risk: int,
        jediswap_apy: int,
        ekubo_apy: int,
        jediswap_pct: int,
        ekubo_pct: int,
    ) -> dict[str, Any]:
        """The proposal's normal form (design section 5, Inputs).

        Risks 0 … 100, APYs in basis points 0 … 100000, shares in percent 0 … 100 that add up to 100. Raises
        InvalidProposalError, whose message names the parameter.
        """
        seed = {
            "allocation_id": allocation_id,
            "jediswap_risk": jediswap_risk,
            "ekubo_risk": ekubo_risk,
            "jediswap_apy": jediswap_apy,
            "ekubo_apy": ekubo_apy,
            "jediswap_pct": jediswap_pct,
            "ekubo_pct": ekubo_pct,
        }
        return parse_proposal(canonical(seed)).normal_form()

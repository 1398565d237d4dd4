"""What the other services are told where the registrar's ledger is on a chain: only proofs that a registry there can
verify are worth making."""

from __future__ import annotations

from collections.abc import Mapping

from proofrail.cairo.risk_builds import CHAIN
from proofrail.registrar.settings import ON_CHAIN_PRESETS

LEDGER = "PROOFRAIL_REGISTRAR_LEDGER"
"""Names a ledger: then `up` runs the registrar, too."""


def ledger_defaults(environment: Mapping[str, str]) -> dict[str, str]:
    """Settings of all services that follow from the ledger in this environment, but for those that stand there."""
    if environment.get(LEDGER) != "starknet":
        return {}
    presets = environment.get("PROOFRAIL_REGISTRAR_PRESETS") or " ".join(ON_CHAIN_PRESETS)
    follow = {
        "PROOFRAIL_PROGRAM": CHAIN.name,
        "PROOFRAIL_PROVER_BACKENDS": "stone",
        "PROOFRAIL_REGISTRY_PRESETS": presets,
    }
    return {name: value for name, value in follow.items() if name not in environment}

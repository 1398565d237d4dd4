"""Settings of the tracer."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import Field, model_validator

from proofrail.cairo.risk_builds import BUILDS, CHAIN, BuildName, RiskBuild, Size
from proofrail.messaging.settings import ServiceSettings
from proofrail.proving.stone.layouts import LAYOUTS
from proofrail.proving.stone.uses import STEPS_PER_USE
from proofrail.proving.stwo import STWO_LIMITS

_CHAIN_STEPS: Final = LAYOUTS[CHAIN.layout].least_steps
_CHAIN_STEPS_PER_HASH: Final = STEPS_PER_USE[CHAIN.layout]["pedersen"]


class TracerSettings(ServiceSettings):
    """What the tracer needs to know beside Kafka; from `PROOFRAIL_…`."""

    tracer_key_file: Path
    """Ed25519 private key (a note signer's, mode 0600) that signs checkpoints; made on first start."""

    runs_in_flight: int = Field(default=2, ge=1)
    """Sealed runs without a terminal record before proposals wait in Kafka: 2 for each prover."""

    program: BuildName = "risk_engine"
    """What decides: `risk_engine`, whose output holds the rows, or `risk_engine_chain`, whose proofs by Stone a
    registry on chain can verify."""

    max_steps: int | None = Field(default=None, ge=4096)
    """Upper bound of a run's VM steps. By default what one proof can hold: of risk_engine what stwo proves at once, of
    risk_engine_chain the least that a run in its layout is padded to."""

    max_hashes: int | None = Field(default=None, ge=128)
    """Upper bound of a run's Pedersen hashes: likewise. Of risk_engine_chain never more than max_steps have room for,
    one in 128 steps."""

    max_bytes: int = Field(default=64 * 1024 * 1024, ge=65_536)
    """Upper bound of the proposals of a run, in bytes."""

    gather_ms: int = Field(default=5, ge=0)
    """How long a proposal in hand may wait for others to share its run. It counts for each: a lone one waits so
    long, a burst until it is over or its run is full."""

    @property
    def build(self) -> RiskBuild:
        """The program to run."""
        return BUILDS[self.program]

    @property
    def room(self) -> Size:
        """What one run may take of what a proof can hold."""
        if self.build is CHAIN:
            steps = self.max_steps or _CHAIN_STEPS
            return Size(steps, min(self.max_hashes or steps, steps // _CHAIN_STEPS_PER_HASH))
        return Size(
            self.max_steps or STWO_LIMITS.max_steps, self.max_hashes or STWO_LIMITS.max_instances["pedersen"]
        )

    @model_validator(mode="after")
    def _every_proposal_has_room(self) -> TracerSettings:
        if self.build is CHAIN and self.room.steps < _CHAIN_STEPS:
            raise ValueError(
                f"a run of {CHAIN.name} is padded to {_CHAIN_STEPS} steps: PROOFRAIL_MAX_STEPS is less"
            )
        return self

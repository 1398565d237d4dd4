"""Settings of the tracer."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from proofrail.messaging.settings import ServiceSettings
from proofrail.proving.stwo import STWO_LIMITS


class TracerSettings(ServiceSettings):
    """What the tracer needs to know beside Kafka; from `PROOFRAIL_…`."""

    tracer_key_file: Path
    """Ed25519 private key (a note signer's, mode 0600) that signs checkpoints; made on first start."""

    runs_in_flight: int = Field(default=2, ge=1)
    """Sealed runs without a terminal record before proposals wait in Kafka: 2 for each prover."""

    max_steps: int = Field(default=STWO_LIMITS.max_steps, ge=4096)
    """Upper bound of a run's VM steps: what one proof of the enabled backends can hold."""

    max_hashes: int = Field(default=STWO_LIMITS.max_instances["pedersen"], ge=128)
    """Upper bound of a run's Pedersen hashes: likewise."""

    max_bytes: int = Field(default=64 * 1024 * 1024, ge=65_536)
    """Upper bound of the proposals of a run, in bytes."""

    gather_ms: int = Field(default=5, ge=0)
    """How long a proposal in hand may wait for others to share its run. It counts for each: a lone one waits so
    long, a burst until it is over or its run is full."""

"""Parameters of a stwo proof and their security.

Security is conjectured: bits of proof of work plus log2(blow-up) for each query, and never more than the collision
resistance of the hash. The fixed proof of work of the lookup argument (24 bits) is not counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from proofrail.proving.errors import PolicyError
from proofrail.proving.policy import DEFAULT_SECURITY_BITS, MAX_POW_BITS

# What `choose_stwo` finds for 96 bits. Folding by 8 instead of 2 shortens the proof by a fifth and takes no longer.
_POW_BITS = 23
_LOG_BLOWUP = 1
_FOLD_STEP = 3

HASH_BITS: Final = 128
"""Collision resistance of Blake2s, with which stwo commits."""
MAX_QUERIES: Final = 256


@dataclass(frozen=True)
class StwoParameters:
    """`fold_step`: log2 of what one FRI layer folds; `log_last_layer`: log2 of the degree of the last."""

    pow_bits: int = _POW_BITS
    n_queries: int = DEFAULT_SECURITY_BITS - _POW_BITS
    log_blowup: int = _LOG_BLOWUP
    fold_step: int = _FOLD_STEP
    log_last_layer: int = 0

    @property
    def security_bits(self) -> int:
        return min(self.pow_bits + self.n_queries * self.log_blowup, HASH_BITS)

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> StwoParameters:
        """The parameters in a proof's own configuration."""
        return cls(**{field.name: int(config[field.name]) for field in fields(cls)})

    def check(self) -> None:
        """Refuses settings whose security does not come from the queries.

        Raises PolicyError `policy-parameters`.
        """
        sound = (
            0 <= self.pow_bits <= MAX_POW_BITS
            and 1 <= self.n_queries <= MAX_QUERIES
            and 1 <= self.log_blowup <= 4
            and 1 <= self.fold_step <= 4
            and 0 <= self.log_last_layer <= 6
        )
        if not sound:
            raise PolicyError("policy-parameters", f"these proof parameters are not in use: {self}")

    def arguments(self) -> list[str]:
        """The prover program's options."""
        return [
            f"--pow-bits={self.pow_bits}",
            f"--queries={self.n_queries}",
            f"--log-blowup={self.log_blowup}",
            f"--fold-step={self.fold_step}",
            f"--log-last-layer={self.log_last_layer}",
        ]

"""What a stwo proof will cost: CPU time, memory, bytes.

Fitted to proofs measured on two cores (`python -m tests.bench prover` prints the like). The fixed tables of 2^20 rows
make up most of it; then the steps, and each Pedersen hash, which takes 56 rows of a wide table, padded to a power of
two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from proofrail.proving.calibration import Speeds
from proofrail.proving.cost import Cost
from proofrail.proving.parameters import StwoParameters

_MODEL: Final = Speeds()
_BUSY: Final = 0.7
"""Part of two cores that is kept busy."""
_POW_SECONDS: Final = 1.6e-8
"""CPU seconds for one try of the proof of work; 2^bits tries are expected."""


@dataclass(frozen=True)
class _Rates:
    """By blow-up: what a proof takes at least, and for each step and each Pedersen hash."""

    seconds: float
    step_seconds: float
    hash_seconds: float
    memory: int
    step_memory: int
    hash_memory: int


_RATES: Final = {
    1: _Rates(3.9, 4.5e-6, 2.0e-3, 1470 << 20, 1500, 460_000),
    2: _Rates(5.2, 6.0e-6, 2.5e-3, 2490 << 20, 2400, 800_000),
    3: _Rates(8.6, 9.0e-6, 3.4e-3, 4620 << 20, 4200, 1_350_000),
    4: _Rates(16.0, 1.6e-5, 5.0e-3, 8900 << 20, 7800, 2_500_000),
}
_QUERY_BYTES: Final = {1: 6_620, 2: 7_080, 3: 7_250, 4: 7_500}
_OTHER_BYTES: Final = 46_000
_HASHING_QUERY_BYTES: Final = 4_600
_HASHING_OTHER_BYTES: Final = 69_000
"""More where the run has Pedersen hashes: their tables have many columns."""
_DOUBLING_BYTES: Final = 300
"""More for each query and doubling of the hashes beyond 512: their tables outgrow the others."""


def predict(
    parameters: StwoParameters, n_steps: int, pedersen_hashes: int = 0, speeds: Speeds = _MODEL
) -> Cost:
    """For a run of so many steps, as executed, with so many uses of the builtin pedersen."""
    rates = _RATES[parameters.log_blowup]
    hashes = 1 << (pedersen_hashes - 1).bit_length() if pedersen_hashes else 0
    seconds = rates.seconds + rates.step_seconds * n_steps + rates.hash_seconds * hashes
    query, other = _QUERY_BYTES[parameters.log_blowup], _OTHER_BYTES
    if hashes:
        query += _HASHING_QUERY_BYTES + _DOUBLING_BYTES * max(0, hashes.bit_length() - 10)
        other += _HASHING_OTHER_BYTES
    return Cost(
        seconds / speeds.proving + work_seconds(parameters.pow_bits) / speeds.work,
        rates.memory + rates.step_memory * n_steps + rates.hash_memory * hashes,
        other + query * parameters.n_queries,
        speeds.busy(_BUSY),
    )


def work_seconds(pow_bits: int) -> float:
    """CPU seconds that a proof of work is expected to take."""
    return _POW_SECONDS * 2.0**pow_bits

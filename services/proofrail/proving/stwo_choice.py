"""The parameters of a stwo proof for a number of steps, a security level and a goal, with the cost they have.

Figures were measured with `python -m tests.bench prover` on two cores. They hold for runs without builtins other
than output and range check: stwo spends 56 rows of a wide table on each Pedersen hash (1 s of CPU time and 0.4 GiB
for 1,000 of them), which the number of steps does not tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from proofrail.proving.cost import Cost, Goal
from proofrail.proving.errors import PolicyError
from proofrail.proving.parameters import StwoParameters
from proofrail.proving.policy import DEFAULT_SECURITY_BITS
from proofrail.proving.roots import LOG_ROWS, known_root

_POW_BITS: Final = 20
_HASH_BITS: Final = 128
"""Collision resistance of Blake2s, with which stwo commits."""

_MAX_STEPS: Final = 1 << 20
_CPU_SECONDS: Final = {1: (3.9, 5.8e-6), 2: (5.1, 7.6e-6)}
_MEMORY: Final = {1: (1446 << 20, 1920), 2: (2502 << 20, 2925)}
"""What a proof takes at least, and for a step, by log2 of the blow-up."""
_PROOF_BYTES: Final = {1: (4_400, 217_000), 2: (4_550, 140_000)}
"""For a query, and otherwise."""


@dataclass(frozen=True)
class StwoChoice:
    """`lifting_log_size`: log2 of the size of the domain that all columns are lifted to."""

    parameters: StwoParameters
    lifting_log_size: int
    cost: Cost
    why: str


def choose_stwo(n_steps: int, bits: int = DEFAULT_SECURITY_BITS, goal: Goal = "speed") -> StwoChoice:
    """Blow-up 2 for speed, 4 for a short proof; the rest of the security in queries.

    Raises PolicyError: `parameters-steps`, `parameters-security`, `parameters-goal`.
    """
    if goal == "chain":
        raise PolicyError(
            "parameters-goal", "no contract on chain verifies stwo's proofs", "Choose the backend stone."
        )
    if not 1 <= n_steps <= _MAX_STEPS:
        raise PolicyError(
            "parameters-steps", f"stwo proves runs of 1 to {_MAX_STEPS} steps in one proof, not {n_steps}"
        )
    if not 1 <= bits <= _HASH_BITS:
        raise PolicyError(
            "parameters-security", f"{bits} bits are outside of 1 to the {_HASH_BITS} that stwo's hash gives"
        )
    log_blowup = 1 if goal == "speed" else 2
    queries = max(1, -((_POW_BITS - bits) // log_blowup))
    parameters = StwoParameters(n_queries=queries, log_blowup=log_blowup)
    parameters.check()
    lifting = LOG_ROWS + log_blowup
    if known_root(log_blowup, lifting) is None:  # pragma: no cover - roots.py and this file go together
        raise PolicyError("parameters-security", "the fixed tables of these settings are not known")
    base, per_step = _CPU_SECONDS[log_blowup]
    memory, memory_per_step = _MEMORY[log_blowup]
    per_query, rest = _PROOF_BYTES[log_blowup]
    cost = Cost(base + per_step * n_steps, memory + memory_per_step * n_steps, per_query * queries + rest)
    why = {
        "speed": "the least blow-up, which multiplies time and memory; the rest of the security in queries",
        "size": "blow-up 4, which halves the queries, at 1.3 times the CPU time and 1.7 times the memory",
    }[goal]
    return StwoChoice(parameters, lifting, cost, why)

"""The best parameters of a stwo proof for a run, a security level and a goal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from proofrail.proving import calibration
from proofrail.proving.calibration import Speeds
from proofrail.proving.cost import Cost, Goal, machine_memory
from proofrail.proving.errors import PolicyError
from proofrail.proving.parameters import HASH_BITS, MAX_QUERIES, StwoParameters
from proofrail.proving.policy import DEFAULT_SECURITY_BITS
from proofrail.proving.ranking import fewest_work, ranked, reason
from proofrail.proving.roots import LOG_ROWS, PREPROCESSED_ROOTS
from proofrail.proving.stwo_cost import predict

MAX_STEPS: Final = 1 << 20
MAX_PEDERSEN: Final = 1 << 14
"""A hash takes 56 rows of a table, which is no larger than the fixed ones."""


@dataclass(frozen=True)
class PricedStwo:
    """An admissible set and its cost."""

    parameters: StwoParameters
    cost: Cost

    @property
    def lifting_log_size(self) -> int:
        """log2 of the size of the domain that all columns are lifted to."""
        return LOG_ROWS + self.parameters.log_blowup


@dataclass(frozen=True)
class StwoChoice:
    """`ranking`: all admissible sets that fit the memory, the chosen one first."""

    goal: Goal
    considered: int
    ranking: tuple[PricedStwo, ...] = field(repr=False)

    @property
    def parameters(self) -> StwoParameters:
        return self.ranking[0].parameters

    @property
    def cost(self) -> Cost:
        return self.ranking[0].cost

    @property
    def why(self) -> str:
        """The reason, in a sentence."""
        return reason(self.goal, self.considered)


def choose_stwo(
    n_steps: int = 1,
    bits: int = DEFAULT_SECURITY_BITS,
    goal: Goal = "speed",
    *,
    pedersen_hashes: int = 0,
    memory: int | None = None,
    speeds: Speeds | None = None,
) -> StwoChoice:
    """Enumerates all admissible sets and takes the best by the cost model, as `stone.choose.choose` does.

    `n_steps` as executed; `pedersen_hashes`: uses of that builtin. The parameters hardly depend on either, the cost
    does. Folds and the last layer of FRI are fixed: others make longer proofs and save nothing. Raises PolicyError:
    `parameters-steps`, `parameters-instances`, `parameters-security`, `parameters-goal`.
    """
    if goal == "chain":
        raise PolicyError(
            "parameters-goal", "no contract on chain verifies stwo's proofs", "Choose the backend stone."
        )
    if not 1 <= n_steps <= MAX_STEPS:
        raise PolicyError(
            "parameters-steps", f"stwo proves runs of 1 to {MAX_STEPS} steps in one proof, not {n_steps}"
        )
    if not 0 <= pedersen_hashes <= MAX_PEDERSEN:
        raise PolicyError(
            "parameters-instances",
            f"stwo proves 0 to {MAX_PEDERSEN} Pedersen hashes in one proof, not {pedersen_hashes}",
        )
    if not 1 <= bits <= HASH_BITS:
        raise PolicyError(
            "parameters-security", f"{bits} bits are outside of 1 to the {HASH_BITS} that stwo's hash gives"
        )
    memory = machine_memory() if memory is None else memory
    speeds = calibration.speeds("stwo") if speeds is None else speeds
    priced = [
        PricedStwo(parameters, predict(parameters, n_steps, pedersen_hashes, speeds))
        for parameters in _admissible(bits)
    ]
    return StwoChoice(goal, len(priced), tuple(ranked(priced, goal, memory)))


def _admissible(bits: int) -> Iterator[StwoParameters]:
    for log_blowup, _ in PREPROCESSED_ROOTS:
        for queries, pow_bits in fewest_work(bits, log_blowup, 0, MAX_QUERIES):
            parameters = StwoParameters(pow_bits=pow_bits, n_queries=queries, log_blowup=log_blowup)
            parameters.check()
            yield parameters

"""The FRI part of Stone's parameters.

The degree bound of the first layer is 16 for each step, hence the equation
log2(last_layer_degree_bound) + Σ fri_step_list = log2(n_steps) + 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from proofrail.proving.errors import PolicyError
from proofrail.proving.stone.layouts import ROWS_PER_STEP_LOG

MAX_FRI_STEP: Final = 4
MAX_FRI_LAYERS: Final = 15
"""Of the registry's verifier, the first layer counted; Stone itself has no such limit."""
MAX_LOG_LAST_LAYER: Final = 15


def fri_steps(log_n_steps: int, log_last_layer: int) -> tuple[int, ...]:
    """The list of folds: 0 first (the first layer is not committed to in folded form, without which a proof is
    several times as long), then as many fours as fit, then the rest.

    Raises PolicyError `parameters-fri` when the last layer is no smaller than the first.
    """
    folds = log_n_steps + ROWS_PER_STEP_LOG - log_last_layer
    if folds < 1:
        raise PolicyError(
            "parameters-fri",
            f"a last layer of degree 2^{log_last_layer} leaves nothing to fold at 2^{log_n_steps} steps",
        )
    fours, rest = divmod(folds, MAX_FRI_STEP)
    return (0, *[MAX_FRI_STEP] * fours, *([rest] if rest else []))


def check_fri(steps: Sequence[int], log_last_layer: int, log_n_steps: int) -> None:
    """Raises PolicyError `parameters-fri` for folds that no verifier we know accepts."""
    if not steps or steps[0] != 0 or not all(1 <= step <= MAX_FRI_STEP for step in steps[1:]):
        why = f"the fold list {list(steps)} must be 0 and then values in 1 to {MAX_FRI_STEP}"
    elif not 2 <= len(steps) <= MAX_FRI_LAYERS:
        why = f"{len(steps)} layers are outside of 2 to {MAX_FRI_LAYERS}"
    elif not 0 <= log_last_layer <= MAX_LOG_LAST_LAYER:
        why = f"a last layer of degree 2^{log_last_layer} is outside of 2^0 to 2^{MAX_LOG_LAST_LAYER}"
    elif sum(steps) + log_last_layer != log_n_steps + ROWS_PER_STEP_LOG:
        why = (
            f"the folds {list(steps)} and the last layer 2^{log_last_layer} add up to "
            f"2^{sum(steps) + log_last_layer}, not to the 2^{log_n_steps + ROWS_PER_STEP_LOG} rows of "
            f"2^{log_n_steps} steps"
        )
    else:
        return
    raise PolicyError("parameters-fri", why)

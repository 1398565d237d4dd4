"""What a Stone proof will cost: CPU time, memory, bytes.

The model was fitted to measured proofs (the table is printed by `python -m tests.bench stone`); a machine differs
from the one it was fitted on by one factor, `speed`, which `proofrail calibrate` measures.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

from proofrail.proving.calibration import Speeds
from proofrail.proving.cost import Cost
from proofrail.proving.stone.layouts import ROWS_PER_STEP_LOG, Layout
from proofrail.proving.stone.parameters import StoneParameters

_STEP_SECONDS: Final = {
    False: {1: 1.80e-3, 2: 1.65e-3, 3: 1.95e-3, 4: 2.88e-3, 5: 4.66e-3, 6: 8.2e-3},
    True: {1: 1.04e-3, 2: 1.27e-3, 3: 1.70e-3, 4: 2.70e-3, 5: 4.50e-3, 6: 8.0e-3},
}
"""CPU seconds for a step in layout small, by log_n_cosets, at 2^12 steps, without and with the full extension."""
_MORE_PER_DOUBLING: Final = 0.025
"""Transforms take longer for each step the more steps there are."""
_LAYOUT_SHARE: Final = {
    "plain": 0.45,
    "small": 1.0,
    "dex": 0.90,
    "recursive": 0.55,
    "recursive_with_poseidon": 0.55,
}
_POSEIDON_STEP_SECONDS: Final = 1.86e-3
"""CPU seconds for a step and a unit of blow-up where the trees are hashed with Poseidon."""
_QUERY_SECONDS: Final = 1.0e-3
_POW_SECONDS: Final = 2.9e-7
"""CPU seconds for one try of the proof of work; 2^bits tries are expected."""

_BASE_MEMORY: Final = 12 << 20
_COLUMN_STEP_BYTES: Final = 1150
_BLOW_UP_STEP_BYTES: Final = 1500
_EXTENSION_BYTES: Final = 16 * 32
"""Of a column, for a step and a unit of blow-up, where the full extension is kept."""

_MODEL: Final = Speeds()

_FELT: Final = 32
_COMPOSITION_COLUMNS: Final = 2
_MASK_VALUES: Final = {
    "plain": 90,
    "small": 203,
    "dex": 203,
    "recursive": 135,
    "recursive_with_poseidon": 194,
}


def predict(
    parameters: StoneParameters,
    layout: Layout,
    log_n_steps: int,
    speeds: Speeds = _MODEL,
    *,
    full_extension: bool = False,
) -> Cost:
    """`speeds`: of this machine beside that of the model; `full_extension`: the prover keeps the whole extended trace
    in memory."""
    n_steps = 1 << log_n_steps
    blow_up = 1 << parameters.log_n_cosets
    seconds = n_steps * _STEP_SECONDS[full_extension][parameters.log_n_cosets] * _LAYOUT_SHARE[layout.name]
    seconds *= 1 + _MORE_PER_DOUBLING * (log_n_steps - 12)
    if parameters.hashes.friendly_layers:
        seconds += n_steps * blow_up * _POSEIDON_STEP_SECONDS
    seconds += parameters.n_queries * _QUERY_SECONDS
    memory = n_steps * (_COLUMN_STEP_BYTES * sum(layout.columns) + _BLOW_UP_STEP_BYTES * blow_up)
    if full_extension:
        memory += n_steps * blow_up * _EXTENSION_BYTES * sum(layout.columns)
    return Cost(
        seconds / speeds.proving + work_seconds(parameters.pow_bits) / speeds.work,
        _BASE_MEMORY + memory,
        _proof_bytes(parameters, layout, log_n_steps),
        speeds.cores,
    )


def work_seconds(pow_bits: int) -> float:
    """CPU seconds that a proof of work is expected to take."""
    return _POW_SECONDS * 2.0**pow_bits


def _proof_bytes(parameters: StoneParameters, layout: Layout, log_n_steps: int) -> int:
    height = log_n_steps + ROWS_PER_STEP_LOG + parameters.log_n_cosets
    queries = parameters.n_queries
    digest = 20 if "160" in parameters.hashes.commitment else _FELT
    sent = 3 + len(parameters.fri_step_list) + (1 << parameters.log_last_layer) + _MASK_VALUES[layout.name]
    size: float = sent * _FELT
    size += queries * _FELT * (sum(layout.columns) + _COMPOSITION_COLUMNS)
    size += 3 * digest * _path_nodes(height, queries)
    for step in parameters.fri_step_list[1:]:
        height -= step
        size += queries * _FELT * ((1 << step) - 1) + digest * _path_nodes(height, queries)
    return round(size)


@lru_cache(maxsize=1 << 16)
def _path_nodes(height: int, queries: int) -> float:
    """Siblings that authenticate so many random leaves: paths merge near the root."""
    leaves = 2.0**height
    nodes = 0.0
    for _ in range(max(height, 0)):
        touched = leaves * -math.expm1(queries * math.log1p(-1 / leaves)) if leaves > 1 else 1.0
        parents = leaves / 2 * -math.expm1(queries * math.log1p(-2 / leaves)) if leaves > 2 else 1.0
        nodes += max(0.0, 2 * parents - touched)
        leaves /= 2
    return nodes

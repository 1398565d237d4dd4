"""What a Stone proof will cost: CPU time, memory, bytes.

The model was fitted to measured proofs (tests/bench/stone_trial.csv, layout small; the other layouts in the same
way); how a machine differs from the one it was fitted on, `proofrail calibrate` measures. Bytes are those that are
expected of random queries.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

from proofrail.proving.calibration import Speeds
from proofrail.proving.cost import Cost
from proofrail.proving.stone.layouts import ROWS_PER_STEP_LOG, Layout
from proofrail.proving.stone.parameters import StoneParameters
from proofrail.proving.stone.transcript import work_at

_STEP_SECONDS: Final = {
    False: {1: 1.82e-3, 2: 1.75e-3, 3: 2.19e-3, 4: 3.06e-3, 5: 4.80e-3, 6: 8.2e-3},
    True: {1: 1.01e-3, 2: 1.26e-3, 3: 1.73e-3, 4: 2.75e-3, 5: 4.57e-3, 6: 8.0e-3},
}
"""CPU seconds for a step in layout small, by log_n_cosets, at 2^12 steps, without and with the full extension."""
_MORE_PER_DOUBLING: Final = 0.03
"""Transforms take longer for each step the more steps there are."""
_LAYOUT_SHARE: Final = {
    "plain": 0.46,
    "small": 1.0,
    "dex": 0.95,
    "recursive": 0.58,
    "recursive_with_poseidon": 0.66,
}
_POSEIDON_STEP_SECONDS: Final = 0.56e-3
_POSEIDON_COLUMN_SECONDS: Final = 5.3e-5
"""CPU seconds for a step and a unit of blow-up where the trees are hashed with Poseidon, and for each column."""
_QUERY_SECONDS: Final = 1.0e-3
_POW_SECONDS: Final = 2.9e-7
"""CPU seconds for one try of the proof of work; 2^bits tries are expected."""

_BUSY: Final = 0.87
"""Part of two cores that is kept busy."""

_BASE_MEMORY: Final = 12 << 20
_STEP_BYTES: Final = 3900
_COLUMN_STEP_BYTES: Final = 1030
_BLOW_UP_STEP_BYTES: Final = 1600
_EXTENSION_BYTES: Final = 16 * 32
"""Of a column, for a step and a unit of blow-up, where the full extension is kept."""

_MODEL: Final = Speeds()

_FELT: Final = 32
_DIGEST: Final = 32
"""Those masked to 160 bits are no shorter: the rest is zeros."""
_NONCE: Final = 8
_COMPOSITION_COLUMNS: Final = 2
_TREES: Final = 3
"""Of the trace, the interaction trace and the composition."""


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
    columns = sum(layout.columns)
    if parameters.hashes.friendly_layers:
        seconds += n_steps * blow_up * (_POSEIDON_STEP_SECONDS + _POSEIDON_COLUMN_SECONDS * columns)
    seconds += parameters.n_queries * _QUERY_SECONDS
    memory = n_steps * (_STEP_BYTES + _COLUMN_STEP_BYTES * columns + _BLOW_UP_STEP_BYTES * blow_up)
    if full_extension:
        memory += n_steps * blow_up * _EXTENSION_BYTES * columns
    return Cost(
        seconds / speeds.proving + work_seconds(parameters.pow_bits) / speeds.work,
        _BASE_MEMORY + memory,
        _proof_bytes(parameters, layout, log_n_steps),
        speeds.busy(_BUSY),
    )


def work_seconds(pow_bits: int) -> float:
    """CPU seconds that a proof of work is expected to take."""
    return _POW_SECONDS * 2.0**pow_bits


def _proof_bytes(parameters: StoneParameters, layout: Layout, log_n_steps: int) -> int:
    height = log_n_steps + ROWS_PER_STEP_LOG + parameters.log_n_cosets
    queries = parameters.n_queries
    felts = parameters.hashes.channel == "poseidon3"
    size: float = work_at(layout, parameters) + (_FELT if felts else _NONCE)
    points = _touched(2.0**height, queries)
    size += points * _FELT * (sum(layout.columns) + _COMPOSITION_COLUMNS)
    size += _TREES * _DIGEST * _path_nodes(height, queries)
    for step in parameters.fri_step_list[1:]:
        height -= step
        cosets = _touched(2.0**height, queries)
        # One value of each coset follows from the layer before.
        size += _FELT * (cosets * (1 << step) - points) + _DIGEST * _path_nodes(height, queries)
        points = cosets
    return round(size)


def _touched(leaves: float, queries: int) -> float:
    """Different ones among so many leaves that random queries hit."""
    return leaves * -math.expm1(queries * math.log1p(-1 / leaves)) if leaves > 1 else 1.0


@lru_cache(maxsize=1 << 16)
def _path_nodes(height: int, queries: int) -> float:
    """Siblings that authenticate so many random leaves: paths merge near the root."""
    leaves = 2.0**height
    nodes = 0.0
    for _ in range(max(height, 0)):
        nodes += max(0.0, 2 * _touched(leaves / 2, queries) - _touched(leaves, queries))
        leaves /= 2
    return nodes

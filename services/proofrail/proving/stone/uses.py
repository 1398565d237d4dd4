"""How often a run can use a builtin in each layout: what the layout's proof covers, and no more.

Stone's verifier does not compare the segments with it. Memory behind the last instance is bound by nothing: there a
Pedersen hash could be any value, and a range check any felt.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from proofrail.proving.errors import RefusedProof
from proofrail.proving.statement import Statement

CELLS: Final[Mapping[str, int]] = {"pedersen": 3, "range_check": 1, "ecdsa": 2, "bitwise": 5, "poseidon": 6}
"""Cells of memory per use."""

STEPS_PER_USE: Final[Mapping[str, Mapping[str, int]]] = {
    "plain": {},
    "small": {"pedersen": 8, "range_check": 8, "ecdsa": 512},
    "dex": {"pedersen": 8, "range_check": 8, "ecdsa": 512},
    "recursive": {"pedersen": 128, "range_check": 8, "bitwise": 8},
    "recursive_with_poseidon": {"pedersen": 256, "range_check": 16, "bitwise": 16, "poseidon": 64},
}
"""Steps of a run for each instance of a builtin, by layout. The output takes as many cells as there are."""


def check_uses(statement: Statement) -> None:
    """Segments follow one another from the end of the execution and hold whole uses, no more than are proven.

    Raises RefusedProof `proof-segments`.
    """
    reached = statement.final_state.ap
    ratios = STEPS_PER_USE[statement.layout]
    for segment in statement.segments:
        size, name = segment.end - segment.begin, segment.builtin
        room = (statement.n_steps or 0) // ratios[name] * CELLS[name] if name in ratios else size
        if segment.begin < reached or size > room or size % CELLS.get(name, 1):
            raise RefusedProof(
                "proof-segments",
                f"the segment of {name} is {segment.begin} to {segment.end}, after {reached}, where a run of "
                f"{statement.n_steps} steps has room for {room} cells",
            )
        reached = segment.end

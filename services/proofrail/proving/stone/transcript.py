"""Where things lie in the bytes of a Stone proof, up to the queries: all there is of a length known beforehand.

The commitments to the trace, to its interaction columns and to the composition; the values out of domain; a
commitment for each FRI layer; the last layer's coefficients; the proof of work. 32 bytes each, but for a proof of
work of the hash channels, which takes 8.
"""

from __future__ import annotations

from typing import Final

from proofrail.proving.errors import RefusedProof
from proofrail.proving.stone.layouts import Layout
from proofrail.proving.stone.parameters import StoneParameters

WORD: Final = 32
_NONCE: Final = 8
_COMMITMENTS: Final = 3
_COMPOSITION_COLUMNS: Final = 2
_MASK: Final = {"plain": 49, "small": 201, "dex": 200, "recursive": 133, "recursive_with_poseidon": 192}
"""Cells of the trace that the constraints of a layout read, each with a value out of domain."""


def work_at(layout: Layout, parameters: StoneParameters) -> int:
    """The first byte of the proof of work."""
    return WORD * (
        _COMMITMENTS
        + _MASK[layout.name]
        + _COMPOSITION_COLUMNS
        + len(parameters.fri_step_list)
        - 1
        + (1 << parameters.log_last_layer)
    )


def check_work(proof: bytes, layout: Layout, parameters: StoneParameters) -> None:
    """Refuses a proof that ends before its queries, and a proof of work with more than a nonce in it.

    Poseidon's channel reads a whole felt there, takes its last 8 bytes as the nonce and mixes in all of it: with
    the others at will, queries are drawn again at no work. Registry contracts read 8 bytes; Stone's verifier does
    not look.

    Raises RefusedProof `proof-short`, `proof-nonce`.
    """
    at = work_at(layout, parameters)
    felts = parameters.hashes.channel == "poseidon3"
    if len(proof) < at + (WORD if felts else _NONCE):
        raise RefusedProof("proof-short", f"{len(proof)} bytes are less than any proof of this form has")
    if felts and parameters.pow_bits and any(proof[at : at + WORD - _NONCE]):
        raise RefusedProof(
            "proof-nonce", f"the proof of work at byte {at} holds more than a nonce of 8 bytes"
        )

"""A Stone proof as the felts that the verifier on chain takes: their order, and what is refused.

That the verifier takes them is for the chain to say; their number is what the registry's own tools make of the
examples that it publishes (1,643 and 2,907), which have no place here.
"""

from __future__ import annotations

import pytest
from stone_goldens import needs_stone, proof

from proofrail.proving.errors import RefusedProof
from proofrail.proving.stone import programs
from proofrail.proving.stone.ask import annotated
from proofrail.proving.stone.calldata import calldata
from proofrail.proving.stone.proof import StoneProof

pytestmark = [needs_stone, pytest.mark.stone]

NAME = "chainrec"


@pytest.fixture(scope="module")
def annotations() -> list[str]:
    return annotated(programs.required(programs.VERIFIER), proof(NAME))


def _take(felts: list[int], at: int) -> tuple[list[int], int]:
    """An array at a position, and the position behind it."""
    end = at + 1 + felts[at]
    return felts[at + 1 : end], end


def test_the_felts_are_the_verifiers_types_in_order(annotations: list[str]) -> None:
    """Read back as Cairo would: configuration, public input, commitments, witness, and nothing behind."""
    read = StoneProof.read(proof(NAME))
    felts = calldata(read, annotations)
    log_trace, log_evaluation = 14 + 4, 14 + 4 + read.parameters.log_n_cosets
    assert [7, log_evaluation, 1000, 3, log_evaluation, 1000, 2, log_evaluation, 1000] == felts[:9]
    assert [log_evaluation, len(read.parameters.fri_step_list)] == felts[9:11]
    _, at = _take(felts, 11)
    steps, at = _take(felts, at)
    assert list(read.parameters.fri_step_list) == steps
    assert [
        read.parameters.log_last_layer,
        read.parameters.pow_bits,
        log_trace,
        read.parameters.n_queries,
        read.parameters.log_n_cosets,
        1000,
    ] == felts[at : at + 6]
    at += 6
    assert [14, read.public_input["rc_min"], read.public_input["rc_max"]] == felts[at : at + 3]
    assert b"recursive" == felts[at + 3].to_bytes(9, "big")
    _, at = _take(felts, at + 4)
    assert 6 == felts[at]
    _, at = _take(felts, at + 1)
    cells = felts[at + 2]
    assert len(read.public_input["public_memory"]) == cells
    page, at = _take(felts, at + 3)
    assert 2 * cells == len(page)
    assert [0, 0] == felts[at : at + 2]
    oods, at = _take(felts, at + 2 + 3)
    assert len(oods) > 100
    layers, at = _take(felts, at)
    last, at = _take(felts, at)
    assert (len(steps) - 1, 1 << read.parameters.log_last_layer) == (len(layers), len(last))
    at += 1  # the nonce
    for _ in range(6):
        count = felts[at]
        values, at = _take(felts, at + 1)
        assert count == len(values)
    _, at = _take(felts, at)
    assert len(felts) == at


def test_annotations_of_another_proof_are_refused(annotations: list[str]) -> None:
    """A part missing, a part unknown, and bytes that nothing speaks of."""
    read = StoneProof.read(proof(NAME))
    sent = [at for at, line in enumerate(annotations) if line.startswith("P->V")]
    for changed in (
        [line for at, line in enumerate(annotations) if at != sent[3]],
        annotations[: sent[-1]],
        [line.replace("Row ", "Line ") for line in annotations],
        [],
    ):
        with pytest.raises(RefusedProof) as refused:
            calldata(read, changed)
        assert "proof-annotations" == refused.value.code

"""What a Stone proof says of itself, as the felts that a registry of facts takes, and nothing that proves it.

In the order of `proofrail.proving.stone.calldata`: configuration and public input, with no commitment and no witness
behind. The registry's stand-in (tests/data/contracts) believes it; Integrity would not even read it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from proofrail.cairo.risk_program import load_chain
from proofrail.proving.stone.presets import Preset
from proofrail.registrar.ledger import Fact
from proofrail.wire.canonical import canonical

_EXECUTION = 10_000
_OUTPUT = 20_000
_LOG_N_COSETS = 3


def stated(words: Sequence[int], output: Sequence[int], bits: int) -> list[int]:
    """The felts of a proof that this program gave this output, with so many bits."""
    n_queries, pow_bits = divmod(bits, _LOG_N_COSETS)
    config = [*([0] * 9), 21, 1, 0, 1, 0, 6, pow_bits, 18, n_queries, _LOG_N_COSETS, 0]
    program = list(enumerate(words, 1))
    initial_fp = len(words) + 3
    segments = [1, 5, initial_fp, _EXECUTION, _OUTPUT, _OUTPUT + len(output)]
    cells = [*program, (initial_fp - 2, initial_fp), (initial_fp - 1, 0), *enumerate(output, _OUTPUT)]
    page = [felt for cell in cells for felt in cell]
    layout = int.from_bytes(b"recursive", "big")
    return [
        *config,
        *(14, 0, 65535, layout, 0, 3, len(segments), *segments, *cells[0], len(cells), len(page), *page),
        *(0, 0),
    ]


def proof_of(fact: Fact) -> bytes:
    """What StatedProofs makes the felts of."""
    return canonical({"output": [hex(felt) for felt in fact.output], "bits": fact.bits})


class StatedProofs:
    """A `Calldata` for what `proof_of` makes: proofs of the chain build."""

    async def felts(self, proof: bytes, preset: Preset) -> list[int]:
        said = json.loads(proof)
        return stated(load_chain().words, [int(felt, 16) for felt in said["output"]], said["bits"])

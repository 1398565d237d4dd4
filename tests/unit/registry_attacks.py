"""What the contract is attacked with, on every chain: rows, trees, and the reason that each attempt is refused with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.unit.risk_cases import pair

from proofrail.cairo import risk_rows
from proofrail.cairo.merkle import paths, root
from proofrail.cairo.risk_program import load, load_chain
from proofrail.proving.identities import fact_hash, output_hash

CHECKOUT = Path(__file__).parents[2]
VECTORS = [
    json.loads(line) for line in (CHECKOUT / "schemas/vectors/chain-build.ndjson").read_bytes().splitlines()
]


def _text(text: str) -> int:
    return int.from_bytes(text.encode(), "big")


PROGRAM = int(load_chain().method_id, 16)
CONFIGURATION = [_text("recursive"), _text("blake2s_248_lsb"), _text("stone6"), _text("strict")]
WEAK_CONFIGURATION = [_text("recursive"), _text("keccak_160_lsb"), _text("stone6"), _text("relaxed")]
RECORDER, ANYBODY = 77, 78
BITS = 96


class Batch:
    """Rows and their tree, as a run of the chain build has them."""

    def __init__(self, rows: Sequence[Sequence[int]]) -> None:
        leaves = [risk_rows.leaf(row) for row in rows]
        self.rows, self.root, self.paths = rows, root(leaves), paths(leaves)

    def fact(self, program: int = PROGRAM) -> int:
        return fact_hash(program, output_hash(risk_rows.output(len(self.rows), self.root)))

    def record(self, of: int, /, **changed: Any) -> list[int]:
        """The calldata of `record`, with some of its arguments changed."""
        given: dict[str, Any] = {
            "program": PROGRAM,
            "count": len(self.rows),
            "root": self.root,
            "row": self.rows[of],
            "index": of,
            "path": self.paths[of],
        } | changed
        row, path = given["row"], given["path"]
        head = [given["program"], given["count"], given["root"], len(row), *row]
        return [*head, given["index"], len(path), *path]


BATCH = Batch([[int(felt, 16) for felt in line["row"]] for line in VECTORS])
ROW = BATCH.rows[0]
ANOTHER = Batch(
    [risk_rows.row(pair(max_deviation_bps=500) | {"allocation_id": f"b-{at}"}) for at in range(5)]
)
SECOND = Batch([risk_rows.row(pair(max_single_bps=5700))])  # another proposal under the id of ROW


FACTS: dict[str, tuple[list[tuple[int, int, list[int]]], str]] = {
    "a fact nobody registered": ([], "FACT_NOT_REGISTERED"),
    "a fact of another batch": ([(ANOTHER.fact(), BITS, CONFIGURATION)], "FACT_NOT_REGISTERED"),
    "a fact of another program": ([(BATCH.fact(PROGRAM + 1), BITS, CONFIGURATION)], "FACT_NOT_REGISTERED"),
    "fewer bits": ([(BATCH.fact(), BITS - 1, CONFIGURATION)], "TOO_FEW_SECURITY_BITS"),
    "another configuration": ([(BATCH.fact(), BITS, WEAK_CONFIGURATION)], "CONFIGURATION_NOT_ACCEPTED"),
    "the bits of one and the configuration of another": (
        [(BATCH.fact(), BITS, WEAK_CONFIGURATION), (BATCH.fact(), BITS - 1, CONFIGURATION)],
        "TOO_FEW_SECURITY_BITS",
    ),
}


def _row(position: int, value: int) -> list[int]:
    row = list(ROW)
    row[position] = value
    return row


NODE = (risk_rows.leaf(BATCH.rows[0]), risk_rows.leaf(BATCH.rows[1]))
CALLS: dict[str, tuple[list[int], str]] = {
    "another program": (BATCH.record(0, program=int(load().method_id, 16)), "PROGRAM_NOT_ACCEPTED"),
    "the path of another row": (BATCH.record(0, path=BATCH.paths[1]), "PATH_WRONG"),
    "another index": (BATCH.record(0, index=1), "PATH_WRONG"),
    "an index beyond the batch": (BATCH.record(4, index=5), "INDEX_OUT_OF_RANGE"),
    "an index with a bit above the tree": (BATCH.record(0, index=8), "INDEX_OUT_OF_RANGE"),
    "another count of the same depth": (BATCH.record(0, count=6), "FACT_NOT_REGISTERED"),
    "another count": (BATCH.record(0, count=4), "PATH_LENGTH"),
    "no count": (BATCH.record(0, count=0), "COUNT_OUT_OF_RANGE"),
    "a count beyond a run": (BATCH.record(0, count=2**16 + 1), "COUNT_OUT_OF_RANGE"),
    "another root": (BATCH.record(0, root=ANOTHER.root), "PATH_WRONG"),
    "a row of another batch": (BATCH.record(0, row=ANOTHER.rows[0]), "PATH_WRONG"),
    "another batch": (ANOTHER.record(0), "FACT_NOT_REGISTERED"),
    "a path too short": (BATCH.record(0, path=BATCH.paths[0][:-1]), "PATH_LENGTH"),
    "a path too long": (BATCH.record(0, path=[*BATCH.paths[0], 0]), "PATH_LENGTH"),
    "a node as leaf": (BATCH.record(0, row=[*NODE, *ROW[2:]], path=BATCH.paths[0][1:]), "PATH_LENGTH"),
    "a node as leaf, its id cut": (
        BATCH.record(0, row=[1, NODE[1], *ROW[2:]], count=3, path=BATCH.paths[0][1:]),
        "PATH_WRONG",
    ),
    "a verdict turned": (BATCH.record(1, row=[*BATCH.rows[1][:3], 0, *BATCH.rows[1][4:]]), "PATH_WRONG"),
    "a verdict that flows over": (BATCH.record(0, row=_row(3, 64)), "ROW_MALFORMED"),
    "a verdict beyond 32 bits": (BATCH.record(0, row=_row(3, 2**32)), "ROW_MALFORMED"),
    "a risk that flows over": (BATCH.record(0, row=_row(5, 128)), "ROW_MALFORMED"),
    "a share that flows over": (BATCH.record(0, row=_row(6, 2**14)), "ROW_MALFORMED"),
    "shares that do not add up": (BATCH.record(0, row=_row(7, 4401)), "ROW_MALFORMED"),
    "an id beyond its range": (BATCH.record(0, row=_row(0, 2**248)), "ROW_MALFORMED"),
    "another model": (BATCH.record(0, row=_row(2, 1)), "ROW_MALFORMED"),
    "one protocol": (BATCH.record(0, row=[*ROW[:4], 1, 35, 10_000, 10_000]), "ROW_MALFORMED"),
    "more protocols than there are": (BATCH.record(0, row=_row(4, 3)), "ROW_MALFORMED"),
    "no row": (BATCH.record(0, row=[]), "ROW_MALFORMED"),
}

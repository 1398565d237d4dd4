"""The place of a row in a batch, and every attempt to pass something else off as one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from risk_cases import CHAIN, pair

from proofrail.cairo import merkle, risk_rows
from proofrail.cairo.pedersen import PRIME, pedersen_hash
from proofrail.cairo.risk_program import program_input
from proofrail.cairo.row_path import RowPath, check_row_path, row_paths
from proofrail.wire.canonical import felt_hex
from proofrail.wire.errors import PoisonError

VECTORS = Path(__file__).parents[2] / "schemas" / "vectors" / "chain-build.ndjson"


def _batch(count: int) -> list[dict[str, Any]]:
    return [
        pair(max_deviation_bps=number) | {"allocation_id": f"{count}-{number}"} for number in range(count)
    ]


FIVE = _batch(5)
PATHS = row_paths(FIVE)
OUTPUT = risk_rows.expected_output(FIVE)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 9])
def test_every_row_of_a_run_has_its_place(count: int) -> None:
    """Paths lead to the root that the program outputs, in a tree no deeper than the count demands."""
    forms = _batch(count)
    output = CHAIN.run(program_input(forms)).output
    found = row_paths(forms)
    assert [risk_rows.row(form)[0] for form in forms] == [check_row_path(path, output).id for path in found]
    assert {(count - 1).bit_length()} == {len(path.path) for path in found}


def test_the_vectors_hold() -> None:
    """Rows, leaves, paths and output are those of schemas/trace-v1.md, in the model and in the program."""
    lines = [json.loads(line) for line in VECTORS.read_bytes().splitlines()]
    forms = [line["input"] for line in lines]
    output = CHAIN.run(program_input(forms)).output
    made = [
        {
            "input": form,
            "row": list(map(felt_hex, place.row)),
            "leaf": felt_hex(risk_rows.leaf(place.row)),
            "index": place.index,
            "path": list(map(felt_hex, place.path)),
            "output": list(map(felt_hex, output)),
        }
        for form, place in zip(forms, row_paths(forms), strict=True)
    ]
    assert lines == made


def test_no_batch_has_no_paths() -> None:
    """An empty batch is no error."""
    assert [] == row_paths([])


def test_a_lonely_node_stands_beside_zero() -> None:
    """Five leaves: the fifth stands beside 0 twice, then beside the root of the four."""
    leaves = [risk_rows.leaf(path.row) for path in PATHS]
    four = merkle.root(leaves[:4])
    assert (0, 0, four) == PATHS[4].path
    assert OUTPUT[2] == pedersen_hash(four, pedersen_hash(pedersen_hash(leaves[4], 0), 0))


def _refused(claimed: RowPath, output: list[int] = OUTPUT) -> str:
    with pytest.raises(PoisonError) as raised:
        check_row_path(claimed, output)
    return raised.value.code


def _row(position: int, value: int) -> RowPath:
    row = list(PATHS[1].row)
    row[position] = value
    return replace(PATHS[1], row=tuple(row))


ANOTHER = row_paths(_batch(4))
LEAF = risk_rows.leaf(PATHS[1].row)
ATTACKS = {
    "another id": (_row(0, 1), "row-path-wrong"),
    "other inputs": (_row(1, 1), "row-path-wrong"),
    "a verdict turned": (_row(3, 0), "row-path-wrong"),
    "a verdict that flows over": (_row(3, 64), "risk-output-malformed"),
    "a risk that flows over": (_row(5, 128), "risk-output-malformed"),
    "a share that flows over": (_row(6, 2**14), "risk-output-malformed"),
    "a model unknown": (_row(2, 1), "risk-output-malformed"),
    "a row cut short": (replace(PATHS[1], row=PATHS[1].row[:-1]), "risk-output-malformed"),
    "a row of another batch": (replace(PATHS[1], row=ANOTHER[1].row), "row-path-wrong"),
    "another batch": (ANOTHER[1], "row-path-wrong"),
    "the path of another row": (replace(PATHS[1], path=PATHS[2].path), "row-path-wrong"),
    "another index": (replace(PATHS[1], index=2), "row-path-wrong"),
    "an index with a bit above the tree": (replace(PATHS[1], index=1 + 8), "row-path-malformed"),
    "a place beside the batch": (replace(PATHS[4], index=5), "row-path-malformed"),
    "a negative index": (replace(PATHS[1], index=-1), "row-path-malformed"),
    "another count of the same depth": (replace(PATHS[1], count=6), "row-path-wrong"),
    "another count": (replace(PATHS[1], count=4), "row-path-malformed"),
    "no count": (replace(PATHS[1], count=0), "row-path-malformed"),
    "a count beyond a run": (replace(PATHS[1], count=2**16 + 1), "row-path-malformed"),
    "a path too short": (replace(PATHS[1], path=PATHS[1].path[:-1]), "row-path-malformed"),
    "a path too long": (replace(PATHS[1], path=(*PATHS[1].path, 0)), "row-path-malformed"),
    "a path from a node": (replace(PATHS[1], path=PATHS[1].path[1:]), "row-path-malformed"),
    "a felt spelled twice": (
        replace(PATHS[1], path=(PATHS[1].path[0] + PRIME, *PATHS[1].path[1:])),
        "row-path-malformed",
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_is_no_place_is_refused(attack: str) -> None:
    """Each attempt is refused with its own code."""
    claimed, code = ATTACKS[attack]
    assert code == _refused(claimed)


@pytest.mark.parametrize(
    "output", [[], [2, 5], [1, *OUTPUT[1:]], [2, 4, OUTPUT[2]], [2, 5, OUTPUT[2] + 1], [*OUTPUT, 0]]
)
def test_another_output_has_other_rows(output: list[int]) -> None:
    """Version, count and root are those of the proof, and nothing follows them."""
    assert "row-path-wrong" == _refused(PATHS[1], output)


def test_a_node_is_no_leaf() -> None:
    """A leaf ends a chain that begins with a tag, two hashes above it; no node has such an origin. A row made of a
    node's children leads nowhere, also one level up, where the node stands."""
    left, right = risk_rows.leaf(PATHS[0].row), LEAF
    for identity, hashed in ((left, right), (right, left), (left % 2**248, right)):
        row = (identity, hashed, *PATHS[0].row[2:])
        assert pedersen_hash(left, right) != risk_rows.leaf(row)
        claimed = RowPath(row, 0, 3, PATHS[0].path[1:])
        assert _refused(claimed) in {"risk-output-malformed", "row-path-wrong"}

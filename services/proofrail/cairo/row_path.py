"""The place of a row under the root that the chain build outputs: made for a batch, checked alone.

Whoever has a row, its path and a verified proof of the chain build, with the output that the path leads to, knows
what was decided, without the rest of the batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proofrail.cairo import merkle, risk_rows
from proofrail.cairo.pedersen import PRIME
from proofrail.cairo.risk_program import MAX_BATCH, Row, decode_row
from proofrail.wire.errors import PoisonError


@dataclass(frozen=True, slots=True)
class RowPath:
    """A row's felts, its index among `count` rows, and the nodes beside its way to the root, from below."""

    row: tuple[int, ...]
    index: int
    count: int
    path: tuple[int, ...]


def row_paths(normal_forms: Sequence[Mapping[str, Any]]) -> list[RowPath]:
    """The rows of a batch of proposals in normal form, each with its path. Raises InvalidProposalError
    `proposal-not-normal`."""
    rows = [tuple(risk_rows.row(form)) for form in normal_forms]
    found = merkle.paths([risk_rows.leaf(row) for row in rows]) if rows else []
    return [
        RowPath(row, index, len(rows), path)
        for index, (row, path) in enumerate(zip(rows, found, strict=True))
    ]


def check_row_path(claimed: RowPath, output: Sequence[int]) -> Row:
    """The decision, if it stands at its place under the root in `output`, the chain build's in a verified proof.

    Raises PoisonError: `risk-output-malformed` (no row that the program can make), `row-path-malformed` (no place
    in a tree over `count` leaves), `row-path-wrong` (another count or root than the output's).
    """
    decided = decode_row(claimed.row)
    if not 1 <= claimed.count <= MAX_BATCH:
        raise _malformed(f"a run decides 1 … {MAX_BATCH} allocations, not {claimed.count}")
    if not 0 <= claimed.index < claimed.count:
        raise _malformed(f"there is no row {claimed.index} among {claimed.count}")
    if len(claimed.path) != merkle.depth(claimed.count):
        raise _malformed(
            f"a path among {claimed.count} rows has {merkle.depth(claimed.count)} nodes, not {len(claimed.path)}"
        )
    if not all(0 <= node < PRIME for node in claimed.path):
        raise _malformed("a node of the path is no felt")
    root = merkle.root_above(risk_rows.leaf(claimed.row), claimed.index, claimed.path)
    if list(output) != risk_rows.output(claimed.count, root):
        raise PoisonError(
            "row-path-wrong",
            f"row {claimed.index} of {claimed.count} does not stand under the root of this output",
        )
    return decided


def _malformed(why: str) -> PoisonError:
    return PoisonError("row-path-malformed", f"this is no place of a row: {why}")

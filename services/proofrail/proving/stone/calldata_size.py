"""How many felts a proof takes as calldata, told before there is one.

What `proofrail.proving.stone.calldata` writes is of a known length but for the paths of the queries, which share nodes
where they meet. The numbers here are those of queries that meet as late as they can: no proof takes more.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Final

from proofrail.proving.statement import TracedRun
from proofrail.proving.stone.fri import MAX_FRI_STEP
from proofrail.proving.stone.layouts import ROWS_PER_STEP_LOG, Layout, layout_named
from proofrail.proving.stone.parameters import StoneParameters
from proofrail.proving.stone.transcript import WORD, work_at

MAX_CALLDATA: Final = 5000
"""Felts that a transaction may have where a sequencer's gateway keeps the public networks' limit
(`max_calldata_length`)."""

AROUND_A_PROOF: Final = 8
"""Felts of a transaction beside those of the proof: the one call of an account (how many calls, address, function,
length), and the four of the verifier's configuration."""

ONE_TRANSACTION: Final = ("recursive",)
"""Layouts whose verifier on chain is one contract, so that it can take a proof in one transaction."""

_COMPOSITION_COLUMNS: Final = 2
_TREES: Final = 3
_OUTSIDE_SEGMENTS: Final = 2
"""Program and execution."""
_MOST_LOG_LAST: Final = 10


@dataclass(frozen=True)
class Transaction:
    """What a transaction has room for: `felts` in all; and `cells`, how many of public memory the proof in it tells."""

    cells: int
    felts: int = MAX_CALLDATA


def public_cells(traced: TracedRun) -> int | None:
    """Cells of public memory of a run whose program names all builtins of its layout; None where its segments are not
    known. The program and two cells behind it, where each builtin begins and ends, the output."""
    segments = {segment.builtin: segment for segment in traced.segments}
    if not segments.keys() >= {"execution", "output"}:
        return None
    output = segments["output"]
    builtins = layout_named(traced.layout).builtins
    return segments["execution"].begin - 1 + 2 * len(builtins) + output.end - output.begin


def most_felts(parameters: StoneParameters, layout: Layout, log_n_steps: int, cells: int) -> int:
    """No proof with these parameters takes more felts in a transaction, those around it counted."""
    folds, queries = parameters.fri_step_list[1:], parameters.n_queries
    height = log_n_steps + ROWS_PER_STEP_LOG + parameters.log_n_cosets
    columns = sum(layout.columns) + _COMPOSITION_COLUMNS
    tables = 3 * _TREES
    config = tables + 2 + _array(3 * len(folds)) + _array(len(folds) + 1) + 6
    segments = _OUTSIDE_SEGMENTS + len(layout.builtins)
    public = 4 + _array(0) + 1 + _array(2 * segments) + 2 + 1 + _array(2 * cells) + 1 + _array(0)
    unsent = work_at(layout, parameters) // WORD + 3 * _array(0) + 1
    witness = (
        2 * _TREES * (1 + _array(0)) + queries * columns + _TREES * _siblings(height, queries) + _array(0)
    )
    for fold in folds:
        height -= fold
        witness += _opened(height, fold, queries)
    return AROUND_A_PROOF + config + public + unsent + witness


def fewest_felts(log_n_steps: int, log_n_cosets: int, queries: int) -> tuple[tuple[int, ...], int]:
    """The list of folds, 0 first, and log2 of the last layer's degree bound, with which a proof takes fewest."""
    folds, log_last, _ = _folded(log_n_steps + ROWS_PER_STEP_LOG, log_n_cosets, queries, first=True)
    return (0, *folds), log_last


@cache
def _folded(
    log_degree: int, log_n_cosets: int, queries: int, *, first: bool
) -> tuple[tuple[int, ...], int, int]:
    """What is best from a layer of this degree on: folds, last layer, and felts that depend on them."""
    found: list[tuple[tuple[int, ...], int, int]] = []
    if not first and log_degree <= _MOST_LOG_LAST:
        found.append(((), log_degree, 1 << log_degree))
    for fold in range(1, min(MAX_FRI_STEP, log_degree) + 1):
        folds, log_last, felts = _folded(log_degree - fold, log_n_cosets, queries, first=False)
        # Three felts of configuration, the fold itself, a commitment.
        felts += 5 + _opened(log_degree - fold + log_n_cosets, fold, queries)
        found.append(((fold, *folds), log_last, felts))
    return min(found, key=lambda one: one[2])


def _opened(height: int, fold: int, queries: int) -> int:
    """Of a layer of 2^height cosets: values that do not follow from the layer before, and nodes beside their paths."""
    cosets = min(queries, 1 << height)
    return 2 * _array(0) + cosets * ((1 << fold) - 1) + _siblings(height, queries)


@cache
def _siblings(height: int, queries: int) -> int:
    """Most nodes that authenticate so many leaves."""
    touched = [min(queries, 1 << level) for level in range(height + 1)]
    return sum(2 * above - below for above, below in pairwise(touched))


def _array(length: int) -> int:
    """An array stands behind its length."""
    return 1 + length

"""Where two runs part in the VM: both executed again, their traces and memories compared."""

from __future__ import annotations

from dataclasses import dataclass

from proofrail.audit.raw import CELL_BYTES, STEP_BYTES, Cell, cell_at, first_difference
from proofrail.cairo.moment import Moment
from proofrail.cli.show_rerun import Rerun


@dataclass(frozen=True)
class StepsApart:
    """The first step whose registers differ. A side is None where its trace has ended before; `before` is the
    step that both made last, on the first side."""

    step: int
    sides: tuple[Moment | None, Moment | None]
    before: tuple[Moment, Moment] | None


@dataclass(frozen=True)
class CellsApart:
    """The first memory cell that differs, where all steps are equal. A side is None where it has no such cell;
    `uses` are the first steps that refer to it, on each side."""

    cell: int
    sides: tuple[Cell | None, Cell | None]
    uses: tuple[Moment | None, Moment | None]


def steps_apart(left: Rerun, right: Rerun) -> StepsApart | None:
    """The first step that differs; None where the traces are equal."""
    sides = (left.moments, right.moments)
    step = first_difference(left.execution.trace, right.execution.trace, STEP_BYTES)
    if step is None:
        return None
    here = tuple(side.at(step) if step < len(side) else None for side in sides)
    before = (sides[0].at(step - 1), sides[1].at(step - 1)) if step else None
    return StepsApart(step, (here[0], here[1]), before)


def cells_apart(left: Rerun, right: Rerun) -> CellsApart | None:
    """The first cell that differs; None where the memories are equal."""
    memories = (left.execution.memory, right.execution.memory)
    cell = first_difference(*memories, CELL_BYTES)
    if cell is None:
        return None
    sides = (cell_at(memories[0], cell), cell_at(memories[1], cell))
    return CellsApart(cell, sides, (_use(left, sides[0]), _use(right, sides[1])))


def _use(run: Rerun, cell: Cell | None) -> Moment | None:
    if cell is None:
        return None
    moments = run.moments
    step = moments.first_use(cell.address)
    return None if step is None else moments.at(step)

"""Whether a traced run can be proven with a backend at all: asked before any prover is spawned, answered in words.

What a proof will cost, and whether this machine bears it, is another question (`Backend.expected_cost`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from proofrail.proving.backend import Limits
from proofrail.proving.errors import PolicyError
from proofrail.proving.statement import Expected, TracedRun
from proofrail.proving.stone.backend import STONE_LIMITS
from proofrail.proving.stone.layouts import LAYOUTS, MIN_LOG_STEPS
from proofrail.proving.stwo import STWO_LIMITS
from proofrail.proving.verifier import CELLS
from proofrail.wire.errors import PoisonError

_LIMITS: Final[Mapping[str, Limits]] = {"stwo": STWO_LIMITS, "stone": STONE_LIMITS}

_NOT_IN_STWO: Final = ("ecdsa", "keccak")
"""stwo runs no program that names one of these, used or not; ec_op may be named, but has no tables."""
_WITHOUT_TABLES: Final = "ec_op"


def check_provable(backend: str, expected: Expected, real_steps: int) -> TracedRun:
    """Refuses a completed run that `backend` cannot prove; gives what there is to prove. `real_steps`: those of the run
    before padding, which is all that stwo proves.

    Raises PoisonError: `program-without-output`, `builtin-not-provable`, `layout-not-provable`, `run-too-short`,
    `run-too-large`.
    """
    traced = _traced(expected)
    uses = _uses(traced)
    if backend == "stone":
        _check_stone(expected, traced, uses)
    else:
        _check_stwo(expected, uses)
    steps = traced.n_steps if backend == "stone" else real_steps
    exceeded = _LIMITS[backend].exceeded(steps, uses, len(expected.output))
    if exceeded is not None:
        raise PoisonError("run-too-large", f"{backend} cannot prove this run: {exceeded}", _SHORTER)
    return traced


def check_registry(expected: Expected, *, strict: bool) -> None:
    """Refuses a run whose proof the registry on chain would not verify: in its strict mode it takes the program for one
    with all builtins of the layout.

    Raises PolicyError `chain-layout`, `chain-builtins`.
    """
    traced = _traced(expected)
    layout = LAYOUTS.get(traced.layout)
    on_chain = [name for name, one in LAYOUTS.items() if one.on_chain]
    if layout is None or not layout.on_chain:
        raise PolicyError(
            "chain-layout",
            f"the registry on chain has no verifier for layout {traced.layout}",
            f"Trace the run again with --layout and one of {', '.join(on_chain)}.",
        )
    missing = [name for name in layout.builtins if name not in expected.builtins]
    if strict and missing:
        raise PolicyError(
            "chain-builtins",
            f"the registry's strict mode takes programs that name all builtins of layout {layout.name}, and this one "
            f"lacks {_listed(missing)}",
            f"Write %builtins {' '.join(layout.builtins)} (main takes them all, used or not), compile and trace "
            "again; or take --memory-verification relaxed, in which the registry looks at less of the public memory.",
        )


def _uses(traced: TracedRun) -> dict[str, int]:
    """How many times the run used each builtin of its layout."""
    return {
        segment.builtin: (segment.end - segment.begin) // CELLS[segment.builtin]
        for segment in traced.segments
        if segment.builtin in CELLS
    }


def _check_stwo(expected: Expected, uses: Mapping[str, int]) -> None:
    builtins = expected.builtins
    for name in _NOT_IN_STWO:
        if name in builtins:
            raise _no_builtin(name, "the program names the builtin", builtins)
    if uses.get(_WITHOUT_TABLES, 0):
        raise _no_builtin(_WITHOUT_TABLES, "the run uses the builtin", builtins)
    if builtins[:1] != ("output",):
        raise PoisonError(
            "program-without-output",
            "stwo proves what a program outputs, and this one has no builtin output",
            "Begin %builtins with output and trace again, or prove it with --backend stone.",
        )


def _check_stone(expected: Expected, traced: TracedRun, uses: Mapping[str, int]) -> None:
    if traced.layout not in LAYOUTS:
        raise PoisonError(
            "layout-not-provable",
            f"the run was traced in layout {traced.layout}; Stone proves in {', '.join(LAYOUTS)}",
            _instead_of_stone(expected, uses),
        )
    least = 1 << MIN_LOG_STEPS
    if traced.n_steps < least:
        raise PoisonError(
            "run-too-short",
            f"the run has {traced.n_steps} steps in layout {traced.layout}; Stone proves no fewer than {least}",
            "Trace it again with --layout small, in which every run is padded to that.",
        )


def _instead_of_stone(expected: Expected, uses: Mapping[str, int]) -> str:
    fitting = _stone_layout(expected.builtins)
    if fitting is not None:
        return f"Trace the run again with --layout {fitting}."
    try:
        _check_stwo(expected, uses)
    except PoisonError as error:
        return f"No layout that Stone proves has all of the program's builtins; and {error.message}: do without it."
    return "No layout that Stone proves has all of the program's builtins: take --backend stwo."


_SHORTER: Final = "Give the program less to do in one run, or take the other backend."


def _no_builtin(name: str, who: str, builtins: Iterable[str]) -> PoisonError:
    fitting = _stone_layout(builtins)
    return PoisonError(
        "builtin-not-provable",
        f"{who} {name}, which stwo does not prove",
        f"Trace it with --layout {fitting} and prove it with --backend stone."
        if fitting
        else "Stone has no layout for the program here either: do without that builtin.",
    )


def _stone_layout(builtins: Iterable[str]) -> str | None:
    """The cheapest layout of Stone's with all these builtins."""
    return next((name for name, layout in LAYOUTS.items() if set(builtins) <= set(layout.builtins)), None)


def _traced(expected: Expected) -> TracedRun:
    if expected.traced is None:
        raise PoisonError("run-failed", "the run did not complete: there is nothing to prove")
    return expected.traced


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

"""The layouts in which a run can be proven with Stone, as far as parameters depend on them.

Columns and builtin ratios are those of the AIR of each layout; every step takes 16 rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from proofrail.proving.errors import PolicyError

ROWS_PER_STEP_LOG: Final = 4
MIN_LOG_STEPS: Final = 9
MAX_LOG_STEPS: Final = 24


@dataclass(frozen=True)
class Layout:
    """`columns`: of the trace and of the interaction trace; `least_steps`: n_steps is a multiple of it, for
    every builtin needs room for an instance; `on_chain`: whether the registry has a verifier for it.
    """

    name: str
    columns: tuple[int, int]
    least_steps: int
    on_chain: bool
    builtins: tuple[str, ...]


LAYOUTS: Final = {
    layout.name: layout
    for layout in (
        Layout("plain", (6, 2), 512, False, ()),
        Layout("small", (23, 2), 512, True, ("output", "pedersen", "range_check", "ecdsa")),
        Layout("dex", (21, 1), 512, True, ("output", "pedersen", "range_check", "ecdsa")),
        Layout("recursive", (7, 3), 16_384, True, ("output", "pedersen", "range_check", "bitwise")),
        Layout(
            "recursive_with_poseidon",
            (6, 2),
            16_384,
            True,
            ("output", "pedersen", "range_check", "bitwise", "poseidon"),
        ),
    )
}
"""The layouts that are offered, by name."""


def layout_named(name: str) -> Layout:
    """Raises PolicyError `parameters-layout` for a layout that is not offered."""
    try:
        return LAYOUTS[name]
    except KeyError:
        raise PolicyError(
            "parameters-layout",
            f"there is no layout {name!r} to prove in",
            f"Choose one of {', '.join(LAYOUTS)}.",
        ) from None


def log_steps(layout: Layout, n_steps: int) -> int:
    """log2 of a number of steps that a run in this layout can have.

    Raises PolicyError `parameters-steps`.
    """
    if n_steps <= 0 or n_steps & (n_steps - 1):
        raise PolicyError(
            "parameters-steps",
            f"{n_steps} steps are no power of two",
            "A run in proof mode is padded to one: take n_steps from its public input.",
        )
    log = n_steps.bit_length() - 1
    if not MIN_LOG_STEPS <= log <= MAX_LOG_STEPS:
        raise PolicyError(
            "parameters-steps",
            f"{n_steps} steps are outside of 2^{MIN_LOG_STEPS} to 2^{MAX_LOG_STEPS}",
        )
    if n_steps < layout.least_steps:
        raise PolicyError(
            "parameters-steps",
            f"a run in layout {layout.name} has at least {layout.least_steps} steps, not {n_steps}",
        )
    return log

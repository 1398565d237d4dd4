"""The layouts of the Cairo VM: which builtins a program can have in each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

from proofrail.wire.errors import UnusableInputError

BUILTINS: Final = (
    "output",
    "pedersen",
    "range_check",
    "ecdsa",
    "bitwise",
    "ec_op",
    "keccak",
    "poseidon",
    "range_check96",
    "add_mod",
    "mul_mod",
)
"""In the order in which a program must name them."""

_SMALL: Final = ("output", "pedersen", "range_check", "ecdsa")
_RECURSIVE: Final = ("output", "pedersen", "range_check", "bitwise")
_SOLIDITY: Final = (*_SMALL, "bitwise", "ec_op")

LAYOUTS: Final[Mapping[str, tuple[str, ...]]] = {
    "plain": (),
    "small": _SMALL,
    "dex": _SMALL,
    "recursive": _RECURSIVE,
    "recursive_with_poseidon": (*_RECURSIVE, "poseidon"),
    "recursive_large_output": (*_RECURSIVE, "poseidon"),
    "all_solidity": _SOLIDITY,
    "all_cairo_stwo": (*_RECURSIVE, "ec_op", "poseidon", "range_check96"),
    "starknet": (*_SOLIDITY, "poseidon"),
    "starknet_with_keccak": (*_SOLIDITY, "keccak", "poseidon"),
    "all_cairo": (*_SOLIDITY, "keccak", "poseidon", "range_check96"),
}
"""Builtins of each layout in their order. The cheaper one to prove comes first; the first five Stone proves."""


def check_layout(builtins: Sequence[str], layout: str) -> None:
    """Refuses a program whose builtins the layout lacks, or that names them in another order than layouts have.

    Raises UnusableInputError: `layout-unknown`, `builtins-disordered`, `layout-unusable`; the last names the cheapest
    layout that has them all.
    """
    if layout not in LAYOUTS:
        raise UnusableInputError(
            "layout-unknown", f"there is no layout {layout!r}", f"Name one of {', '.join(LAYOUTS)}."
        )
    _check_order(builtins)
    missing = [name for name in builtins if name not in LAYOUTS[layout]]
    if not missing:
        return
    lacks = f"layout {layout} has no builtin {_listed(missing)}, which the program names in %builtins"
    fitting = cheapest_layout(builtins)
    if fitting is not None:
        raise UnusableInputError("layout-unusable", lacks, f"Choose layout {fitting}: --layout {fitting}.")
    nowhere = [name for name in builtins if not any(name in has for has in LAYOUTS.values())]
    raise UnusableInputError(
        "layout-unusable",
        f"{lacks}; no other layout has {_listed(nowhere) if nowhere else 'all of its builtins'} either",
        "Do without that builtin." if nowhere else "Split the program.",
    )


def cheapest_layout(builtins: Sequence[str]) -> str | None:
    """The cheapest layout to prove in that has all these builtins; None where no layout has them together."""
    return next((name for name, has in LAYOUTS.items() if set(builtins) <= set(has)), None)


def _check_order(builtins: Sequence[str]) -> None:
    known = [name for name in builtins if name in BUILTINS]
    for before, after in pairwise(known):
        if BUILTINS.index(before) >= BUILTINS.index(after):
            ordered = sorted(set(known), key=BUILTINS.index)
            raise UnusableInputError(
                "builtins-disordered",
                f"the program names the builtin {after} after {before}; every layout has them in one order",
                f"Write %builtins {' '.join(ordered)}, take main's implicit arguments in that order, compile again.",
            )


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

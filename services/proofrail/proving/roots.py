"""Known roots of the fixed tables that every stwo proof refers to.

The library accepts whatever root a proof names: whoever chooses the tables can prove anything. These were
computed with `proofrail-stwo-prover root`; a test computes them again.
"""

from __future__ import annotations

from typing import Final

VARIANT: Final = "canonical_small"

LOG_ROWS: Final = 20
"""log2 of the largest fixed table: no proof is smaller."""

PREPROCESSED_ROOTS: Final[dict[tuple[int, int], str]] = {
    (1, 21): "068d1166c9f9f0ec247641ca391ee8396170e69343dfcacc632f9638670d2bec",
    (1, 22): "27a97d4eab58fe63fd37378d9b3be7c6b58d2f06ab55a4b730f16282454206b4",
    (2, 22): "25cbdd4f952c684b5974974cfd9a27aa71f740d62d10e9c702c7d0eed8a125c0",
}
"""Root by (log2 of the blow-up, lifting_log_size)."""


def known_root(log_blowup: int, lifting_log_size: int | None) -> str | None:
    """The root of these settings; None for settings that are not in use."""
    return PREPROCESSED_ROOTS.get((log_blowup, lifting_log_size or 0))

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
    (2, 22): "25cbdd4f952c684b5974974cfd9a27aa71f740d62d10e9c702c7d0eed8a125c0",
    (3, 23): "84256087ea3e996e7870766bb16efd26a32173dd837b6d5a8f28560c0a00bb2c",
    (4, 24): "c908e4ef2241d260a8ef333de563e94e041acaac5f75a74d21b4c1efc641dd24",
}
"""Root by (log2 of the blow-up, lifting_log_size)."""


def known_root(log_blowup: int, lifting_log_size: int | None) -> str | None:
    """The root of these settings; None for settings that are not in use."""
    return PREPROCESSED_ROOTS.get((log_blowup, lifting_log_size or 0))

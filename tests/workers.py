"""Which tests share a worker when pytest runs on all cores (`-n auto --dist loadgroup`)."""

from __future__ import annotations

from typing import Final

import pytest

_MACHINE: Final = frozenset({"kafka", "prover", "docker", "stone", "chain", "browser", "prometheus"})
"""Markers of tests that start programs of their own: these use more than one core already."""


def keep_programs_together(items: list[pytest.Item]) -> None:
    """One worker takes, one after another, all tests that start brokers, provers, nodes or browsers: two of them at
    once would want more memory than a machine has, and each worker a broker of its own. The others share the rest."""
    for item in items:
        if any(item.get_closest_marker(name) for name in _MACHINE):
            item.add_marker(pytest.mark.xdist_group("machine"))

"""The suite in full runs only when asked for (`make test-exhaustive`); how many cases were tried is printed in any
case."""

from __future__ import annotations

import os
import secrets
from collections import Counter
from typing import Final

import pytest

SEED: Final = "PROOFRAIL_EXHAUSTIVE_SEED"
_TALLY: Final = pytest.StashKey[Counter[tuple[str, str]]]()
_NOTES: Final = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_TALLY] = Counter()
    config.stash[_NOTES] = []


@pytest.fixture(scope="session")
def seed(pytestconfig: pytest.Config) -> int:
    """Chooses the sample; printed, and taken from the environment to see a sample again."""
    chosen = int(os.environ.get(SEED) or secrets.randbelow(1 << 32))
    pytestconfig.stash[_NOTES].append(f"seed {chosen} (again with {SEED}={chosen})")
    return chosen


@pytest.fixture(scope="session")
def tally(pytestconfig: pytest.Config) -> Counter[tuple[str, str]]:
    """Cases tried, by family and class."""
    return pytestconfig.stash[_TALLY]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    tally = config.stash[_TALLY]
    if not tally:
        return
    families: dict[str, list[str]] = {}
    for (family, kind), count in sorted(tally.items()):
        families.setdefault(family, []).append(f"{count:,} {kind}")
    by_class: Counter[str] = Counter()
    for (_, kind), count in tally.items():
        by_class[kind] += count
    terminalreporter.section("exhaustive suite")
    for note in config.stash[_NOTES]:
        terminalreporter.write_line(note)
    if "exhaustive" in config.option.markexpr:
        for family, counts in families.items():
            terminalreporter.write_line(f"{family}: {', '.join(counts)}")
    classes = ", ".join(f"{count:,} {kind}" for kind, count in sorted(by_class.items()))
    terminalreporter.write_line(f"{by_class.total():,} cases in {len(families)} families: {classes}")

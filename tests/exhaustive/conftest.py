"""The suite in full runs only when asked for (`make test-exhaustive`); how many cases were tried is printed in any
case."""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.exhaustive.tally import SEED, reported


@pytest.fixture(scope="session")
def seed() -> int:
    """Chooses the sample; printed, and taken from the environment to see a sample again."""
    return int(os.environ.get(SEED) or secrets.randbelow(1 << 32))


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Iterator[Counter[tuple[str, str]]]:
    """Cases tried, by family and class."""
    counts: Counter[tuple[str, str]] = Counter()
    yield counts
    sampled = "seed" in request.fixturenames
    reported(request.node, counts, request.getfixturevalue("seed") if sampled else None)

"""Every alteration of what a tracer publishes is found at its place, refused with its line, or changes nothing
that counts."""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache

import pytest

from tests.exhaustive import cases, forgeries
from tests.exhaustive.cases import Family
from tests.exhaustive.runs import in_haste
from tests.exhaustive.trial import tried

SAMPLE = 2_000
EVERY_SAMPLED = 61
EVERY = 1009
"""Of so many cases one is audited as the command line does it too: executed again, events compared on the way."""
_CHUNK = 500
_STEPS_SHOWN = 20
_MOST_SHOWN = 10


@cache
def families() -> list[Family]:
    return cases.families() + forgeries.families()


def _sample(seed: int) -> Iterator[tuple[int, int]]:
    """Half of the sample is spread evenly over the families, half over the cases: the few kinds of forgery
    count as much as the many bits."""
    chosen = random.Random(seed)  # noqa: S311 - no secret
    sizes = [len(family) for family in families()]
    for number, size in enumerate(sizes):
        for index in chosen.sample(range(size), min(size, SAMPLE // 2 // len(sizes))):
            yield number, index
    for number in chosen.choices(range(len(sizes)), weights=sizes, k=SAMPLE // 2):
        yield number, chosen.randrange(sizes[number])


def _tried(places: Iterable[tuple[int, int]], every: int) -> tuple[Counter[tuple[str, str]], list[str]]:
    counts: Counter[tuple[str, str]] = Counter()
    failures: list[str] = []
    for number, index in places:
        family = families()[number]
        try:
            counts[family.name, tried(family.case(index), twice=index % every == 0)] += 1
        except AssertionError as error:
            failures.append(str(error))
    return counts, failures


def _chunk(chunk: tuple[int, int, int]) -> tuple[Counter[tuple[str, str]], list[str]]:
    number, first, last = chunk
    return _tried(((number, index) for index in range(first, last)), EVERY)


def test_a_sample_of_all_alterations_is_found(seed: int, tally: Counter[tuple[str, str]]) -> None:
    """Verdict, kind, place, member, expected and claimed are those of an oracle that shares no code with the
    audit, and the place is where the change was made."""
    counts, failures = _tried(_sample(seed), EVERY_SAMPLED)
    tally.update(counts)
    assert [] == failures[:_MOST_SHOWN], f"{len(failures)} failures"


@pytest.mark.exhaustive
@pytest.mark.timeout(6 * 3600)
def test_every_alteration_is_found(
    tally: Counter[tuple[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """All cases of all families, over all cores."""
    in_haste()
    chunks = [
        (number, first, min(first + _CHUNK, len(family)))
        for number, family in enumerate(families())
        for first in range(0, len(family), _CHUNK)
    ]
    random.Random(0).shuffle(chunks)  # noqa: S311 - so that the pace is even, and a fault shows early
    failures: list[str] = []
    started = time.monotonic()
    # Forked: the runs are made once, and every process has them.
    with multiprocessing.get_context("fork").Pool(os.cpu_count()) as pool:
        for done, (counts, failed) in enumerate(pool.imap_unordered(_chunk, chunks), 1):
            tally.update(counts)
            failures += failed
            if done % (len(chunks) // _STEPS_SHOWN) == 0:
                with capsys.disabled():
                    so_far = f"{tally.total():,} cases in {time.monotonic() - started:.0f} s"
                    print(f"\n{so_far}, {len(failures)} failures", end="", flush=True)
            if len(failures) >= _MOST_SHOWN:
                break
    assert [] == failures[:_MOST_SHOWN], f"{len(failures)} failures or more"

"""Altered evidence is never accepted: bytes, parts exchanged between bundles, and an auditor who makes things up.

A sample, the same each time; `make test-exhaustive` tries all (tests/exhaustive/test_evidence.py).
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest

from proofrail.audit.evidence_raw import shown_records
from proofrail.audit.evidence_trees import Hashes
from proofrail.wire.canonical import canonical
from proofrail.wire.signing import sign_message
from tests.faults.evidence_altering import (
    NAMES,
    altered_bytes,
    altered_values,
    bundles,
    exchanged_parts,
    in_transit,
    resigned,
    untrue_of_the_tracer,
)
from tests.unit.evidence_runs import TRACER, accepts, verify

pytestmark = pytest.mark.slow

_SEED = 4
_BYTES = 500


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Prints how many cases were tried, also where output is captured."""

    def say(text: str) -> None:
        with capsys.disabled():
            print(f"\n  {text}")

    return say


def _rng() -> random.Random:
    return random.Random(_SEED)  # noqa: S311 - repeatable, not secret


def test_the_bundles_are_accepted_as_they_are() -> None:
    """Otherwise nothing below would mean anything."""
    assert [*NAMES] == [name for name, bundle in bundles().items() if accepts(bundle)]


def test_no_bundle_with_an_altered_byte_is_accepted(tell: Callable[[str], None]) -> None:
    """Bits flipped, bytes dropped, doubled, and set to such as JSON or hex has a use for."""
    tried = total = 0
    for bundle in bundles().values():
        cases = list(altered_bytes(bundle))
        total += len(cases)
        for altered in _rng().sample(cases, _BYTES):
            tried += 1
            assert altered == bundle or not accepts(altered), altered
    tell(f"altered bytes: {tried:,} of {total:,} tried, none accepted")


def test_an_auditor_who_alters_its_bundle_establishes_nothing_of_the_tracer(
    tell: Callable[[str], None],
) -> None:
    """Values altered, left out or emptied, and signed anew: refused, or nothing untrue is said of the tracer."""
    tried = accepted = 0
    for bundle in bundles().values():
        for made in altered_values(bundle, _rng(), 2):
            tried += 1
            altered = resigned(made)
            if accepts(altered):
                accepted += 1
                assert [] == untrue_of_the_tracer(altered), made
    tell(f"values altered and signed anew: {tried:,} tried, {accepted:,} change only the auditor's own word")


@pytest.mark.parametrize("resign", [False, True], ids=["as-it-is", "signed-anew"])
def test_parts_exchanged_between_bundles_establish_nothing_of_the_tracer(
    resign: bool, tell: Callable[[str], None]
) -> None:
    """Parts of one bundle in another, of the same run or of a further one; signed anew, or as it is."""
    tried = accepted = 0
    for made in exchanged_parts(_rng(), 6):
        tried += 1
        altered = resigned(made) if resign else canonical(made)
        if accepts(altered):
            accepted += 1
            assert resign, made
            assert [] == untrue_of_the_tracer(altered), made
    tell(f"parts exchanged: {tried:,} tried, {accepted:,} change only the auditor's own word")


@pytest.mark.parametrize("name", NAMES)
def test_claimed_and_expected_do_not_change_places(name: str) -> None:
    """Neither what stands under a role, nor who signed for it."""
    for resign in (False, True):
        made = json.loads(bundles()[name])
        made["claimed"], made["expected"] = made["expected"], made["claimed"]
        assert not accepts(resigned(made) if resign else canonical(made))
    assert not accepts(canonical(sign_message(json.loads(bundles()[name]), TRACER.key)))


def test_an_honest_tracer_is_never_convicted(tell: Callable[[str], None]) -> None:
    """An auditor who shows any step or pair of cells of an honest trace as a fault shows none, nor when it keeps
    cells back."""
    run, tried = in_transit(), 0
    heads = run.evidence().heads
    assert heads.tracer is not None
    base = json.loads(bundles()["step"]) | {"claimed": {"checkpoint": heads.note}, "expected": {}}
    places = [(step, (step, step + 1)) for step in range(len(run.trace) // 24 - 1)]
    shown = [("transition", at, pair, range(len(run.memory) // 40)) for at, pair in places]
    shown += [("transition", at, pair, range(1)) for at, pair in places]
    shown += [("cells", at, (), range(at, at + 2)) for at in range(len(run.memory) // 40 - 1)]
    for kind, at, steps, cells in shown:
        hashes = Hashes()
        raw = shown_records(heads.tracer, run.trace, run.memory, steps, cells, hashes)
        made = base | {"shows": "nothing", "fault": {"kind": kind, "at": at}, "raw": raw}
        tried += 1
        with pytest.raises(ValueError, match=r"transition is valid|do not conflict|cell is not shown"):
            verify(resigned(made | {"hashes": hashes.listed}))
    tell(f"steps and cells of an honest run shown as faults: {tried:,} tried, none established")

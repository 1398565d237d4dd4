"""Every alteration of bundles of evidence that tests/faults/test_evidence_fuzz.py takes its sample of."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from proofrail.wire.canonical import canonical
from tests.faults.evidence_altering import (
    NAMES,
    altered_bytes,
    altered_values,
    bundles,
    exchanged_parts,
    resigned,
    untrue_of_the_tracer,
)
from tests.unit.evidence_runs import accepts

pytestmark = [pytest.mark.exhaustive, pytest.mark.timeout(1800)]

Tally = Counter[tuple[str, str]]


@pytest.mark.parametrize("name", NAMES)
def test_no_bundle_with_an_altered_byte_is_accepted(name: str, tally: Tally) -> None:
    """Every byte, in every way."""
    bundle = bundles()[name]
    for altered in altered_bytes(bundle):
        tally["evidence, bytes", "refused"] += 1
        assert altered == bundle or not accepts(altered), altered


@pytest.mark.parametrize("name", NAMES)
def test_no_value_altered_and_signed_anew_establishes_anything_of_the_tracer(
    name: str, tally: Tally, seed: int
) -> None:
    """Every value, in every way."""
    for made in altered_values(bundles()[name], random.Random(seed), None):  # noqa: S311 - repeatable
        _judge(resigned(made), "evidence, values", tally)


def test_no_parts_exchanged_establish_anything_of_the_tracer(tally: Tally, seed: int) -> None:
    """Every one and every two parts of every bundle in every other."""
    for made in exchanged_parts(random.Random(seed), None):  # noqa: S311 - repeatable, not secret
        assert not accepts(canonical(made))
        _judge(resigned(made), "evidence, parts", tally)


def _judge(altered: bytes, family: str, tally: Tally) -> None:
    accepted = accepts(altered)
    tally[family, "the auditor's own word" if accepted else "refused"] += 1
    assert not accepted or [] == untrue_of_the_tracer(altered), altered

"""Proposals that were given up, and are asked to be run again."""

from __future__ import annotations

import pytest
from operator_runs import form, proposal

from proofrail.cairo.risk_builds import FIRST, Size
from proofrail.messaging.records import Record
from proofrail.proving.stwo import STWO_LIMITS
from proofrail.tracer.index import AllocationIndex
from proofrail.tracer.intake import BatchLimits, Intake
from proofrail.wire import topics
from proofrail.wire.canonical import canonical, sha256_hex
from proofrail.wire.messages import IndexEntry
from proofrail.wire.replay import ATTEMPTS, REQUEUES

ENDED = "aa" * 16
LIMITS = BatchLimits(Size(STWO_LIMITS.max_steps, STWO_LIMITS.max_instances["pedersen"]), 1 << 20)


def _entry(**changed: str | None) -> IndexEntry:
    entry = IndexEntry(
        allocation_id="one", proposal_sha256=sha256_hex(canonical(form("one"))), run_id=ENDED, row=0,
        topic=topics.PROPOSALS, partition=0, offset=0, dead_letter="proof-timeout",
    )  # fmt: skip
    return entry.model_copy(update=changed)


@pytest.mark.parametrize(
    ("asked", "changed", "again", "repeated", "refused"),
    [
        (ENDED, {}, 1, 1, 0),
        ("bb" * 16, {}, 0, 2, 0),
        ("", {}, 0, 2, 0),
        (ENDED, {"dead_letter": None}, 0, 2, 0),
        (ENDED, {"run_id": "cc" * 16}, 0, 2, 0),
        (ENDED, {"proposal_sha256": "0" * 64}, 0, 0, 2),
    ],
)
def test_a_request_names_the_run_that_was_given_up(
    asked: str, changed: dict[str, str | None], again: int, repeated: int, refused: int
) -> None:
    """That run and no other, so that a request has its effect once: published twice, or when the proposal went on
    meanwhile, it is the same proposal again. Other content under the id stays refused."""
    index = AllocationIndex()
    index.put(_entry(**changed))
    judged = Intake(index, FIRST, LIMITS)
    headers = {REQUEUES: asked, ATTEMPTS: "5"}
    records = [
        Record(topics.PROPOSALS, 0, number, b"one", proposal("one"), headers, 0) for number in range(2)
    ]
    judged.take(judged.read(records))
    found = (len(judged.again), len(judged.repeated), len(judged.refused))
    assert ((again, repeated, refused), []) == (found, judged.accepted)


def test_the_attempts_before_stand_in_the_index() -> None:
    """So that the next dead letter counts on; absent for a proposal that comes for the first time."""
    assert {"attempts": 5}.items() <= _entry().model_copy(update={"attempts": 5}).to_object().items()
    assert "attempts" not in _entry().to_object()

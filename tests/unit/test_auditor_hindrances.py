"""When an audit that its host hinders is tried again, and when a proof is given up that no verifier survives."""

from __future__ import annotations

import pytest

from proofrail.auditor.hindrances import STORE, Hindrance, Hindrances, hindrance_of
from proofrail.messaging.metrics import Metrics
from proofrail.wire.errors import TransientError
from proofrail.wire.messages import AuditReport, Unchecked

AWAY = Hindrance(STORE, TransientError("artifact-store-unavailable", "it is away"))
BROKEN = Hindrance("stone", TransientError("verifier-broken", "it was killed"))


class Clock:
    """Seconds that pass when told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hindrances(clock: Clock) -> Hindrances:
    return Hindrances(3, Metrics("auditor"), clock)


def _waits(hindrances: Hindrances, clock: Clock, run_id: str, *needs: str) -> float:
    """After how many seconds, to a quarter, the proof's audit may be tried."""
    begun = clock.now
    while not hindrances.may_try(run_id, "proof", *needs) and clock.now - begun < 1000:
        clock.now += 0.25
    return clock.now - begun


def test_a_fault_of_the_host_is_waited_for_without_end(hindrances: Hindrances, clock: Clock) -> None:
    """Twice as long each time, to a minute; however often it was."""
    waited = []
    for _ in range(2000):
        assert hindrances.meet("r", "proof", AWAY)
        waited.append(_waits(hindrances, clock, "r"))
    assert [1, 2, 4, 8, 16, 32, 60, 60] == waited[:8]
    assert {60.0} == set(waited[6:])


def test_a_proof_that_brings_its_verifier_down_is_given_up(hindrances: Hindrances, clock: Clock) -> None:
    """After as many tries as are allowed; faults of the host between them do not count."""
    assert hindrances.meet("r", "proof", BROKEN, by_proof=True)
    assert 15 == _waits(hindrances, clock, "r")
    assert all(hindrances.meet("r", "proof", AWAY) for _ in range(9))
    assert hindrances.meet("r", "proof", BROKEN, by_proof=True)
    assert 30 == _waits(hindrances, clock, "r")
    assert not hindrances.meet("r", "proof", BROKEN, by_proof=True)
    assert hindrances.missing() is None


def test_what_waits_holds_up_others_for_a_moment_at_most(hindrances: Hindrances, clock: Clock) -> None:
    """They leave alone for five seconds what has just failed, and what a proof may have done itself not at all."""
    for _ in range(20):
        hindrances.meet("r", "proof", AWAY)
    assert 0 == _waits(hindrances, clock, "other", "stwo")
    assert 5 == _waits(hindrances, clock, "other", STORE, "stwo")
    hindrances.meet("r", "proof", BROKEN, by_proof=True)
    assert 0 == _waits(hindrances, clock, "other", STORE, "stone")


def test_readiness_names_what_is_lacking_until_the_audit_is_over(hindrances: Hindrances) -> None:
    """By its code; of a run's two audits each is one."""
    hindrances.meet("r", "proof", BROKEN)
    hindrances.meet("r", "run", AWAY)
    assert "2 waiting, the first for: [verifier-broken] it was killed" == hindrances.missing()
    hindrances.end("r", "proof")
    assert "1 waiting, the first for: [artifact-store-unavailable] it is away" == hindrances.missing()
    hindrances.end("r", "run")
    assert hindrances.missing() is None


def test_nothing_more_is_taken_up_when_too_many_wait(hindrances: Hindrances) -> None:
    """What waits is held in memory."""
    for number in range(63):
        hindrances.meet(str(number), "proof", AWAY)
    assert not hindrances.crowded
    hindrances.meet("one more", "proof", AWAY)
    assert hindrances.crowded
    hindrances.clear()
    assert not hindrances.crowded


@pytest.mark.parametrize(
    ("code", "cause", "need"),
    [
        ("verifier-missing", "scratch-full", "stone"),
        ("verifier-missing", "verifier-broken", "stone"),
        ("artifact-missing", "artifact-store-unavailable", STORE),
        ("artifact-missing", "artifact-missing", None),
        ("proof-failed", None, None),
        ("run-not-recomputed", None, None),
    ],
)
def test_only_the_host_hinders(code: str, cause: str | None, need: str | None) -> None:
    """A proof that is not in the store, or was never made, is no fault of the auditor's host."""
    more = {} if cause is None else {"cause": cause}
    report = AuditReport(
        run_id="r",
        subject="proof",
        verdict="INDETERMINATE",
        checked=[],
        unchecked=[
            Unchecked(part="provenance", code="not-at-hand", message="no"),
            Unchecked.model_validate({"part": "blob", "code": code, "message": "why", **more}),
        ],
    )
    found = hindrance_of(report, "stone")
    assert (need, cause if need else None) == (found and found.need, found and found.error.code)

"""What keeps audits from their end here: faults of this host, and proofs that no verifier survives.

A verdict is about what was published, and a store that is away, an absent program or a full disk say nothing of it:
such an audit is tried again, later each time, for as long as it takes. Where a verifier crashes or takes too long, that
may be the proof's doing: it is tried a few times only. Neither keeps audits waiting that need something else.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import structlog

from proofrail.messaging.metrics import Metrics
from proofrail.wire.errors import TransientError
from proofrail.wire.messages import AuditReport

STORE: Final = "store"
"""What every proof's audit needs; its verifier goes by the backend's name."""
EVIDENCE: Final = "evidence"
"""What the audit of a run may need: a store that takes what it is given."""

Subject = Literal["run", "proof"]
SUBJECTS: Final[tuple[Subject, ...]] = ("run", "proof")

_FIRST_S: Final = 1.0
_FIRST_OF_PROOF_S: Final = 15.0
_MOST_S: Final = 60.0
_MOST_DOUBLINGS: Final = 6
_PAUSE_S: Final = 5.0
"""How long what has just failed is left alone by all: each try may take as long as a connection that times out."""
_MOST_WAITING: Final = 64
"""Beyond it no more is taken up: what waits is held in memory."""

_MAYBE_BY_PROOF: Final = frozenset({"verifier-broken", "verifier-wrong-host"})
_STORE_AWAY: Final = "artifact-store-unavailable"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Hindrance:
    """What an audit could not have, and why. `maybe_by_proof`: unless the verifier fails on every proof."""

    need: str
    error: TransientError

    @property
    def maybe_by_proof(self) -> bool:
        return self.error.code in _MAYBE_BY_PROOF


def hindrance_of(report: AuditReport, backend: str) -> Hindrance | None:
    """What of this host kept the audit of a proof of `backend`'s from a verdict; None where nothing did, also where
    the store only lacks the proof."""
    for part in report.unchecked:
        code = str(part.to_object().get("cause"))
        if part.code == "verifier-missing":
            return Hindrance(backend, TransientError(code, part.message))
        if part.code == "artifact-missing" and code == _STORE_AWAY:
            return Hindrance(STORE, TransientError(code, part.message))
    return None


@dataclass
class _Waiting:
    error: TransientError
    tries: int = 0
    by_proof: int = 0
    again_at: float = 0.0


class Hindrances:
    """The audits that wait, by run and subject. `attempts`: how often a proof may bring its verifier down."""

    def __init__(self, attempts: int, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        self._attempts = attempts
        self._metrics = metrics
        self._clock = clock
        self._waiting: dict[tuple[str, Subject], _Waiting] = {}
        self._left_alone: dict[str, float] = {}

    def may_try(self, run_id: str, subject: Subject, *needs: str) -> bool:
        """Whether it is time to audit the subject, with what it needs."""
        now = self._clock()
        waiting = self._waiting.get((run_id, subject))
        if waiting is not None and now < waiting.again_at:
            return False
        return all(now >= self._left_alone.get(need, now) for need in needs)

    def meet(self, run_id: str, subject: Subject, hindrance: Hindrance, *, by_proof: bool = False) -> bool:
        """Note that an audit was hindered; whether it is to be tried again. `by_proof`: it counts."""
        error, now = hindrance.error, self._clock()
        waiting = self._waiting.setdefault((run_id, subject), _Waiting(error))
        waiting.error = error
        waiting.tries += 1
        waiting.by_proof += by_proof
        self._metrics.retried(error)
        if waiting.by_proof >= self._attempts:
            _log.warning(
                "given-up", subject=subject, code=error.code, error=error.message, attempt=waiting.by_proof
            )
            self.end(run_id, subject)
            return False
        first, tries = (_FIRST_OF_PROOF_S, waiting.by_proof) if by_proof else (_FIRST_S, waiting.tries)
        wait_s = min(_MOST_S, first * 2 ** min(tries - 1, _MOST_DOUBLINGS))
        waiting.again_at = now + wait_s
        if not by_proof:
            self._left_alone[hindrance.need] = now + min(_PAUSE_S, wait_s)
        _log.warning(
            "retry",
            subject=subject,
            code=error.code,
            error=error.message,
            attempt=waiting.tries,
            wait_s=wait_s,
        )
        return True

    def end(self, run_id: str, subject: Subject) -> None:
        """Nothing hinders the audit any more."""
        self._waiting.pop((run_id, subject), None)

    def clear(self) -> None:
        """All of it went to another instance."""
        self._waiting.clear()

    @property
    def crowded(self) -> bool:
        """Whether so many wait that nothing more may be taken up."""
        return len(self._waiting) >= _MOST_WAITING

    def missing(self) -> str | None:
        """What the first of those that wait lacks, for readiness."""
        first = next(iter(self._waiting.values()), None)
        return None if first is None else f"{len(self._waiting)} waiting, the first for: {first.error}"

"""How long the proof under way takes, and how long it should: for metrics and for whoever reads the log."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Final

import structlog

from proofrail.messaging.metrics import Metrics
from proofrail.proving.backend import Progress
from proofrail.proving.cost import Cost, in_words

_TELL_EVERY_S: Final = 60.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Attempt:
    backend: str
    begun: float
    expected: float | None


class ProofProgress:
    """Follows one proof at a time. The gauges are computed when they are read: nothing has to run for them."""

    def __init__(
        self,
        metrics: Metrics,
        backends: Iterable[str],
        *,
        clock: Callable[[], float] = time.monotonic,
        tell_every: float = _TELL_EVERY_S,
    ) -> None:
        self._metrics = metrics
        self._clock = clock
        self._tell_every = tell_every
        self._attempt: _Attempt | None = None
        self._stage = "start"
        for backend in backends:
            metrics.proof_elapsed.labels(backend=backend).set_function(self._elapsed_of(backend))
            metrics.proof_expected.labels(backend=backend).set_function(self._expected_of(backend))
            # At 0 from the start: a series that appears with the first proof would hide it from every rate.
            metrics.proofs.labels(backend=backend, outcome="proof")
            for metric in (metrics.proof_seconds, metrics.proof_bytes, metrics.proof_time_ratio):
                metric.labels(backend=backend)
            metrics.proving.labels(backend=backend)

    @contextlib.asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """While the block proves, says at long intervals that it still does."""
        telling = asyncio.create_task(self._tell())
        try:
            yield
        finally:
            self._end()
            telling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await telling

    def begin(self, backend: str, cost: Cost | None) -> None:
        """A backend begins; the one before, if any, could not."""
        self._end()
        expected = None if cost is None else cost.seconds
        self._attempt, self._stage = _Attempt(backend, self._clock(), expected), "start"
        self._metrics.proving.labels(backend=backend).inc()
        _log.info(
            "proving",
            backend=backend,
            expected="for an unknown time" if expected is None else f"about {in_words(expected)}",
            memory_mib=None if cost is None else cost.memory_bytes >> 20,
        )

    def is_done_within(self, seconds: float) -> bool:
        """Whether the proof under way is expected in so many seconds; one that is overdue is not."""
        attempt = self._attempt
        if attempt is None or attempt.expected is None:
            return False
        return 0 <= attempt.begun + attempt.expected - self._clock() < seconds

    def made(self, prover_seconds: float) -> None:
        """The proof was made, in so many seconds of its process."""
        if self._attempt is not None and self._attempt.expected:
            ratio = prover_seconds / self._attempt.expected
            self._metrics.proof_time_ratio.labels(backend=self._attempt.backend).observe(ratio)

    def note(self, progress: Progress) -> None:
        """A stage of the prover's began or ended."""
        if progress.seconds is None:
            self._stage = progress.stage
            _log.debug("proving-stage", stage=progress.stage)
        else:
            _log.debug("proved-stage", stage=progress.stage, seconds=progress.seconds)

    def _end(self) -> None:
        if self._attempt is not None:
            self._metrics.proving.labels(backend=self._attempt.backend).dec()
        self._attempt = None

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(self._tell_every)
            if (attempt := self._attempt) is not None:
                _log.info(
                    "still-proving",
                    backend=attempt.backend,
                    stage=self._stage,
                    elapsed=in_words(self._clock() - attempt.begun),
                    expected=None if attempt.expected is None else f"about {in_words(attempt.expected)}",
                )

    def _elapsed_of(self, backend: str) -> Callable[[], float]:
        def elapsed() -> float:
            attempt = self._attempt
            return self._clock() - attempt.begun if attempt and attempt.backend == backend else 0.0

        return elapsed

    def _expected_of(self, backend: str) -> Callable[[], float]:
        def expected() -> float:
            attempt = self._attempt
            return attempt.expected or 0.0 if attempt and attempt.backend == backend else 0.0

        return expected

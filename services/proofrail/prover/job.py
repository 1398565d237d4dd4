"""One sealed run, from its commitments to its terminal record: checked, proven, verified, stored.

Nothing is proven that a registrar would regret: the run is executed again and its seal compared before any work,
and the proof is verified before it is published.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from proofrail.artifacts.store import ArtifactStore
from proofrail.audit.risk_runs import RiskRuns, runs_with
from proofrail.audit.run_audit import RunAudit, audit_run
from proofrail.messaging.metrics import Metrics
from proofrail.prover.progress import ProofProgress
from proofrail.proving.backend import ProofResult
from proofrail.proving.backends import Backends
from proofrail.proving.errors import RefusedProof
from proofrail.proving.message import Provenance, proof_message
from proofrail.proving.policy import Policy
from proofrail.proving.registry import Registry
from proofrail.proving.statement import Expected
from proofrail.wire.errors import PoisonError, ProofrailError, TransientError
from proofrail.wire.messages import Proof, ProofFailure
from proofrail.wire.runs import CommittedRun

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0
_MAY_BE_THE_RUN = frozenset(
    {"prover-timeout", "prover-out-of-memory", "prover-killed", "prover-broken", "verifier-broken"}
)
_ONCE_MORE = frozenset({"prover-timeout", "prover-out-of-memory"})
"""What took all the time or memory there is: a busy host may be the reason once, hardly twice."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class JobLimits:
    """How often a run may fail by what may be its own fault; how long an attempt, and how many bytes of memory a
    prover, may take; how long a service that is stopped may wait for a proof that is nearly done."""

    attempts: int
    timeout_s: float
    memory: int | None = None
    grace_s: float = 0.0


@dataclass(frozen=True)
class _Made:
    """A proof that was made and is not published yet."""

    kind: RiskRuns
    result: ProofResult
    expected: Expected
    seconds: float
    attempt: int


def tell_unusable(backend: str, fault: TransientError) -> None:
    """Says which backend this host cannot run, and what to do about it."""
    _log.warning(
        "backend-unusable", backend=backend, code=fault.code, message=fault.message, next_step=fault.next_step
    )


class ProvingJob:
    """Settles runs with the backends there are, under one policy."""

    def __init__(
        self,
        kinds: Sequence[RiskRuns],
        checkpoint_keys: Sequence[str],
        backends: Backends,
        policy: Policy,
        store: ArtifactStore,
        limits: JobLimits,
        metrics: Metrics,
        registry: Registry | None = None,
    ) -> None:
        self._kinds = kinds
        self._checkpoint_keys = list(checkpoint_keys)
        self._backends = backends
        self._policy = policy
        self._store = store
        self._limits = limits
        self._metrics = metrics
        self._registry = registry
        self._progress = ProofProgress(metrics, backends.names)

    async def settle(self, run: CommittedRun, draining: asyncio.Event) -> Proof | ProofFailure | None:
        """The run's terminal record; None when `draining` came first and the run is handed back.

        Only failures that the run may have caused count towards giving it up. While the host lacks something, be
        it for hours, runs wait: giving them up would dead-letter valid proposals one by one. A proof that was made
        is not made again because the store was away.
        """
        attempts = charged = costly = 0
        made: _Made | None = None
        while not draining.is_set():
            attempts += 1
            try:
                made = made or await self._unless(draining, self._prove(run, attempts))
                if made is None:
                    return None
                return await asyncio.to_thread(self._publishable, run, made)
            except TransientError as error:
                charged += error.code in _MAY_BE_THE_RUN
                costly += error.code in _ONCE_MORE
                if charged >= self._limits.attempts or costly > 1:
                    return self._failure(run, error, attempts)
                pause = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(attempts - 1, 10))
                _log.warning(
                    "proof-retry",
                    backend=self._backend_of(error),
                    code=error.code,
                    message=error.message,
                    next_step=error.next_step,
                    again_in_s=pause,
                )
                self._metrics.retried(error)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(draining.wait(), pause)
            except ProofrailError as error:
                return self._failure(run, error, attempts)
        return None

    async def _unless(self, draining: asyncio.Event, work: Coroutine[Any, Any, _Made]) -> _Made | None:
        """The work's result; None, and the prover process ended, when draining comes first and the proof is not
        expected within the grace."""
        task = asyncio.create_task(work)
        drained = asyncio.create_task(draining.wait())
        try:
            await asyncio.wait({task, drained}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done() and self._progress.is_done_within(self._limits.grace_s):
                _log.info("finishing-proof", at_most_s=self._limits.grace_s)
                await asyncio.wait({task}, timeout=self._limits.grace_s)
            return await task if task.done() else None
        finally:
            drained.cancel()
            task.cancel()
            await asyncio.gather(task, drained, return_exceptions=True)

    async def _prove(self, run: CommittedRun, attempt: int) -> _Made:
        kind = await asyncio.to_thread(runs_with, run, self._kinds)
        with self._metrics.proof_stage_seconds.labels(stage="check").time():
            audit = await asyncio.to_thread(self._check, run, kind)
        program = kind.spec.program
        arguments = json.dumps(kind.subject.program_input(audit.inputs)).encode()
        recomputed = audit.recomputed
        output, traced = (recomputed.output, recomputed.traced) if recomputed is not None else ([], None)
        _log.info("run-checked", allocations=len(audit.inputs), n_steps=traced and traced.n_steps)
        started = time.perf_counter()
        async with self._progress.following():
            result = await self._backends.prove(
                program.compiled,
                arguments,
                on_attempt=self._progress.begin,
                on_fault=tell_unusable,
                on_progress=self._progress.note,
                timeout=self._limits.timeout_s,
                memory_limit=self._limits.memory,
                traced=traced,
            )
            self._progress.made(result.timings["prove"] / 1000)
        seconds = time.perf_counter() - started
        self._metrics.proof_stage_seconds.labels(stage="prove").observe(seconds)
        expected = Expected.of(program.words, program.builtins, output, traced)
        return _Made(kind, result, expected, seconds, attempt)

    def _check(self, run: CommittedRun, kind: RiskRuns) -> RunAudit:
        """Execute the run again. Raises PoisonError when it is not what its seal says, or too large."""
        if run.fault is not None:
            raise PoisonError(run.fault.code, f"the run's commitments cannot be read: {run.fault.message}")
        audit = audit_run(
            commitments=run.lines,
            subject=kind.subject,
            keys=self._checkpoint_keys,
            policy=kind.policy,
            # The program's own output is what is proven; whether it is the right decision, the auditor says.
            with_model=False,
            run_id=run.run_id,
        )
        found = audit.report.first_mismatch
        if found is not None:
            raise PoisonError(
                "seal-mismatch", f"the run is not what its seal says: {found.message or found.kind}"
            )
        if audit.report.verdict != "MATCH" or audit.recomputed is None:
            missing = ", ".join(part.part for part in audit.report.unchecked)
            raise PoisonError(
                "seal-unverifiable", f"the run could not be checked against its seal: {missing}"
            )
        if audit.recomputed.outcome != "completed":
            raise PoisonError("run-failed", "the run failed in the VM: there is nothing to prove")
        return audit

    def _publishable(self, run: CommittedRun, made: _Made) -> Proof:
        """The proof verified, kept, and described by what its own bytes say."""
        result = made.result
        try:
            self._policy.check(
                backend=result.backend,
                security_bits=result.security_bits,
                is_mock=result.is_mock,
                program_hash=made.expected.program_hash,
            )
            with self._metrics.proof_stage_seconds.labels(stage="verify").time():
                verified = self._backends.verify(result.backend, result.proof, made.expected, self._policy)
        except RefusedProof as error:
            raise PoisonError(
                error.code,
                f"the prover made a proof that does not hold: {error.message}",
                backend=result.backend,
            ) from error
        except ProofrailError as error:
            error.context["backend"] = result.backend
            raise
        with self._metrics.proof_stage_seconds.labels(stage="store").time():
            ref = self._store.put(result.proof)
        origin = Provenance(
            root=run.seal["root"] if run.seal is not None else None,
            attempt=made.attempt,
            program=made.kind.spec.program.proven,
            registry=self._registry,
        )
        record = proof_message(run.run_id, result, verified, ref.uri, origin)
        self._metrics.proofs.labels(backend=record.backend, outcome="proof").inc()
        self._metrics.proof_seconds.labels(backend=record.backend).observe(made.seconds)
        self._metrics.proof_bytes.labels(backend=record.backend).observe(record.size)
        _log.info(
            "proven", seconds=round(made.seconds, 2), bytes=record.size, security_bits=record.security_bits
        )
        return record

    def _failure(self, run: CommittedRun, error: ProofrailError, attempts: int) -> ProofFailure:
        backend = self._backend_of(error)
        _log.error("proof-failed", backend=backend, code=error.code, message=error.message, attempts=attempts)
        self._metrics.failed(error)
        self._metrics.proofs.labels(backend=backend, outcome=self._metrics.code(error.code)).inc()
        return ProofFailure(
            run_id=run.run_id,
            backend=backend,
            code=error.code,
            message=error.message[:2000],
            final=True,
            attempts=attempts,
        )

    def _backend_of(self, error: ProofrailError) -> str:
        """The backend that failed; where the run never came to one, the one that it was for."""
        return str(error.context.get("backend", self._backends.names[0]))

"""The auditor's loop: everything published of a run in, reports and attestations out.

The last step of the journey (design section 2): proposals, events, commitments, proofs →
`audit.reports.v1`, `attestations.v1`. What is checked stands in proofrail.audit; what is said about it in
proofrail.auditor.examiner.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import ParamSpec, TypeVar

import structlog
from prometheus_client import Histogram

from proofrail.artifacts.errors import StoreUnavailable
from proofrail.auditor.cases import Case, CaseFile
from proofrail.auditor.examiner import Examiner, Statement, waiting
from proofrail.auditor.hindrances import EVIDENCE, STORE, SUBJECTS, Hindrance, Hindrances, hindrance_of
from proofrail.auditor.published import PublishedProposals
from proofrail.auditor.said import SaidBefore
from proofrail.auditor.settings import AuditorSettings
from proofrail.auditor.verifiers import Verifiers
from proofrail.messaging import groups
from proofrail.messaging.backoff import retry_transient
from proofrail.messaging.beside_search import find_beside
from proofrail.messaging.following import run_beside
from proofrail.messaging.host import ServiceContext
from proofrail.messaging.in_flight import InFlight
from proofrail.messaging.logs import bound
from proofrail.messaging.positions import OpenWork
from proofrail.messaging.records import Outbox, Record
from proofrail.messaging.transactions import Pipeline
from proofrail.messaging.views import View
from proofrail.wire import topics
from proofrail.wire.canonical import canonical
from proofrail.wire.errors import ProofrailError
from proofrail.wire.headers import child_traceparent, record_headers
from proofrail.wire.messages import Attestation, AuditReport
from proofrail.wire.proposals import parse_proposal
from proofrail.wire.runs import names_run

_SOURCE = "/proofrail/auditor"
_POLL_MS = 200
_RECORDS = 500
_LOOK_AGAIN_S = 5.0
_SOON_S = 5.0
_MISSING = "artifact-missing"

P = ParamSpec("P")
T = TypeVar("T")

_log = structlog.get_logger(__name__)


class Auditor:
    """One auditor instance."""

    def __init__(
        self,
        settings: AuditorSettings,
        examiner: Examiner,
        said: SaidBefore,
        verifiers: Verifiers,
        context: ServiceContext,
    ) -> None:
        self._settings = settings
        self._examiner = examiner
        self._context = context
        self._metrics = context.metrics
        self._draining = context.stopping
        self._said = said
        self._verifiers = verifiers
        self._hindrances = Hindrances(settings.verifier_attempts, context.metrics)
        self._published = PublishedProposals()
        self._in_flight = InFlight(context.metrics)
        self._forget()
        self._pipeline = Pipeline(
            settings.kafka,
            group_id=groups.AUDITOR,
            transactional_id=context.transactional_id,
            topics=[topics.COMMITMENTS, topics.EVENTS, topics.PROOFS],
            outputs=[topics.REPORTS, topics.ATTESTATIONS],
            metrics=context.metrics,
            on_lost=self._lose,
        )
        self._proposals = View(settings.kafka, [topics.PROPOSALS], self._published.take)

    async def work(self) -> None:
        """Audit until draining."""
        own = View(self._settings.kafka, [topics.REPORTS, topics.ATTESTATIONS], self._said.take)
        async with self._pipeline, own, self._proposals:
            await self._context.catch_up({"reports": own, "proposals": self._proposals}, self._pipeline)
            self._context.watch("runs", self._pipeline)
            self._context.watch("proposals", self._proposals)
            self._context.check("audits", self._hindrances.missing)
            self._context.ready()
            await run_beside(self._take_records(), own, self._proposals)

    async def _take_records(self) -> None:
        while not self._draining.is_set():
            await retry_transient(
                self._step, before_retry=self._start_over, stop=self._draining, metrics=self._metrics
            )

    async def _step(self) -> None:
        if self._hindrances.crowded:
            self._pipeline.pause()
        elif self._pipeline.paused:
            self._pipeline.resume()
        records = await self._pipeline.records(_RECORDS, _POLL_MS)
        now = time.monotonic()
        for record in records:
            self._take(record, now)
        for case in self._cases:
            with bound(run_id=case.run_id):
                try:
                    await self._proceed(case)
                except StoreUnavailable as error:
                    self._hindrances.meet(case.run_id, "run", Hindrance(EVIDENCE, error))
        if records:
            await self._pipeline.commit(Outbox(), self._open.positions())

    def _take(self, record: Record, now: float) -> None:
        run_id = record.key_text
        ours = names_run(run_id)
        if not ours:
            _log.warning(
                "foreign-record", topic=record.topic, partition=record.partition, offset=record.offset
            )
        goes_on = ours and not self._said.is_closed(run_id)
        self._open.seen(record.topic, record.partition, record.offset, run_id if goes_on else None)
        if goes_on:
            self._cases.take(record, now)
            self._in_flight.begin(run_id)

    # --- one case ---------------------------------------------------------------------------------------

    async def _proceed(self, case: Case) -> None:
        """Take a case as far as what has arrived allows."""
        now = time.monotonic()
        if case.run_audit is None:
            if not self._hindrances.may_try(case.run_id, "run"):
                return
            if case.committed is None:
                late = now - case.opened_at > self._settings.unsealed_after_s
                if late and await self._has_read_all(case, topics.COMMITMENTS):
                    await self._close_unsealed(case)
                return
            if not case.has_all_events:
                late = now - case.committed_at > self._settings.events_within_s
                if not late or not await self._has_read_all(case, topics.EVENTS):
                    return
                await self._search_events(case)
            await self._audit_run(case)
        if (
            case.settled_by_prover
            and now >= case.look_again_at
            and self._hindrances.may_try(case.run_id, "proof", STORE, case.backend)
        ):
            await self._audit_proof(case, now)

    async def _close_unsealed(self, case: Case) -> None:
        if self._said.verdict(case.run_id, "run") is not None:
            await self._say(case, [], close=True)
            return
        lines = self._cases.unfinished(case.run_id)
        await self._say(case, [await self._at_length(self._examiner.never_sealed, case, lines)], close=True)

    async def _audit_run(self, case: Case) -> None:
        if case.committed is None:
            return
        await self._know_proposals(case)
        since_ns, started = time.time_ns(), time.perf_counter()
        audit = await self._at_length(self._examiner.examine_run, case, self._published)
        self._hindrances.end(case.run_id, "run")
        self._metrics.audit_seconds.labels(subject="run").observe(time.perf_counter() - started)
        case.keep(audit)
        if self._said.is_news(case.run_id, "run", audit.report.verdict):
            await self._say(case, [audit.report], since_ns=since_ns)
        case.run_report_digest = self._said.report_digest(case.run_id, "run")

    async def _audit_proof(self, case: Case, now: float) -> None:
        if case.run_audit is None:
            return
        if self._said.is_closed(case.run_id):
            await self._say(case, [], close=True)
            return
        since_ns, started = time.time_ns(), time.perf_counter()
        report = await self._at_length(self._examiner.examine_proof, case)
        self._metrics.audit_seconds.labels(subject="proof").observe(time.perf_counter() - started)
        if await self._is_hindered(case, report) or await self._waits_for_proof(case, report, now):
            return
        # What was audited here decides; what was said of the run before can only add doubt.
        verdicts = {report.verdict, case.run_audit.report.verdict, self._said.verdict(case.run_id, "run")}
        if verdicts != {"MATCH"} or case.run_report_digest is None:
            await self._say(case, [report], close=True, since_ns=since_ns)
            return
        signed = self._examiner.sign(report)
        attestations = [
            attestation
            for attestation in await asyncio.to_thread(
                self._examiner.attest, case, case.run_report_digest, signed.digest, time.time_ns()
            )
            if not self._said.is_attested(attestation.allocation_id)
        ]
        await self._say(case, [signed, *attestations], close=True, since_ns=since_ns)

    async def _is_hindered(self, case: Case, report: AuditReport) -> bool:
        """Whether the proof is to be audited again, for what kept this host from it. Nothing is said of that: it is no
        finding."""
        hindrance = hindrance_of(report, case.backend)
        if hindrance is None:
            self._hindrances.end(case.run_id, "proof")
            return False
        case.missing_since = None
        by_proof = hindrance.maybe_by_proof and await self._at_length(self._verifiers.work, case.backend)
        return self._hindrances.meet(case.run_id, "proof", hindrance, by_proof=by_proof)

    async def _waits_for_proof(self, case: Case, report: AuditReport, now: float) -> bool:
        """Whether the store lacks the proof, and may still get it."""
        if not any(part.code == _MISSING for part in report.unchecked):
            return False
        if case.missing_since is None:
            case.missing_since = now
        waits_s = self._settings.artifact_within_s - (now - case.missing_since)
        if waits_s <= 0:
            return False
        case.look_again_at = now + _LOOK_AGAIN_S
        if not self._said.is_waited_for(case.run_id, "proof"):
            await self._say(case, [waiting(report, datetime.now(UTC) + timedelta(seconds=waits_s))])
        return True

    async def _at_length(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`work`, off the event loop, for as long as it takes: membership does not depend on it."""
        task = asyncio.create_task(asyncio.to_thread(work, *args, **kwargs))
        await asyncio.wait({task}, timeout=_SOON_S)
        if not task.done():
            async with self._pipeline.held():
                await asyncio.wait({task})
        return await task

    async def _know_proposals(self, case: Case) -> None:
        """The proposals topic must have been read past every proposal the run claims."""
        inputs = case.committed.inputs if case.committed is not None else []
        digests = await asyncio.to_thread(lambda: [_digest(form) for form in inputs])
        if not all(digest in self._published for digest in digests):
            await self._proposals.catch_up()

    async def _has_read_all(self, case: Case, topic: str) -> bool:
        """Whether the topic was read to where it ended when this was first asked about the case: behind a backlog
        nothing is late."""
        if case.ends is None:
            case.ends = await self._pipeline.ends(topic)
        return await self._pipeline.has_passed(case.ends)

    async def _search_events(self, case: Case) -> None:
        """Take what the events topic holds of a run, around the time of its seal. The seal's transaction is over, so
        what is not there will not come."""
        if case.committed_in is None or case.committed_ms is None:
            return
        async with self._pipeline.held():
            found = await find_beside(
                self._settings.kafka,
                topics.EVENTS,
                case.committed_in,
                case.run_id.encode(),
                case.committed_ms,
            )
        _log.warning("events-searched", records=found.read, found=len(found.values), lost=found.lost)
        case.replace_events(found.values, may_have_expired=found.lost)

    # --- what is published ------------------------------------------------------------------------------

    async def _say(
        self,
        case: Case,
        messages: list[AuditReport | Attestation | Statement],
        *,
        close: bool = False,
        since_ns: int | None = None,
    ) -> None:
        """Publish signed messages about a case, with the positions that closing it allows, as one. `since_ns`: when
        the work on them began; now, when None."""
        since_ns = since_ns or time.time_ns()
        outbox = Outbox()
        signed = [one if isinstance(one, Statement) else self._examiner.sign(one) for one in messages]
        signed = [one for one in signed if not self._said.has_said(one.digest)]
        for one in signed:
            value = one.line + b"\n"
            if isinstance(one.message, Attestation):
                topic, key = topics.ATTESTATIONS, one.message.allocation_id
            else:
                topic, key = topics.REPORTS, case.run_id
            own = child_traceparent(self._parent(one.message, case), one.digest.encode())
            headers = record_headers(topic, value, source=_SOURCE, traceparent=own)
            outbox.add(topic, key, value, headers)
        if close:
            self._open.close(case.run_id)
        await self._pipeline.commit(outbox, self._open.positions())
        if close:
            self._cases.close(case.run_id)
            self._in_flight.end(case.run_id)
            for subject in SUBJECTS:
                self._hindrances.end(case.run_id, subject)
        for one in signed:
            self._note(one.message, one.digest, case)
            self._tell_span(one, case, since_ns)

    def _parent(self, message: AuditReport | Attestation, case: Case) -> str | None:
        """An attestation is in its proposal's trace, a report in the run's."""
        if isinstance(message, Attestation):
            return self._published.traceparent(message.proposal_sha256) or case.traceparent
        return case.traceparent

    def _tell_span(self, said: Statement, case: Case, since_ns: int) -> None:
        if self._context.spans is None:
            return
        message, parent = said.message, self._parent(said.message, case)
        attested = isinstance(message, Attestation)
        of_run = isinstance(message, AuditReport) and message.subject == "run"
        self._context.spans.tell(
            "attest" if attested else "audit",
            topics.COMMITMENTS if of_run else topics.PROOFS,
            child_traceparent(parent, said.digest.encode()),
            parent=parent,
            links=[case.traceparent if attested else None, case.terminal_traceparent],
            since_ns=since_ns,
            attributes={
                "proofrail.run_id": case.run_id,
                "proofrail.allocation_id": message.allocation_id
                if isinstance(message, Attestation)
                else None,
                "proofrail.verdict": None if isinstance(message, Attestation) else message.verdict,
            },
            error="MISMATCH" if isinstance(message, AuditReport) and message.verdict == "MISMATCH" else None,
        )

    def _note(self, message: AuditReport | Attestation, digest: str, case: Case) -> None:
        if isinstance(message, Attestation):
            self._said.attest(message.allocation_id)
            self._metrics.attestations.labels(approved=str(message.approved).lower()).inc()
            self._observe_age(
                self._metrics.attestation_seconds, self._published.published_ms(message.proposal_sha256)
            )
            return
        self._said.report(message.to_object(), digest)
        self._metrics.reports.labels(subject=message.subject, verdict=message.verdict).inc()
        since_ms = case.committed_ms if message.subject == "run" else case.terminal_ms
        self._observe_age(self._metrics.audit_delay.labels(subject=message.subject), since_ms)
        found = message.first_mismatch
        if found is not None:
            self._metrics.mismatched(message.subject, found.kind)
        log = _log.info if message.verdict == "MATCH" else _log.warning
        log(
            "report",
            subject=message.subject,
            verdict=message.verdict,
            **({"kind": found.kind, "item": found.item, "member": found.member} if found else {}),
            traceparent=case.traceparent,
        )

    @staticmethod
    def _observe_age(histogram: Histogram, since_ms: int | None) -> None:
        """From a record's timestamp to now; of a run that was never sealed there is none."""
        if since_ms is not None:
            histogram.observe(max(0.0, time.time() - since_ms / 1000))

    def _lose(self, _lost: object) -> None:
        self._in_flight.clear()
        self._hindrances.clear()
        self._forget()

    def _forget(self) -> None:
        """Drop what is in hand: it is read again from the committed position."""
        self._cases = CaseFile()
        self._open = OpenWork()

    async def _start_over(self) -> None:
        self._forget()
        await self._pipeline.rewind()


def _digest(form: dict[str, object]) -> str | None:
    try:
        return parse_proposal(canonical(form)).digest()
    except ProofrailError:
        return None

"""The prover's loop: sealed runs in, exactly one terminal record for each out.

One step of the journey (design section 2): `trace.commitments.v1` → `proofs.v1` and the artifact store. The next
station is proofrail.auditor.service.
"""

from __future__ import annotations

import contextlib
import time

import structlog

from proofrail.messaging import groups
from proofrail.messaging.backoff import retry_transient
from proofrail.messaging.following import run_beside
from proofrail.messaging.host import ServiceContext
from proofrail.messaging.in_flight import InFlight
from proofrail.messaging.logs import bound
from proofrail.messaging.records import Outbox, Record
from proofrail.messaging.transactions import Pipeline
from proofrail.messaging.views import View
from proofrail.prover.intake import Intake
from proofrail.prover.job import ProvingJob
from proofrail.prover.settings import ProverSettings
from proofrail.wire import topics
from proofrail.wire.canonical import parse_object
from proofrail.wire.errors import MalformedError
from proofrail.wire.headers import child_traceparent, record_headers
from proofrail.wire.messages import Proof, ProofFailure, to_line
from proofrail.wire.ndjson import split
from proofrail.wire.runs import CommittedRun, names_run

_SOURCE = "/proofrail/prover"
_POLL_MS = 200
_RECORDS = 100

_log = structlog.get_logger(__name__)


class Prover:
    """One prover instance; proves one run at a time, with all cores."""

    def __init__(self, settings: ProverSettings, job: ProvingJob, context: ServiceContext) -> None:
        self._settings = settings
        self._job = job
        self._context = context
        self._draining = context.stopping
        self._terminal: set[str] = set()
        self._proofs = View(settings.kafka, [topics.PROOFS], self._see_terminals)
        self._in_flight = InFlight(context.metrics)
        self._forget()
        self._pipeline = Pipeline(
            settings.kafka,
            group_id=groups.PROVER,
            transactional_id=context.transactional_id,
            topics=[topics.COMMITMENTS],
            outputs=[topics.PROOFS],
            metrics=context.metrics,
            on_lost=self._lose,
        )

    async def work(self) -> None:
        """Prove until draining; a proof under way is then finished when it is nearly done, else given up and made again
        by whoever comes next."""
        async with self._pipeline, self._proofs:
            await self._context.catch_up({"proofs": self._proofs}, self._pipeline)
            self._context.watch("commitments", self._pipeline)
            self._context.watch("proofs", self._proofs)
            self._context.ready()
            await run_beside(self._take_runs(), self._proofs)

    async def _take_runs(self) -> None:
        while not self._draining.is_set():
            await retry_transient(
                self._step,
                before_retry=self._start_over,
                stop=self._draining,
                metrics=self._context.metrics,
            )

    async def _step(self) -> None:
        if self._intake.next is None:
            for record in await self._pipeline.records(_RECORDS, _POLL_MS):
                self._take(record)
        run = self._intake.next
        if run is None:
            await self._let_go()
            return
        await self._proofs.catch_up()
        outbox = Outbox()
        terminal, since_ns = None, time.time_ns()
        if run.run_id not in self._terminal:
            with bound(run_id=run.run_id):
                async with self._pipeline.held():
                    terminal = await self._job.settle(run, self._draining)
            if terminal is None:
                return  # draining: the run stays in Kafka
            value = to_line(terminal) + b"\n"
            outbox.add(
                topics.PROOFS,
                run.run_id,
                value,
                record_headers(topics.PROOFS, value, source=_SOURCE, traceparent=_own_traceparent(run)),
            )
        self._intake.close(run.run_id)
        await self._pipeline.commit(outbox, self._intake.positions)
        self._terminal.add(run.run_id)
        self._in_flight.end(run.run_id)
        if terminal is not None:
            self._tell_span(run, terminal, since_ns)

    def _tell_span(self, run: CommittedRun, terminal: Proof | ProofFailure, since_ns: int) -> None:
        if self._context.spans is not None:
            self._context.spans.tell(
                "prove",
                topics.COMMITMENTS,
                _own_traceparent(run),
                parent=run.traceparent,
                since_ns=since_ns,
                attributes={
                    "proofrail.run_id": run.run_id,
                    "proofrail.backend": terminal.backend,
                },
                error=terminal.code if isinstance(terminal, ProofFailure) else None,
            )

    def _take(self, record: Record) -> None:
        run_id = record.key_text
        if not names_run(run_id):
            _log.warning(
                "foreign-record", topic=record.topic, partition=record.partition, offset=record.offset
            )
            self._intake.pass_over(record)
        elif run_id in self._terminal:
            self._intake.pass_over(record)
        else:
            for run in self._intake.take(record, time.monotonic()):
                self._in_flight.begin(run.run_id)

    async def _let_go(self) -> None:
        """Commit what needs no proof: what was settled before, and lines whose seal will not come."""
        for one in self._intake.late(time.monotonic()):
            if one.ends is None:
                one.ends = await self._pipeline.ends(topics.COMMITMENTS)
            if await self._pipeline.has_passed(one.ends):
                _log.warning("never-sealed", run_id=one.run_id)
                self._intake.close(one.run_id)
        owned = self._pipeline.assignment
        positions = {tp: offset for tp, offset in self._intake.positions.items() if tp in owned}
        await self._pipeline.commit(Outbox(), positions)

    def _lose(self, _lost: object) -> None:
        self._in_flight.clear()
        self._forget()

    def _forget(self) -> None:
        """Drop what is in hand: it is read again from the committed position."""
        self._intake = Intake(self._settings.unsealed_after_s)

    async def _start_over(self) -> None:
        self._forget()
        await self._pipeline.rewind()

    def _see_terminals(self, records: list[Record]) -> None:
        for record in records:
            with contextlib.suppress(MalformedError):
                for line in split(record.value):
                    message = parse_object(line)
                    if message.get("type") == Proof.__name__ or message.get("final") is True:
                        self._terminal.add(str(message.get("run_id")))


def _own_traceparent(run: CommittedRun) -> str:
    return child_traceparent(run.traceparent, b"prover:" + run.run_id.encode())

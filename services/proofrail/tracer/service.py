"""The tracer's loop: proposals in, sealed runs and dead letters out, each step in one Kafka transaction.

One step of the journey (design section 2): `allocation.proposals.v1` → `trace.events.v1`,
`trace.commitments.v1`, `allocation.index.v1`. The next station is proofrail.prover.service.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from proofrail.messaging import groups
from proofrail.messaging.backoff import retry_transient
from proofrail.messaging.following import first_of, run_beside
from proofrail.messaging.host import ServiceContext
from proofrail.messaging.in_flight import InFlight
from proofrail.messaging.records import Outbox, Record, TopicPartition
from proofrail.messaging.transactions import Pipeline
from proofrail.messaging.views import View
from proofrail.tracer.gathering import Gatherer
from proofrail.tracer.halving import Halving, Taken, decided_by, still_in
from proofrail.tracer.index import AllocationIndex
from proofrail.tracer.intake import BatchLimits, Intake, Read, Refused
from proofrail.tracer.sealing import SOURCE, SealedRun, Sealer
from proofrail.tracer.settings import TracerSettings
from proofrail.tracer.window import FailedRun, OpenRun, RunWindow
from proofrail.wire import topics
from proofrail.wire.canonical import canonical
from proofrail.wire.errors import MalformedError, PoisonError, ProofrailError
from proofrail.wire.headers import child_traceparent, record_headers
from proofrail.wire.messages import DeadLetter, IndexEntry, Proof, ProofFailure, parse_message, to_line
from proofrail.wire.ndjson import split
from proofrail.wire.proposals import parse_proposal
from proofrail.wire.replay import attempts_before
from proofrail.wire.runs import RunAssembler, names_run

_log = structlog.get_logger(__name__)


class Tracer:
    """One tracer instance."""

    def __init__(self, settings: TracerSettings, sealer: Sealer, context: ServiceContext) -> None:
        self._settings = settings
        self._sealer = sealer
        self._context = context
        self._metrics = context.metrics
        self._draining = context.stopping
        self._limits = BatchLimits(settings.room, settings.max_bytes)
        self._index = AllocationIndex()
        self._window = RunWindow(settings.runs_in_flight)
        self._in_flight = InFlight(self._metrics)
        self._assembler = RunAssembler()
        self._backlog: list[Read | Refused] = []
        self._indexed_in: int | None = None
        self.pipeline = Pipeline(
            settings.kafka,
            group_id=groups.TRACER,
            transactional_id=context.transactional_id,
            topics=[topics.PROPOSALS],
            outputs=[topics.EVENTS, topics.COMMITMENTS, topics.INDEX, topics.PROPOSALS_DLQ],
            metrics=context.metrics,
            on_lost=self._drop_records,
            on_shared=self._window.look_again,
        )
        self._gatherer = Gatherer(self.pipeline, settings.gather_ms, time.monotonic)

    async def work(self) -> None:
        """Take proposals until draining. Raises RestartRequiredError when a new process must take over."""
        async with contextlib.AsyncExitStack() as stack:
            # The pipeline first: it settles what a killed predecessor left open, so that the views see it.
            await stack.enter_async_context(self.pipeline)
            self._indexed_in = self.pipeline.generation
            views = {
                name: await stack.enter_async_context(View(self._settings.kafka, [topic], handler))
                for name, topic, handler in (
                    ("index", topics.INDEX, self._see_index),
                    ("proofs", topics.PROOFS, self._see_terminals),
                    ("commitments", topics.COMMITMENTS, self._see_commitments),
                )
            }
            await self._context.catch_up(views, self.pipeline)
            self._context.watch("proposals", self.pipeline)
            for name, view in views.items():
                self._context.watch(name, view)
            self._context.ready()
            await run_beside(self._take_proposals(views["index"]), *views.values())

    async def _take_proposals(self, index: View) -> None:
        while not self._draining.is_set():
            await retry_transient(
                lambda: self._step(index),
                before_retry=self._start_over,
                stop=self._draining,
                metrics=self._metrics,
            )

    # --- steps ----------------------------------------------------------------------------------------

    async def _step(self, index: View) -> None:
        self._in_flight.become(self._window.open_runs)
        failed = self._window.take_failed()
        if failed is not None:
            await self._see_to(failed, index)
        elif not self._window.has_room:
            await self._wait_for_room()
        else:
            begun, self._backlog = self._backlog, []
            found = await self._gatherer.gather(begun, self._intake())
            while self._indexed_in != (generation := self.pipeline.generation):
                # What another instance indexed for these partitions must be known before intake.
                await index.catch_up()
                self._indexed_in = generation
                self._gatherer.fell_behind()
            if found:
                # Judged once more: the index may have changed while the records were gathered.
                intake = self._intake()
                intake.take(found)
                await self._settle(intake)

    def _intake(self) -> Intake:
        return Intake(self._index, self._settings.build, self._limits)

    async def _wait_for_room(self) -> None:
        """Let proposals wait in Kafka until a run is settled."""
        self._window.changed.clear()
        async with self.pipeline.held():
            await first_of(self._window.changed.wait(), self._draining.wait())
        self._gatherer.fell_behind()

    async def _settle(self, intake: Intake) -> None:
        """Publish everything that follows from one intake, and the position behind it, as one."""
        since_ns = time.time_ns()
        outbox = Outbox()
        refused = list(intake.refused)
        sealed = await self._seal(intake.accepted, refused)
        sealed += await self._seal(intake.again, refused, self._was_used)
        entries: list[IndexEntry] = []
        for run, batch in sealed:
            outbox.messages.extend(run.messages)
            entries.extend(self._index_entries(run.run.run_id, batch))
        self._add_entries(outbox, entries)
        letters = [self._add_dead_letter(outbox, one.record, one.error) for one in refused]
        await self.pipeline.commit(outbox, self._positions_before(intake.left))
        self._backlog = intake.left
        for entry in entries:
            self._index.put(entry)
        for run, batch in sealed:
            self._window.sealed(run.run)
            self._note_run(run, len(batch))
            self._tell_span(run, [one.record.traceparent for one in batch], since_ns)
        for one, own in zip(refused, letters, strict=True):
            self._tell_refusal(own, one.record.traceparent, one.error.code, since_ns)
        self._metrics.proposals.labels(outcome="accepted").inc(len(entries))
        self._metrics.proposals.labels(outcome="duplicate").inc(len(intake.repeated))
        self._metrics.proposals.labels(outcome="refused").inc(len(refused))

    async def _seal(
        self,
        accepted: Sequence[Read],
        refused: list[Refused],
        taken: Callable[[str], bool] | None = None,
    ) -> list[tuple[SealedRun, Sequence[Read]]]:
        """One run for all; where the program does not take them, halves, down to the culprit alone. With `taken`, runs
        whose ids are not taken."""
        if not accepted:
            return []
        forms = [one.form for one in accepted]
        try:
            started = time.perf_counter()
            run = await asyncio.to_thread(self._sealer.seal, forms, self._traceparent(accepted), taken)
            self._metrics.run_seconds.observe(time.perf_counter() - started)
        except PoisonError as error:
            if len(accepted) == 1:
                refused.append(Refused(accepted[0].record, error))
                return []
            middle = len(accepted) // 2
            return [
                *await self._seal(accepted[:middle], refused, taken),
                *await self._seal(accepted[middle:], refused, taken),
            ]
        return [(run, accepted)]

    def _was_used(self, run_id: str) -> bool:
        return self._window.is_settled(run_id) or run_id in self._window.open_runs

    async def _see_to(self, failed: FailedRun, index: View) -> None:
        """The prover gave a run up. One instance makes something of it, and only while the partitions are shared as
        they were when it knew that it is the one."""
        try:
            generation = self.pipeline.generation
            # What was made of it before, by whichever instance, must be known.
            await index.catch_up()
            left = still_in(failed.run, self._index)
            if not left:
                return
            if decided_by(left) in self.pipeline.assignment:
                await self._run_again_in_halves(failed, left, generation)
            else:
                self._window.set_aside(failed, lambda one: bool(still_in(one.run, self._index)))
                _log.info("run-left-to-its-owner", run_id=failed.run.run_id)
        except Exception:
            self._window.put_back(failed)
            raise

    async def _run_again_in_halves(self, failed: FailedRun, left: Sequence[Taken], generation: int) -> None:
        """So that the culprit ends up alone as a dead letter."""
        run, failure = failed.run, failed.failure
        since_ns = time.time_ns()
        outbox = Outbox()
        sealed: list[SealedRun] = []
        halving = Halving(run, left, self._fits)
        while part := halving.next_part():
            forms = [one.form for one in part]
            own = child_traceparent(run.traceparent, _seed_again(run.run_id, forms))
            again = await asyncio.to_thread(self._sealer.seal, forms, own)
            if self._window.is_settled(again.run.run_id):
                halving.given_up(part)
            else:
                halving.run_again(part, again.run.run_id)
                sealed.append(again)
                outbox.messages.extend(again.messages)
        letters = [self._add_late_dead_letter(outbox, run, one, failure) for one in halving.culprits]
        entries = halving.moved + [
            one.entry.model_copy(update={"dead_letter": failure.code}) for one in halving.culprits
        ]
        self._add_entries(outbox, entries)
        await self.pipeline.commit(outbox, {}, generation)
        for entry in entries:
            self._index.put(entry)
        for again in sealed:
            self._window.sealed(again.run)
            self._note_run(again, len(again.run.inputs))
            self._tell_span(again, [run.traceparent], since_ns)
        for letter in letters:
            self._tell_refusal(letter, run.traceparent, failure.code, since_ns)
        _log.warning(
            "run-split", run_id=run.run_id, code=failure.code, runs=[one.run.run_id for one in sealed]
        )

    def _fits(self, forms: Sequence[dict[str, Any]]) -> bool:
        return self._settings.build.size(forms).fits(self._limits.room)

    async def _start_over(self) -> None:
        self._drop_records(frozenset())
        await self.pipeline.rewind()

    def _drop_records(self, _lost: frozenset[TopicPartition]) -> None:
        self._backlog = []

    # --- what is published ----------------------------------------------------------------------------

    def _index_entries(self, run_id: str, batch: Sequence[Read]) -> list[IndexEntry]:
        return [
            IndexEntry(
                allocation_id=one.allocation_id,
                proposal_sha256=one.digest,
                run_id=run_id,
                row=row,
                topic=one.record.topic,
                partition=one.record.partition,
                offset=one.record.offset,
                attempts=attempts_before(one.record.headers) or None,
            )
            for row, one in enumerate(batch)
        ]

    def _add_entries(self, outbox: Outbox, entries: Sequence[IndexEntry]) -> None:
        for entry in entries:
            value = to_line(entry) + b"\n"
            headers = record_headers(topics.INDEX, value, source=SOURCE, traceparent=None)
            outbox.add(topics.INDEX, entry.allocation_id, value, headers)

    def _add_dead_letter(self, outbox: Outbox, record: Record, error: ProofrailError) -> str:
        """Add the letter; its traceparent."""
        letter = DeadLetter.of(
            error,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            key=record.key,
            value=record.value,
            attempts=attempts_before(record.headers) + 1,
        )
        _log.warning(
            "dead-letter",
            code=error.code,
            message=error.message,
            partition=record.partition,
            offset=record.offset,
        )
        return self._add_letter(outbox, record.key, letter, record.traceparent)

    def _add_late_dead_letter(
        self, outbox: Outbox, run: OpenRun, culprit: Taken, failure: ProofFailure
    ) -> str:
        entry = culprit.entry
        letter = DeadLetter.of(
            PoisonError(failure.code, f"the prover gave up on this proposal alone: {failure.message}"),
            topic=entry.topic,
            partition=entry.partition,
            offset=entry.offset,
            key=entry.allocation_id.encode(),
            value=canonical(culprit.form),
            attempts=(entry.attempts or 0) + max(1, failure.attempts),
        )
        return self._add_letter(outbox, entry.allocation_id.encode(), letter, run.traceparent)

    def _add_letter(self, outbox: Outbox, key: bytes, letter: DeadLetter, parent: str | None) -> str:
        value = to_line(letter) + b"\n"
        own = child_traceparent(parent, value)
        headers = record_headers(topics.PROPOSALS_DLQ, value, source=SOURCE, traceparent=own)
        outbox.add(topics.PROPOSALS_DLQ, key, value, headers)
        self._metrics.dead_lettered(letter.code)
        return own

    def _positions_before(self, left: Sequence[Read | Refused]) -> dict[TopicPartition, int]:
        positions = self.pipeline.positions
        for one in reversed(left):
            positions[one.record.tp] = one.record.offset
        return positions

    @staticmethod
    def _traceparent(accepted: Sequence[Read]) -> str:
        first = accepted[0]
        # The parent, too: a proposal that is published again, for another run, keeps its digest and its trace.
        return child_traceparent(
            first.record.traceparent, f"{first.record.traceparent} {first.digest}".encode()
        )

    def _note_run(self, run: SealedRun, allocations: int) -> None:
        self._metrics.runs.labels(outcome=run.seal["outcome"]).inc()
        self._metrics.run_allocations.observe(allocations)
        self._metrics.run_items.observe(run.seal["items"])
        self._metrics.run_steps.observe(run.seal["n_steps"])
        _log.info(
            "sealed",
            run_id=run.run.run_id,
            allocations=allocations,
            items=run.seal["items"],
            n_steps=run.seal["n_steps"],
            traceparent=run.run.traceparent,
        )

    def _tell_span(self, run: SealedRun, parents: Sequence[str | None], since_ns: int) -> None:
        """In the trace of the first of `parents`, linked to all: the batch's proposals, or the run that failed."""
        if self._context.spans is None:
            return
        self._context.spans.tell(
            "trace",
            topics.PROPOSALS,
            run.run.traceparent,
            parent=parents[0],
            links=parents,
            since_ns=since_ns,
            attributes={
                "proofrail.run_id": run.run.run_id,
                "proofrail.n_steps": run.seal["n_steps"],
                "messaging.batch.message_count": len(run.run.inputs),
            },
        )

    def _tell_refusal(self, own: str, parent: str | None, code: str, since_ns: int) -> None:
        if self._context.spans is not None:
            self._context.spans.tell(
                "refuse", topics.PROPOSALS, own, parent=parent, links=[parent], since_ns=since_ns, error=code
            )

    # --- views ----------------------------------------------------------------------------------------

    def _see_index(self, records: list[Record]) -> None:
        for record in records:
            for message in _readable(record):
                if isinstance(message, IndexEntry):
                    self._index.put(message)

    def _see_terminals(self, records: list[Record]) -> None:
        for record in records:
            for message in _readable(record):
                if isinstance(message, Proof):
                    self._window.proven(message.run_id)
                elif isinstance(message, ProofFailure) and message.final:
                    self._window.failed(message)

    def _see_commitments(self, records: list[Record]) -> None:
        for record in records:
            if not names_run(record.key_text):
                continue  # no prover can answer it, so it must not fill the window
            for run in self._assembler.feed(record.key_text, record.value, record.traceparent):
                if run.seal is not None and run.fault is None and _are_proposals(run.inputs):
                    self._window.sealed(OpenRun(run.run_id, tuple(run.inputs), run.traceparent))


def _seed_again(run_id: str, part: Sequence[dict[str, Any]]) -> bytes:
    """Of the span of a part of a run that is run again: each part has its own, and another than the run's."""
    return b"".join([b"again:", run_id.encode(), *map(canonical, part)])


def _readable(record: Record) -> list[object]:
    """The messages of a record; what cannot be read is somebody else's mismatch, and here only logged."""
    try:
        return [parse_message(line) for line in split(record.value)]
    except MalformedError as error:
        _log.error(
            "unreadable",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            code=error.code,
        )
        return []


def _are_proposals(inputs: Sequence[dict[str, Any]]) -> bool:
    try:
        for form in inputs:
            parse_proposal(canonical(form))
    except ProofrailError:
        return False
    return True

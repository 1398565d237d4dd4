"""The registrar's loop: attestations in, decisions recorded in a ledger, registrations out.

The last step of the journey (design section 2). What is read again after a crash is looked up in the ledger and among
the registrations that were published; only what has its end moves the position. What a ledger takes back after that is
read once more, recorded again, and published as what replaces it.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Final

import structlog

from proofrail.artifacts.measured_store import MeasuredStore
from proofrail.client import (
    ATTESTATIONS,
    Archive,
    Attestation,
    Item,
    PositionFile,
    ProofChecker,
    ProofrailError,
    Subscription,
    TransientError,
    Trust,
    Unreadable,
    subscribe,
)
from proofrail.messaging import groups
from proofrail.messaging.backoff import retry_transient
from proofrail.messaging.host import ServiceContext
from proofrail.messaging.in_flight import InFlight
from proofrail.messaging.presence import present
from proofrail.messaging.publisher import OutcomeUnknownError, TransactionalPublisher
from proofrail.messaging.records import Message
from proofrail.messaging.views import View
from proofrail.registrar.batch import Batch
from proofrail.registrar.cases import Case, OpenCases
from proofrail.registrar.examiner import Examiner
from proofrail.registrar.ledger import Decision, Fact, Ledger, LedgerMisconfigured
from proofrail.registrar.said import SaidBefore
from proofrail.registrar.settings import RegistrarSettings
from proofrail.wire import topics
from proofrail.wire.headers import child_traceparent, record_headers
from proofrail.wire.messages import Registration, to_line

_SOURCE: Final = "/proofrail/registrar"
_MOST_OPEN: Final = 2000
_AT_ONCE: Final = 256
_EXAMINED_AT_ONCE: Final = 8
_SHOWN: Final = 10


class Registrar:
    """One registrar instance."""

    def __init__(
        self, settings: RegistrarSettings, ledger: Ledger, trust: Trust, context: ServiceContext
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._context = context
        self._metrics = context.metrics
        self._draining = context.stopping
        self._log = structlog.get_logger(__name__).bind(ledger=ledger.identity.kind)
        self._store = MeasuredStore(settings.store_url, self._metrics)
        self._said = SaidBefore(ledger.identity)
        self._archive = Archive(settings.kafka)
        proofs = ProofChecker(settings.store_url, trust)
        self._examiner = Examiner(self._archive, trust, proofs, settings.grounds_within_s)
        self._examining = asyncio.Semaphore(_EXAMINED_AT_ONCE)
        self._open = OpenCases()
        self._room = asyncio.Semaphore(_MOST_OPEN)
        self._arrived = asyncio.Event()
        self._look_at = 0.0
        self._in_flight = InFlight(self._metrics)
        self._metrics.registrations.labels(outcome="recorded")

    async def work(self) -> None:
        """Register until draining."""
        kafka = self._settings.kafka
        own = View(kafka, [topics.REGISTRATIONS], self._said.take)
        positions = PositionFile(self._settings.registrar_dir / "position")
        stream = subscribe(kafka, ATTESTATIONS, positions=positions, unreadable="deliver")
        async with AsyncExitStack() as stack:
            await retry_transient(self._ledger.open, stop=self._draining, metrics=self._metrics)
            stack.push_async_callback(self._ledger.close)
            publisher = await stack.enter_async_context(
                TransactionalPublisher(kafka, self._context.transactional_id)
            )
            # What a predecessor left open is settled before it is read what was said.
            await publisher.settle()
            await stack.enter_async_context(own)
            await self._context.catch_up({"registrations": own})
            self._context.check("grounds", self._archive.behind)
            await stack.enter_async_context(self._archive)
            await stack.enter_async_context(stream)
            # Its position is its own: only so the broker knows that it is there, and how far.
            await stack.enter_async_context(
                present(
                    kafka,
                    groups.REGISTRAR,
                    topics.ATTESTATIONS,
                    self._draining,
                    lambda: {tp: place.offset for tp, place in stream.position.places.items()},
                )
            )
            self._context.watch("grounds", self._archive)
            self._context.measure(stream)
            self._context.check("ledger", self._ledger.missing)
            self._context.ready()
            await self._register_all(stream, publisher, own)

    # --- reading ------------------------------------------------------------------------------------------

    async def _read(self, stream: Subscription[Item | Unreadable]) -> None:
        async for item in stream:
            await self._room.acquire()
            self._take_up(Case(item, due_at=0.0))

    def _take_up(self, case: Case) -> None:
        self._open.add(case)
        self._in_flight.begin(case)
        self._arrived.set()

    async def _register_all(
        self, stream: Subscription[Item | Unreadable], publisher: TransactionalPublisher, own: View
    ) -> None:
        reading = asyncio.create_task(self._read(stream))
        stopped = asyncio.create_task(self._draining.wait())
        try:
            while not self._draining.is_set():
                if reading.done():
                    reading.result()
                if time.monotonic() >= self._look_at:
                    await self._look_again()
                due = self._open.due(time.monotonic(), _AT_ONCE)
                if due:
                    await self._handle(due, stream, publisher, own)
                else:
                    await self._wait(reading, stopped)
        finally:
            for task in (reading, stopped):
                task.cancel()
            await asyncio.gather(reading, stopped, return_exceptions=True)

    async def _wait(self, *ends: asyncio.Task[object]) -> None:
        """Until something has come, something is due again, or the reading or the service ends."""
        due_at = min(self._look_at, self._open.next_due() or self._look_at)
        pause = max(0.0, due_at - time.monotonic())
        arrived = asyncio.create_task(self._arrived.wait())
        try:
            await asyncio.wait({arrived, *ends}, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
            self._arrived.clear()
        finally:
            arrived.cancel()

    async def _look_again(self) -> None:
        """Have the ledger look at what is not final, and read again what it has taken back."""
        self._look_at = time.monotonic() + self._settings.chain_look_again_s
        try:
            self._said.take_back(await self._ledger.taken_back())
            # What is open already has been read again before.
            lost = self._said.lost.keys() - self._open.again()
            if lost:
                await self._read_again(set(itertools.islice(lost, _MOST_OPEN)))
        except TransientError as error:
            self._metrics.retried(error)
            self._log.warning("later", code=error.code, error=error.message)

    async def _read_again(self, lost: set[str]) -> None:
        self._log.warning("taken-back", attestations=len(lost))
        async with subscribe(
            self._settings.kafka, ATTESTATIONS, unreadable="deliver", follow=False
        ) as stream:
            async for item in stream:
                if isinstance(item, Item) and item.digest in lost:
                    lost.remove(item.digest)
                    self._take_up(Case(item, due_at=0.0, again=True))
        for digest in lost:
            # Read to the end, and not there: whoever said that it was recorded is no registrar.
            self._said.settle(digest)
        if lost:
            self._log.error("attestations-missing", attestations=sorted(lost)[:_SHOWN], count=len(lost))

    # --- one batch ----------------------------------------------------------------------------------------

    async def _handle(
        self,
        cases: Sequence[Case],
        stream: Subscription[Item | Unreadable],
        publisher: TransactionalPublisher,
        own: View,
    ) -> None:
        since_ns = time.time_ns()
        batch = Batch(self._ledger)
        found = await asyncio.gather(*(self._examined(case) for case in cases))
        for case, one in zip(cases, found, strict=True):
            batch.take(case, one)
        await batch.register(self._proof)
        await batch.record()
        for case, error in batch.deferred.items():
            case.defer(time.monotonic())
            self._metrics.retried(error)
            self._log.warning("later", allocation_id=case.item.key, code=error.code, error=error.message)
        lost = self._said.lost
        registrations = {
            case: one.model_copy(update={"replaces": lost.get(one.attestation)})
            for case, one in batch.registrations(time.time_ns()).items()
        }
        for settled, said in await self._publish([*registrations.items()], publisher, own):
            self._tell_span(settled, said, since_ns)
        ended = [case for case in cases if case not in batch.deferred]
        last = [self._open.settle(case) for case in ended]
        for case in ended:
            if isinstance(case.item, Item):
                self._said.settle(case.item.digest)
            self._in_flight.end(case)
            if not case.again:
                self._room.release()
        for item in last:
            if item is not None:
                await stream.done(item)

    async def _examined(self, case: Case) -> Decision | ProofrailError | None:
        """What to record, why not (yet), or None for what has its end already."""
        item = case.item
        if isinstance(item, Unreadable):
            self._log.error("unreadable", offset=item.offset, code=item.error.code, error=item.error.message)
            self._metrics.failed(item.error)
            self._metrics.registrations.labels(outcome=self._metrics.code(item.error.code)).inc()
            return None
        if not isinstance(item.message, Attestation):
            return None
        async with self._examining:
            try:
                if self._said.is_recorded(item.digest) and await self._stands(item.message):
                    return None
                return await self._examiner.examine(item.message)
            except LedgerMisconfigured:
                raise
            except ProofrailError as error:
                return error

    async def _stands(self, attestation: Attestation) -> bool:
        """Whether the ledger holds what is said to be recorded, where that can be told without its proof."""
        row = self._examiner.claimed_row(attestation)
        return row is not None and await self._ledger.has(row)

    async def _proof(self, fact: Fact) -> bytes:
        return await asyncio.to_thread(self._store.get, fact.digest)

    # --- what is published --------------------------------------------------------------------------------

    async def _publish(
        self, said: Sequence[tuple[Case, Registration]], publisher: TransactionalPublisher, own: View
    ) -> list[tuple[Case, Registration]]:
        """What was new, and is published."""

        async def publish() -> None:
            missing = [(case, one) for case, one in said if not self._said.has_said(one)]
            try:
                if missing:
                    await publisher.publish([_message(case, one) for case, one in missing])
            except OutcomeUnknownError as error:
                # Settled before it is read; then whatever is not there is published again.
                await publisher.settle()
                await own.catch_up()
                raise TransientError(error.code, error.message, error.next_step) from error

        new = [(case, one) for case, one in said if not self._said.has_said(one)]
        if not new:
            return new
        await retry_transient(publish, stop=self._draining, metrics=self._metrics)
        for case, one in new:
            self._said.note(one)
            self._observe(case, one)
        return new

    def _tell_span(self, case: Case, one: Registration, since_ns: int) -> None:
        if self._context.spans is not None:
            self._context.spans.tell(
                "register",
                topics.ATTESTATIONS,
                _own_traceparent(case, one),
                parent=case.item.record.traceparent,
                since_ns=since_ns,
                attributes={
                    "proofrail.allocation_id": one.allocation_id,
                    "proofrail.transaction": one.transaction,
                },
                error=one.code,
            )

    def _observe(self, case: Case, one: Registration) -> None:
        outcome = self._metrics.code(one.code) if one.code else "recorded"
        self._metrics.registrations.labels(outcome=outcome).inc()
        if one.outcome == "recorded":
            self._log.info("recorded", allocation_id=one.allocation_id, transaction=one.transaction)
        else:
            self._log.warning("refused", allocation_id=one.allocation_id, code=one.code, why=one.message)
        if isinstance(case.item, Item) and isinstance(case.item.message, Attestation):
            took = max(0, one.timestamp - case.item.message.timestamp)
            self._metrics.registration_seconds.observe(took / 1e9)


def _message(case: Case, registration: Registration) -> Message:
    value = to_line(registration) + b"\n"
    own = _own_traceparent(case, registration)
    headers = record_headers(topics.REGISTRATIONS, value, source=_SOURCE, traceparent=own)
    return Message(topics.REGISTRATIONS, registration.allocation_id.encode(), value, headers)


def _own_traceparent(case: Case, registration: Registration) -> str:
    return child_traceparent(case.item.record.traceparent, to_line(registration))

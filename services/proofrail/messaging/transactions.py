"""Consume, transform, produce: exactly once.

A `Pipeline` reads records of a consumer group and commits, in one Kafka transaction, everything that follows
from them together with the position reached: other services see all of it or nothing, and a killed service
starts again exactly where its last transaction ended.

aiokafka directly, not FastStream's subscribers: those have no transactions, and their acknowledgements are
positional, so that each of their policies loses or repeats records when a handler fails (measured).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka import errors as kafka_errors

from proofrail.messaging._membership import Listener, assignor_for
from proofrail.messaging._pipeline_metrics import PipelineMetrics
from proofrail.messaging._producer import RETRY_BACKOFF_MS, TransactionalProducer, UnknownOutcome
from proofrail.messaging._protocol import (
    Member,
    committed_offsets,
    leave_on_stop,
    member_of,
    read_stable_offsets,
    rejoin,
)
from proofrail.messaging.closing import close_consumer
from proofrail.messaging.errors import BrokerUnavailableError, PartitionLostError, RestartRequiredError
from proofrail.messaging.following import beside
from proofrail.messaging.metrics import Metrics
from proofrail.messaging.records import Message, Outbox, Record
from proofrail.messaging.settings import KafkaSettings

__all__ = ["Message", "Outbox", "Pipeline", "Record", "TopicPartition"]

FETCH_MAX_WAIT_MS: Final = 50
"""How long the broker holds an empty fetch. A partition that is resumed waits for the fetch under way, so
this bounds that latency; records themselves end the wait at once."""

_STUCK_SECONDS: Final = 30.0
_SETTLE_SECONDS: Final = 60.0
_COMMIT_ATTEMPTS: Final = 3

_log = structlog.get_logger(__name__)


class Pipeline:
    """Read `topics` as a member of `group_id`; write through the producer `transactional_id`.

    Use as an async context manager, or `start()` and `stop()`. Starting fences off an older process of the
    same transactional id and settles what it left open, so views that are to contain its work are caught up
    after it.

    When a partition goes to another instance while records of it are in hand (handed out, not committed),
    everything in hand is void: `on_lost` is called with those partitions, `commit` raises PartitionLostError
    until `rewind` is called, and the records of the partitions that stay are read again. A partition that is
    taken away and comes back untouched, as in most rebalances, costs nothing. After each rebalance `on_shared` is
    called.

    The partitions of several topics are assigned by their number: records with one key, in topics of equally
    many partitions, come to one instance.

    Not for concurrent use: one task calls `records` and `commit`; others may look at the properties.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        *,
        group_id: str,
        transactional_id: str,
        topics: Sequence[str],
        outputs: Sequence[str] = (),
        metrics: Metrics | None = None,
        on_lost: Callable[[frozenset[TopicPartition]], None] | None = None,
        on_shared: Callable[[], None] | None = None,
        max_poll_interval_ms: int | None = None,
        session_timeout_ms: int | None = None,
    ) -> None:
        self._kafka = kafka
        self._group = group_id
        self._id = transactional_id
        self._topics = list(topics)
        self._outputs = list(outputs)
        self._counted = PipelineMetrics(metrics, topics, outputs)
        self._on_lost = on_lost
        self._on_shared = on_shared
        self._max_poll_interval_ms = max_poll_interval_ms or kafka.max_poll_interval_ms
        self._session_timeout_ms = session_timeout_ms or kafka.session_timeout_ms
        self._producer = TransactionalProducer(kafka, transactional_id)
        self._consumer: AIOKafkaConsumer | None = None
        # For each owned partition: where the last transaction ended, and where the records handed out end.
        self._base: dict[TopicPartition, int] = {}
        self._handed: dict[TopicPartition, int] = {}
        self._stash: list[Record] = []
        self._poll: asyncio.Task[list[Record]] | None = None
        self._paused: set[str] = set()
        self._settled = asyncio.Event()
        self._epoch = 0
        self._generation = -1
        self._failure: Exception | None = None
        self._void = False
        self._polled_at = time.monotonic()
        self._fetching_since = time.monotonic()

    async def __aenter__(self) -> Pipeline:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # --- life ---------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Join the group and wait for its first assignment. Raises BrokerUnavailableError."""
        await self._producer.start(self._outputs)
        consumer = AIOKafkaConsumer(
            **self._kafka.reader_options(),
            group_id=self._group,
            # Static membership: a killed process's successor takes its place at once, where a new member
            # would wait for the session of the dead one to end.
            group_instance_id=self._id,
            auto_offset_reset="earliest",
            partition_assignment_strategy=(assignor_for(self._topics),),
            fetch_max_wait_ms=FETCH_MAX_WAIT_MS,
            retry_backoff_ms=10 * RETRY_BACKOFF_MS,
            max_poll_interval_ms=self._max_poll_interval_ms,
            session_timeout_ms=self._session_timeout_ms,
            heartbeat_interval_ms=self._session_timeout_ms // 5,
        )
        self._consumer = consumer
        try:
            async with asyncio.timeout(_SETTLE_SECONDS):
                await consumer.start()
                read_stable_offsets(consumer)
                consumer.subscribe(self._topics, listener=Listener(self._revoked, self._assigned, self._fail))
                await self._settled.wait()
            self._check_membership()
        except (TimeoutError, kafka_errors.KafkaError) as error:
            await self.stop()
            raise BrokerUnavailableError(
                "broker-unavailable",
                f"could not join group {self._group} at {self._kafka.bootstrap}: {error!r}",
                "Check that the broker runs and that the topics exist",
            ) from error
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Leave the group and close the connections. What was not committed is read again by whoever comes
        next."""
        poll, self._poll = self._poll, None
        if poll is not None:
            poll.cancel()
            with contextlib.suppress(BaseException):
                await poll
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            leave_on_stop(consumer)
            await close_consumer(consumer)
        await self._producer.stop()

    @property
    def _running(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise BrokerUnavailableError("pipeline-stopped", "the pipeline is not running", "Start it first")
        return self._consumer

    @property
    def assignment(self) -> frozenset[TopicPartition]:
        """The partitions this instance owns."""
        return frozenset(self._handed)

    @property
    def generation(self) -> int:
        """Another number whenever the group's instances have shared the partitions anew."""
        return self._generation

    @property
    def last_poll_age(self) -> float:
        """Seconds since `records` or `held` last asked for records."""
        return time.monotonic() - self._polled_at

    @property
    def positions(self) -> dict[TopicPartition, int]:
        """For each owned partition, the next offset after the records handed out."""
        return dict(self._handed)

    async def positions_and_ends(self) -> dict[TopicPartition, tuple[int, int]]:
        """For each owned partition, the offset of the next record to hand out and the end of what can be read now.
        Transaction markers behind the last record do not count once they were passed. Raises KafkaError."""
        consumer = self._running
        wanted = [tp for tp in self._handed if tp in consumer.assignment()]
        ends = await consumer.end_offsets(wanted) if wanted else {}
        found: dict[TopicPartition, tuple[int, int]] = {}
        for tp, end in ends.items():
            if tp in consumer.assignment():
                stashed = (record.offset for record in self._stash if record.tp == tp)
                found[tp] = (next(stashed, await consumer.position(tp)), end)
        return found

    async def ends(self, topic: str) -> dict[TopicPartition, int]:
        """For each owned partition of a topic, the end of what can be read now (open transactions excluded)."""
        wanted = [tp for tp in self._handed if tp.topic == topic]
        found: dict[TopicPartition, int] = await self._running.end_offsets(wanted) if wanted else {}
        return found

    async def has_passed(self, ends: Mapping[TopicPartition, int]) -> bool:
        """Whether everything before these offsets was handed out; partitions that are not owned any more do not
        count."""
        consumer = self._running
        for tp, end in ends.items():
            if tp not in self._handed or tp not in consumer.assignment():
                continue
            if await consumer.position(tp) < end or any(record.tp == tp for record in self._stash):
                return False
        return True

    # --- reading ------------------------------------------------------------------------------------------

    async def records(self, max_records: int = 500, timeout_ms: int = 200) -> list[Record]:
        """At most `max_records` records, in order within each partition; an empty list after `timeout_ms`.

        Raises RestartRequiredError `consumer-stuck`, and aiokafka's errors that only an operator can mend
        (authorization).
        """
        if all(record.topic in self._paused for record in self._stash):
            await self._fill(max_records, timeout_ms)
        taken: list[Record] = []
        kept: list[Record] = []
        for record in self._stash:
            if len(taken) < max_records and record.topic not in self._paused:
                taken.append(record)
                self._handed[record.tp] = record.offset + 1
            else:
                kept.append(record)
        self._stash = kept
        self._counted.taken(taken)
        return taken

    async def _fill(self, max_records: int, timeout_ms: int) -> None:
        """Put what can be had within `timeout_ms` into the stash. A poll that takes longer (a rebalance
        under way) is picked up by the next call: cancelling it would upset aiokafka's idle clock."""
        if self._poll is None:
            self._poll = asyncio.create_task(self._get(max_records, timeout_ms))
        done, _ = await asyncio.wait({self._poll}, timeout=timeout_ms / 1000 + 0.05)
        self._polled_at = time.monotonic()
        self._check_membership()
        if not done:
            return
        poll, self._poll = self._poll, None
        if not poll.result():
            await self._check_stuck()

    def _check_membership(self) -> None:
        if self._failure is not None:
            raise self._failure

    async def _get(self, max_records: int, timeout_ms: int) -> list[Record]:
        consumer, epoch = self._running, self._epoch
        batches = await consumer.getmany(timeout_ms=timeout_ms, max_records=max_records)
        if epoch != self._epoch or not self._settled.is_set():
            # Read across a rebalance: not known to start at our position. Read it again from there.
            if self._settled.is_set():
                for tp in batches:
                    if tp in self._handed:
                        consumer.seek(tp, self._handed[tp])
            return []
        found = [Record.of(raw) for raws in batches.values() for raw in raws]
        if found:
            self._fetching_since = time.monotonic()
        self._stash.extend(found)
        return found

    async def _check_stuck(self) -> None:
        """aiokafka's consumer can stop fetching without a sign (#1037, open). Fetches are answered at least
        every FETCH_MAX_WAIT_MS; when none was for long although the broker answers, start anew."""
        consumer = self._running
        active = [tp for tp in self._handed if tp.topic not in self._paused]
        stamps = [consumer.last_poll_timestamp(tp) for tp in active if tp in consumer.assignment()]
        if not stamps or any(time.time() - (stamp or 0) / 1000 < _STUCK_SECONDS for stamp in stamps):
            self._fetching_since = time.monotonic()
        if time.monotonic() - self._fetching_since < _STUCK_SECONDS:
            return
        try:
            async with asyncio.timeout(5):
                await consumer.end_offsets(active)
        except (TimeoutError, kafka_errors.KafkaError):
            self._fetching_since = time.monotonic()
            return
        raise RestartRequiredError(
            "consumer-stuck",
            f"no fetch was answered for {_STUCK_SECONDS:.0f} s although the broker is there",
            "The supervisor starts this process anew",
        )

    def pause(self, *topics: str) -> None:
        """Take no more records from `topics` (all, when none is named); membership stays. Keep calling
        `records`, or use `held` around long work."""
        self._paused |= set(topics or self._topics)
        self._apply_pause()

    def resume(self, *topics: str) -> None:
        """Take records from `topics` (all, when none is named) again."""
        self._paused -= set(topics or self._topics)
        self._fetching_since = time.monotonic()
        self._apply_pause()

    @property
    def paused(self) -> frozenset[str]:
        """The topics that are paused."""
        return frozenset(self._paused)

    def _apply_pause(self) -> None:
        consumer = self._running
        for tp in consumer.assignment():
            if tp.topic in self._paused:
                consumer.pause(tp)
            else:
                consumer.resume(tp)

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Keep membership while the block works for long without calling `records`: all topics are paused
        and polled in the background. What was paused before stays paused after. When that fails, the block is
        cancelled and ends with what `records` would raise."""
        before = set(self._paused)
        self.pause()

        async def keep() -> None:
            while True:
                await self._fill(1, 0)
                await asyncio.sleep(min(1.0, self._max_poll_interval_ms / 4000))

        try:
            async with beside(keep()):
                yield
        finally:
            self._paused = before
            self._fetching_since = time.monotonic()
            if self._consumer is not None:
                self._apply_pause()

    # --- writing ------------------------------------------------------------------------------------------

    async def commit(
        self,
        outbox: Iterable[Message] | AsyncIterable[Message] = (),
        positions: Mapping[TopicPartition, int] | None = None,
        generation: int | None = None,
    ) -> None:
        """Publish `outbox` and commit `positions` (next offset to read of each partition; all records handed
        out, when None) in one transaction.

        What follows from the assignment, not from records in hand, is published with the `generation` it was
        decided in: in that one alone, and before another instance takes up a partition that is ours in it. A
        generator is sent as it yields, within the transaction's 10 s. Cancelling waits for the outcome.
        Raises, with nothing published: PartitionLostError, BrokerUnavailableError, PoisonError
        `record-refused`. Raises RestartRequiredError when this process must not go on.
        """
        task = asyncio.create_task(self._commit(outbox, positions, generation))
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait({task})
            if not task.cancelled() and (error := task.exception()) is not None:
                _log.warning("commit-failed-while-cancelled", error=str(error))
            raise

    async def _commit(
        self,
        outbox: Iterable[Message] | AsyncIterable[Message],
        positions: Mapping[TopicPartition, int] | None,
        generation: int | None,
    ) -> None:
        wanted = dict(self._handed if positions is None else positions)
        moving = {tp: offset for tp, offset in wanted.items() if offset > self._base.get(tp, -1)}
        replayable = isinstance(outbox, Outbox | list | tuple)
        if not moving and isinstance(outbox, Outbox | list | tuple) and not len(outbox):
            return
        begun = time.perf_counter()
        for attempt in range(1, _COMMIT_ATTEMPTS + 1):
            member = await self._settle(wanted, generation)
            # Where nothing moves, the old positions are committed again: only then does the broker check
            # that we are a member still.
            offsets = {**self._base, **wanted}
            try:
                await self._producer.transact(outbox, offsets, self._group, member)
            except kafka_errors.CommitFailedError as error:
                self._counted.aborted()
                if replayable and attempt < _COMMIT_ATTEMPTS:
                    # The group moved on under the transaction. Once it has settled, the partitions may
                    # still be ours.
                    _log.info("commit-again", attempt=attempt, error=str(error))
                    self._settled.clear()
                    rejoin(self._running)
                    continue
                raise PartitionLostError(
                    "partition-lost", "the group moved on during the transaction", "Read the records again"
                ) from error
            except UnknownOutcome as error:
                if not await self._happened(moving):
                    self._counted.aborted()
                    raise BrokerUnavailableError(
                        "broker-unavailable", "the transaction was not committed", "It is tried again"
                    ) from error
            except BaseException:
                self._counted.aborted()
                raise
            break
        self._base.update(offsets)
        at_hand = outbox if isinstance(outbox, Outbox | list | tuple) else ()
        self._counted.committed(time.perf_counter() - begun, at_hand)

    async def _settle(self, offsets: Mapping[TopicPartition, int], generation: int | None) -> Member:
        """The member we are while `offsets` are ours, in `generation` if that matters; waits for a rebalance to
        end."""
        try:
            async with asyncio.timeout(_SETTLE_SECONDS):
                await self._settled.wait()
                while (member := member_of(self._running)).generation < 0:
                    # Expelled, which aiokafka knows before it says that the partitions are gone.
                    self._settled.clear()
                    await self._settled.wait()
        except TimeoutError as error:
            raise BrokerUnavailableError(
                "broker-unavailable", f"group {self._group} did not settle", "It is tried again"
            ) from error
        self._check_membership()
        lost = self._void or any(self._handed.get(tp, -1) < offset for tp, offset in offsets.items())
        if lost or generation not in (None, member.generation):
            raise PartitionLostError(
                "partition-lost",
                "a partition went to another instance while work on it was in hand",
                "Drop all work in hand, rewind and read again",
            )
        return member

    async def _happened(self, offsets: Mapping[TopicPartition, int]) -> bool:
        """Whether the transaction that was not answered was committed: its producer is renewed, which
        settles it, and the committed offsets are read."""
        if not offsets:
            await self._producer.stop()
            raise _outcome_unknown(
                "a commit without offsets was not answered, so that nothing tells whether it happened"
            )
        try:
            await self._producer.renew()
            async with asyncio.timeout(_SETTLE_SECONDS):
                committed = await committed_offsets(self._running, offsets)
        except (TimeoutError, kafka_errors.KafkaError, BrokerUnavailableError) as error:
            raise _outcome_unknown("a commit was not answered and the broker cannot be asked") from error
        if any(committed.get(tp, -1) > offset for tp, offset in offsets.items()):
            raise _outcome_unknown(
                "a commit was not answered, and another instance has gone on behind it since"
            )
        return all(committed.get(tp) == offset for tp, offset in offsets.items())

    async def rewind(self) -> None:
        """Read again from where the last transaction ended: after a failure, before the next attempt."""
        self._stash.clear()
        self._epoch += 1
        self._void = False
        consumer = self._running
        for tp, base in self._base.items():
            self._handed[tp] = base
            if tp in consumer.assignment():
                consumer.seek(tp, base)

    # --- membership ---------------------------------------------------------------------------------------

    def _fail(self, error: Exception) -> None:
        self._failure = error
        self._settled.set()

    def _revoked(self) -> None:
        self._settled.clear()
        self._epoch += 1
        self._stash.clear()

    async def _assigned(self, partitions: set[TopicPartition]) -> None:
        """Take up the partitions where the group's last transaction ended; one that was ours and that nobody
        worked on meanwhile goes on behind the records in hand, unless others of those are lost."""
        consumer = self._running
        member = member_of(consumer)
        # Two processes of one instance would take the membership from each other for ever.
        await self._producer.verify(self._base, self._group, member)
        committed = await committed_offsets(consumer, partitions)
        missing = [tp for tp in partitions if tp not in committed]
        starts = await consumer.beginning_offsets(missing) if missing else {}
        base = {tp: committed[tp] if tp in committed else starts[tp] for tp in partitions}
        lost = frozenset(
            tp
            for tp, offset in self._handed.items()
            if offset != self._base[tp] and self._base[tp] != base.get(tp)
        )
        kept = {} if lost else {tp: at for tp, at in self._handed.items() if self._base[tp] == base.get(tp)}
        self._base, self._handed = base, base | kept
        self._void = self._void or bool(lost)
        for tp, offset in self._handed.items():
            consumer.seek(tp, offset)
        self._apply_pause()
        self._fetching_since = time.monotonic()
        self._epoch += 1
        self._generation = member.generation
        self._settled.set()
        self._counted.assigned()
        _log.info("assigned", group=self._group, partitions=sorted(f"{t.topic}/{t.partition}" for t in base))
        if lost and self._on_lost is not None:
            self._on_lost(lost)
        if self._on_shared is not None:
            self._on_shared()


def _outcome_unknown(message: str) -> RestartRequiredError:
    return RestartRequiredError("outcome-unknown", message, "The supervisor starts this process anew")

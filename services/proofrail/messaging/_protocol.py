"""Two requests of the Kafka protocol in versions that aiokafka 0.14 does not speak, and the places where
they are put in.

aiokafka sends OffsetFetch without `require_stable`: right after a transaction it can answer with the offset
from before it, so that a partition that moves to another instance is worked on twice. And it sends
TxnOffsetCommit v0, which the broker checks against the transactional id alone: an instance that lost its
partitions in a rebalance could still commit for them. Version 7 of the one and version 3 of the other close
both gaps (KIP-447). aiokafka is pinned exactly; `test_a_member_that_was_left_behind_cannot_commit` in
tests/integration/test_messaging_transactions.py fails should a new version move what is replaced here.
"""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka import errors as kafka
from aiokafka.client import CoordinationType
from aiokafka.producer.sender import TxnOffsetCommitHandler
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)
from aiokafka.structs import OffsetAndMetadata

_UNSTABLE_OFFSET_COMMIT = 88
_FENCED_INSTANCE_ID = 82
_NONE: dict[int, bytes] = {}

_TEXT = CompactString("utf-8")


@dataclass(frozen=True)
class Member:
    """A consumer-group member in one generation; `instance_id` is what makes it a static one."""

    generation: int
    member_id: str
    instance_id: str | None


class _OffsetFetchResponse(Response):
    API_KEY = 9
    API_VERSION = 7
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(
                ("topic", _TEXT),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("offset", Int64),
                        ("leader_epoch", Int32),
                        ("metadata", _TEXT),
                        ("error_code", Int16),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("error_code", Int16),
        ("tags", TaggedFields),
    )


class _OffsetFetchStruct(RequestStruct):
    API_KEY = 9
    API_VERSION = 7
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _OffsetFetchResponse
    SCHEMA = Schema(
        ("group", _TEXT),
        (
            "topics",
            CompactArray(("topic", _TEXT), ("partitions", CompactArray(Int32)), ("tags", TaggedFields)),
        ),
        ("require_stable", Boolean),
        ("tags", TaggedFields),
    )


_OffsetFetchStructs: TypeAlias = _OffsetFetchStruct


class _OffsetFetch(Request[_OffsetFetchStructs]):
    API_KEY = 9

    def __init__(self, group: str, partitions: Iterable[TopicPartition]) -> None:
        topics: dict[str, list[int]] = collections.defaultdict(list)
        for tp in partitions:
            topics[tp.topic].append(tp.partition)
        self._fields = (group, [(topic, numbers, _NONE) for topic, numbers in topics.items()], True, _NONE)

    def build(self, request_struct_class: type[_OffsetFetchStructs]) -> _OffsetFetchStructs:
        return request_struct_class(*self._fields)


class _TxnOffsetCommitResponse(Response):
    API_KEY = 28
    API_VERSION = 3
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(
                ("topic", _TEXT),
                (
                    "partitions",
                    CompactArray(("partition", Int32), ("error_code", Int16), ("tags", TaggedFields)),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )

    topics: list[tuple[str, list[tuple[int, int, dict[int, bytes]]], dict[int, bytes]]]

    @property
    def errors(self) -> list[tuple[str, list[tuple[int, int]]]]:
        """In the shape of version 0, which aiokafka's handler reads."""
        return [
            (topic, [(partition, code) for partition, code, _ in partitions])
            for topic, partitions, _ in self.topics
        ]


class _TxnOffsetCommitStruct(RequestStruct):
    API_KEY = 28
    API_VERSION = 3
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _TxnOffsetCommitResponse
    SCHEMA = Schema(
        ("transactional_id", _TEXT),
        ("group", _TEXT),
        ("producer_id", Int64),
        ("producer_epoch", Int16),
        ("generation", Int32),
        ("member_id", _TEXT),
        ("group_instance_id", _TEXT),
        (
            "topics",
            CompactArray(
                ("topic", _TEXT),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("offset", Int64),
                        ("leader_epoch", Int32),
                        ("metadata", _TEXT),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


_TxnOffsetCommitStructs: TypeAlias = _TxnOffsetCommitStruct


class _TxnOffsetCommit(Request[_TxnOffsetCommitStructs]):
    API_KEY = 28

    def __init__(self, *fields: Any) -> None:
        self._fields = fields

    def build(self, request_struct_class: type[_TxnOffsetCommitStructs]) -> _TxnOffsetCommitStructs:
        return request_struct_class(*self._fields)


_STALE_MEMBER = (kafka.IllegalGenerationError, kafka.UnknownMemberIdError, kafka.RebalanceInProgressError)


class _FencedOffsetCommit(TxnOffsetCommitHandler):
    """Commits a transaction's offsets as a member of the group in its generation; refused when the member
    is not current, which aborts the transaction and nothing more."""

    def __init__(
        self,
        sender: Any,
        offsets: Mapping[TopicPartition, OffsetAndMetadata],
        group: str,
        member: Member,
    ) -> None:
        super().__init__(sender, offsets, group)  # type: ignore[no-untyped-call]
        self._group = group
        self._member = member

    def create_request(self) -> _TxnOffsetCommit:
        manager = self._sender._txn_manager
        topics: dict[str, list[tuple[Any, ...]]] = collections.defaultdict(list)
        for tp, offset in sorted(self._offsets.items()):
            topics[tp.topic].append((tp.partition, offset.offset, -1, offset.metadata, _NONE))
        return _TxnOffsetCommit(
            manager.transactional_id,
            self._group,
            manager.producer_id,
            manager.producer_epoch,
            self._member.generation,
            self._member.member_id,
            self._member.instance_id,
            [(topic, partitions, _NONE) for topic, partitions in topics.items()],
            _NONE,
        )

    def handle_response(self, resp: _TxnOffsetCommitResponse) -> float | None:
        for _, partitions in resp.errors:
            for _, code in partitions:
                if code == _FENCED_INSTANCE_ID or kafka.for_code(code) in _STALE_MEMBER:
                    self._sender._txn_manager.error_transaction(
                        kafka.CommitFailedError(f"the group no longer knows this member (error {code})")
                    )
                    return None
        backoff: float | None = super().handle_response(resp)  # type: ignore[no-untyped-call]
        return backoff


def fence_offsets(producer: AIOKafkaProducer, member: Callable[[], Member]) -> None:
    """Make `producer` commit offsets as the consumer-group member that `member()` names: the one that owned
    the partitions when that was checked, not the one that sends."""
    sender: Any = producer._sender

    async def commit(offsets: Mapping[TopicPartition, OffsetAndMetadata], group: str) -> None:
        if not offsets:
            return
        node = await sender._find_coordinator(CoordinationType.GROUP, group)
        handler: Any = _FencedOffsetCommit(sender, offsets, group, member())
        await handler.do(node)

    sender._do_txn_offset_commit = commit


def abort_what_was_refused(producer: AIOKafkaProducer) -> None:
    """Make `abort_transaction` reach the broker after a refusal, too. aiokafka forgets there what the transaction had
    begun, takes it for empty and sends nothing: it stays open, and the commit of the next one publishes its records
    with the others."""
    manager: Any = producer._txn_manager
    refuse = manager.error_transaction

    def refuse_and_remember(error: Exception) -> None:
        partitions, group = set(manager._txn_partitions), manager._txn_consumer_group
        refuse(error)
        manager._txn_partitions |= partitions
        manager._txn_consumer_group = group

    manager.error_transaction = refuse_and_remember


def forget_failure(producer: AIOKafkaProducer) -> None:
    """Take note of what failed the transaction: aiokafka keeps it in a future that nobody looks at, which
    asyncio reports as an error once it is collected."""
    manager: Any = producer._txn_manager
    waiter = manager._transaction_waiter if manager is not None else None
    if waiter is not None and waiter.done() and not waiter.cancelled():
        waiter.exception()


def member_of(consumer: AIOKafkaConsumer) -> Member:
    """What a started consumer is in its group now."""
    coordinator: Any = consumer._coordinator
    return Member(coordinator.generation, coordinator.member_id, coordinator._group_instance_id)


def leave_on_stop(consumer: AIOKafkaConsumer) -> None:
    """Make a static member leave its group when it is stopped in order: only a killed one keeps its place
    for its successor, and a planned end does not hold up the others for a session timeout."""
    coordinator: Any = consumer._coordinator
    if coordinator is not None:
        coordinator._group_instance_id = None


def rejoin(consumer: AIOKafkaConsumer) -> None:
    """Make a consumer that learned of a rebalance elsewhere join at once, not at its next heartbeat."""
    coordinator: Any = consumer._coordinator
    coordinator.request_rejoin()


def read_stable_offsets(consumer: AIOKafkaConsumer) -> None:
    """Make a started consumer, not yet subscribed, wait for pending transactions before it takes over from
    a committed offset."""
    coordinator: Any = consumer._coordinator

    async def fetch(partitions: Iterable[TopicPartition]) -> dict[TopicPartition, OffsetAndMetadata]:
        while True:
            response = await coordinator._send_req(_OffsetFetch(coordinator.group_id, partitions))
            codes = {response.error_code}
            codes.update(part[4] for _, parts, _ in response.topics for part in parts)
            codes.discard(0)
            if _UNSTABLE_OFFSET_COMMIT in codes:
                await asyncio.sleep(0.02)
                continue
            for code in codes:
                error = kafka.for_code(code)()
                if isinstance(error, kafka.NotCoordinatorForGroupError):
                    coordinator.coordinator_dead()
                raise error
            return {
                TopicPartition(topic, part[0]): OffsetAndMetadata(part[1], part[3] or "")
                for topic, parts, _ in response.topics
                for part in parts
                if part[1] >= 0
            }

    coordinator._do_fetch_commit_offsets = fetch


async def committed_offsets(
    consumer: AIOKafkaConsumer, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, int]:
    """The group's committed offsets, once no transaction on them is pending."""
    coordinator: Any = consumer._coordinator
    found = await coordinator.fetch_committed_offsets(list(partitions))
    return {tp: offset.offset for tp, offset in found.items()}

"""What travels between a service and Kafka: the records read and the messages written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition

from proofrail.wire.errors import PoisonError
from proofrail.wire.topics import MAX_RECORD

__all__ = ["Message", "Outbox", "Record", "TopicPartition"]


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it was read: coordinates, key and value bytes, headers, timestamp.

    `key` and `value` are empty when the record had none. Header values are decoded as UTF-8 (bytes that are
    not become U+FFFD: headers are hints, never evidence); of several headers with one name the last counts.
    `timestamp` is in milliseconds since the epoch, as the broker or the producer set it.
    """

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: dict[str, str]
    timestamp: int

    @property
    def tp(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)

    @property
    def key_text(self) -> str:
        """The key as text; bytes that are not UTF-8 become U+FFFD."""
        return self.key.decode("utf-8", errors="replace")

    @property
    def traceparent(self) -> str | None:
        """The record's W3C traceparent, unchecked."""
        return self.headers.get("traceparent")

    @classmethod
    def of(cls, raw: ConsumerRecord[bytes | None, bytes | None]) -> Record:
        """The record that aiokafka delivered."""
        headers: Iterable[tuple[str, Any]] = raw.headers
        return cls(
            raw.topic,
            raw.partition,
            raw.offset,
            raw.key or b"",
            raw.value or b"",
            {name: (value or b"").decode("utf-8", errors="replace") for name, value in headers},
            raw.timestamp,
        )


@dataclass(frozen=True, slots=True)
class Message:
    """One record to write. `partition` is chosen from the key (murmur2, as every Kafka client does) unless
    given. A value of None is a tombstone."""

    topic: str
    key: bytes
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    partition: int | None = None

    def __post_init__(self) -> None:
        size = len(self.value or b"")
        if size > MAX_RECORD:
            raise PoisonError(
                "record-too-large",
                f"a record of {size} bytes for {self.topic} is above the limit of {MAX_RECORD} bytes",
                "Split it into several records with the same key",
                topic=self.topic,
                size=size,
            )


@dataclass(slots=True)
class Outbox:
    """The outputs of one step, in the order in which they are sent. Nothing leaves it before
    `Pipeline.commit`."""

    messages: list[Message] = field(default_factory=list)

    def add(
        self,
        topic: str,
        key: str | bytes,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
        *,
        partition: int | None = None,
    ) -> None:
        """Add a record; `key` is encoded as UTF-8.

        Raises PoisonError `record-too-large` when the value is above 512 KiB.
        """
        encoded = key.encode() if isinstance(key, str) else key
        self.messages.append(Message(topic, encoded, value, headers, partition))

    def __iter__(self) -> Iterator[Message]:
        return iter(self.messages)

    def __len__(self) -> int:
        return len(self.messages)

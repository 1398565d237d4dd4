"""What records say: typed messages, or why they cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

from proofrail.client.position import Place
from proofrail.messaging.records import Record
from proofrail.proving.errors import PolicyError
from proofrail.wire import topics
from proofrail.wire.canonical import canonical, parse_object, sha256_hex
from proofrail.wire.errors import MalformedError, ProofrailError
from proofrail.wire.events import EVENT_TYPES
from proofrail.wire.messages import MESSAGE_TYPES
from proofrail.wire.model import Message, read_as
from proofrail.wire.ndjson import split
from proofrail.wire.proposals import Proposal, parse_proposal
from proofrail.wire.schemas import ON_TOPIC

Said: TypeAlias = Message | Proposal
"""What a line says: on allocation.proposals.v1 a Proposal, elsewhere a Message of the types of its topic."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a record, and where it stands."""

    record: Record
    number: int
    """Which line of the record it is, from 0."""
    count: int
    """How many lines the record has."""
    line: bytes
    """The line as published, without its line feed."""

    @property
    def topic(self) -> str:
        return self.record.topic

    @property
    def partition(self) -> int:
        return self.record.partition

    @property
    def offset(self) -> int:
        return self.record.offset

    @property
    def key(self) -> str:
        """The record's key; bytes that are not UTF-8 become U+FFFD."""
        return self.record.key_text

    @property
    def timestamp(self) -> int:
        """Milliseconds since the epoch, as the broker or the producer set it: a hint, no evidence."""
        return self.record.timestamp

    @property
    def after(self) -> Place:
        """The place behind this line."""
        last = self.number + 1 >= self.count
        return Place(self.offset + 1) if last else Place(self.offset, self.number + 1)


@dataclass(frozen=True, slots=True)
class Item(Line):
    """A message, and the line that said it."""

    message: Said

    @property
    def digest(self) -> str:
        """SHA-256 of the message in canonical form: the same for each copy of it, so a key for idempotent effects."""
        return sha256_hex(canonical(parse_object(self.line)))


@dataclass(frozen=True, slots=True)
class Unreadable(Line):
    """A line that is no message of its topic in version 1, and why."""

    error: ProofrailError


def items(record: Record) -> Iterator[Item | Unreadable]:
    """The lines of a record. A record without any is one that cannot be read."""
    try:
        lines = [record.value] if record.topic == topics.PROPOSALS else split(record.value) or [b""]
    except MalformedError as error:
        yield Unreadable(record, 0, 1, record.value, _located(error, record, 0))
        return
    for number, line in enumerate(lines):
        try:
            said = _read(record.topic, line)
        except ProofrailError as error:
            yield Unreadable(record, number, len(lines), line, _located(error, record, number))
        else:
            yield Item(record, number, len(lines), line, said)


def read_message(line: bytes, topic: str | None = None) -> Message:
    """The message of a line, of the types that stand on `topic`.

    Raises MalformedError `unknown-version`, `unknown-type` (also for a message of another topic), `malformed-…`,
    and PolicyError `policy-mock` for an attestation that rests on a mock proof.
    """
    obj = parse_object(line)
    try:
        found: Message = read_as(_models(topic), obj, f"message on {topic}" if topic else "message")
    except MalformedError as error:
        if error.context.get("member") == "proof.is_mock" and _mock(obj):
            raise PolicyError(
                "policy-mock", "the attestation rests on a mock proof, which proves nothing"
            ) from error
        raise
    return found


def _read(topic: str, line: bytes) -> Said:
    return parse_proposal(line) if topic == topics.PROPOSALS else read_message(line, topic)


@cache
def _models(topic: str | None) -> dict[str, type[Message]]:
    models = {**EVENT_TYPES, **MESSAGE_TYPES}
    if topic in ON_TOPIC:
        return {name: models[name] for name in ON_TOPIC[topic][1]}
    return models


def _mock(obj: dict[str, Any]) -> bool:
    proof = obj.get("proof")
    return isinstance(proof, dict) and proof.get("is_mock") is True


def _located(error: ProofrailError, record: Record, line: int) -> ProofrailError:
    error.context.update(topic=record.topic, partition=record.partition, offset=record.offset, line=line + 1)
    return error

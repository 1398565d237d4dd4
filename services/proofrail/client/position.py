"""How far a consumer has come: kept by the consumer, where it wants.

A position is written after the effect of an item, so a consumer that is killed between the two sees the item again
(at least once). To have each effect exactly once, make it idempotent (its key: the item's `digest`, or for a chain
the proof's verification_hash and the row), or keep the position where the effect is kept, in one transaction.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from proofrail.artifacts.files import write_atomically
from proofrail.messaging.records import TopicPartition
from proofrail.wire.canonical import MAX_SAFE_INTEGER, canonical, parse_object
from proofrail.wire.errors import MalformedError, UnusableInputError

_TYPE: Final = "Position"
_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")
_PARTITION: Final = re.compile(r"0|[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where reading of a partition goes on: the record's offset, and how many of its lines are done."""

    offset: int
    lines: int = 0

    def __lt__(self, other: Place) -> bool:
        return (self.offset, self.lines) < (other.offset, other.lines)


@dataclass(frozen=True)
class Position:
    """Places in the partitions of some topics, of one Kafka cluster. A value: it is never changed in place."""

    cluster: str = ""
    """The id of the cluster whose offsets these are; "" when it is not known."""

    places: Mapping[TopicPartition, Place] = field(default_factory=dict)

    def moved(self, tp: TopicPartition, place: Place) -> Position:
        """This position with `place` in one partition, unless it is further there already."""
        known = self.places.get(tp)
        if known is not None and not known < place:
            return self
        return Position(self.cluster, {**self.places, tp: place})

    def to_bytes(self) -> bytes:
        """The position as one line, to be stored anywhere."""
        topics: dict[str, dict[str, list[int]]] = {}
        for tp, place in sorted(self.places.items()):
            topics.setdefault(tp.topic, {})[str(tp.partition)] = [place.offset, place.lines]
        return canonical({"v": 1, "type": _TYPE, "cluster": self.cluster, "topics": topics}) + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> Position:
        """The position that was stored. Raises UnusableInputError `position-malformed`."""
        try:
            return cls._of(parse_object(data.removesuffix(b"\n")))
        except (MalformedError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise UnusableInputError(
                "position-malformed",
                f"this is no position of version 1: {error}",
                "Restore it; without it, start anew from the beginning and rely on idempotent effects",
            ) from error

    @classmethod
    def _of(cls, obj: dict[str, Any]) -> Position:
        if (obj.pop("v"), obj.pop("type")) != (1, _TYPE) or set(obj) != {"cluster", "topics"}:
            raise ValueError("it has another version, type or other members")
        if not isinstance(obj["cluster"], str):
            raise TypeError("its cluster is no text")
        return cls(
            obj["cluster"],
            {
                TopicPartition(_matched(_TOPIC, topic), int(_matched(_PARTITION, number))): _place(value)
                for topic, partitions in obj["topics"].items()
                for number, value in partitions.items()
            },
        )


class PositionStore(Protocol):
    """Where a consumer keeps its position. Called outside the event loop, one call at a time."""

    def load(self) -> Position | None:
        """The position that was saved last; None before the first."""

    def save(self, position: Position) -> None:
        """Keep `position` in place of the one before, durably, or not at all."""


class PositionFile:
    """A position in a file, replaced as a whole. One consumer a file."""

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)

    def load(self) -> Position | None:
        """See PositionStore. Raises UnusableInputError `position-malformed`, `position-file`."""
        try:
            return Position.from_bytes(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable(error) from error

    def save(self, position: Position) -> None:
        """See PositionStore. Raises UnusableInputError `position-file`."""
        try:
            write_atomically(self._path, position.to_bytes())
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: OSError) -> UnusableInputError:
        return UnusableInputError(
            "position-file",
            f"the position file {self._path} cannot be read or written: {error.strerror or error}",
            "Check its path, its permissions and the space on the disk",
        )


def _matched(pattern: re.Pattern[str], text: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError(f"{text!r:.80} names no partition")
    return text


def _place(value: Any) -> Place:
    if (
        not isinstance(value, list)
        or len(value) != 2
        or not all(type(number) is int and 0 <= number <= MAX_SAFE_INTEGER for number in value)
    ):
        raise ValueError(f"{value!r:.80} is no place")
    return Place(*value)

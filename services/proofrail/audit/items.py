"""Pairs the items of two streams of trace events by position and finds the first that differ.

Both sides are read once, line by line: memory does not grow with the run. Lines whose bytes are equal are
not parsed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from proofrail.audit.compare import Difference, compare_objects
from proofrail.audit.vocabulary import VOLATILE, event_members
from proofrail.wire.canonical import JsonObject, parse_object
from proofrail.wire.errors import MalformedError

UNKNOWN_KEPT: Final = 16
"""Unknown members that are listed; further ones are only counted."""


@dataclass(frozen=True)
class ItemDifference:
    """The first position at which the streams differ.

    Exactly one of these holds: `difference` (both sides have an event there), `error` (the claimed line
    breaks the wire format), or neither, when one of the sides has ended and its event is None.
    """

    item: int
    expected: JsonObject | None
    claimed: JsonObject | None
    difference: Difference | None = None
    error: MalformedError | None = None


@dataclass
class Unknown:
    """Members of claimed events that this version does not define."""

    first: list[tuple[int, str, Any]] = field(default_factory=list)
    count: int = 0

    def add(self, item: int, pointer: str, event: JsonObject) -> None:
        self.count += 1
        if len(self.first) < UNKNOWN_KEPT:
            self.first.append((item, pointer, _value_at(event, pointer)))


def first_item_difference(
    expected: Iterator[bytes], claimed: Iterator[bytes], start: int = 0
) -> tuple[ItemDifference | None, Unknown]:
    """Compare from item `start` on, where both iterators must stand; the second result says what is not
    defined.

    A MalformedError raised by `claimed` itself (a line too long to read) counts as a malformed line at its
    position.
    """
    unknown = Unknown()
    item = start
    while True:
        ours = next(expected, None)
        try:
            theirs = next(claimed, None)
            if ours is not None and ours == theirs:
                item += 1
                continue
            event = None if theirs is None else parse_object(theirs)
        except MalformedError as error:
            known = None if ours is None else parse_object(ours)
            return ItemDifference(item, known, None, error=error), unknown
        if ours is None or event is None:
            if ours is None and event is None:
                return None, unknown
            known = None if ours is None else parse_object(ours)
            return ItemDifference(item, known, event), unknown
        recomputed = parse_object(ours)
        comparison = compare_objects(recomputed, event, event_members(recomputed["type"]), skip=VOLATILE)
        for pointer in comparison.unknown:
            unknown.add(item, pointer, event)
        if comparison.difference is not None:
            return ItemDifference(item, recomputed, event, comparison.difference), unknown
        item += 1


def _value_at(event: JsonObject, pointer: str) -> Any:
    value: Any = event
    for token in pointer.split("/")[1:]:
        value = value[token.replace("~1", "/").replace("~0", "~")]
    return value

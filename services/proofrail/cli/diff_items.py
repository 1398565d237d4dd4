"""Where two streams of trace events part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from proofrail.audit.compare import Difference, compare_objects
from proofrail.audit.values import ABSENT, same
from proofrail.audit.vocabulary import VOLATILE, event_members
from proofrail.cli.show_source import RunSource
from proofrail.wire.canonical import JsonObject

HEADER: Final = ("v", "type", "program", "layout", "inputs_count", "inputs_sha256", "spans", "commitment")
"""Members of TraceStart, in the order in which a difference matters."""

_OWN_TO_A_RUN: Final = frozenset({"run_id", "span_id", "parent_span_id"})
"""Follow from the header: where that differs, they differ in every item and say nothing more."""

_STARTS: Final = frozenset({"SequenceStart", "TileStart"})
_ENDS: Final = frozenset({"SequenceEnd", "TileEnd", "SequenceFailure", "TileFailure"})


@dataclass(frozen=True)
class Sides:
    """The same thing of both runs."""

    a: Any
    b: Any


@dataclass(frozen=True, slots=True)
class Place:
    """The span that an item belongs to; its name is empty outside of all spans."""

    name: str = ""
    path: str | None = None

    @classmethod
    def of(cls, start: JsonObject) -> Place:
        name = str(start.get("name") or start.get("tile_id"))
        return cls(name, str(start.get("path") or f"{name} at depth {start.get('depth')}"))


_NOWHERE: Final = Place()


@dataclass(frozen=True)
class ItemsApart:
    """The first item that differs. `difference` is None where one of the runs has ended: its item is None."""

    item: int
    events: Sides
    places: tuple[Place, Place]
    difference: Difference | None


@dataclass(frozen=True)
class Compared:
    """What two runs have in common: the members of their headers that differ, the first item that does, how many
    items were equal before it, and members that were left out because they follow from the header."""

    header: dict[str, Sides]
    apart: ItemsApart | None
    equal: int
    left_out: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        return not self.header and self.apart is None


def compare_runs(left: RunSource, right: RunSource) -> Compared:
    """Compare two runs item by item, by the precedence of design section 5, "First mismatch".

    Where the headers differ, the items are compared all the same, but for what follows from the header. Members
    outside of every verdict are not compared; those that this version does not define are. Raises
    UnusableInputError for a line that cannot be read.
    """
    header = {
        name: Sides(ours, theirs)
        for name in HEADER
        if not same(ours := left.start.get(name, ABSENT), theirs := right.start.get(name, ABSENT))
    }
    skip = VOLATILE
    if header:
        skip |= _OWN_TO_A_RUN
        skip |= {"artifact"} if "program" in header else set()
    equal = 0
    for equal, (ours, theirs, places) in enumerate(_paired(left, right)):
        if equal == 0 and header:
            continue
        apart = _apart(equal, ours, theirs, places, skip)
        if apart is not None:
            return Compared(header, apart, equal, tuple(sorted(skip - VOLATILE)))
    return Compared(header, None, equal + 1, tuple(sorted(skip - VOLATILE)))


def _apart(
    item: int,
    ours: JsonObject | None,
    theirs: JsonObject | None,
    places: tuple[Place, Place],
    skip: frozenset[str],
) -> ItemsApart | None:
    if ours is None or theirs is None:
        return ItemsApart(item, Sides(ours, theirs), places, None)
    # All members of either side count as defined: neither side is the judge of the other.
    members = {**dict.fromkeys(ours.keys() | theirs.keys()), **event_members(str(ours.get("type")))}
    found = compare_objects(ours, theirs, members, skip=skip)
    if found.difference is None and not found.unknown:
        return None
    difference = found.difference or _unknown(ours, theirs, found.unknown[0])
    return ItemsApart(item, Sides(ours, theirs), places, difference)


def _unknown(ours: JsonObject, theirs: JsonObject, pointer: str) -> Difference:
    name = pointer.split("/")[1].replace("~1", "/").replace("~0", "~")
    return Difference("member", name, pointer, ours.get(name, ABSENT), theirs.get(name, ABSENT))


def _paired(
    left: RunSource, right: RunSource
) -> Iterator[tuple[JsonObject | None, JsonObject | None, tuple[Place, Place]]]:
    sides = (left.events(), right.events())
    stacks: tuple[list[Place], list[Place]] = ([], [])
    while True:
        ours, theirs = (next(side, None) for side in sides)
        if ours is None and theirs is None:
            return
        yield ours, theirs, (_follow(stacks[0], ours), _follow(stacks[1], theirs))


def _follow(stack: list[Place], event: JsonObject | None) -> Place:
    kind = "" if event is None else str(event.get("type"))
    if kind in _STARTS and event is not None:
        stack.append(Place.of(event))
        return stack[-1]
    place = stack[-1] if stack else _NOWHERE
    if kind in _ENDS and stack:
        stack.pop()
    elif kind not in _ENDS and event is not None:
        return _NOWHERE
    return place

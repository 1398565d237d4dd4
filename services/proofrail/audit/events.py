"""Compares claimed trace events with recomputed ones: at once by their commitment, one by one only on a
difference.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from proofrail.audit.claimed_events import Events, pieces_of
from proofrail.audit.findings import Finding, FoundError, Notes, from_difference
from proofrail.audit.items import ItemDifference, Unknown, first_item_difference
from proofrail.audit.locate import first_other_chain
from proofrail.audit.rawfiles import RawFiles
from proofrail.audit.recommit import Recommitted, recommit
from proofrail.audit.settings import Settings
from proofrail.audit.subject import Recomputed
from proofrail.audit.values import ABSENT
from proofrail.cairo.vm import STEP_LIMIT
from proofrail.wire.canonical import JsonObject, parse_object
from proofrail.wire.errors import MalformedError


@dataclass
class EventsResult:
    """What comparing the events left open: members that are not defined, and the events' own commitment."""

    unknown: Unknown = field(default_factory=Unknown)
    own: Recommitted | None = None


def check_events(
    events: Events, recomputed: Recomputed, settings: Settings, raw: RawFiles, notes: Notes
) -> EventsResult:
    """Raises FoundError at the first item that differs. Equal items keep the invariants that the run's own keep.

    Events found equal while the run was executed are not read again: their items have the bytes of the run's.
    """
    if recomputed.same_events:
        return _equal(notes)
    own = recommit(pieces_of(events), recomputed.run_id, settings.bits, settings.block_items)
    if own.core is not None and (own.core["items"], own.core["root"]) == (
        recomputed.seal["items"],
        recomputed.seal["root"],
    ):
        return _equal(notes)
    start = first_other_chain(recomputed.blocks, own.blocks) * settings.block_items
    claimed = events()
    difference, unknown = first_item_difference(
        islice(recomputed.lines(), start, None), _skipped(claimed, start), start
    )
    if difference is not None:
        raise FoundError(_finding(difference, raw, recomputed))
    _equal(notes)
    return EventsResult(unknown, own)


def _equal(notes: Notes) -> EventsResult:
    notes.done("events")
    notes.done("invariants")
    return EventsResult()


def first_event(events: Events | None) -> JsonObject:
    """The first claimed event; empty when there is none or it cannot be read."""
    if events is None:
        return {}
    try:
        line = next(iter(events()), None)
        return {} if line is None else parse_object(line)
    except MalformedError:
        return {}


def last_event(events: Events) -> JsonObject:
    """The last claimed event; empty when there is none or it cannot be read."""
    try:
        last = deque(events(), maxlen=1)
        return parse_object(last[0]) if last else {}
    except MalformedError:
        return {}


def claims_step_limit(events: Events | None) -> bool:
    """Whether the last Failure among the claimed events names the step limit. False where it cannot be read."""
    if events is None:
        return False
    try:
        ends = [parse_object(line) for line in deque(events(), maxlen=2)]
    except MalformedError:
        return False
    errors = [event["error"] for event in ends if isinstance(event.get("error"), dict)]
    return bool(errors) and errors[-1].get("code") == STEP_LIMIT


def _skipped(lines: Iterator[bytes], count: int) -> Iterator[bytes]:
    for _ in islice(lines, count):
        pass
    return lines


def _finding(found: ItemDifference, raw: RawFiles, recomputed: Recomputed) -> Finding:
    item, expected, claimed = found.item, found.expected, found.claimed
    place: dict[str, Any] = {"item": item, "line": item + 1, "path": path_at(recomputed, item)}
    if found.error is not None:
        return Finding(
            "malformed",
            "event",
            f"item {item} breaks the wire format: {found.error.message}",
            **place,
            expected=expected["type"] if expected else ABSENT,
            more={"code": found.error.code},
        )
    if expected is None or claimed is None:
        if claimed is None:
            message = f"the events end before item {item}; the run has {recomputed.items}"
        else:
            message = f"the events go on at item {item}, where the run has ended"
        return Finding(
            "length",
            "event",
            message,
            **place,
            expected=expected["type"] if expected else ABSENT,
            claimed=claimed.get("type", ABSENT) if claimed else ABSENT,
        )
    if found.difference is None:  # pragma: no cover - first_item_difference sets one of the three
        raise AssertionError(found)
    detailed = raw.explain(found.difference, expected, item)
    return detailed or from_difference(
        found.difference, "event", f"item {item} ({expected['type']})", **place
    )


def path_at(recomputed: Recomputed, item: int) -> str | None:
    """The path of the span that an item belongs to, where it belongs to one that has a path.

    Ends name their span by its id only; the path stands in its start.
    """
    wanted: bytes | None = None
    for position, line in enumerate(recomputed.lines()):
        if position == item:
            event = parse_object(line)
            path, span = event.get("path"), event.get("span_id")
            if isinstance(path, str) or not isinstance(span, str):
                return path
            wanted = span.encode()
            break
    if wanted is None:
        return None
    for line in islice(recomputed.lines(), item):
        if wanted in line and (event := parse_object(line)).get("span_id") == wanted.decode():
            path = event.get("path")
            return path if isinstance(path, str) else None
    return None

"""Members that this version does not define: they leave a verdict open (design section 5, "First mismatch")."""

from __future__ import annotations

from typing import Any

from proofrail.audit.blocks import UnknownMembers
from proofrail.audit.findings import Finding, Notes, Where
from proofrail.audit.items import UNKNOWN_KEPT, Unknown


def note_unknown_in_events(unknown: Unknown, notes: Notes) -> None:
    """The first of them, each with its item."""
    for item, pointer, value in unknown.first:
        place: dict[str, Any] = {"item": item, "line": item + 1, "claimed": value}
        notes.unsure("events", _unknown_member("event", f"item {item}", pointer, place))


def note_unknown_in_lines(unknown: UnknownMembers, notes: Notes) -> None:
    """The first of them, each with its commitment line."""
    for line, where, pointer in unknown.found[:UNKNOWN_KEPT]:
        part = {"input": "inputs", "block": "blocks"}.get(where, "seal")
        what = f"the {line.members['type']} at line {line.number}"
        notes.unsure(part, _unknown_member(where, what, pointer, {"line": line.number}))


def _unknown_member(where: Where, what: str, pointer: str, place: dict[str, Any]) -> Finding:
    return Finding(
        "unknown-member",
        where,
        f"{what} has a member that this version does not define: {pointer:.200}",
        member=pointer.split("/")[1][:200],
        pointer=pointer[:400],
        **place,
    )

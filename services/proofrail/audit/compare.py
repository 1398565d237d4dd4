"""What differs first between an expected object and a claimed one (design section 5, "First mismatch").

Expected is what the auditor recomputed, claimed is what was published. Objects are compared member by
member in one fixed order, so that two auditors name the same member.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from proofrail.audit.values import ABSENT, same
from proofrail.audit.vocabulary import Members

_KINDS: Final[Mapping[str, str]] = {
    "v": "version",
    "program": "program",
    "layout": "layout",
    "inputs_count": "inputs",
    "inputs_sha256": "inputs",
    "type": "type",
    "seq": "seq",
    "run_id": "run_id",
    "name": "name",
    "tile_id": "tile_id",
    "span_id": "span_id",
    "parent_span_id": "parent_span_id",
    "path": "path",
    "depth": "depth",
    "iteration": "iteration",
    "artifact": "artifact",
    "input_bytes": "input_bytes",
    "output_bytes": "output_bytes",
}
"""The members that come first, in their order, and the kind of mismatch each makes. All others: `member`."""

_RANK: Final = {name: rank for rank, name in enumerate(_KINDS)}


@dataclass(frozen=True)
class Difference:
    """One member on which the two sides disagree.

    `pointer` (RFC 6901) leads to the innermost value that differs; `member` is the outermost name on the way.
    """

    kind: str
    member: str
    pointer: str
    expected: Any
    claimed: Any


@dataclass(frozen=True)
class Comparison:
    """The first difference in members that this version defines, and the pointers of members it does not
    define.
    """

    difference: Difference | None = None
    unknown: tuple[str, ...] = field(default=())


def compare_objects(
    expected: Mapping[str, Any],
    claimed: Mapping[str, Any],
    members: Members,
    *,
    kinds: Mapping[str, str] | None = None,
    skip: frozenset[str] = frozenset(),
) -> Comparison:
    """Compare two lines of one type.

    `members` names what the auditor's version defines for the expected type; `kinds` replaces the kind of
    some members; members in `skip` are compared elsewhere, or never.
    """
    overrides = kinds or {}
    names = sorted(expected.keys() | claimed.keys(), key=lambda n: _order(n, claimed, expected))
    unknown: list[str] = []
    for name in names:
        if name in skip:
            continue
        ours, theirs = expected.get(name, ABSENT), claimed.get(name, ABSENT)
        if same(ours, theirs):
            continue
        if ours is ABSENT and name not in members:
            unknown.append(f"/{_escaped(name)}")
            continue
        found = _innermost(ours, theirs, members.get(name), f"/{_escaped(name)}", unknown)
        if found is not None:
            kind = overrides.get(name) or _KINDS.get(name, "member")
            return Comparison(Difference(kind, name, found, ours, theirs), tuple(unknown))
    return Comparison(None, tuple(unknown))


def _order(name: str, claimed: Mapping[str, Any], expected: Mapping[str, Any]) -> tuple[int, bytes]:
    # A line of another type has none of TraceStart's members: that it is of another type is then what to say.
    if name == "type" and not same(expected.get("type", ABSENT), claimed.get("type", ABSENT)):
        return _RANK["program"], b""
    return _RANK.get(name, len(_RANK)), name.encode("utf-16-be")


def _innermost(
    ours: Any, theirs: Any, members: Members | None, pointer: str, unknown: list[str]
) -> str | None:
    if not (isinstance(ours, dict) and isinstance(theirs, dict)):
        return None if same(ours, theirs) else pointer
    for name in sorted(ours.keys() | theirs.keys(), key=lambda n: n.encode("utf-16-be")):
        inner, outer = ours.get(name, ABSENT), theirs.get(name, ABSENT)
        if same(inner, outer):
            continue
        below = f"{pointer}/{_escaped(name)}"
        if inner is ABSENT and members is not None and name not in members:
            unknown.append(below)
            continue
        found = _innermost(inner, outer, members.get(name) if members else None, below, unknown)
        if found is not None:
            return found
    return None


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")

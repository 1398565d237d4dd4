"""What an audit finds: the first mismatch, what it could not decide, and the parts it checked or left
unchecked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

from proofrail.audit.compare import Difference
from proofrail.audit.values import ABSENT, shown

Verdict = Literal["MATCH", "MISMATCH", "INDETERMINATE"]

MATCH: Final = "MATCH"
MISMATCH: Final = "MISMATCH"
INDETERMINATE: Final = "INDETERMINATE"

Where = Literal[
    "commitments",
    "input",
    "event",
    "trace",
    "memory",
    "block",
    "seal",
    "checkpoint",
    "output",
    "proof",
    "blob",
]


@dataclass(frozen=True)
class Finding:
    """One thing that differs, or that stands in the way of a verdict.

    `kind` is the stable code (schemas/trace-v1.md lists them), `where` says in which of the published parts
    it was found, `line` the 1-based line of that part; `item` and `block` count from 0. `message` says it
    in words.
    """

    kind: str
    where: Where
    message: str
    item: int | None = None
    block: int | None = None
    line: int | None = None
    path: str | None = None
    member: str | None = None
    pointer: str | None = None
    expected: Any = ABSENT
    claimed: Any = ABSENT
    more: dict[str, Any] = field(default_factory=dict)

    def members(self) -> dict[str, Any]:
        """The finding as members of a report's `first_mismatch`; what has nothing to say is absent."""
        named = {
            "kind": self.kind,
            "where": self.where,
            "item": self.item,
            "block": self.block,
            "line": self.line,
            "path": self.path,
            "member": self.member,
            "pointer": self.pointer,
        }
        present = {name: value for name, value in named.items() if value is not None}
        return present | shown(self.expected, self.claimed) | self.more | {"message": self.message}


class FoundError(Exception):
    """Unwinds an audit at its first mismatch: what comes after it in the order of precedence does not
    matter.
    """

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.kind)
        self.finding = finding


@dataclass
class Notes:
    """What an audit has done so far.

    `reasons` are the parts it could not decide on, and why, without that being a mismatch.
    """

    checked: list[str] = field(default_factory=list)
    reasons: list[tuple[str, Finding]] = field(default_factory=list)

    def done(self, part: str) -> None:
        if part not in self.checked:
            self.checked.append(part)

    def unsure(self, part: str, finding: Finding) -> None:
        self.reasons.append((part, finding))


def from_difference(
    difference: Difference,
    where: Where,
    what: str,
    *,
    kind: str | None = None,
    item: int | None = None,
    block: int | None = None,
    line: int | None = None,
    path: str | None = None,
    more: dict[str, Any] | None = None,
    truth: str = "the run recomputed from its inputs",
) -> Finding:
    """A finding about one member; `what` names the line in words, such as `item 7 (TileEnd)`, `truth` what
    it was compared with."""
    if difference.claimed is ABSENT:
        message = f"{what} lacks the member {difference.member}"
    elif difference.expected is ABSENT:
        message = f"{what} has the member {difference.member}, which does not belong there"
    else:
        message = f"{what} has another {difference.member} than {truth}"
    return Finding(
        kind or difference.kind,
        where,
        message,
        item=item,
        block=block,
        line=line,
        path=path,
        member=difference.member,
        pointer=difference.pointer,
        expected=difference.expected,
        claimed=difference.claimed,
        more=more or {},
    )

"""What an audit finds: the first mismatch, what it could not decide, and the parts it checked or left
unchecked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from proofrail.audit.compare import Difference
from proofrail.audit.values import ABSENT, shown

Verdict = Literal["MATCH", "MISMATCH", "INDETERMINATE"]

MATCH: Final = "MATCH"
MISMATCH: Final = "MISMATCH"
INDETERMINATE: Final = "INDETERMINATE"

RECOMPUTED: Final = "the run recomputed from its inputs"
"""What claims are held against, in words, unless something else is said."""

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

KINDS: Final[Mapping[str, str]] = {
    "malformed": "a line breaks the wire format; `code` says how",
    "version": "`v` is not 1",
    "program": "the run is of another program than the auditor's",
    "layout": "the run was made in another layout",
    "inputs": "the inputs, their number or their hash",
    "proposal": "an input that nobody proposed, or that is no proposal in normal form",
    "length": "one side ends before the other: items, blocks, lines",
    "type": "a line of another type",
    "seq": "member of an item, as the following",
    "run_id": "also of an Input line, a block or the seal",
    "name": "",
    "tile_id": "",
    "span_id": "",
    "parent_span_id": "",
    "path": "",
    "depth": "",
    "iteration": "",
    "artifact": "",
    "input_bytes": "",
    "output_bytes": "",
    "member": "any other member of an item, a block or the seal; `member` names it",
    "invariant": "an event that cannot be right whatever the run was; `code` says which invariant it breaks",
    "step": "a StepBlock's root, down to the step where trace.bin is at hand",
    "cell": "a MemoryBlock's root, down to the cell where memory.bin is at hand",
    "packed": "a block's packed value; `item` is the first that differs",
    "chain": "the full chain value of a block or the seal",
    "root": "the root over all items",
    "signature": "the checkpoint is missing, of no accepted key, or about another tree head",
    "output": "the program's output is not what the independent model computes",
    "reference-vm": "another VM does something else with the same program and inputs",
    "is_mock": "a Proof that is a mock",
    "backend": "a Proof of another backend than accepted",
    "artifact-altered": "the stored proof is not what its digest says",
    "size": "the stored proof has another length than the message says",
    "proof": "the proof does not hold for the run; `code` says why",
    "policy": "the proof is not good enough; `code` says why",
    "statement": "the Proof message states something else than its proof, as the following",
    "parameters": "",
    "security_bits": "",
    "identities": "",
    "not-sealed": "INDETERMINATE: the seal has not arrived",
    "unfinished": "INDETERMINATE: the events end before TraceEnd",
    "program-missing": "INDETERMINATE: the run cannot be executed again, for want of the program",
    "too-many-steps": "INDETERMINATE: it takes more steps than are executed on a tracer's word",
    "inputs-missing": "INDETERMINATE: likewise, for want of the inputs",
    "key-missing": "INDETERMINATE: no key to check the signature with",
    "unknown-member": "INDETERMINATE: a member that this version does not define",
    "proposal-unknown": "INDETERMINATE: whether an input was proposed cannot be known now",
    "artifact-missing": "INDETERMINATE: the proof cannot be had",
    "proof-failed": "INDETERMINATE: no proof was made",
    "verifier-missing": "INDETERMINATE: there is no verifier for the proof here",
    "run-not-recomputed": "INDETERMINATE: what the proof should state is not known",
}
"""What `kind` of a mismatch, or `code` of an unchecked part, can be."""


@dataclass(frozen=True)
class Finding:
    """One thing that differs, or that stands in the way of a verdict.

    `kind` is one of KINDS, `where` says in which of the published parts
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

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"{self.kind!r} is no kind of finding")

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

    `reasons` are the parts it could not decide on, and why, without that being a mismatch; `left` what it was
    not asked to decide, and why that is worth knowing.
    """

    checked: list[str] = field(default_factory=list)
    reasons: list[tuple[str, Finding]] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)

    def done(self, part: str) -> None:
        if part not in self.checked:
            self.checked.append(part)

    def unsure(self, part: str, finding: Finding) -> None:
        self.reasons.append((part, finding))

    def leave(self, part: str, why: str) -> None:
        self.left.append((part, why))


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
    truth: str = RECOMPUTED,
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

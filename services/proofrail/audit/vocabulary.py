"""The members that this version defines for each type of line, read off the models of `proofrail.wire`.

A claimed line with other members was written by a version that knows more: what it means cannot be judged,
so its run is never a MATCH (design section 5, "First mismatch").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias, get_args

from proofrail.wire.events import EVENT_TYPES, VOLATILE
from proofrail.wire.messages import CommitmentBlock, CommitmentSeal, Input, Proof
from proofrail.wire.model import Part

__all__ = [
    "BLOCK_MEMBERS",
    "INPUT_MEMBERS",
    "PROOF_MEMBERS",
    "SEAL_MEMBERS",
    "VOLATILE",
    "Members",
    "event_members",
]

Members: TypeAlias = Mapping[str, "Members | None"]
"""Defined names; the value has the names inside where the member is an object with defined members, else
None.
"""


def _members(model: type[Part]) -> Members:
    return {
        name: next((_members(part) for part in _parts(field.annotation)), None)
        for name, field in model.model_fields.items()
    }


def _parts(annotation: Any) -> Iterator[type[Part]]:
    if isinstance(annotation, type) and issubclass(annotation, Part):
        yield annotation
    for argument in get_args(annotation):
        yield from _parts(argument)


_EVENTS: Final[Mapping[str, Members]] = {name: _members(model) for name, model in EVENT_TYPES.items()}

INPUT_MEMBERS: Final = _members(Input)
BLOCK_MEMBERS: Final = _members(CommitmentBlock)
SEAL_MEMBERS: Final = _members(CommitmentSeal)
PROOF_MEMBERS: Final = _members(Proof)


def event_members(event_type: str) -> Members:
    """The members of a type of trace event; none for a type this version does not know."""
    return _EVENTS.get(event_type, {})

"""Which lines `tail` shows, and where it begins."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from proofrail.cli.meant import meant
from proofrail.cli.said import verdict_of
from proofrail.messaging.records import Record
from proofrail.wire import topics
from proofrail.wire.errors import UnusableInputError
from proofrail.wire.events import EVENT_TYPES
from proofrail.wire.messages import MESSAGE_TYPES

SHORT_NAMES: Final = {
    "proposals": topics.PROPOSALS,
    "dlq": topics.PROPOSALS_DLQ,
    "index": topics.INDEX,
    "events": topics.EVENTS,
    "commitments": topics.COMMITMENTS,
    "proofs": topics.PROOFS,
    "reports": topics.REPORTS,
    "attestations": topics.ATTESTATIONS,
    "registrations": topics.REGISTRATIONS,
}

DEFAULT_TOPICS: Final = tuple(name for name in topics.TOPICS if name not in (topics.INDEX, topics.EVENTS))
"""Where nothing else is named: what a person follows. Of commitments the seals alone are shown then."""

_SEALS: Final = "CommitmentSeal"
TYPES: Final = (*EVENT_TYPES, *MESSAGE_TYPES, "AllocationProposal")
VERDICTS: Final = ("MATCH", "MISMATCH", "INDETERMINATE", "approved", "rejected", "recorded", "refused")


def topic_names(given: Sequence[str]) -> list[str]:
    """The topics that were named in full or in short; the default ones where none was. Raises UnusableInputError
    `topic-unknown`."""
    found = [SHORT_NAMES.get(name, name) for name in given]
    for name in found:
        if name not in topics.TOPICS:
            raise UnusableInputError(
                "topic-unknown",
                f"there is no topic {name!r:.80}",
                f"{meant(name, SHORT_NAMES)} Full names will do.",
            )
    return list(dict.fromkeys(found)) or list(DEFAULT_TOPICS)


@dataclass(frozen=True)
class Wanted:
    """Which lines are meant; what is empty asks nothing."""

    run: str = ""
    """The beginning of a run_id."""
    allocation: str = ""
    types: Collection[str] = ()
    verdicts: Collection[str] = ()
    only_seals: bool = False
    """Of commitments, the seals alone."""

    def may_take(self, record: Record) -> bool:
        """Whether the record may hold a line that is meant, told without reading it: names have one spelling."""
        names = [name for name in (self.run, self.allocation) if name]
        return all(
            name.encode(errors="surrogateescape") in record.value or name in record.key_text for name in names
        )

    def takes(self, topic: str, key: str, message: Mapping[str, Any]) -> bool:
        kind = type_of(topic, message)
        return (
            (not self.types or kind in self.types)
            and (not self.verdicts or verdict_of(message) in self.verdicts)
            and (not self.run or str(message.get("run_id", key)).startswith(self.run))
            and (not self.allocation or self.allocation in _allocations(topic, key, message))
            and not (self.only_seals and not self.types and topic == topics.COMMITMENTS and kind != _SEALS)
        )


def wanted(
    given: Sequence[str],
    *,
    run: str = "",
    allocation: str = "",
    types: Sequence[str] = (),
    verdicts: Sequence[str] = (),
) -> Wanted:
    """The filter of a command line. Raises UnusableInputError `type-unknown`, `verdict-unknown`."""
    known = {name.lower(): name for name in TYPES}
    named = {name.lower(): name for name in VERDICTS}
    return Wanted(
        run,
        allocation,
        frozenset(_one_of(known, name, "type") for name in types),
        frozenset(_one_of(named, name, "verdict") for name in verdicts),
        only_seals=not given,
    )


def type_of(topic: str, message: Mapping[str, Any]) -> str:
    """The message's type; proposals in the seed's form name none."""
    kind = message.get("type")
    if isinstance(kind, str):
        return kind
    return "AllocationProposal" if topic == topics.PROPOSALS else "?"


def _allocations(topic: str, key: str, message: Mapping[str, Any]) -> set[object]:
    form = message.get("input")
    found = {message.get("allocation_id"), form.get("allocation_id") if isinstance(form, Mapping) else None}
    if topic in (topics.PROPOSALS, topics.PROPOSALS_DLQ):
        found.add(key)
    return found


def _one_of(known: Mapping[str, str], name: str, what: str) -> str:
    found = known.get(name.lower())
    if found is None:
        raise UnusableInputError(
            "type-unknown" if what == "type" else "verdict-unknown",
            f"there is no {what} {name!r:.60}",
            meant(name, sorted(known.values())),
        )
    return found

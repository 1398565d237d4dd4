"""What must change for the topics to be as they are specified, and which of it may be done without losing records.

Pure: `proofrail.messaging.topic_changes` reads what is there, and does what is planned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from proofrail.wire.topics import TopicSpec

Risk = Literal["none", "loses", "impossible"]

_FOREVER: Final = -1
_LIMITS: Final = frozenset({"retention.ms", "retention.bytes"})


@dataclass(frozen=True)
class Actual:
    """A topic as it is: its partitions, the fewest replicas that one of them has, its settings in effect, and those of
    them that were set on the topic itself."""

    partitions: int
    replicas: int
    configs: Mapping[str, str]
    own: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """One thing that differs: `what` is "topic", "partitions", "replicas" or the name of a setting. `risk`: `loses` may
    remove records or make them unreadable, `impossible` cannot be done to a topic that exists."""

    topic: str
    what: str
    actual: str
    wanted: str
    risk: Risk = "none"
    note: str = ""

    @property
    def kind(self) -> str:
        """`create`, `change` or `refuse`."""
        if self.risk != "none":
            return "refuse"
        return "create" if self.what == "topic" else "change"

    def to_object(self) -> dict[str, Any]:
        return {
            "v": 1,
            "type": "TopicChange",
            "topic": self.topic,
            "change": self.kind,
            "what": self.what,
            "actual": self.actual,
            "wanted": self.wanted,
            "risk": self.risk,
            "note": self.note,
        }


def plan(specs: Iterable[TopicSpec], actual: Mapping[str, Actual], replicas: int) -> list[Change]:
    """The changes, in the order of `specs`; none where all is as it should be. More replicas than `replicas` are no
    difference."""
    found: list[Change] = []
    for spec in specs:
        there = actual.get(spec.name)
        if there is None:
            told = ", ".join(f"{name}={value}" for name, value in spec.configs.items())
            found.append(Change(spec.name, "topic", "absent", f"{spec.partitions} partitions, {told}"))
            continue
        found += _partitions(spec, there)
        if there.replicas < replicas:
            note = "partitions are reassigned with Kafka's own tools (kafka-reassign-partitions)"
            found.append(
                Change(spec.name, "replicas", str(there.replicas), str(replicas), "impossible", note)
            )
        found += [
            _setting(spec.name, name, there.configs.get(name, "absent"), value)
            for name, value in spec.configs.items()
            if there.configs.get(name) != value
        ]
    return found


def _partitions(spec: TopicSpec, there: Actual) -> list[Change]:
    if there.partitions == spec.partitions:
        return []
    told = str(there.partitions), str(spec.partitions)
    if there.partitions > spec.partitions:
        note = "Kafka takes no partition away: make the topic anew, or specify as many (--partitions)"
        return [Change(spec.name, "partitions", *told, "impossible", note)]
    if spec.configs.get("cleanup.policy") == "compact":
        note = "a compacted topic would keep old entries of a key in another partition: make it anew"
        return [Change(spec.name, "partitions", *told, "impossible", note)]
    return [Change(spec.name, "partitions", *told, note="keys go to other partitions from then on")]


def _setting(topic: str, name: str, actual: str, wanted: str) -> Change:
    if name in _LIMITS and _shorter(actual, wanted):
        return Change(topic, name, actual, wanted, "loses", "what is older, or more, is removed at once")
    if name == "cleanup.policy" and "delete" in wanted and "delete" not in actual:
        return Change(topic, name, actual, wanted, "loses", "records begin to expire")
    if name == "max.message.bytes" and _number(wanted) < _number(actual):
        return Change(topic, name, actual, wanted, "loses", "larger records are refused from then on")
    return Change(topic, name, actual, wanted)


def _shorter(actual: str, wanted: str) -> bool:
    before, after = _number(actual), _number(wanted)
    return after != _FOREVER and (before == _FOREVER or after < before)


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        return 0

"""The Kafka topics: names, partitions, retention, and the size limits of records and lines (design sections
2 and 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PROPOSALS: Final = "allocation.proposals.v1"
PROPOSALS_DLQ: Final = "allocation.proposals.v1.dlq"
INDEX: Final = "allocation.index.v1"
EVENTS: Final = "trace.events.v1"
COMMITMENTS: Final = "trace.commitments.v1"
PROOFS: Final = "proofs.v1"
REPORTS: Final = "audit.reports.v1"
ATTESTATIONS: Final = "attestations.v1"
REGISTRATIONS: Final = "registrations.v1"

MAX_RECORD: Final = 512 * 1024
"""Most bytes of a record's value."""

MAX_LINE: Final = 64 * 1024
"""Most bytes of one line, its line feed not counted."""

MAX_MESSAGE_BYTES: Final = 2 * MAX_RECORD
"""`max.message.bytes` of every topic: Kafka applies it to a record batch, so that keys, headers and batch
overhead of the largest record must fit beside its value. It is also what producers must be allowed to send
in one request."""

_DAY_MS: Final = 24 * 60 * 60 * 1000
_FOREVER: Final = "-1"


@dataclass(frozen=True)
class TopicSpec:
    """A topic to create: its name, number of partitions, what its keys are, and Kafka's topic
    configuration."""

    name: str
    partitions: int
    key: str
    configs: dict[str, str]


def topic_specs(partitions: int = 1) -> dict[str, TopicSpec]:
    """All topics by name, the data topics with `partitions` partitions each.

    One partition by default: a tracer takes all that waits into one run anyway, and a batch then has one
    order. More partitions let more tracer and auditor instances share the work. The index stays whole:
    every instance reads it all. Raises ValueError when `partitions` is below 1.
    """
    if partitions < 1:
        raise ValueError(f"a topic needs at least one partition, not {partitions}")

    def kept(name: str, key: str, retention_ms: str) -> TopicSpec:
        configs = {
            "cleanup.policy": "delete",
            "retention.ms": retention_ms,
            "retention.bytes": _FOREVER,
            "max.message.bytes": str(MAX_MESSAGE_BYTES),
        }
        return TopicSpec(name, partitions, key, configs)

    index = TopicSpec(
        INDEX,
        1,
        "allocation_id",
        {
            "cleanup.policy": "compact",
            "retention.ms": _FOREVER,
            "retention.bytes": _FOREVER,
            "max.message.bytes": str(MAX_MESSAGE_BYTES),
        },
    )
    # What others rely on for good is small and stays; what can be recomputed from it ages out. Terminal
    # records outlive the commitments they settle, or a restarted tracer would count settled runs as open.
    specs = [
        kept(PROPOSALS, "allocation_id", str(90 * _DAY_MS)),
        kept(PROPOSALS_DLQ, "that of the refused record", str(90 * _DAY_MS)),
        index,
        kept(EVENTS, "run_id", str(7 * _DAY_MS)),
        kept(COMMITMENTS, "run_id", str(30 * _DAY_MS)),
        kept(PROOFS, "run_id", _FOREVER),
        kept(REPORTS, "run_id", _FOREVER),
        kept(ATTESTATIONS, "allocation_id", _FOREVER),
        kept(REGISTRATIONS, "allocation_id", _FOREVER),
    ]
    return {spec.name: spec for spec in specs}


TOPICS: Final[dict[str, TopicSpec]] = topic_specs()

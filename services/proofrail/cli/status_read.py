"""Reads from the broker what the status of the pipeline is told from: no more of the topics than can still matter."""

from __future__ import annotations

from typing import Final

from proofrail.cli.broker import asked
from proofrail.cli.dlq_letters import GivenUpOnly
from proofrail.cli.lag import Lag, lags
from proofrail.cli.status_pipeline import GROUPS, Judge, Pipeline, given_up, refused_at_intake, registered
from proofrail.cli.status_runs import TOPICS, RunsSeen
from proofrail.cli.topic_reading import read
from proofrail.messaging import groups
from proofrail.messaging.records import Record
from proofrail.messaging.settings import KafkaSettings
from proofrail.wire import topics

_RUNS_REMEMBERED: Final = 50
SKEW_MS: Final = 60_000
"""What was said of a record by another machine's clock may seem older than the record by so much."""

_CAUSES: Final = (topics.COMMITMENTS, topics.ATTESTATIONS)
_WHAT_FOLLOWED: Final = (
    topics.PROOFS,
    topics.REPORTS,
    topics.PROPOSALS_DLQ,
    topics.INDEX,
    topics.REGISTRATIONS,
)


async def read_pipeline(
    kafka: KafkaSettings, now_ms: int, stuck_ms: int, since_ms: int
) -> tuple[Pipeline, list[str]]:
    """The pipeline, judged as `Judge` says, and the latest runs.

    The groups' positions tell what is in hand: it is not older than the first record that one of them has before it.
    Read is what was written since then, or since `since_ms` if that is earlier; of proposals and trace events nothing.
    Raises UnusableInputError `topics-missing`, BrokerUnavailableError.
    """
    behind = await lags(kafka, GROUPS)
    registrar = behind.pop(groups.REGISTRAR)
    in_use = registrar.known or registrar.members > 0 or await _holds_records(kafka, topics.REGISTRATIONS)
    reading = [lag for group, lag in behind.items() if group != groups.TRACER]
    begin_ms = _begin_ms(since_ms, [*reading, *([registrar] if in_use else [])])
    runs, given_up_only = RunsSeen(), GivenUpOnly()

    def matters(record: Record) -> bool:
        if record.topic in TOPICS:
            runs.take(
                record
            )  # at once: of commitments there are many, and a run's last line is all that counts
            return False
        if record.topic == topics.ATTESTATIONS:
            return registrar.oldest_ms is not None and record.timestamp >= registrar.oldest_ms
        return record.topic != topics.INDEX or given_up_only(record)

    found = [
        *await read(kafka, _CAUSES, matters, since_ms=begin_ms),
        *await read(kafka, _WHAT_FOLLOWED, matters, since_ms=begin_ms - SKEW_MS),
    ]
    pipeline = Judge(now_ms, stuck_ms, since_ms).pipeline(
        runs,
        behind,
        given_up(record for record in found if record.topic == topics.INDEX),
        refused_at_intake(found, since_ms),
        registered(found, registrar) if in_use else None,
    )
    return pipeline, list(reversed(runs.runs))[:_RUNS_REMEMBERED]


def _begin_ms(since_ms: int, behind: list[Lag]) -> int:
    return min([since_ms, *(lag.oldest_ms for lag in behind if lag.oldest_ms is not None)])


async def _holds_records(kafka: KafkaSettings, topic: str) -> bool:
    async with asked(kafka) as offsets:
        return any(extent.end > extent.begin for extent in (await offsets.extents([topic])).values())

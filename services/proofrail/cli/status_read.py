"""Reads from the broker what the status of the pipeline is told from."""

from __future__ import annotations

import asyncio
from typing import Final

from proofrail.cli.lag import lags
from proofrail.cli.run_records import read
from proofrail.cli.status_pipeline import GROUPS, Judge, Pipeline, given_up, registered
from proofrail.cli.status_runs import TOPICS, RunsSeen
from proofrail.messaging.settings import KafkaSettings
from proofrail.wire import topics

_RUNS_REMEMBERED: Final = 50


async def read_pipeline(
    kafka: KafkaSettings, now_ms: int, stuck_ms: int, since_ms: int
) -> tuple[Pipeline, list[str]]:
    """The pipeline, judged as `Judge` says, and the latest runs. Reads all topics but proposals and trace events, which
    are the large ones. Raises BrokerUnavailableError."""
    names = [*TOPICS, topics.PROPOSALS_DLQ, topics.INDEX, topics.ATTESTATIONS, topics.REGISTRATIONS]
    found, behind = await asyncio.gather(read(kafka, names), lags(kafka, GROUPS))
    runs = RunsSeen(record for record in found if record.topic in TOPICS)
    refused = sum(record.topic == topics.PROPOSALS_DLQ for record in found)
    late = given_up(record for record in found if record.topic == topics.INDEX)
    ends = registered(one for one in found if one.topic in (topics.ATTESTATIONS, topics.REGISTRATIONS))
    pipeline = Judge(now_ms, stuck_ms, since_ms).pipeline(
        runs, behind, late, max(0, refused - len(late)), ends
    )
    return pipeline, list(reversed(runs.runs))[:_RUNS_REMEMBERED]

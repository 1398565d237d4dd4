"""A run that is shown from the topics of a running system."""

from __future__ import annotations

from pathlib import Path

import pytest

from proofrail.cli.show_topics import fetch_run
from proofrail.messaging.client import publish
from proofrail.messaging.records import Message
from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.topics import ensure_topics
from proofrail.wire import topics
from proofrail.wire.errors import UnusableInputError

pytestmark = pytest.mark.kafka

RUNS = ("f00dfeed00000000000000000000aaaa", "f00dfeed00000000000000000000bbbb")


async def test_a_run_is_found_by_the_beginning_of_its_id(kafka: KafkaSettings, tmp_path: Path) -> None:
    """Its records, in order and of that run alone; several that begin so, and none, are said."""
    await ensure_topics(kafka)
    await publish(
        kafka,
        [
            Message(topic, run.encode(), f'{{"{topic}":{part}}}{end}'.encode(), [])
            for part, end in ((0, "\n"), (1, ""))
            for topic in (topics.EVENTS, topics.COMMITMENTS)
            for run in RUNS
        ],
    )
    events, commitments = tmp_path / "events", tmp_path / "commitments"
    assert RUNS[1] == await fetch_run(kafka, RUNS[1][:30], events, commitments)
    assert b'{"trace.events.v1":0}\n{"trace.events.v1":1}\n' == events.read_bytes()
    assert b'{"trace.commitments.v1":0}\n{"trace.commitments.v1":1}\n' == commitments.read_bytes()
    for prefix, code in ((RUNS[0][:8], "run-ambiguous"), ("0123456789abcdef", "run-not-found")):
        with pytest.raises(UnusableInputError) as error:
            await fetch_run(kafka, prefix, tmp_path / prefix, tmp_path / code)
        assert code == error.value.code

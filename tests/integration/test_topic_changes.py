"""Changes to topics of a real broker."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.topic_changes import actual_topics, apply_changes
from proofrail.messaging.topic_plan import plan
from proofrail.messaging.topics import ensure_topics
from proofrail.wire.topics import TopicSpec

pytestmark = pytest.mark.kafka


async def test_topics_become_what_is_specified(kafka: KafkaSettings, unique: Callable[[str], str]) -> None:
    """Made, given partitions and settings; a setting that nobody specified stays. Afterwards nothing is left to do, and
    what was the specification before would be refused."""
    old, new = unique("old"), unique("new")
    before = TopicSpec(old, 1, "key", {"retention.ms": "1000", "segment.ms": "12345"})
    await ensure_topics(kafka, [before])
    specs = [
        TopicSpec(old, 3, "key", {"retention.ms": "-1", "cleanup.policy": "delete"}),
        TopicSpec(new, 2, "key", {"retention.ms": "5000"}),
    ]
    actual = await actual_topics(kafka, [old, new])
    assert [old] == list(actual)
    changes = plan(specs, actual, 1)
    assert [(old, "partitions"), (old, "retention.ms"), (new, "topic")] == [
        (one.topic, one.what) for one in changes
    ]
    await apply_changes(kafka, changes, specs, actual)
    actual = await actual_topics(kafka, [old, new])
    assert [] == plan(specs, actual, 1)
    assert (3, "12345") == (actual[old].partitions, actual[old].configs["segment.ms"])
    assert ["impossible", "loses"] == [change.risk for change in plan([before], actual, 1)]

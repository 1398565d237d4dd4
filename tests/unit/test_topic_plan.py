"""What would be changed of topics, and what is refused."""

from __future__ import annotations

import pytest

from proofrail.messaging.topic_plan import Actual, Change, plan
from proofrail.wire import topics
from proofrail.wire.topics import TOPICS, topic_specs


def _as_specified(partitions: int = 1) -> dict[str, Actual]:
    return {name: Actual(spec.partitions, 1, spec.configs) for name, spec in topic_specs(partitions).items()}


def _changed(topic: str, partitions: int = 1, replicas: int = 1, **configs: str) -> dict[str, Actual]:
    changed = {name.replace("_", "."): value for name, value in configs.items()}
    return _as_specified() | {topic: Actual(partitions, replicas, {**TOPICS[topic].configs, **changed})}


def test_topics_that_are_as_specified_need_nothing() -> None:
    """Also with more replicas than asked for; all are created where there are none."""
    assert [] == plan(TOPICS.values(), _as_specified(), 1)
    assert [] == plan(TOPICS.values(), _changed(topics.PROOFS, replicas=3), 1)
    assert ["create"] * len(TOPICS) == [change.kind for change in plan(TOPICS.values(), {}, 1)]


@pytest.mark.parametrize(
    ("actual", "kind", "risk"),
    [
        (_changed(topics.PROOFS, retention_ms="1000"), "change", "none"),
        (_changed(topics.EVENTS, retention_ms="-1"), "refuse", "loses"),
        (_changed(topics.EVENTS, retention_ms="999999999999"), "refuse", "loses"),
        (_changed(topics.EVENTS, retention_bytes="1000"), "change", "none"),
        (_changed(topics.EVENTS, cleanup_policy="compact"), "refuse", "loses"),
        (_changed(topics.INDEX, cleanup_policy="delete"), "change", "none"),
        (_changed(topics.PROOFS, max_message_bytes="1000"), "change", "none"),
        (_changed(topics.PROOFS, max_message_bytes="999999999"), "refuse", "loses"),
        (_changed(topics.PROOFS, partitions=2), "refuse", "impossible"),
    ],
)
def test_each_difference_is_judged(actual: dict[str, Actual], kind: str, risk: str) -> None:
    """What keeps all records is done, what may lose some is refused unless asked for, the rest cannot be done."""
    (change,) = plan(TOPICS.values(), actual, 1)
    assert (kind, risk) == (change.kind, change.risk)


def test_more_partitions_are_added_but_never_to_the_index() -> None:
    """A compacted topic would keep an old entry of a key in its first partition. Too few replicas are named."""
    found = plan(topic_specs(4).values(), _as_specified(), 1)
    assert {"change"} == {change.kind for change in found}
    assert set(TOPICS) - {topics.INDEX} == {change.topic for change in found}
    (change,) = plan(
        [topic_specs()[topics.INDEX]], {topics.INDEX: Actual(0, 1, TOPICS[topics.INDEX].configs)}, 1
    )
    assert "impossible" == change.risk
    few = plan(TOPICS.values(), _as_specified(), 3)
    assert {("replicas", "impossible")} == {(change.what, change.risk) for change in few}


def test_a_change_is_told_as_an_object() -> None:
    """As `topics plan --json` prints it."""
    expected = {
        "v": 1, "type": "TopicChange", "topic": "t", "change": "refuse", "what": "partitions", "actual": "2",
        "wanted": "1", "risk": "impossible", "note": "",
    }  # fmt: skip
    assert expected == Change("t", "partitions", "2", "1", "impossible").to_object()

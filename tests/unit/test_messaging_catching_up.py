"""What is said of a reader on its way to the end of its topics."""

from __future__ import annotations

from aiokafka import TopicPartition

from proofrail.messaging.catching_up import CatchingUp

_A0, _A1, _B0 = TopicPartition("a", 0), TopicPartition("a", 1), TopicPartition("b", 0)


def test_what_is_left_is_told_by_topic() -> None:
    """From where reading began, not from offset 0; partitions of a topic together; topics that are read, not at all."""
    catching = CatchingUp({_A0: 1000, _A1: 0, _B0: 5}, {_A0: 1500, _A1: 100, _B0: 5}, 2.0)
    assert (600, "0 of 600 records of a") == (catching.left, str(catching))
    catching.reach({_A0: 1200, _A1: 100, _B0: 5})
    assert (300, {"a": (300, 600)}) == (catching.left, catching.by_topic())
    catching.reach({_A0: 1500, _A1: 100, _B0: 5})
    assert (0, "") == (catching.left, str(catching))
    assert 3.0 == catching.seconds(5.0)


def test_what_comes_later_is_no_progress() -> None:
    """Records behind the target of one partition do not make up for those that another lacks."""
    catching = CatchingUp({_A0: 0, _B0: 0}, {_A0: 10, _B0: 10}, 0.0)
    catching.reach({_A0: 10_000, _B0: 3})
    assert (7, "3 of 10 records of b") == (catching.left, str(catching))


def test_a_log_that_ends_before_it_begins_is_read() -> None:
    """A topic whose records have all expired, and a position beyond a target."""
    catching = CatchingUp({_A0: 7}, {_A0: 5}, 0.0)
    assert (0, {}) == (catching.left, catching.by_topic())

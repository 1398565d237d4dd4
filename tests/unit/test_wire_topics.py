"""Topics and limits."""

import pytest

from proofrail.wire import topics


def test_the_topics_have_the_names_of_the_design() -> None:
    """Outside readers subscribe by these names."""
    assert {
        "allocation.proposals.v1",
        "allocation.proposals.v1.dlq",
        "allocation.index.v1",
        "trace.events.v1",
        "trace.commitments.v1",
        "proofs.v1",
        "audit.reports.v1",
        "attestations.v1",
        "registrations.v1",
    } == set(topics.TOPICS)


def test_the_limits_are_those_of_the_design() -> None:
    """No record above 512 KiB, no line above 64 KiB, and room for keys and headers beside a record."""
    assert (524_288, 65_536) == (topics.MAX_RECORD, topics.MAX_LINE)
    for spec in topics.TOPICS.values():
        assert int(spec.configs["max.message.bytes"]) >= topics.MAX_RECORD + 64 * 1024


def test_the_index_is_compacted_and_never_expires() -> None:
    """The index must outlive every proposal, or an allocation_id could be used again."""
    spec = topics.TOPICS[topics.INDEX]
    assert ("compact", "-1", "-1") == (
        spec.configs["cleanup.policy"],
        spec.configs["retention.ms"],
        spec.configs["retention.bytes"],
    )


def test_terminal_records_outlive_commitments() -> None:
    """A restarted tracer rebuilds its window from commitments minus terminal records."""
    assert "-1" == topics.TOPICS[topics.PROOFS].configs["retention.ms"]
    assert int(topics.TOPICS[topics.COMMITMENTS].configs["retention.ms"]) > 0


def test_partitions_are_a_parameter_of_all_topics_but_the_index() -> None:
    """Every instance reads the whole index; the rest of the work can be shared."""
    specs = topics.topic_specs(partitions=6)
    assert 1 == specs.pop(topics.INDEX).partitions
    assert {6} == {spec.partitions for spec in specs.values()}


def test_a_topic_needs_a_partition() -> None:
    """Zero partitions are a mistake of the caller."""
    with pytest.raises(ValueError, match="at least one partition"):
        topics.topic_specs(0)

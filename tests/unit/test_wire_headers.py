"""CloudEvents and W3C Trace Context headers."""

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofrail.wire.headers import child_traceparent, record_headers, span_of

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"


def test_a_record_carries_cloudevents_in_binary_mode() -> None:
    """All headers, their exact names and values."""
    value = b'{"v":1}\n'
    assert {
        "content-type": b"application/x-ndjson",
        "ce_specversion": b"1.0",
        "ce_type": b"proofs.v1",
        "ce_id": hashlib.sha256(value).hexdigest().encode(),
        "ce_source": b"/proofrail/prover",
        "traceparent": PARENT.encode(),
    } == dict(record_headers("proofs.v1", value, source="/proofrail/prover", traceparent=PARENT))


def test_the_sdk_of_cloudevents_reads_a_record() -> None:
    """As an event in binary mode of version 1.0, whose data is the record's value and whose partition key its key."""
    kafka = pytest.importorskip("cloudevents.core.bindings.kafka")
    formats = pytest.importorskip("cloudevents.core.formats.json")
    value = b'{"v":1}\n{"v":1}\n'
    headers = dict(record_headers("proofs.v1", value, source="/proofrail/prover", traceparent=PARENT))
    event = kafka.from_kafka(kafka.KafkaMessage(headers, b"a run", value), formats.JSONFormat())
    assert ("1.0", "proofs.v1", "/proofrail/prover", hashlib.sha256(value).hexdigest()) == (
        event.get_specversion(),
        event.get_type(),
        event.get_source(),
        event.get_id(),
    )
    assert ("application/x-ndjson", "a run") == (
        event.get_datacontenttype(),
        event.get_extension("partitionkey"),
    )
    data = event.get_data()
    assert value == (data.encode() if isinstance(data, str) else data)


@given(st.binary(max_size=40))
def test_every_record_has_a_traceparent(value: bytes) -> None:
    """Without a parent, or with a broken one, a record starts a trace derived from its value."""
    for parent in (None, "", "nonsense"):
        headers = record_headers("t", value, source="/s", traceparent=parent)
        assert child_traceparent(None, value) == dict(headers)["traceparent"].decode()


@given(st.binary(max_size=40))
def test_a_child_stays_in_its_parents_trace(seed: bytes) -> None:
    """Trace id and flags are kept, the span id is another, and the same seed gives the same one."""
    child = child_traceparent(PARENT, seed)
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", child)
    assert PARENT.split("-")[1] == child.split("-")[1]
    assert PARENT.split("-")[3] == child.split("-")[3]
    assert PARENT.split("-")[2] != child.split("-")[2]
    assert child == child_traceparent(PARENT, seed)


def test_a_later_version_is_continued_in_ours() -> None:
    """A parent of a version to come is read by its first four fields, as W3C demands."""
    assert child_traceparent(PARENT, b"x") == child_traceparent("cc" + PARENT[2:] + "-what-comes", b"x")


@pytest.mark.parametrize(
    "parent",
    [
        PARENT.upper(),
        PARENT + "-01",
        "ff" + PARENT[2:],
        PARENT[:-1],
        " " + PARENT,
        PARENT + "\n",
        "00-" + "0" * 32 + PARENT[35:],
        PARENT[:36] + "0" * 16 + "-01",
    ],
)
def test_an_invalid_parent_is_ignored(parent: str) -> None:
    """All-zero ids, upper case, version ff and trailing data make a traceparent invalid."""
    assert child_traceparent(None, b"seed") == child_traceparent(parent, b"seed")
    assert None is span_of(parent)

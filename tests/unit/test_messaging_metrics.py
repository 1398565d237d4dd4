"""Metrics: their names, their bounds, and the figures that are worked out: lag in seconds, work in flight."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from proofrail.artifacts.errors import AlteredArtifact, MissingArtifact
from proofrail.artifacts.measured_store import MeasuredStore
from proofrail.messaging import metric_names, metric_table
from proofrail.messaging.in_flight import InFlight
from proofrail.messaging.lag import LagClock
from proofrail.messaging.metric_names import ALL, LABELS, HistogramName, registry
from proofrail.messaging.metrics import Metrics
from proofrail.messaging.sampling import LagSampler
from proofrail.wire.errors import TransientError

SERVICES = Path(__file__).parents[2] / "services" / "proofrail"


def test_every_name_is_made_once_and_nothing_else_is() -> None:
    """The names of the registry are the families that a process shows, of the same kind and with the same help."""
    text = generate_latest(Metrics().registry).decode()
    families = {
        family.name: (family.type, family.documentation) for family in text_string_to_metric_families(text)
    }
    ours = {name: found for name, found in families.items() if name.startswith("proofrail_")}
    assert {one.name: (one.kind, one.means) for one in registry()} == ours
    assert len(list(registry())) == len(ours)


def test_a_service_shows_its_own_metrics_alone() -> None:
    """What another service does stands at no service that cannot do it: a 0 there would be a statement."""
    for service in ALL:
        text = generate_latest(Metrics(service).registry).decode()
        shown = {f.name for f in text_string_to_metric_families(text) if f.name.startswith("proofrail_")}
        assert {one.name for one in registry() if service in one.services} == shown


def test_nothing_else_makes_metrics() -> None:
    """prometheus_client is imported where metrics are made and written out, and for types; never to make more."""
    users = {
        f"{path.relative_to(SERVICES)} {alias.name}"
        for path in SERVICES.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("prometheus_client")
        for alias in node.names
        if alias.name not in ("CONTENT_TYPE_LATEST", "generate_latest", "text_string_to_metric_families")
    }
    made = {user for user in users if user.startswith("messaging/metrics.py ")}
    types = {
        "auditor/service.py Histogram",
        "artifacts/measured_store.py Counter",
        "artifacts/measured_store.py Histogram",
    }
    assert types >= users - made


def test_names_follow_the_conventions() -> None:
    """A name says its unit where it has one; buckets rise; labels are bounded and few; everything is explained."""
    for one in registry():
        assert one.name.startswith("proofrail_")
        assert one.services
        assert set(one.services) <= set(ALL)
        assert one.means.endswith(".")
        assert one.act.endswith(".")
        assert (one.unit in ("seconds", "Unix time")) == one.name.endswith("_seconds"), one.name
        assert not one.name.endswith("_total")
        if isinstance(one, HistogramName):
            assert list(one.buckets) == sorted(set(one.buckets))
        for label in one.labels:
            assert label.bound
    assert not {"run_id", "allocation_id", "le", "job", "instance"} & LABELS


def test_codes_are_bounded() -> None:
    """A code of the catalogue is a label's value; what a stranger wrote into a record, and Kafka's many, are not."""
    metrics = Metrics("tracer", {"run-failed"})
    for number in range(1000):
        metrics.dead_lettered(f"made-up-{number}")
    metrics.dead_lettered("run-failed")
    metrics.retried(KafkaConnectionError())
    metrics.retried(TransientError("no-such-code", "later"))
    series = generate_latest(metrics.registry).decode().splitlines()
    assert [
        'proofrail_dead_letters_total{code="other"} 1000.0',
        'proofrail_dead_letters_total{code="run-failed"} 1.0',
    ] == [line for line in series if line.startswith("proofrail_dead_letters_total")]
    assert {'{code="kafka"} 1.0', '{code="other"} 1.0'} == {
        line.removeprefix("proofrail_retries_total")
        for line in series
        if line.startswith("proofrail_retries_total")
    }


@pytest.mark.parametrize("code", ["", "Upper", "with space", "a" * 65, 'quote"', "trailing-", "é"])
def test_codes_are_well_formed_without_a_catalogue(code: str) -> None:
    """Whoever hosts a service without the catalogue still shows no value that is no code."""
    assert "other" == Metrics().code(code)


def test_known_labels_stand_at_zero_from_the_start() -> None:
    """The first MISMATCH is an increase, and not a series that appears."""
    metrics = Metrics("auditor")
    for verdict in ("MATCH", "MISMATCH", "INDETERMINATE"):
        labels = {"subject": "run", "verdict": verdict}
        assert 0 == metrics.registry.get_sample_value("proofrail_reports_total", labels)


def test_the_table_is_up_to_date() -> None:
    """deploy/metrics.md says of every metric what the registry says."""
    table = Path(__file__).parents[2] / "deploy" / "metrics.md"
    assert metric_table.table() == table.read_text(), "run python -m proofrail.messaging.metric_table"
    for one in registry():
        assert f"`{one.exposed}`" in metric_table.table()


# --- lag ----------------------------------------------------------------------------------------------------


def test_lag_counts_from_when_the_record_was_first_seen() -> None:
    """Behind since the moment at which the log was first seen to reach beyond the position, and no longer."""
    clock = LagClock()
    assert 0 == clock.behind(0.0, 10, 10)
    assert 0 == clock.behind(2.0, 10, 12)
    assert 3 == clock.behind(5.0, 10, 20)
    assert 4 == clock.behind(6.0, 11, 20)
    assert 2 == clock.behind(7.0, 12, 20), "the record at 12 was first seen at 5"
    assert 0 == clock.behind(8.0, 20, 20)
    assert 0 == clock.behind(3600.0, 20, 21), "an hour without records is no lag"


def test_lag_survives_a_topic_made_anew() -> None:
    """A log that ends before where it ended is another log."""
    clock = LagClock()
    clock.behind(0.0, 50, 100)
    assert 0 == clock.behind(10.0, 0, 5)
    assert 2 == clock.behind(12.0, 0, 5)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 7), st.booleans()), max_size=60))
def test_lag_is_never_overstated(steps: list[tuple[int, int, bool]]) -> None:
    """Never more than the true age of the record at the position, and less by at most the time between two looks."""
    clock, now, position, written = LagClock(), 0.0, 0, [0.0]
    looked: list[float] = []
    clock.behind(0.0, 0, 1)
    looked.append(0.0)
    for produced, consumed, look in steps:
        now += 1.0
        written += [now] * produced
        position = min(len(written), position + consumed)
        if look:
            found = clock.behind(now, position, len(written))
            if position == len(written):
                assert 0 == found
            else:
                seen = min((at for at in [*looked, now] if at >= written[position]), default=now)
                assert now - seen == found
            looked.append(now)


def test_a_long_lag_takes_little_memory() -> None:
    """A day of samples every two seconds is kept coarsely, and the age stays right to a percent."""
    clock = LagClock()
    clock.behind(0.0, 0, 0)
    for step in range(1, 43_200):
        clock.behind(2.0 * step, 0, step)
    assert len(clock._ends) < 1000
    assert 43_199 * 2 - 2 == clock.behind(43_199 * 2.0, 0, 43_199)
    half = clock.behind(43_199 * 2.0, 21_600, 43_199)
    assert abs(43_199 - half) < 900


class _Reader:
    def __init__(self, places: dict[TopicPartition, tuple[int, int]] | Exception) -> None:
        self.places = places

    async def positions_and_ends(self) -> dict[TopicPartition, tuple[int, int]]:
        if isinstance(self.places, Exception):
            raise self.places
        return self.places


async def test_lag_is_shown_of_what_is_owned() -> None:
    """Records and seconds by partition; one that went elsewhere is gone; a broker that is away changes nothing."""
    metrics, now = Metrics(), 100.0
    sampler = LagSampler(metrics, lambda: now)
    one, two = TopicPartition("t", 0), TopicPartition("t", 1)

    def shown(kind: str, partition: int) -> float | None:
        labels = {"topic": "t", "partition": str(partition)}
        return metrics.registry.get_sample_value(f"proofrail_consumer_lag_{kind}", labels)

    reader = _Reader({one: (5, 9), two: (3, 3)})
    await sampler.sample([reader])
    now = 104.0
    await sampler.sample([reader])
    assert [4, 4, 0, 0] == [
        shown("records", 0),
        shown("seconds", 0),
        shown("records", 1),
        shown("seconds", 1),
    ]
    reader.places = KafkaConnectionError()
    await sampler.sample([reader])
    assert 4 == shown("records", 0)
    reader.places = {one: (9, 9)}
    await sampler.sample([reader])
    assert [0, None] == [shown("records", 0), shown("records", 1)]


# --- in flight ----------------------------------------------------------------------------------------------


def test_work_in_flight_has_an_age_and_stalls() -> None:
    """How many, how old the oldest, and how long since one was finished; idle is no stall."""
    metrics, now = Metrics(), 0.0
    work = InFlight(metrics, lambda: now)

    def shown() -> list[float | None]:
        names = ("in_flight", "oldest_in_flight_seconds", "stalled_seconds")
        return [metrics.registry.get_sample_value(f"proofrail_{name}") for name in names]

    now = 50.0
    assert [0, 0, 0] == shown()
    work.begin("a")
    now = 60.0
    work.begin("b")
    assert [2, 10, 10] == shown()
    work.begin("a")
    work.end("a")
    now = 61.0
    assert [1, 1, 1] == shown()
    work.become({"b", "c"})
    work.end("never begun")
    assert [2, 1, 1] == shown()
    work.become({"c"})
    assert [1, 0, 0] == shown()
    work.clear()
    assert [0, 0, 0] == shown()


# --- store --------------------------------------------------------------------------------------------------


def test_the_store_counts_what_it_does(tmp_path: Path) -> None:
    """Bytes, operations and failures, told apart as the auditor tells them apart."""
    metrics = Metrics("auditor")
    store = MeasuredStore(tmp_path.as_uri(), metrics)
    ref = store.put(b"proof")
    assert b"proof" == store.get(ref.digest)
    with pytest.raises(MissingArtifact):
        store.get("0" * 64)
    (path,) = (one for one in tmp_path.rglob(ref.digest) if one.is_file())
    path.write_bytes(b"other")
    with pytest.raises(AlteredArtifact):
        store.get(ref.digest)
    counted = {
        (operation, outcome): metrics.registry.get_sample_value(
            "proofrail_store_operations_total", {"operation": operation, "outcome": outcome}
        )
        for operation in ("put", "get")
        for outcome in ("ok", "missing", "altered", "failed")
    }
    assert {("put", "ok"), ("get", "ok"), ("get", "missing"), ("get", "altered")} == {
        what for what, count in counted.items() if count == 1
    }
    for direction in ("read", "written"):
        assert 5 == metrics.registry.get_sample_value("proofrail_store_bytes_total", {"direction": direction})


def test_labels_are_declared() -> None:
    """The label names of all metrics are those of the registry."""
    text = generate_latest(Metrics().registry).decode()
    used = {
        label
        for family in text_string_to_metric_families(text)
        if family.name.startswith("proofrail_")
        for sample in family.samples
        for label in sample.labels
    }
    assert used - {"le"} <= metric_names.LABELS

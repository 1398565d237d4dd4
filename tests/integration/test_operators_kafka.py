"""Commands for operators against a real broker."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from tests.unit.operator_runs import VKEY, Topics
from typer.testing import CliRunner

from proofrail.cli.application import app
from proofrail.messaging.client import Written, publish
from proofrail.messaging.records import Message
from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.topics import ensure_topics
from proofrail.wire import topics
from proofrail.wire.canonical import parse_object

pytestmark = pytest.mark.kafka

Run = Callable[..., Result]


@pytest.fixture
def prf(kafka: KafkaSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command against the session's broker, with a home of its own."""
    asyncio.run(ensure_topics(kafka))
    monkeypatch.setenv("PROOFRAIL_KAFKA_BOOTSTRAP", kafka.bootstrap)
    monkeypatch.setenv("PROOFRAIL_HOME", str(tmp_path))

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments), catch_exceptions=False)

    return invoke


def _publish(kafka: KafkaSettings, world: Topics) -> list[Written]:
    messages = [
        Message(one.topic, one.key, one.value, [(n, v.encode()) for n, v in one.headers.items()])
        for one in world.records
    ]
    return asyncio.run(publish(kafka, messages))


def _objects(result: Result) -> list[dict[str, Any]]:
    return [parse_object(line) for line in result.stdout_bytes.splitlines()]


def test_an_exported_run_is_all_that_the_topics_say(kafka: KafkaSettings, prf: Run, tmp_path: Path) -> None:
    """And no other run's records; it is audited from the file alone, and completed by the shell afterwards."""
    world = Topics()
    names = [f"exported-{os.getpid()}-{number}" for number in range(3)]
    world.propose(*names)
    run = world.seal(*names[:2])
    other = world.seal(names[2])
    world.report(run, "run", "MATCH")
    world.report(other, "run", "MATCH")
    world.fail(run, "proof-timeout", final=True)
    _publish(kafka, world)
    path = tmp_path / "run.ndjson"
    (tmp_path / "tracer.vkey").write_text(VKEY)
    assert 0 == prf("export", run[:16], "--out", str(path)).exit_code
    lines = [parse_object(line) for line in path.read_bytes().splitlines()]
    heads = [line for line in lines if line["type"] == "ExportedRecord"]
    expected = (
        [topics.PROPOSALS] * 2
        + [topics.INDEX] * 2
        + [topics.EVENTS, topics.COMMITMENTS, topics.PROOFS, topics.REPORTS]
    )
    assert expected == [head["topic"] for head in heads]
    assert {run} == {line["run_id"] for line in lines if "run_id" in line}
    assert "MATCH" == _objects(prf("audit", str(path)))[0]["verdict"]
    assert [run] == (tmp_path / "recent-runs").read_text().split()


def test_tail_shows_what_stands_there_and_ends_when_told(kafka: KafkaSettings, prf: Run) -> None:
    """From the start, by filter, by offset; what cannot be read is named, and does not end it."""
    world = Topics()
    run = f"{os.getpid():032x}"
    world.report(run, "run", "MATCH")
    world.report(run, "proof", "MATCH")
    world.add(topics.REPORTS, run, b"garbage\n")
    places = _publish(kafka, world)
    found = _objects(prf("tail", "reports", "--from-start", "--no-follow", "--run", run))
    assert ["run", "proof", "malformed-json"] == [line.get("subject", line.get("code")) for line in found]
    first = places[0]
    last = _objects(prf("tail", "reports", "--offset", str(first.offset + 1), "-n", "1"))
    assert [("proof", run)] == [(line["subject"], line["run_id"]) for line in last]
    (line,) = _objects(prf("tail", "reports", "--offset", "-1", "--no-follow"))
    assert ("Unreadable", run, places[2].offset) == (line["type"], line["key"], line["offset"])
    assert 2 == prf("tail", "reports", "--offset", str(places[2].offset + 1000)).exit_code
    assert [] == _objects(prf("tail", "reports", "--no-follow"))
    assert 3 <= len(_objects(prf("tail", "reports", "--since", "1d", "--no-follow")))


def test_a_dead_letter_is_listed_replayed_and_shown_as_replayed(kafka: KafkaSettings, prf: Run) -> None:
    """The record that is published has the value and the history; a second replay needs --force."""
    world = Topics()
    name = f"dead-{os.getpid()}"
    (record,) = world.propose(name)
    (written,) = _publish(kafka, world)
    world = Topics()
    refused = world.letter(record, "run-failed", attempts=3)
    value = refused.value.replace(b'"offset":0', b'"offset":%d' % written.offset)
    (letter,) = asyncio.run(publish(kafka, [Message(topics.PROPOSALS_DLQ, record.key, value)]))
    (found,) = _objects(prf("dlq", "list", name))
    assert ("open", f"0-{letter.offset}") == (found["state"], found["letter"])
    assert 0 == prf("dlq", "replay", name, "--dry-run").exit_code
    assert "open" == _objects(prf("dlq", "list", name))[0]["state"]
    (said,) = _objects(prf("dlq", "replay", name))
    (again,) = _objects(prf("tail", "proposals", "--offset", str(said["offset"]), "-n", "1"))
    assert name == again["allocation_id"]
    (found,) = _objects(prf("dlq", "list", name))
    assert ("replayed", [said["offset"]]) == (found["state"], [one["offset"] for one in found["replays"]])
    assert 1 == prf("dlq", "replay", name).exit_code
    assert 0 == prf("dlq", "replay", name, "--force").exit_code
    assert 2 == prf("dlq", "replay").exit_code
    assert 1 <= len(_objects(prf("dlq", "list", "--topic", "proposals")))
    for misspelt in (("--code", "proposal-shares"), ("--topic", "propsals")):
        assert 2 == prf("dlq", "list", *misspelt).exit_code


def test_status_tells_what_waits_and_the_history_of_a_run(kafka: KafkaSettings, prf: Run) -> None:
    """From topics and offsets of groups that do not exist yet; names that nothing is about end with 1."""
    world = Topics()
    name = f"status-{os.getpid()}"
    world.propose(name)
    run = world.seal(name)
    world.fail(run, "proof-timeout", final=False, attempts=2)
    _publish(kafka, world)
    result = prf("status", "--json")
    assert "" == result.stderr
    (found,) = _objects(result)
    assert ["tracer", "prover", "auditor", "registrar"] == [stage["stage"] for stage in found["stages"]]
    prover = found["stages"][1]
    assert 1 <= prover["lag"]["messages"]
    assert any("[proof-timeout]" in one["why"] for one in prover["in_flight"])
    told, allocation = _objects(prf("status", run, name))
    assert ("RunStatus", run, "proving") == (told["type"], told["run_id"], told["state"])
    assert ("AllocationStatus", "waiting", [run]) == (
        allocation["type"], allocation["state"], [one["run_id"] for one in allocation["attempts"]]
    )  # fmt: skip
    for nothing in ("0123456789abcdef01", "\udcff"):
        assert 1 == prf("status", nothing).exit_code

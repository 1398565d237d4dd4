"""Commands for operators against a broker that has no topics yet, and against none."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from proofrail.cli.application import app
from proofrail.messaging.client import publish
from proofrail.messaging.embedded import EmbeddedKafka
from proofrail.messaging.records import Message
from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.topics import ensure_topics
from proofrail.wire import topics
from proofrail.wire.canonical import parse_object

pytestmark = pytest.mark.kafka

_ASKED = (
    ("status",),
    ("status", "some-allocation"),
    ("status", "--allocations"),
    ("tail", "--no-follow"),
    ("tail", "reports", "--offset", "-1"),
    ("dlq", "list"),
    ("dlq", "show", "0-1"),
    ("dlq", "replay", "0-1"),
    ("requeue", "abcd"),
    ("export", "abcd"),
    ("replay", "abcd"),
)


async def _until(said: asyncio.StreamReader, text: bytes) -> bytes:
    async with asyncio.timeout(90):
        while line := await said.readline():
            if text in line:
                return line.rstrip()
    raise AssertionError(f"ended without {text!r}")


async def test_topics_that_are_missing_are_named_or_waited_for(
    own_broker: EmbeddedKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command says so at once, with status 2; a topic that alone is missing is taken for empty. `tail` waits for
    them, says so, and shows what is written as soon as they are there."""
    with own_broker:
        kafka = KafkaSettings(bootstrap=own_broker.bootstrap)
        monkeypatch.setenv("PROOFRAIL_KAFKA_BOOTSTRAP", kafka.bootstrap)
        monkeypatch.setenv("PROOFRAIL_HOME", str(tmp_path))
        for command in _ASKED:
            result = await asyncio.to_thread(CliRunner().invoke, app, command)
            assert (2, True) == (result.exit_code, "[topics-missing]" in result.stderr), command

        some = [one for one in topics.TOPICS.values() if one.name != topics.REGISTRATIONS]
        await ensure_topics(kafka, some)
        result = await asyncio.to_thread(CliRunner().invoke, app, ["status"])
        assert (0, True) == (result.exit_code, "has no topic registrations.v1" in result.stderr)

        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "proofrail", "tail", "reports", "registrations", "-n", "2",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None and process.stderr is not None  # noqa: PT018 - for the type checker
        await _until(process.stderr, b"waiting for registrations.v1")
        await ensure_topics(kafka)
        await publish(kafka, [Message(topics.REGISTRATIONS, b"one", b"garbage\n")])
        line = parse_object(await _until(process.stdout, b"Unreadable"))
        assert (topics.REGISTRATIONS, 0) == (line["topic"], line["offset"])
        await publish(kafka, [Message(topics.REPORTS, b"two", b"garbage\n")])
        line = parse_object(await _until(process.stdout, b"Unreadable"))
        assert (topics.REPORTS, 0) == (line["topic"], await process.wait())


@pytest.mark.parametrize(
    "command", [("status",), ("tail",), ("dlq", "list"), ("topics", "plan"), ("export", "abcd")]
)
def test_a_broker_that_is_away_leaves_the_question_open(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status 3, with the code and what to do, and nothing else: not a line for each attempt to connect."""
    monkeypatch.setenv("PROOFRAIL_KAFKA_BOOTSTRAP", "127.0.0.1:1")
    monkeypatch.setenv("PROOFRAIL_HOME", str(tmp_path))
    for module in ("broker", "topic_reading", "lag"):
        monkeypatch.setattr(f"proofrail.cli.{module}.ANSWERS_S", 0.5)
    monkeypatch.setattr("proofrail.cli.topics_command._STARTS_S", 0.5)
    result = CliRunner().invoke(app, command)
    assert (3, "") == (result.exit_code, result.stdout)
    assert ["error [broker-unavailable]", "next: Start a broker"] == [
        line.strip()[: len(expected)]
        for line, expected in zip(
            result.stderr.splitlines(), ["error [broker-unavailable]", "next: Start a broker"], strict=True
        )
    ]

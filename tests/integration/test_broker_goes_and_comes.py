"""Commands whose broker goes away under them: those that follow say so and wait, those that read to an end give up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from proofrail.cli import broker as cli_broker
from proofrail.cli.propose import run_propose
from proofrail.cli.tail import _follow
from proofrail.cli.tail_wanted import wanted
from proofrail.messaging import log_reader
from proofrail.messaging.client import publish
from proofrail.messaging.embedded import EmbeddedKafka
from proofrail.messaging.errors import BrokerUnavailableError
from proofrail.messaging.log_reader import LogReader
from proofrail.messaging.records import Message, TopicPartition
from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.topics import ensure_topics
from proofrail.wire import topics

pytestmark = pytest.mark.kafka

_PROPOSAL = (
    b'{"allocation_id":"a","jediswap_risk":1,"ekubo_risk":2,"jediswap_apy":500,"ekubo_apy":600,'
    b'"jediswap_pct":40,"ekubo_pct":60}'
)


async def test_who_follows_is_told_once_that_the_broker_is_away_and_once_that_it_is_back(
    own_broker: EmbeddedKafka,
    eventually: Callable[..., Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`tail` and `propose --wait` say it on stderr and nothing on stdout; what is written afterwards is shown."""
    monkeypatch.setattr(cli_broker, "_LOOK_S", 0.05)
    monkeypatch.setattr(cli_broker, "_ANSWER_S", 1.0)
    said = ""

    def told() -> list[str]:
        nonlocal said
        captured = capsys.readouterr()
        assert "" == captured.out
        said += captured.err
        return said.splitlines()

    await own_broker.astart()
    kafka = KafkaSettings(bootstrap=own_broker.bootstrap)
    await ensure_topics(kafka)
    shown: list[bytes] = []
    following = asyncio.create_task(
        _follow(
            kafka,
            [topics.PROPOSALS],
            wanted([]),
            lambda record, *_: shown.append(record.value),
            begin_ms=0,
            offset=None,
            count=None,
            follow=True,
        )
    )
    waiting = asyncio.create_task(
        run_propose(kafka, [_PROPOSAL], wait=True, json=True, timeout_s=300, trust=None)
    )
    await eventually(lambda: [_PROPOSAL] == shown, 30)
    own_broker.kill()
    gone = f"no answer from {kafka.bootstrap} since "
    await eventually(lambda: 2 == sum(line.startswith(gone) for line in told()), 30)
    await own_broker.astart()
    assert kafka.bootstrap == own_broker.bootstrap
    back = f"{kafka.bootstrap} answers again, after "
    await eventually(lambda: 2 == sum(line.startswith(back) for line in told()), 30)
    await publish(kafka, [Message(topics.PROPOSALS, b"b", b"garbage\n")])
    await eventually(lambda: [_PROPOSAL, b"garbage\n"] == shown, 30)
    own_broker.kill()
    await eventually(lambda: 4 == sum(line.startswith(gone) for line in told()), 30)
    following.cancel()
    waiting.cancel()
    ended = await asyncio.gather(following, waiting, return_exceptions=True)
    assert [asyncio.CancelledError] * 2 == [type(error) for error in ended]


async def test_a_read_that_has_an_end_gives_up_when_the_broker_is_away(
    own_broker: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would wait for ever for records that were promised; what had come is handed out first."""
    monkeypatch.setattr(log_reader, "_SILENT_S", 0.2)
    await own_broker.astart()
    kafka = KafkaSettings(bootstrap=own_broker.bootstrap)
    await ensure_topics(kafka)
    await publish(kafka, [Message(topics.PROPOSALS, b"a", _PROPOSAL)])
    async with LogReader(kafka, [topics.PROPOSALS], {TopicPartition(topics.PROPOSALS, 0): 0}) as reader:
        await reader.connect(10)
        await reader.start()
        assert [[_PROPOSAL]] == [[record.value for record in some] async for some in reader.to_end(10)]
        reader._ends = {tp: end + 1 for tp, end in reader._ends.items()}
        own_broker.kill()
        with pytest.raises(BrokerUnavailableError, match="cannot read"):
            _ = [some async for some in reader.to_end(1)]

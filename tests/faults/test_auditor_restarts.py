"""The auditor as a process that is killed and started again, beside runs that are never finished."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from proofrail.messaging import groups
from proofrail.messaging.client import publish
from proofrail.messaging.settings import KafkaSettings
from proofrail.wire import topics
from tests.faults import proposals
from tests.faults.forging import ODD_RUN, Run, failure, garbage, proposed, sealed
from tests.faults.systems import Service, environment
from tests.faults.watching import LogEnds, followed, read_all

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

_UNSEALED_S = 2.0
_READ = (topics.EVENTS, topics.COMMITMENTS, topics.PROOFS)


async def _behind(kafka: KafkaSettings, ends: LogEnds) -> dict[str, int]:
    """How many records of each topic the auditor would read again after a restart."""
    admin = AIOKafkaAdminClient(**kafka.client_options())
    try:
        await admin.start()
        committed = await admin.list_consumer_group_offsets("proofrail-auditor")
    finally:
        await admin.close()
    places = {name: committed.get(TopicPartition(name, 0)) for name in _READ}
    return {
        name: await ends.of(name) - (place.offset if place is not None else 0)
        for name, place in places.items()
    }


async def _all_committed(kafka: KafkaSettings, seconds: float) -> None:
    async with LogEnds(kafka) as ends:
        try:
            async with asyncio.timeout(seconds):
                while any((await _behind(kafka, ends)).values()):  # noqa: ASYNC110 - the broker tells nobody
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"still open: {await _behind(kafka, ends)}") from None


async def test_behind_a_backlog_nothing_is_late(own_kafka: KafkaSettings, tmp_path: Path) -> None:
    """Events and seals that wait in the topics are waited for, however short the patience for those missing."""
    batches = [proposals.several(f"backlog-{number}", 150) for number in range(4)]
    runs = [sealed(values) for values in batches]
    await publish(own_kafka, [record for values in batches for record in proposed(values)])
    await publish(own_kafka, [record for run in runs for record in run.messages()])
    await publish(own_kafka, [failure(run.run_id) for run in runs])
    env = environment(tmp_path, own_kafka)
    env |= {"PROOFRAIL_UNSEALED_AFTER_S": "0.001", "PROOFRAIL_EVENTS_WITHIN_S": "0.001"}
    async with Service("auditor", env) as auditor, followed(own_kafka) as contents:
        await contents.until(
            lambda: all(contents.reports(run.run_id, "proof") for run in runs), 60, "reports on the runs"
        )
        assert "events-searched" not in {entry.get("event") for entry in auditor.entries}
        assert 0 == await auditor.stop()
    contents = await read_all(own_kafka)
    for run in runs:
        assert ["MATCH"] == [report["verdict"] for report in contents.reports(run.run_id, "run")]


async def _passed(kafka: KafkaSettings, topic: str) -> None:
    """Let the auditor's group be past everything on a topic."""
    place = TopicPartition(topic, 0)
    async with AIOKafkaConsumer(
        **kafka.client_options(), group_id=groups.AUDITOR, enable_auto_commit=False
    ) as consumer:
        consumer.assign([place])
        await consumer.commit({place: (await consumer.end_offsets([place]))[place]})


async def test_events_that_the_auditor_has_passed_are_found(own_kafka: KafkaSettings, tmp_path: Path) -> None:
    """A run whose events it will not read again is audited with them, and one that lacks some is not held to be
    whole."""
    passed, lacking = (sealed([proposals.valid("passed", number)]) for number in range(2))
    await publish(own_kafka, proposed([proposals.valid("passed", number) for number in range(2)]))
    del lacking.events[3]
    await publish(own_kafka, [one for run in (passed, lacking) for one in run.messages()])
    await _passed(own_kafka, topics.EVENTS)
    env = environment(tmp_path, own_kafka) | {"PROOFRAIL_EVENTS_WITHIN_S": "0.001"}
    async with Service("auditor", env) as auditor, followed(own_kafka) as contents:
        await contents.until(
            lambda: all(contents.reports(run.run_id, "run") for run in (passed, lacking)), 60, "both reports"
        )
        await publish(own_kafka, [failure(run.run_id) for run in (passed, lacking)])
        await contents.until(
            lambda: all(contents.reports(run.run_id, "proof") for run in (passed, lacking)), 60, "their ends"
        )
        searches = [one for one in auditor.entries if one.get("event") == "events-searched"]
        assert 0 == await auditor.stop()
    assert ["MATCH"] == [report["verdict"] for report in contents.reports(passed.run_id, "run")]
    (report,) = contents.reports(lacking.run_id, "run")
    assert "MISMATCH" == report["verdict"]
    assert {passed.run_id, lacking.run_id} == {one["run_id"] for one in searches}


def _unsealed(run: Run) -> Run:
    del run.commitments[-1]
    return run


async def test_a_restarted_auditor_repeats_nothing_and_lets_go_of_what_is_over(
    own_kafka: KafkaSettings, tmp_path: Path
) -> None:
    """An unfinished run makes a restarted auditor read finished ones again: it says nothing about them twice,
    and once all are over nothing is read again."""
    env = environment(tmp_path, own_kafka) | {"PROOFRAIL_UNSEALED_AFTER_S": str(_UNSEALED_S)}
    values = [proposals.valid("run", number) for number in range(5)]
    waiting, given_up, never, later, last = (sealed([value]) for value in values)
    _unsealed(never)
    _unsealed(later)
    await publish(own_kafka, [*proposed(values), *garbage(_READ)])
    async with Service("auditor", env) as auditor, followed(own_kafka) as contents:

        async def reported(*runs: Run) -> None:
            await contents.until(
                lambda: all(contents.reports(run.run_id, "run") for run in runs), 30, "reports on the runs"
            )

        await publish(own_kafka, [one for run in (waiting, given_up, never) for one in run.messages()])
        await publish(own_kafka, [failure(given_up.run_id)])
        await reported(waiting, given_up, never)
        await auditor.kill()
        await auditor.start()
        # Its time is over after that of the others, which were read again before it.
        await publish(own_kafka, later.messages())
        await reported(later)
        await publish(own_kafka, [*last.messages(), failure(waiting.run_id), failure(last.run_id)])
        await reported(last)
        await _all_committed(own_kafka, 20)
        assert 0 == await auditor.stop()

    ours = {run.run_id for run in (waiting, given_up, never, later, last)} | {ODD_RUN}
    verdicts = Counter(
        (report["run_id"], report["subject"], report["verdict"])
        for report in (await read_all(own_kafka)).lines(topics.REPORTS)
        if report["run_id"] in ours
    )
    expected = [(run.run_id, "run", "MATCH") for run in (waiting, given_up, last)]
    expected += [(run.run_id, "proof", "INDETERMINATE") for run in (waiting, given_up, last)]
    expected += [(run.run_id, "run", "INDETERMINATE") for run in (never, later)]
    expected += [(ODD_RUN, subject, "MISMATCH") for subject in ("run", "proof")]
    assert Counter(expected) == verdicts

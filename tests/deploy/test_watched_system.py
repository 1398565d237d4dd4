"""Real services under a real Prometheus: what the dashboards ask is answered, and a kill is told in time."""

from __future__ import annotations

import asyncio
import math
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from proofrail.messaging import metric_names as names
from proofrail.messaging.client import publish
from proofrail.messaging.records import Message
from proofrail.messaging.settings import KafkaSettings
from proofrail.wire import topics
from tests.deploy.tools import needs_prometheus, queries
from tests.deploy.watched import SERVICES, Watched, watched
from tests.faults import proposals
from tests.faults.watching import followed

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.prover,
    pytest.mark.prometheus,
    pytest.mark.slow,
    needs_prometheus,
    pytest.mark.timeout(600),
]

WITHIN_S = 30.0
"""From a kill to its alert."""

EMPTY_WHEN_WELL = {
    "overview: Failing checks",
    "audit: Last mismatch",
    "audit: First mismatches by kind",
}
"""What has nothing to show of a system in which nothing goes wrong."""

MAY_BE_EMPTY = {
    "overview: Alerts",
    "overview: Last errors",
    "overview: Retries by code",
    "prover: Retries by code",
    "prover: Progress",
}
"""What has something to show only at some moments, or when something was tried again."""


ZERO_WHEN_WELL = {
    names.RETRIES,
    names.LAST_ERROR,
    names.MISMATCHES,
    names.LAST_MISMATCH,
    # Everything is read within a scrape's interval.
    names.CONSUMER_LAG,
    names.CONSUMER_LAG_SECONDS,
    # The ledger is a file.
    names.LEDGER_TRANSACTIONS,
    names.LEDGER_GAS,
    names.LEDGER_FEES,
}
"""What may never have been above 0 in a system in which nothing goes wrong and nothing waits; held by tests of what it
counts (tests/unit/test_messaging_metrics.py, test_registrar_watch.py)."""

WHILE_A_PROOF_IS_MADE = {
    names.IN_FLIGHT,
    names.OLDEST_IN_FLIGHT,
    names.STALLED,
    names.PROVING,
    names.PROOF_ELAPSED,
    names.PROOF_EXPECTED,
}
"""What is above 0 for a moment, which a scrape may miss."""


async def _propose(kafka: KafkaSettings, *values: bytes) -> None:
    await publish(kafka, [Message(topics.PROPOSALS, b"key", value) for value in values])


def _has_data(series: list[dict[str, Any]]) -> bool:
    values = [value for one in series for _, value in one.get("values", [one.get("value")])]
    return any(not math.isnan(float(value)) for value in values)


async def test_dashboards_show_a_real_run(own_kafka: KafkaSettings, tmp_path: Path) -> None:
    """After runs, proofs, audits, registrations and a dead letter every query of every panel is answered, with data but
    where nothing is wrong; every metric of the registry is shown by the services that have it, and has had a value; and
    no label tells of a run or an allocation."""
    async with watched(own_kafka, tmp_path) as system, followed(own_kafka) as contents:
        for wave in (1, 2):
            await _propose(
                own_kafka,
                *proposals.several(f"wave-{wave}", 2),
                proposals.invalid(f"bad-{wave}"),
            )
            await _watch_a_proof(system)
            await contents.until(
                lambda wave=wave: len(contents.attestations()) == 2 * wave, 240, "the attestations"
            )
            await system.until('sum(proofrail_registrations_total{outcome="recorded"})', 2 * wave, 60)
            await system.until("sum(proofrail_dead_letters_total)", wave, 30)
        await system.until('sum(rate(proofrail_registrations_total{outcome="recorded"}[1m]))', 1e-6, 30)
        empty = set()
        for panel, instant, expression in queries():
            if 'job="explorer"' in expression:
                continue  # it is not among the services watched here
            if not _has_data(await system.ask(expression, instant=instant)):
                empty.add((panel, expression))
        titles = {panel for panel, _ in empty}
        assert EMPTY_WHEN_WELL <= titles <= EMPTY_WHEN_WELL | MAY_BE_EMPTY, empty
        assert set() == await system.firing()
        runs = set(contents.runs)
        allocations = {one["allocation_id"] for one in contents.attestations()}
        assert runs
        assert allocations
        for service in SERVICES:
            _assert_shown(service, await system.metrics(service), runs | allocations)
        await _assert_figures(system, len(runs))
        await _assert_alive(system)


def _assert_shown(service: str, text: str, ids: set[str]) -> None:
    families = {family.name: family for family in text_string_to_metric_families(text)}
    due = {one.name: one for one in names.registry() if service in one.services}
    assert due.keys() == {name for name in families if name.startswith("proofrail_")}
    for name, one in due.items():
        for sample in families[name].samples:
            labels = dict(sample.labels)
            labels.pop("le", None)
            assert labels.keys() == {label.name for label in one.labels}
            for value in labels.values():
                assert value not in ids
                assert not re.fullmatch(r"(0x)?[0-9a-f]{16,}", value), (name, value)


async def _watch_a_proof(system: Watched) -> None:
    """Until the prover has shown, at one moment, all that it shows of a proof under way."""
    due = {one.exposed for one in WHILE_A_PROOF_IS_MADE}
    async with asyncio.timeout(120):
        while due:
            families = text_string_to_metric_families(await system.metrics("prover"))
            above = {one.name for family in families for one in family.samples if one.value > 0}
            due = due if due - above else set()
            await asyncio.sleep(0.1)


async def _assert_alive(system: Watched) -> None:
    """No other metric is dead: each has been above 0 in each service that shows it."""
    dead = []
    for one in set(names.registry()) - ZERO_WHEN_WELL - WHILE_A_PROOF_IS_MADE:
        name = f"{one.exposed}_count" if isinstance(one, names.HistogramName) else one.exposed
        found = await system.ask(f"max by (job) (max_over_time({name}[1h])) > 0")
        due = set(one.services) & set(SERVICES)
        dead += [(name, job) for job in due - {series["metric"]["job"] for series in found}]
    assert [] == dead


async def _assert_figures(system: Watched, runs: int) -> None:
    """The figures are those of what was done."""
    expected = {
        'sum(proofrail_proposals_total{outcome="accepted"})': 4,
        'sum(proofrail_proposals_total{outcome="refused"})': 2,
        "sum(proofrail_dead_letters_total)": 2,
        'sum(proofrail_proofs_total{outcome="proof"})': runs,
        'sum(proofrail_reports_total{verdict="MATCH"})': 2 * runs,
        'sum(proofrail_reports_total{verdict="MISMATCH"})': 0,
        "sum(proofrail_audit_delay_seconds_count)": 2 * runs,
        "sum(proofrail_attestation_seconds_count)": 4,
        'sum(proofrail_store_operations_total{operation="put",outcome="ok",job="prover"})': runs,
        "sum(proofrail_in_flight)": 0,
        "max(proofrail_stalled_seconds)": 0,
        "sum(proofrail_consumer_lag_records)": 0,
        "max(proofrail_consumer_lag_seconds)": 0,
        "min(proofrail_serving)": 1,
    }
    async with asyncio.timeout(30):
        while (found := {query: await system.value(query) for query in expected}) != expected:
            print({query: value for query, value in found.items() if value != expected[query]})
            await asyncio.sleep(1)


async def test_a_kill_is_told_within_half_a_minute(
    own_kafka: KafkaSettings, tmp_path: Path, record_property: Any
) -> None:
    """The prover is killed: one alert, however many runs wait for it, and it ends when the prover is back. Then the
    others are killed: one alert each."""
    async with watched(own_kafka, tmp_path) as system:
        assert set() == await system.firing()
        await system.services["prover"].kill()
        await _propose(own_kafka, *proposals.several("waiting", 20))
        outage = ("ProofrailProverUnreachable", "")
        took = await system.fires({outage}, WITHIN_S)
        await system.until('proofrail_in_flight{job="tracer"}', 1, 30)
        assert {outage} == await system.firing()
        await system.services["prover"].start()
        async with asyncio.timeout(60):
            while outage in await system.firing():  # noqa: ASYNC110 - Prometheus tells nobody
                await asyncio.sleep(0.5)
        others = ("tracer", "auditor", "registrar")
        await asyncio.gather(*(system.services[name].kill() for name in others))
        took |= await system.fires({("ProofrailServiceDown", name) for name in others}, WITHIN_S)
        assert {("ProofrailServiceDown", name) for name in others} == await system.firing()
    for (name, job), seconds in took.items():
        record_property(f"{name} {job}".strip(), round(seconds, 1))
        print(f"{name} {job}: {seconds:.1f} s")

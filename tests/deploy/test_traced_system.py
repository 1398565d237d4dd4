"""Real services and a collector of OpenTelemetry's protocol: one proposal's way as one trace."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import sys
from pathlib import Path

import pytest

from proofrail.messaging.records import Record
from proofrail.messaging.settings import KafkaSettings
from proofrail.wire import topics
from proofrail.wire.headers import span_of
from tests.deploy.watched import SERVICES, serving
from tests.faults import proposals
from tests.faults.systems import environment
from tests.faults.watching import followed

pytest.importorskip("opentelemetry.exporter.otlp.proto.http")

pytestmark = [pytest.mark.kafka, pytest.mark.prover, pytest.mark.slow, pytest.mark.timeout(600)]


async def test_a_proposal_is_followed_over_all_services(own_kafka: KafkaSettings, tmp_path: Path) -> None:
    """From the allocator's publication to attestation and registration, or to the dead letter, each proposal is one
    connected trace. The run is traced, proven and audited in that of its batch's first proposal, each span under the
    one it follows from, and linked to all its proposals; attestations are linked to the run and the proof; and all bear
    the ids of the records."""
    from tests.deploy.otlp_collector import collector

    values = [*proposals.several("traced", 3), proposals.invalid("untraced")]
    with collector() as found:
        named = {"OTEL_EXPORTER_OTLP_ENDPOINT": found.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
        more = {**named, "PROOFRAIL_GATHER_MS": "2000"}
        async with serving(own_kafka, tmp_path, more) as (services, _), followed(own_kafka) as contents:
            (tmp_path / "proposals.ndjson").write_bytes(b"\n".join(values))
            await _proposed(tmp_path / "proposals.ndjson", environment(tmp_path, own_kafka) | named)
            await contents.until(lambda: len(contents.attestations()) == 3, 240, "the attestations")
            await contents.until(
                lambda: len(contents.lines(topics.REGISTRATIONS)) == 3, 60, "the registrations"
            )
            await contents.until(lambda: bool(contents.letters()), 30, "the dead letter")
            for service in services.values():
                assert 0 == await service.stop()
        headers = {
            topic: [tuple(record.headers["traceparent"].split("-")[1:3]) for record in read]
            for topic, read in contents.records.items()
        }
    sent = {
        span.attributes["messaging.kafka.message.key"]: span for span in found.named("send", topics.PROPOSALS)
    }
    for record in itertools.chain.from_iterable(contents.records.values()):
        _assert_cloud_event(record)
    (traced,) = found.named("trace", topics.PROPOSALS)
    (proven,) = found.named("prove", topics.COMMITMENTS)
    (run_audited,) = found.named("audit", topics.COMMITMENTS)
    (proof_audited,) = found.named("audit", topics.PROOFS)
    (refused,) = found.named("refuse", topics.PROPOSALS)
    (letter,) = contents.letters()
    lost = sent.pop(letter["key"])
    assert (lost.trace_id, lost.span_id, letter["code"]) == (
        refused.trace_id,
        refused.parent_id,
        refused.attributes["error.type"],
    )
    assert {"proofrail-propose"} == {one.service for one in sent.values()}
    assert {"PRODUCER"} == {one.kind for one in sent.values()}
    first = traced.trace_id
    assert ("proofrail-tracer", "proofrail-prover", "proofrail-auditor") == (
        traced.service,
        proven.service,
        proof_audited.service,
    )
    assert {(one.trace_id, one.span_id) for one in sent.values()} == set(traced.links)
    assert {first} == {one.trace_id for one in (proven, run_audited, proof_audited)}
    assert (first, traced.parent_id) in traced.links
    assert {traced.span_id} == {one.parent_id for one in (proven, run_audited, proof_audited)}
    assert 3 == traced.attributes["messaging.batch.message_count"]
    assert (first, proven.span_id) in proof_audited.links
    attested, registered = found.named("attest", topics.PROOFS), found.named("register", topics.ATTESTATIONS)
    for one in attested:
        begun = sent[one.attributes["proofrail.allocation_id"]]
        assert (begun.trace_id, begun.span_id) == (one.trace_id, one.parent_id)
        assert {(first, traced.span_id), (first, proven.span_id)} == set(one.links)
    assert {(one.trace_id, one.span_id) for one in attested} == {
        (one.trace_id, one.parent_id) for one in registered
    }
    for topic, spans in {
        topics.COMMITMENTS: [traced],
        topics.EVENTS: [traced],
        topics.PROOFS: [proven],
        topics.REPORTS: [run_audited, proof_audited],
        topics.ATTESTATIONS: attested,
        topics.REGISTRATIONS: registered,
        topics.PROPOSALS: [*sent.values(), lost],
        topics.PROPOSALS_DLQ: [refused],
    }.items():
        assert {(one.trace_id, one.span_id) for one in spans} == set(headers[topic])
    assert [refused] == [span for span in found.spans if span.failed]
    assert len(found.spans) == len({(span.trace_id, span.span_id) for span in found.spans})


def _assert_cloud_event(record: Record) -> None:
    """All headers that the normative text names, on every record of every topic."""
    assert {
        "content-type": "application/x-ndjson",
        "ce_specversion": "1.0",
        "ce_type": record.topic,
        "ce_id": hashlib.sha256(record.value).hexdigest(),
    }.items() <= record.headers.items()
    assert record.headers["ce_source"].removeprefix("/proofrail/") in {"client", *SERVICES}
    assert span_of(record.headers["traceparent"]) is not None


async def _proposed(file: Path, env: dict[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "proofrail", "propose", str(file), env={**os.environ, **env}
    )
    assert 0 == await process.wait()

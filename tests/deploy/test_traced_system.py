"""Real services and a collector of OpenTelemetry's protocol: one proposal's way as one trace."""

from __future__ import annotations

from pathlib import Path

import pytest

from proofrail.messaging.client import publish
from proofrail.messaging.records import Message
from proofrail.messaging.settings import KafkaSettings
from proofrail.wire import topics
from proofrail.wire.headers import record_headers
from tests.deploy.watched import serving
from tests.faults import proposals
from tests.faults.watching import followed

pytest.importorskip("opentelemetry.exporter.otlp.proto.http")

pytestmark = [pytest.mark.kafka, pytest.mark.prover, pytest.mark.slow, pytest.mark.timeout(600)]


async def test_a_proposal_is_followed_over_all_services(own_kafka: KafkaSettings, tmp_path: Path) -> None:
    """The run is traced, proven and audited in the trace of its batch's first proposal, each span under the one it
    follows from; the batch is linked to all its proposals; each attestation and registration is in its own proposal's
    trace, linked to the run and the proof; and all bear the ids of the records."""
    from tests.deploy.otlp_collector import collector

    values = proposals.several("traced", 3)
    parents = [f"00-{number:032x}-{number:016x}-01" for number in (1, 2, 3)]
    with collector() as found:
        named = {"OTEL_EXPORTER_OTLP_ENDPOINT": found.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
        more = {**named, "PROOFRAIL_GATHER_MS": "2000"}
        async with serving(own_kafka, tmp_path, more) as (services, _), followed(own_kafka) as contents:
            records = [
                Message(
                    topics.PROPOSALS,
                    b"one key",
                    value,
                    record_headers(topics.PROPOSALS, value, source="/test", traceparent=parent),
                )
                for value, parent in zip(values, parents, strict=True)
            ]
            await publish(own_kafka, records)
            await contents.until(lambda: len(contents.attestations()) == 3, 240, "the attestations")
            await contents.until(
                lambda: len(contents.lines(topics.REGISTRATIONS)) == 3, 60, "the registrations"
            )
            for service in services.values():
                assert 0 == await service.stop()
        headers = {
            topic: [tuple(record.headers["traceparent"].split("-")[1:3]) for record in read]
            for topic, read in contents.records.items()
        }
    (traced,) = found.named("trace run")
    (proven,) = found.named("prove run")
    (run_audited,) = found.named("audit run")
    (proof_audited,) = found.named("audit proof")
    first = traced.trace_id
    assert ("proofrail-tracer", "proofrail-prover", "proofrail-auditor") == (
        traced.service,
        proven.service,
        proof_audited.service,
    )
    assert {tuple(parent.split("-")[1:3]) for parent in parents} == set(traced.links)
    assert {first} == {one.trace_id for one in (proven, run_audited, proof_audited)}
    assert (first, traced.parent_id) in traced.links
    assert {traced.span_id} == {one.parent_id for one in (proven, run_audited, proof_audited)}
    assert 3 == traced.attributes["messaging.batch.message_count"]
    assert (first, proven.span_id) in proof_audited.links
    attested, registered = found.named("attest allocation"), found.named("register allocation")
    assert {parent.split("-")[1] for parent in parents} == {one.trace_id for one in attested}
    for one in attested:
        assert int(one.trace_id, 16) == int(one.parent_id, 16)
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
    }.items():
        assert {(one.trace_id, one.span_id) for one in spans} == set(headers[topic])
    assert not any(span.failed for span in found.spans)

"""The auditor on a host that lacks what an audit takes: it waits, says so, and goes on; only a proof that brings its
verifier down again and again is given up."""

from __future__ import annotations

import hashlib
import shlex
from pathlib import Path
from typing import Any

import httpx
import pytest

from proofrail.artifacts.store import ArtifactStore
from proofrail.messaging.client import publish
from proofrail.messaging.settings import KafkaSettings
from proofrail.proving.message import claims
from proofrail.proving.stone import verifier
from proofrail.proving.stone.version import golden
from proofrail.proving.stwo import StwoBackend
from proofrail.wire.canonical import canonical
from proofrail.wire.messages import Proof
from tests.faults import proposals
from tests.faults.forging import Run, proof_message, proposed, proven, sealed, terminal
from tests.faults.systems import Service, awaited, environment
from tests.faults.watching import followed
from tests.unit import stone_goldens

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


async def _readiness(auditor: Service) -> dict[str, str]:
    """What readiness lacks."""
    port = (await auditor.said("listening", 5))["port"]
    async with httpx.AsyncClient() as client:
        found: dict[str, Any] = (await client.get(f"http://127.0.0.1:{port}/readyz")).json()
    return found.get("missing") or {}


@pytest.mark.prover
async def test_a_store_that_is_away_is_waited_for(own_kafka: KafkaSettings, tmp_path: Path) -> None:
    """For longer than a proof may be missing, saying nothing of the proof; then it is audited and attested."""
    folder, away = tmp_path / "artifacts", tmp_path / "elsewhere"
    value = proposals.valid("store")
    run = sealed([value])
    said = proof_message(run, await proven(run, StwoBackend()), ArtifactStore(folder.as_uri()))
    folder.rename(away)
    folder.touch()
    env = environment(tmp_path, own_kafka) | {"PROOFRAIL_ARTIFACT_WITHIN_S": "0.001"}
    async with Service("auditor", env) as auditor, followed(own_kafka) as contents:
        await publish(own_kafka, [*proposed([value]), *run.messages(), terminal(run.run_id, said)])
        retries = await awaited(lambda: _retries(auditor, "artifact-store-unavailable", 2), 30, "two tries")
        assert [{"proof"}, {run.run_id}] == [{one[name] for one in retries} for name in ("subject", "run_id")]
        assert "artifact-store-unavailable" in (await _readiness(auditor))["audits"]
        assert [] == contents.reports(run.run_id, "proof")
        folder.unlink()
        away.rename(folder)
        await contents.until(lambda: contents.reports(run.run_id, "proof"), 30, "the report on the proof")
        assert ["MATCH"] == [report["verdict"] for report in contents.reports(run.run_id, "proof")]
        assert ["store-0"] == [one["allocation_id"] for one in contents.attestations()]
        assert {} == await _readiness(auditor)
        assert 0 == await auditor.stop()


def _retries(auditor: Service, code: str, at_least: int) -> list[dict[str, Any]]:
    """Log entries of that many tries."""
    found = [one for one in auditor.entries if one.get("event") == "retry" and one.get("code") == code]
    return found if len(found) >= at_least else []


def _proven_by_stone(store: ArtifactStore) -> tuple[list[bytes], Run, dict[str, Any]]:
    """A run that a golden proof of Stone's proves: its proposals, and the word about the proof."""
    values = [canonical(value) for value in stone_goldens.GOLDEN["risk1"]["inputs"]]
    run, proof = sealed(values), stone_goldens.proof("risk1")
    found = verifier.examine(proof, stone_goldens.expected("risk1"), stone_goldens.POLICY)
    said = Proof(
        run_id=run.run_id,
        backend="stone",
        backend_version="test",
        method="stark",
        is_mock=False,
        digest=hashlib.sha256(proof).hexdigest(),
        size=len(proof),
        uri=store.put(proof).uri,
        timings={},
        **claims(found),
    )
    return values, run, said.to_object()


def _dies_of_all_but_the_tiny_proof(program: Path, after_s: float = 0) -> None:
    """A verifier that is one of Stone v3's for whoever asks which it is, and is killed by every other proof, a while
    after it began."""
    accepted, refused = (program.with_name(f"{name}.json") for name in ("accepted", "refused"))
    accepted.write_bytes(golden("stone6"))
    refused.write_bytes(golden("stone5"))
    program.write_text(
        "#!/bin/sh\n"
        f'cmp -s "$2" {shlex.quote(str(accepted))} && exit 0\n'
        f'cmp -s "$2" {shlex.quote(str(refused))} && exit 1\n'
        f"sleep {after_s}\n"
        "kill -9 $$\n"
    )
    program.chmod(0o755)


async def test_a_verifier_that_is_missing_is_waited_for_and_one_that_a_proof_kills_is_not(
    own_kafka: KafkaSettings, tmp_path: Path
) -> None:
    """Without it nothing is said of the proof, and readiness names it from the start; killed as often as it may be,
    the report says that the proof could not be verified here."""
    program = tmp_path / "cpu_air_verifier"
    values, run, said = _proven_by_stone(ArtifactStore((tmp_path / "artifacts").as_uri()))
    env = environment(tmp_path, own_kafka) | {
        "PROOFRAIL_PROVER_BACKENDS": "stone",
        "PROOFRAIL_STONE_VERIFIER": str(program),
        "PROOFRAIL_VERIFIER_ATTEMPTS": "1",
    }
    async with Service("auditor", env) as auditor, followed(own_kafka) as contents:
        assert "verifier-missing" in (await _readiness(auditor))["backends"]
        await publish(own_kafka, [*proposed(values), *run.messages(), terminal(run.run_id, said)])
        await awaited(lambda: _retries(auditor, "verifier-missing", 2), 30, "two tries")
        assert [] == contents.reports(run.run_id, "proof")
        assert {"backends", "audits"} == set(await _readiness(auditor))
        _dies_of_all_but_the_tiny_proof(program)
        await contents.until(lambda: contents.reports(run.run_id, "proof"), 30, "the report on the proof")
        (report,) = contents.reports(run.run_id, "proof")
        assert ("INDETERMINATE", "verifier-missing") == (report["verdict"], report["unchecked"][0]["code"])
        assert "verifier-broken" == report["unchecked"][0]["cause"]
        assert {} == await _readiness(auditor)
        assert 0 == await auditor.stop()


async def test_a_verifier_that_takes_long_costs_the_auditor_no_membership(
    own_kafka: KafkaSettings, tmp_path: Path
) -> None:
    """For twice as long as a member may keep silent: the group stays as it was, and the report is published."""
    program = tmp_path / "cpu_air_verifier"
    _dies_of_all_but_the_tiny_proof(program, after_s=12)
    values, run, said = _proven_by_stone(ArtifactStore((tmp_path / "artifacts").as_uri()))
    env = environment(tmp_path, own_kafka) | {
        "PROOFRAIL_AUDITOR_KEY_FILE": str(tmp_path / "another.key"),
        "PROOFRAIL_PROVER_BACKENDS": "stone",
        "PROOFRAIL_STONE_VERIFIER": str(program),
        "PROOFRAIL_VERIFIER_ATTEMPTS": "1",
        "PROOFRAIL_KAFKA_MAX_POLL_INTERVAL_MS": "6000",
    }
    async with Service("auditor", env) as auditor, followed(own_kafka) as contents:
        before = len(contents.reports(run.run_id, "proof"))
        await publish(own_kafka, [*proposed(values), *run.messages(), terminal(run.run_id, said)])
        await contents.until(
            lambda: len(contents.reports(run.run_id, "proof")) > before, 60, "the report on the proof"
        )
        assert "partition-lost" not in {one.get("code") for one in auditor.entries}
        port = (await auditor.said("listening", 5))["port"]
        async with httpx.AsyncClient() as client:
            said_of = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
        assert "proofrail_rebalances_total 1.0" in said_of.splitlines()
        assert 0 == await auditor.stop()

"""The auditor as a process, beside lines on its own topics that it never wrote."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest

from proofrail.artifacts.store import ArtifactStore
from proofrail.commitment.checkpoint import Signer, generate_key, parse_vkey
from proofrail.messaging.client import publish
from proofrail.messaging.records import Message
from proofrail.messaging.settings import KafkaSettings
from proofrail.proving.stwo import StwoBackend
from proofrail.wire import topics
from proofrail.wire.canonical import canonical
from proofrail.wire.signing import sign_message, verify_message
from tests.faults import proposals
from tests.faults.forging import (
    STRANGER_PRIVATE,
    Object,
    Run,
    failure,
    message,
    proof_message,
    proposed,
    proven,
    sealed,
    terminal,
)
from tests.faults.systems import Service, environment
from tests.faults.watching import Contents, followed, read_all

pytestmark = [pytest.mark.kafka, pytest.mark.prover, pytest.mark.slow]

_STRANGER = Signer.parse(generate_key("proofrail-auditor", bytes(range(2, 34)))[0])
_FORMER = Signer.parse(generate_key("proofrail-auditor", bytes(range(3, 35)))[0])


@dataclass
class Tried:
    """What one auditor said; `doubtful` is signed by no accepted tracer, `known` was reported under the former key."""

    contents: Contents
    log: list[Object]
    vkey: str
    honest: Run
    doubtful: Run
    known: Run

    def own(self, topic: str) -> list[Object]:
        key = parse_vkey(self.vkey)[1]
        return [line for line in self.contents.lines(topic) if verify_message(line, key)]

    def verdicts(self, run: Run) -> dict[str, str]:
        return {
            report["subject"]: report["verdict"]
            for report in self.own(topics.REPORTS)
            if report["run_id"] == run.run_id
        }


def _report(run: Run, subject: str, verdict: str, signer: Signer | None = None) -> Message:
    said = {"v": 1, "type": "AuditReport", "run_id": run.run_id, "subject": subject, "verdict": verdict}
    said |= {"checked": [], "unchecked": []}
    if signer is not None:
        said = sign_message(said, signer.key)
    return message(topics.REPORTS, run.run_id, canonical(said) + b"\n")


def _attested(allocation_id: str) -> Message:
    said = {"v": 1, "type": "Attestation", "allocation_id": allocation_id}
    return message(topics.ATTESTATIONS, allocation_id, canonical(said) + b"\n")


@pytest.fixture(scope="module")
def tried(own_kafka: KafkaSettings, tmp_path_factory: pytest.TempPathFactory) -> Tried:
    folder: Path = tmp_path_factory.mktemp("auditor")
    store = ArtifactStore((folder / "artifacts").as_uri())
    values = [proposals.valid(name, number) for number, name in enumerate(("honest", "doubtful", "known"))]
    honest, known = sealed(values[:1]), sealed(values[2:])
    doubtful = sealed(values[1:2], private=STRANGER_PRIVATE)
    forged = [
        _report(honest, "run", "MISMATCH", _STRANGER),
        _report(honest, "proof", "MATCH"),
        _attested("honest-0"),
        _report(doubtful, "run", "MATCH"),
        _report(doubtful, "run", "MATCH", _STRANGER),
        _report(known, "run", "MATCH", _FORMER),
        _report(known, "proof", "INDETERMINATE", _FORMER),
    ]

    async def run() -> list[Object]:
        env = environment(folder, own_kafka) | {"PROOFRAIL_AUDITOR_KEYS": _FORMER.vkey}
        await publish(own_kafka, [*forged, *proposed(values)])
        await publish(own_kafka, [*known.messages(), failure(known.run_id)])
        for one in (doubtful, honest):
            said = proof_message(one, await proven(one, StwoBackend()), store)
            await publish(own_kafka, [*one.messages(), terminal(one.run_id, said)])
        async with Service("auditor", env) as auditor, followed(own_kafka) as contents:
            await contents.until(
                lambda: any("signature" in one for one in contents.attestations()), 60, "an attestation"
            )
            assert 0 == await auditor.stop()
            return list(auditor.entries)

    log = asyncio.run(run())
    vkey = (folder / "auditor.vkey").read_text().strip()
    return Tried(asyncio.run(read_all(own_kafka)), log, vkey, honest, doubtful, known)


def test_a_run_is_audited_and_attested_whatever_others_said_of_it(tried: Tried) -> None:
    """Neither an unsigned line that closes the case nor one of another key keeps the auditor from it."""
    assert {"run": "MATCH", "proof": "MATCH"} == tried.verdicts(tried.honest)
    assert ["honest-0"] == [one["allocation_id"] for one in tried.own(topics.ATTESTATIONS)]


def test_a_mismatch_is_said_and_nothing_attested_whoever_said_match(tried: Tried) -> None:
    """The auditor's own audit of the run decides, although the proof holds."""
    assert {"run": "MISMATCH", "proof": "MATCH"} == tried.verdicts(tried.doubtful)
    assert "doubtful-1" not in {one["allocation_id"] for one in tried.own(topics.ATTESTATIONS)}


def test_what_a_former_key_signed_is_not_audited_again(tried: Tried) -> None:
    """PROOFRAIL_AUDITOR_KEYS names keys whose reports count as one's own."""
    assert {} == tried.verdicts(tried.known)


def test_lines_of_others_are_told_once_a_topic(tried: Tried) -> None:
    """The log names the first on each topic."""
    told = [entry for entry in tried.log if entry.get("event") == "foreign-signature"]
    assert sorted([topics.REPORTS, topics.ATTESTATIONS]) == sorted(entry["topic"] for entry in told)

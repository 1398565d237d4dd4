"""The auditor as a process, fed with honest runs and with words about their proofs that are not true."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from proofrail.artifacts.store import ArtifactStore
from proofrail.commitment.checkpoint import parse_vkey
from proofrail.messaging.client import publish
from proofrail.messaging.records import Message
from proofrail.messaging.settings import KafkaSettings
from proofrail.proving.backend import ProofResult
from proofrail.proving.stwo import StwoBackend
from proofrail.proving.stwo_choice import choose_stwo
from proofrail.wire.canonical import canonical, sha256_hex
from proofrail.wire.signing import verify_message
from tests.faults import proposals
from tests.faults.forging import Object, Run, failure, proof_message, proposed, proven, sealed, terminal
from tests.faults.systems import Service, environment
from tests.faults.tampering import Expected, altered
from tests.faults.watching import Contents, followed, read_all

pytestmark = [pytest.mark.kafka, pytest.mark.prover, pytest.mark.slow]

_MISSING = Expected("INDETERMINATE", "artifact-missing")

Alter = Callable[[Object], object]


def _differs(kind: str, member: str | None = None) -> Expected:
    return Expected("MISMATCH", kind, member)


# What is said of a run without a proof of its own. The template is the message about another run's proof.
_CLAIMED: dict[str, tuple[Alter, Expected]] = {
    "for another run": (lambda said: said.update(run_id="0" * 32), _differs("run_id", "run_id")),
    "a mock": (lambda said: said.update(is_mock=True), _differs("is_mock", "is_mock")),
    "another backend": (lambda said: said.update(backend="stone"), _differs("backend", "backend")),
    "another run's proof": (lambda said: None, _differs("proof", "output")),
    "another size": (lambda said: said.update(size=said["size"] + 1), _differs("size", "size")),
    "another digest": (lambda said: said.update(digest=altered(said["digest"])), _MISSING),
    "an unknown version": (lambda said: said.update(v=2), _differs("version", "v")),
    "text for a number": (
        lambda said: said.update(security_bits="96"),
        _differs("malformed", "security_bits"),
    ),
    "no digest": (lambda said: said.pop("digest"), _differs("malformed", "digest")),
}

# What is said of a run that has a real proof.
_PROVEN: dict[str, tuple[Alter, Expected]] = {
    "fewer bits than it has": (
        lambda said: said.update(security_bits=80),
        _differs("security_bits", "security_bits"),
    ),
    "another output": (
        lambda said: said["statement"].update(output_sha256=altered(said["statement"]["output_sha256"])),
        _differs("statement", "statement"),
    ),
    "more bits than it has": (lambda said: said.update(security_bits=96), _differs("policy")),
}
_WEAK = "more bits than it has"
_ALTERED = "a proof altered in the store"
_LONGER = "bytes behind the proof's end"
_BROKEN = "no message at all"
_GIVEN_UP = "no proof at all"
_CASES = [*_CLAIMED, *_PROVEN, _ALTERED, _LONGER, _BROKEN]


@dataclass
class Tried:
    """What one auditor said about all cases."""

    contents: Contents
    honest: Run
    message: Object
    vkey: str
    runs: dict[str, Run] = field(default_factory=dict)

    def expected(self, case: str) -> Expected:
        if case == _ALTERED:
            return _differs("artifact-altered", "digest")
        if case == _LONGER:
            return _differs("proof")
        if case == _BROKEN:
            return _differs("malformed")
        return (_CLAIMED | _PROVEN)[case][1]


def _path(folder: Path, digest: str) -> Path:
    return folder / "artifacts" / "sha256" / digest[:2] / digest


def _cheaply_said(
    runs: dict[str, Run], template: Object, proof: bytes, store: ArtifactStore, folder: Path
) -> list[Message]:
    """The records about the runs that have no proof of their own; `proof` is that of the template."""
    records = []
    for case, (alter, _) in _CLAIMED.items():
        said = {**template, "run_id": runs[case].run_id}
        alter(said)
        records.append(terminal(runs[case].run_id, said))
    ref = store.put(b"this was a proof once")
    _path(folder, ref.digest).write_bytes(b"this is no proof more")
    said = {**template, "run_id": runs[_ALTERED].run_id, "digest": ref.digest, "size": ref.size}
    records.append(terminal(runs[_ALTERED].run_id, said))
    longer = store.put(proof + b"\0")
    said = {**template, "run_id": runs[_LONGER].run_id, "digest": longer.digest, "size": longer.size}
    records.append(terminal(runs[_LONGER].run_id, said))
    records.append(terminal(runs[_BROKEN].run_id, b'{"type":"Proof"'))
    records.append(failure(runs[_GIVEN_UP].run_id))
    return records


async def _really_said(case: str, run: Run, store: ArtifactStore) -> Message:
    """The record about a run with a real proof, untrue in one member."""
    bits = 80 if case == _WEAK else 96
    result = await proven(run, StwoBackend(choose_stwo(bits=bits).parameters))
    said = proof_message(run, result, store, min_bits=bits)
    _PROVEN[case][0](said)
    return terminal(run.run_id, said)


@pytest.fixture(scope="module")
def tried(own_kafka: KafkaSettings, tmp_path_factory: pytest.TempPathFactory) -> Tried:
    """All cases, then an honest proof whose blob comes late, given to one auditor."""
    folder = tmp_path_factory.mktemp("auditor")
    store = ArtifactStore((folder / "artifacts").as_uri())
    names = [*_CASES, _GIVEN_UP]
    values = {case: proposals.valid(f"run-{number}", number) for number, case in enumerate(names)}
    runs = {case: sealed([value]) for case, value in values.items()}
    honest = sealed(proposals.several("honest", 2))

    async def run() -> Object:
        async with Service("auditor", environment(folder, own_kafka)), followed(own_kafka) as contents:
            await publish(own_kafka, proposed([*values.values(), *proposals.several("honest", 2)]))
            everything = [*runs.values(), honest]
            await publish(own_kafka, [record for one in everything for record in one.messages()])
            result: ProofResult = await proven(honest, StwoBackend())
            said = proof_message(honest, result, store)
            await publish(own_kafka, _cheaply_said(runs, said, result.proof, store, folder))
            for case in _PROVEN:
                await publish(own_kafka, [await _really_said(case, runs[case], store)])
            reported = [runs[case].run_id for case in _CASES]
            await contents.until(
                lambda: all(contents.reports(one, "proof") for one in reported), 60, "a report on every proof"
            )
            blob = _path(folder, said["digest"])
            blob.unlink()
            await publish(own_kafka, [terminal(honest.run_id, said)])
            await contents.until(
                lambda: contents.reports(honest.run_id, "proof"), 30, "the honest proof missed"
            )
            store.put(result.proof)
            await contents.until(lambda: len(contents.attestations()) == 2, 30, "both attestations")
            return said

    said = asyncio.run(run())
    contents = asyncio.run(read_all(own_kafka))
    return Tried(contents, honest, said, (folder / "auditor.vkey").read_text().strip(), runs)


@pytest.mark.parametrize("case", _CASES)
def test_an_untrue_word_about_a_proof_is_found_out(tried: Tried, case: str) -> None:
    """The report names the member that is not true, and is signed by the auditor."""
    run = tried.runs[case]
    reports = tried.contents.reports(run.run_id, "proof")
    assert [tried.expected(case)] == [Expected.read(report) for report in reports]
    assert verify_message(reports[0], parse_vkey(tried.vkey)[1])
    assert ["MATCH"] == [report["verdict"] for report in tried.contents.reports(run.run_id, "run")]


def test_a_run_that_was_given_up_is_left_open(tried: Tried) -> None:
    """A final ProofFailure ends the case: its run is reported, and of its proof that there is none."""
    run_id = tried.runs[_GIVEN_UP].run_id
    assert ["MATCH"] == [report["verdict"] for report in tried.contents.reports(run_id, "run")]
    (report,) = tried.contents.reports(run_id, "proof")
    assert Expected("INDETERMINATE", "proof-failed") == Expected.read(report)
    assert "until" not in report["unchecked"][0]


def test_a_proof_that_comes_late_is_attested(tried: Tried) -> None:
    """While the blob is missing the verdict is open, then MATCH; each allocation is attested once, none else."""
    reports = tried.contents.reports(tried.honest.run_id, "proof")
    assert [_MISSING, "MATCH"] == [Expected.read(reports[0]), reports[1]["verdict"]]
    assert 2 == len(reports)
    assert reports[0]["unchecked"][0]["until"].endswith("Z")
    (run_report,) = tried.contents.reports(tried.honest.run_id, "run")
    attestations = tried.contents.attestations()
    values = proposals.several("honest", 2)
    assert ["honest-0", "honest-1"] == sorted(one["allocation_id"] for one in attestations)
    for one in attestations:
        assert verify_message(one, parse_vkey(tried.vkey)[1])
        assert tried.honest.run_id == one["run_id"]
        assert proposals.expected_decision(values[one["row"]]) == proposals.decision_of(one)
        assert tried.honest.seal["root"] == one["root"]
        assert tried.message["digest"] == one["proof"]["digest"]
        assert {
            "run_report": sha256_hex(canonical(run_report)),
            "proof_report": sha256_hex(canonical(reports[1])),
        } == one["audit"]

"""Runs of both builds before one auditor and one prover, each held to the build that it is of."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from event_streams import check_lines
from tests.double.backend import Double, MockBackend
from tests.faults import proposals
from tests.faults.forging import TRACER_PRIVATE, TRACER_VKEY

from proofrail.artifacts.store import ArtifactStore
from proofrail.audit.risk_runs import RiskRuns, runs_with
from proofrail.auditor.cases import Case, CaseFile
from proofrail.auditor.examiner import Examiner
from proofrail.auditor.published import PublishedProposals
from proofrail.cairo import risk_rows
from proofrail.cairo.risk_builds import BUILDS, BuildName
from proofrail.cairo.risk_model import decide
from proofrail.cairo.row_path import check_row_path, row_paths
from proofrail.client import row_path
from proofrail.commitment.checkpoint import Signer, generate_key
from proofrail.messaging.metrics import Metrics
from proofrail.messaging.records import Record
from proofrail.prover.job import JobLimits, ProvingJob
from proofrail.proving.backends import Backends
from proofrail.proving.policy import Policy
from proofrail.tracer.sealing import Sealer
from proofrail.wire import topics
from proofrail.wire.canonical import canonical, parse_object
from proofrail.wire.errors import PoisonError
from proofrail.wire.messages import Proof
from proofrail.wire.proposals import parse_proposal
from proofrail.wire.runs import CommittedRun

VALUES = proposals.several("mixed", 3)
FORMS = [parse_proposal(value).normal_form() for value in VALUES]
KINDS = RiskRuns.all()
KIND = dict(zip(BUILDS, KINDS, strict=True))
STORE = "memory://risk-runs"
AUDITOR = Signer.parse(generate_key("proofrail-auditor", bytes(range(32)))[0])
EACH = pytest.mark.parametrize("name", BUILDS)


@cache
def _records(name: BuildName) -> tuple[Record, ...]:
    sealer = Sealer(BUILDS[name].spec(), Signer.parse(TRACER_PRIVATE), time.time_ns)
    made = sealer.seal(FORMS, None)
    return tuple(
        Record(message.topic, 0, offset, message.key or b"", message.value or b"", {}, 0)
        for offset, message in enumerate(made.messages)
    )


def _case(name: BuildName, records: Iterator[Record] | None = None) -> Case:
    cases = CaseFile()
    for record in records or _records(name):
        cases.take(record, 0.0)
    (case,) = cases
    return case


def _committed(name: BuildName) -> CommittedRun:
    found = _case(name).committed
    assert found is not None
    return found


def _examined(case: Case) -> Examiner:
    published = PublishedProposals()
    published.take([Record(topics.PROPOSALS, 0, at, b"", value, {}, 0) for at, value in enumerate(VALUES)])
    examiner = Examiner(KINDS, [TRACER_VKEY], {}, ArtifactStore(STORE), AUDITOR)
    case.run_audit = examiner.examine_run(case, published)
    return examiner


@EACH
def test_a_run_is_known_by_its_id(name: BuildName) -> None:
    """Whatever else its seal is made to say of the program."""
    run = _committed(name)
    assert KIND[name] is runs_with(run, KINDS)
    assert run.seal is not None
    for other in KINDS:
        seal = {**run.seal, "program": {**run.seal["program"], "method_id": other.method_id}}
        assert KIND[name] is runs_with(replace(run, seal=seal), KINDS)


@EACH
def test_a_run_with_another_id_is_held_to_the_program_that_it_names(name: BuildName) -> None:
    """The inputs may be what was altered. What names none of ours, or nothing, is held to the first."""
    run = replace(_committed(name), run_id="0" * 32)
    assert KIND[name] is runs_with(run, KINDS)
    assert run.seal is not None
    for seal in ({**run.seal, "program": {"method_id": "0x1"}}, {**run.seal, "program": 1}, None):
        assert KINDS[0] is runs_with(replace(run, seal=seal), KINDS)
    assert KINDS[0] is runs_with(None, KINDS)


@EACH
def test_one_auditor_finds_runs_of_both_builds_to_match(name: BuildName) -> None:
    """Executed again as what they are, with the output held against the build's own model."""
    case = _case(name)
    _examined(case)
    assert case.run_audit is not None
    assert "MATCH" == case.run_audit.report.verdict
    assert {"execution", "output", "layout", "events"} <= set(case.run_audit.report.checked)


@EACH
def test_events_of_both_builds_break_no_invariant(name: BuildName) -> None:
    """What can be said of a run from its events alone."""
    value = b"".join(record.value for record in _records(name) if record.topic == topics.EVENTS)
    found, summary = check_lines(value.splitlines())
    assert ([], True) == (found, summary.clean)


@EACH
def test_one_build_does_not_pass_for_the_other(name: BuildName) -> None:
    """A seal that names the other build, or layout, is a mismatch of just that."""
    (other,) = BUILDS.keys() - {name}
    for member, value in (
        ("program", {"backend": "cairo", "method_id": KIND[other].method_id, "artifact_sha256": "0" * 64}),
        ("layout", BUILDS[other].layout),
    ):

        def change(record: Record, member: str = member, value: Any = value) -> Record:
            lines = [parse_object(line) for line in record.value.splitlines()]
            for line in lines:
                if line["type"] == "CommitmentSeal":
                    line[member] = value
            return replace(record, value=b"".join(canonical(line) + b"\n" for line in lines))

        altered = (change(one) if one.topic == topics.COMMITMENTS else one for one in _records(name))
        case = _case(name, altered)
        _examined(case)
        assert case.run_audit is not None
        found = case.run_audit.report.first_mismatch
        assert found is not None
        assert member == found.kind


@EACH
def test_what_a_case_keeps_of_its_audit_is_all_that_an_attestation_takes(name: BuildName) -> None:
    """The trace goes, for a case may wait long for its proof."""
    case = _case(name)
    examiner = _examined(case)
    case.terminal = {
        "digest": "0" * 64,
        "uri": "artifact:0",
        "backend": "stone",
        "security_bits": 96,
        "is_mock": False,
    }
    audit = case.run_audit
    assert audit is not None
    before = examiner.attest(case, "1" * 64, "2" * 64, 3)
    case.keep(audit)
    assert 3 == len(before)
    assert before == examiner.attest(case, "1" * 64, "2" * 64, 3)
    assert case.run_audit is not None
    assert case.run_audit.recomputed is not None
    assert audit.recomputed is not None
    assert audit.recomputed.traced == case.run_audit.recomputed.traced
    assert b"" == case.run_audit.recomputed.trace != audit.recomputed.trace


@EACH
def test_attestations_of_a_chain_build_run_carry_the_path_of_their_row(name: BuildName) -> None:
    """It leads from the row that the attestation says to the root that the run put out; those of another run have
    none."""
    case = _case(name)
    examiner = _examined(case)
    proof = {
        "digest": "0" * 64,
        "uri": "artifact:0",
        "backend": "stone",
        "security_bits": 96,
        "is_mock": False,
    }
    case.terminal = proof
    attestations = examiner.attest(case, "1" * 64, "2" * 64, 3)
    assert [form["allocation_id"] for form in FORMS] == [one.allocation_id for one in attestations]
    assert [decide(form).verdict for form in FORMS] == [one.verdict for one in attestations]
    if name == "risk_engine":
        assert [None] * 3 == [one.chain for one in attestations]
        return
    output = risk_rows.expected_output(FORMS)
    assert case.run_audit is not None
    assert case.run_audit.recomputed is not None
    assert output == case.run_audit.recomputed.output
    assert row_paths(FORMS) == [row_path(one) for one in attestations]
    for attestation in attestations:
        path, chain = row_path(attestation), attestation.chain
        assert path is not None
        assert chain is not None
        assert decide(FORMS[chain.index]).risks == check_row_path(path, output).risks
        assert (KIND[name].method_id, 3, hex(output[-1])) == (chain.program_hash, chain.count, chain.root)


def test_one_prover_proves_runs_of_both_builds(tmp_path: Path) -> None:
    """Each in its own layout, as its own program; the message names that program's artifact."""
    backends = Backends({"mock": MockBackend(Double(tmp_path), name="mock")}, fall_back=False)
    job = ProvingJob(
        KINDS,
        [TRACER_VKEY],
        backends,
        Policy(backends=("mock",), program_hashes=[kind.method_id for kind in KINDS], allow_mock=True),
        ArtifactStore(STORE),
        JobLimits(1, 60.0),
        Metrics(),
    )
    for name in BUILDS:
        proof = asyncio.run(job.settle(_committed(name), asyncio.Event()))
        assert isinstance(proof, Proof)
        program = KIND[name].spec.program
        assert (program.proven, program.method_id) == (proof.program, proof.identities["program_hash"])


@EACH
def test_a_run_that_is_made_again_has_an_id_of_its_own(name: BuildName) -> None:
    """Packed otherwise, so that it has a terminal record and a verdict of its own; the auditor holds it to just that
    packing. When all ids are taken, that is said."""
    sealer = Sealer(BUILDS[name].spec(), Signer.parse(TRACER_PRIVATE), time.time_ns)
    used = {_committed(name).run_id}
    for again in range(1, 3):
        made = sealer.seal(FORMS, None, used.__contains__)
        assert (256 + again, True) == (made.seal["block_items"], made.run.run_id not in used)
        used.add(made.run.run_id)
    records = [
        Record(message.topic, 0, offset, message.key or b"", message.value or b"", {}, 0)
        for offset, message in enumerate(made.messages)
    ]
    case = _case(name, iter(records))
    _examined(case)
    assert case.run_audit is not None
    assert "MATCH" == case.run_audit.report.verdict
    assert 258 == runs_with(case.committed, KINDS).spec.block_items
    with pytest.raises(PoisonError) as error:
        sealer.seal(FORMS, None, lambda _: True)
    assert "requeued-too-often" == error.value.code


@EACH
def test_a_packing_that_no_tracer_uses_is_refused(name: BuildName) -> None:
    """Beyond the number of times that a run may be made again."""
    spec = replace(BUILDS[name].spec(), block_items=256 + 65)
    made = Sealer(spec, Signer.parse(TRACER_PRIVATE), time.time_ns).seal(FORMS, None)
    records = [
        Record(message.topic, 0, offset, message.key or b"", message.value or b"", {}, 0)
        for offset, message in enumerate(made.messages)
    ]
    case = _case(name, iter(records))
    _examined(case)
    assert case.run_audit is not None
    assert "MISMATCH" == case.run_audit.report.verdict

"""The audit of Stone proofs: each is compared with the run that the auditor executed, in its layout and length."""

from __future__ import annotations

from dataclasses import replace

import pytest
from stone_goldens import POLICY, SMALLEST, expected, proof

from proofrail.audit.proof_audit import ProofAuditor
from proofrail.proving.message import claims
from proofrail.proving.statement import Expected
from proofrail.proving.stone import verifier
from proofrail.wire.canonical import sha256_hex
from proofrail.wire.messages import AuditReport, Proof

RUN = "0" * 32


@pytest.fixture(autouse=True)
def _no_verifier(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROOFRAIL_STONE_VERIFIER", "/nowhere")


def _audit(name: str, recomputed: Expected) -> AuditReport:
    """The report on a golden proof, published for a run that was recomputed so."""
    message = Proof(
        run_id=RUN,
        backend="stone",
        backend_version="test",
        method="stark",
        is_mock=False,
        digest=sha256_hex(proof(name)),
        size=len(proof(name)),
        uri="sha256:…",
        timings={},
        **claims(verifier.examine(proof(name), expected(name), POLICY)),
    )
    auditor = ProofAuditor(
        recomputed.words, recomputed.builtins, {"stone": verifier}, POLICY, lambda _digest: proof(name)
    )
    return auditor.audit(message.to_object(), run_id=RUN, output=recomputed.output, traced=recomputed.traced)


def test_a_proof_of_another_layout_than_the_seals_is_a_mismatch() -> None:
    """Program and output are equal; the report names the layout, proven and recomputed."""
    found = _audit("fibrec", expected("fibrec", "small")).first_mismatch
    assert found is not None
    assert ("proof-layout", "layout", "small", "recursive") == (
        found.code,
        found.member,
        found.expected,
        found.claimed,
    )


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"n_steps": 1024}, "proof-steps"),
        ({"rc_bounds": (0, 65535)}, "proof-range-check"),
        ({"segments": ()}, "proof-segments"),
    ],
)
def test_a_proof_of_another_run_than_the_recomputed_is_a_mismatch(
    change: dict[str, object], code: str
) -> None:
    """Length, range checks and segments are those of the run itself, not of any run with that output."""
    traced = replace(expected().traced, **change)
    found = _audit(SMALLEST, replace(expected(), traced=traced)).first_mismatch
    assert found is not None
    assert code == found.code


def test_a_proof_for_other_allocations_is_a_mismatch() -> None:
    """Of the same program: its first output word that differs is named."""
    found = _audit("risk4", expected("risk1")).first_mismatch
    assert found is not None
    assert ("proof-output", "output", "0x1", "0x4") == (
        found.code,
        found.member,
        found.expected,
        found.claimed,
    )


def test_without_a_verifier_the_proof_of_the_very_run_is_undecided() -> None:
    """Nothing else is wrong with it; it waits for a verifier."""
    report = _audit("risk1", expected("risk1"))
    assert "INDETERMINATE" == report.verdict
    assert "verifier-missing" == report.unchecked[0].code

"""Checks an attestation: who says so, and whether it says what was asked, decided, audited and proven."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Final, NoReturn

from proofrail.cairo.risk_model import decide
from proofrail.client.errors import RefusedAttestation
from proofrail.client.reading import read_message
from proofrail.client.rows import check_chain
from proofrail.client.trust import Trust
from proofrail.wire.canonical import canonical, parse_felt, sha256_hex
from proofrail.wire.errors import MalformedError
from proofrail.wire.messages import (
    Attestation,
    AttestedProof,
    AuditReport,
    CommitmentSeal,
    Proof,
    reason_names,
    to_line,
)
from proofrail.wire.proposals import Proposal, parse_proposal
from proofrail.wire.signing import verify_message

_BY_PROTOCOL: Final = ("protocols", "risks", "recommended_bps", "proposed_bps")
_SUBJECTS: Final = {"run": "run_report", "proof": "proof_report"}


def check(
    attestation: Attestation | bytes,
    trust: Trust,
    *,
    proposal: Proposal | bytes | None = None,
    proof: Proof | None = None,
    reports: Collection[AuditReport] | None = None,
    seal: CommitmentSeal | None = None,
) -> Attestation:
    """The attestation, or the line of one, if it holds; what is not given is not compared.

    Always: its version, its signature by an accepted auditor, that its proof is no mock, of an accepted backend and
    of enough security. With `proposal` (in native or seed form): that it is about this proposal, and decides as the
    model does. With `proof`: that the Proof message is about the same run and proof, and that the place under the root
    that the attestation gives its row, where the run is one of the chain build, is under the message's root; whether
    the path leads there, `ProofChecker` says. With `reports`: that the two it
    rests on are among them, signed, about its run, and say MATCH. With `seal`: that its root is the run's.

    The proof itself is `ProofChecker`'s business.

    Raises RefusedAttestation `attestation-signature`, `attestation-proposal`, `attestation-decision`,
    `attestation-proof`, `attestation-chain`, `attestation-report`, `attestation-root`; PolicyError `policy-mock`,
    `policy-backend`, `policy-security`; MalformedError `unknown-version`, `unknown-type`, `malformed-…`;
    InvalidProposalError for a `proposal` that is none. About a millisecond.
    """
    read = _read(attestation)
    _signed_by("attestation-signature", read, trust, "the attestation")
    replace(trust.policy, program_hashes=None).check(
        backend=read.proof.backend, security_bits=read.proof.security_bits, is_mock=read.proof.is_mock
    )
    if proposal is not None:
        check_proposal(read, proposal)
    if proof is not None:
        check_proof_message(read, proof)
    if reports is not None:
        _check_reports(read, reports, trust)
    if seal is not None:
        _agree("attestation-root", read, {"run_id": seal.run_id, "root": seal.root}, "the run's seal")
    return read


def check_proposal(attestation: Attestation, proposal: Proposal | bytes) -> None:
    """Refuses an attestation about another proposal, or with another decision than the model's. See `check`."""
    asked = parsed(proposal)
    due = {"allocation_id": asked.allocation_id, "proposal_sha256": asked.digest()}
    _agree("attestation-proposal", attestation, due, "the proposal")
    decision = decide(asked.normal_form())
    decided = {
        "approved": decision.approved,
        "verdict": decision.verdict,
        "reasons": reason_names(decision.verdict),
        **{name: list(getattr(decision, name)) for name in _BY_PROTOCOL},
    }
    _agree("attestation-decision", attestation, decided, "the decision on the proposal")


def check_proof_message(attestation: Attestation, proof: Proof | AttestedProof) -> None:
    """Refuses an attestation that rests on another proof than the one the message is about. See `check`."""
    stated = {name: getattr(proof, name) for name in ("digest", "uri", "backend", "security_bits", "is_mock")}
    _agree("attestation-proof", attestation.proof, stated, "the Proof message", "proof.")
    if isinstance(proof, AttestedProof):
        return
    run: dict[str, object] = {"run_id": proof.run_id}
    if proof.root is not None:
        run["root"] = proof.root
    _agree("attestation-proof", attestation, run, "the Proof message")
    output = proof.statement.get("output")
    if isinstance(output, list):
        check_chain(attestation, str(proof.identities.get("program_hash")), [*map(parse_felt, output)])


def parsed(proposal: Proposal | bytes) -> Proposal:
    """The proposal, which may be given as its line, in native or seed form. Raises InvalidProposalError."""
    return parse_proposal(proposal) if isinstance(proposal, bytes) else proposal


def report_digest(report: AuditReport) -> str:
    """The digest by which attestations name a report."""
    return sha256_hex(to_line(report))


def _read(attestation: Attestation | bytes) -> Attestation:
    message = read_message(attestation) if isinstance(attestation, bytes) else attestation
    if not isinstance(message, Attestation):
        raise MalformedError("unknown-type", f"{message.to_object().get('type')!r:.80} is no attestation")
    return message


def _signed_by(code: str, message: Attestation | AuditReport, trust: Trust, what: str) -> None:
    signed = message.to_object()
    if any(verify_message(signed, key) for key in trust.keys):
        return
    if message.signature is None:
        _refuse_it(code, f"{what} is not signed")
    _refuse_it(
        code,
        f"{what} is signed by none of the {len(trust.keys)} accepted auditors, or was altered since",
        "If the auditor has a new key, have it confirmed before you accept it",
    )


def _check_reports(attestation: Attestation, reports: Collection[AuditReport], trust: Trust) -> None:
    published = {report_digest(report): report for report in reports}
    for subject, name in _SUBJECTS.items():
        digest = getattr(attestation.audit, name)
        report = published.get(digest)
        if report is None:
            _refuse_it("attestation-report", f"no report with the digest {digest}, its {name}, was published")
        found = (report.run_id, report.subject, report.verdict)
        if found != (attestation.run_id, subject, "MATCH"):
            _refuse_it(
                "attestation-report",
                f"its {name} says {report.verdict} on the {report.subject} of run {report.run_id}",
            )
        _signed_by("attestation-report", report, trust, f"its {name}")


def _agree(code: str, claimed: Any, expected: Mapping[str, object], whose: str, prefix: str = "") -> None:
    for name, value in expected.items():
        found = getattr(claimed, name)
        if found != value:
            _refuse_it(
                code,
                f"{prefix}{name} is {_shown(found)} in the attestation and {_shown(value)} in {whose}",
                member=f"{prefix}{name}",
            )


def _refuse_it(code: str, message: str, next_step: str | None = None, **context: str | int) -> NoReturn:
    raise RefusedAttestation(code, message, next_step or _NEXT, **context)


def _shown(value: object) -> str:
    return canonical(value).decode()[:200]


_NEXT: Final = "Do not act on it; the auditor's operator must know"

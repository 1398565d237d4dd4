"""What the auditor says about a case: signed reports, and attestations when everything holds.

Pure but for the artifact store; the findings are those of proofrail.audit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from proofrail.artifacts.store import ArtifactStore
from proofrail.audit.claimed_events import EventValues
from proofrail.audit.proof_audit import ProofAuditor
from proofrail.audit.risk_runs import RiskRuns, runs_with
from proofrail.audit.run_audit import RunAudit, audit_run
from proofrail.audit.subject import Recomputed
from proofrail.auditor.cases import Case
from proofrail.auditor.published import PublishedProposals
from proofrail.cairo.risk_model import decide
from proofrail.cairo.risk_program import load_chain
from proofrail.cairo.row_path import RowPath, row_paths
from proofrail.commitment.checkpoint import Signer
from proofrail.wire.canonical import canonical, felt_hex, sha256_hex
from proofrail.wire.messages import (
    Attestation,
    AttestedAudit,
    AttestedProof,
    AuditReport,
    ChainPlace,
    Evidence,
    reason_names,
)
from proofrail.wire.signing import sign_message


@dataclass(frozen=True)
class Statement:
    """A signed message as it is published."""

    message: AuditReport | Attestation
    line: bytes

    @property
    def digest(self) -> str:
        return sha256_hex(self.line)


def waiting(report: AuditReport, until: datetime) -> AuditReport:
    """The report, saying of its first open part until when it is looked at again."""
    first, *others = report.unchecked
    told = first.model_copy(update={"until": until.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")})
    return report.model_copy(update={"unchecked": [told, *others]})


class Examiner:
    """Examines cases, each against the build of the risk engine that its run is of."""

    def __init__(
        self,
        kinds: Sequence[RiskRuns],
        checkpoint_keys: Sequence[str],
        proofs: Mapping[str, ProofAuditor],
        store: ArtifactStore,
        signer: Signer,
    ) -> None:
        """`proofs`: an auditor for each of `kinds`, by its method_id."""
        self._kinds = kinds
        self._checkpoint_keys = list(checkpoint_keys)
        self._proofs = proofs
        self._store = store
        self._signer = signer

    def examine_run(self, case: Case, published: PublishedProposals) -> RunAudit:
        """Recompute the run and compare it with everything published of it; evidence goes to the store."""
        kind = runs_with(case.committed, self._kinds)
        audit = audit_run(
            commitments=case.committed.read() if case.committed is not None else (),
            events=None if case.events_expired else EventValues(case.event_values),
            subject=kind.subject,
            keys=self._checkpoint_keys,
            policy=kind.policy,
            published=published.__contains__,
            run_id=case.run_id,
        )
        return self._with_evidence(audit)

    def _with_evidence(self, audit: RunAudit) -> RunAudit:
        if audit.evidence is None:
            return audit
        bundle = audit.evidence.bundle(self._signer, lambda item: self._store.put(item).uri)
        ref = self._store.put(bundle)
        evidence = Evidence(digest=ref.digest, uri=ref.uri)
        return replace(audit, report=audit.report.model_copy(update={"evidence": evidence}))

    def examine_proof(self, case: Case) -> AuditReport:
        """Check the run's terminal record, and the proof it names, against the recomputed run."""
        recomputed = case.run_audit.recomputed if case.run_audit is not None else None
        kind = _executed(recomputed) if recomputed is not None else self._kinds[0].method_id
        return self._proofs[kind].audit(
            case.terminal_value,
            run_id=case.run_id,
            output=recomputed.output if recomputed is not None else None,
            traced=recomputed.traced if recomputed is not None else None,
            root=recomputed.seal["root"] if recomputed is not None else None,
        )

    def never_sealed(self, case: Case, lines: Sequence[bytes]) -> AuditReport:
        """For a run whose seal has not come: INDETERMINATE, unless what came already is nothing that a tracer
        publishes."""
        return self._with_evidence(
            audit_run(commitments=lines, subject=None, keys=(), run_id=case.run_id)
        ).report

    def sign(self, message: AuditReport | Attestation) -> Statement:
        return Statement(message, canonical(sign_message(message.to_object(), self._signer.key)))

    def attest(self, case: Case, run_report: str, proof_report: str, timestamp_ns: int) -> list[Attestation]:
        """An attestation for each allocation of a run whose run and proof were both found to match."""
        audit = case.run_audit
        terminal = case.terminal
        if audit is None or audit.recomputed is None or terminal is None:
            return []
        proof = AttestedProof(
            digest=terminal["digest"],
            uri=terminal["uri"],
            backend=terminal["backend"],
            security_bits=terminal["security_bits"],
            is_mock=terminal["is_mock"],
        )
        reports = AttestedAudit(run_report=run_report, proof_report=proof_report)
        root = audit.recomputed.seal["root"]
        places = _places(audit.inputs, audit.recomputed)
        return [
            self._attestation(form, row, case.run_id, root, proof, reports, place, timestamp_ns)
            for row, (form, place) in enumerate(zip(audit.inputs, places, strict=True))
        ]

    @staticmethod
    def _attestation(
        form: dict[str, Any],
        row: int,
        run_id: str,
        root: str,
        proof: AttestedProof,
        reports: AttestedAudit,
        place: ChainPlace | None,
        timestamp_ns: int,
    ) -> Attestation:
        # The model's decision equals the program's output: examine_run compared them.
        decision = decide(form)
        return Attestation(
            allocation_id=form["allocation_id"],
            proposal_sha256=sha256_hex(canonical(form)),
            approved=decision.verdict == 0,
            verdict=decision.verdict,
            reasons=reason_names(decision.verdict),  # type: ignore[arg-type]
            protocols=[protocol["name"] for protocol in form["protocols"]],
            risks=list(decision.risks),
            recommended_bps=list(decision.recommended_bps),
            proposed_bps=list(decision.proposed_bps),
            run_id=run_id,
            row=row,
            root=root,
            proof=proof,
            audit=reports,
            chain=place,
            timestamp=timestamp_ns,
        )


def _executed(recomputed: Recomputed) -> str:
    """The method_id of the program that was executed."""
    method_id: str = recomputed.seal["program"]["method_id"]
    return method_id


def _places(inputs: Sequence[dict[str, Any]], recomputed: Recomputed) -> Sequence[ChainPlace | None]:
    """Where the rows of a chain-build run stand; None for each row of another, whose output holds them."""
    program = _executed(recomputed)
    if program != load_chain().method_id:
        return [None] * len(inputs)
    root = felt_hex(recomputed.output[-1])
    return [_place(program, root, found) for found in row_paths(inputs)]


def _place(program: str, root: str, found: RowPath) -> ChainPlace:
    return ChainPlace(
        program_hash=program,
        count=found.count,
        root=root,
        index=found.index,
        inputs_hash=felt_hex(found.row[1]),
        path=[felt_hex(node) for node in found.path],
    )

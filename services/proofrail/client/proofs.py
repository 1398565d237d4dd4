"""Fetches a proof by its digest and verifies it, without executing anything again.

What is proven comes from the proof's own bytes: the program by its words, accepted by their hash, and the rows that
it decided. What the Proof message says of it is compared, and otherwise not used.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Final, NoReturn

from proofrail.artifacts.store import ArtifactStore
from proofrail.audit.proof_audit import ProofAuditor, Verifier
from proofrail.cairo import risk_rows
from proofrail.cairo.risk_model import decide
from proofrail.cairo.risk_program import Row, allocation_felt, decode_output
from proofrail.client.attestations import check_proof_message, check_proposal, parsed
from proofrail.client.errors import RefusedAttestation
from proofrail.client.rows import holds_rows, proven_row
from proofrail.client.trust import Trust
from proofrail.proving import verifier as stwo
from proofrail.proving.backend import Verified
from proofrail.proving.errors import PolicyError, RefusedProof
from proofrail.proving.message import claims
from proofrail.proving.policy import Policy
from proofrail.proving.statement import Expected
from proofrail.proving.stone import verifier as stone
from proofrail.wire.canonical import canonical
from proofrail.wire.errors import ProofrailError
from proofrail.wire.messages import Attestation, AttestedProof, Proof
from proofrail.wire.proposals import Proposal

_VERIFIERS: Final[Mapping[str, ModuleType]] = {module.NAME: module for module in (stwo, stone)}
_KEPT: Final = 64
"""Proofs whose findings are kept: a run's attestations come one after the other."""


@dataclass(frozen=True)
class CheckedProof:
    """A proof that was verified, and what its own bytes say."""

    digest: str
    backend: str
    security_bits: int
    program_hash: str
    identities: Mapping[str, str]
    """program_hash, output_hash, fact_hash, statement_digest and, where the on-chain registry could verify it with one
    of its presets, that preset, config_hash and verification_hash."""
    parameters: Mapping[str, Any]
    output: tuple[int, ...] = field(repr=False)
    rows: tuple[Row, ...] | None = field(repr=False)
    """What it decided, in the batch's order; None where the output is a root of the rows (the chain build)."""


class ProofChecker:
    """Checks proofs that lie in the artifact store at `store_url`, an fsspec URL, by what `trust` accepts."""

    def __init__(self, store_url: str, trust: Trust) -> None:
        self._store = ArtifactStore(store_url)
        self._trust = trust
        self._kept: OrderedDict[bytes, CheckedProof] = OrderedDict()
        self._checking = asyncio.Lock()

    async def check(
        self,
        proof: Proof | AttestedProof,
        attestation: Attestation | None = None,
        proposal: Proposal | bytes | None = None,
    ) -> CheckedProof:
        """Fetch and verify the proof that a message is about, or that an attestation names (`attestation.proof`); with
        `attestation`, that it proves its row; with `proposal` too, that the row is about all of the proposal's inputs.
        A proof of the chain build, whose output is a root, proves a row by the path in the attestation.

        The attestation's own signature is `check`'s business. Fetching and verifying go on in a thread, once for the
        attestations of a run that follow one another: 20 to 80 ms for stwo, some seconds for Stone.

        Raises PolicyError `policy-mock`, `policy-backend`, `policy-security`, `policy-program`, `policy-preset` …;
        RefusedProof `proof-…` (`proof-claim`: the message says something else than the proof); RefusedAttestation
        `attestation-proof`, `attestation-chain`, `attestation-row`, and those of `check` about the proposal;
        AlteredArtifact; PoisonError `risk-output-malformed`, `row-path-malformed`, `row-path-wrong`; MalformedError
        `malformed-felt`. Raises, to be tried again: MissingArtifact, StoreUnavailable, TransientError
        `verifier-missing`, `verifier-broken`.
        """
        if attestation is not None:
            check_proof_message(attestation, proof)
            if proposal is not None:
                check_proposal(attestation, proposal)
        checked = await self._checked(proof)
        if attestation is not None:
            asked = None if proposal is None else parsed(proposal)
            await asyncio.to_thread(_check_row, checked, attestation, asked)
        return checked

    async def _checked(self, proof: Proof | AttestedProof) -> CheckedProof:
        key = canonical(proof.to_object())
        async with self._checking:
            if key not in self._kept:
                self._kept[key] = await asyncio.to_thread(self._verify, proof)
            self._kept.move_to_end(key)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return self._kept[key]

    def _verify(self, proof: Proof | AttestedProof) -> CheckedProof:
        policy = self._trust.policy
        # What the message admits of itself needs no proof to be fetched.
        claimed = Policy(policy.min_security_bits, policy.backends)
        claimed.check(backend=proof.backend, security_bits=proof.security_bits, is_mock=proof.is_mock)
        blob = self._store.get(proof.digest, proof.size if isinstance(proof, Proof) else None)
        module = _VERIFIERS[proof.backend]
        stated: Expected = module.what_it_states(blob)
        builtins = self._trust.programs.get(stated.program_hash)
        if builtins is None:
            raise PolicyError("policy-program", f"program {stated.program_hash} is not accepted")
        expected = Expected(stated.words, tuple(builtins), stated.output)
        if isinstance(proof, Proof):
            verified = _audited(proof, blob, expected, policy, module)
        else:
            verified = module.verify(blob, expected, policy)
            if verified.security_bits != proof.security_bits:
                raise RefusedProof(
                    "proof-claim", f"the proof has {verified.security_bits} bits, not {proof.security_bits}"
                )
        # stwo's verifier knows no presets: a proof of stwo's fits none.
        policy.check_preset(verified.identities.get("preset"))
        return CheckedProof(
            digest=proof.digest,
            backend=proof.backend,
            security_bits=verified.security_bits,
            program_hash=verified.statement.program_hash,
            identities=claims(verified)["identities"],
            parameters=verified.parameters,
            output=verified.statement.output,
            rows=_rows(verified.statement.output),
        )


class _Kept:
    """A verifier that keeps what it found."""

    def __init__(self, module: Any) -> None:
        self._verifier: Verifier = module
        self.verified: Verified | None = None
        self.error: ProofrailError | None = None

    def verify(self, proof: bytes, expected: Expected, policy: Policy) -> Verified:
        try:
            self.verified = self._verifier.verify(proof, expected, policy)
        except ProofrailError as error:
            self.error = error
            raise
        return self.verified


def _audited(proof: Proof, blob: bytes, expected: Expected, policy: Policy, module: ModuleType) -> Verified:
    """The auditor's own examination. Members of the message that this version does not define stay unchecked: none is
    used."""
    kept = _Kept(module)
    auditor = ProofAuditor(
        expected.words, expected.builtins, {proof.backend: kept}, policy, lambda _digest: blob
    )
    report = auditor.audit(proof.to_object(), run_id=proof.run_id, output=expected.output)
    if kept.error is not None:
        raise kept.error
    found = report.first_mismatch
    if found is not None or kept.verified is None:
        raise RefusedProof(
            "proof-claim",
            (found.message or found.kind) if found else "the proof was not verified",
            None,
            member=(found.member or "") if found else "",
        )
    return kept.verified


def _check_row(checked: CheckedProof, attestation: Attestation, proposal: Proposal | None) -> None:
    row = proven_row(attestation, checked.program_hash, checked.output)
    due: dict[str, object] = {
        "id": allocation_felt(attestation.allocation_id),
        "verdict": attestation.verdict,
        "risks": tuple(attestation.risks),
        "recommended_bps": tuple(attestation.recommended_bps),
        "proposed_bps": tuple(attestation.proposed_bps),
    }
    if proposal is not None:
        form = proposal.normal_form()
        due["inputs_hash"] = risk_rows.inputs_hash(form) if checked.rows is None else decide(form).inputs_hash
    for name, value in due.items():
        if getattr(row, name) != value:
            _refuse_row(f"{name} of row {attestation.row} is {getattr(row, name)}, not {value}")


def _rows(output: tuple[int, ...]) -> tuple[Row, ...] | None:
    return tuple(decode_output(output)) if holds_rows(output) else None


def _refuse_row(message: str) -> NoReturn:
    raise RefusedAttestation(
        "attestation-row",
        f"the proof does not prove what the attestation says: {message}",
        "Do not act on it; the auditor's operator must know",
    )

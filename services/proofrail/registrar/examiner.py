"""From an attestation to what may be recorded: everything it rests on is found and checked first, its proof included.

What is refused here has cost nothing: no ledger has heard of it.
"""

from __future__ import annotations

import asyncio

from proofrail.cairo.risk_program import load_chain
from proofrail.client import (
    Archive,
    Attestation,
    CheckedProof,
    ProofChecker,
    RefusedAttestation,
    RowPath,
    TransientError,
    Trust,
    check,
)
from proofrail.proving.stone.presets import preset_named
from proofrail.registrar.inputs import RunInputs
from proofrail.registrar.ledger import Decision, Fact, felts_of
from proofrail.wire.canonical import parse_felt


class Examiner:
    """Examines attestations by what `trust` accepts."""

    def __init__(
        self, archive: Archive, trust: Trust, proofs: ProofChecker, inputs: RunInputs, within_s: float
    ) -> None:
        """`within_s`: how long the grounds of one attestation are waited for before the others go on."""
        self._archive = archive
        self._trust = trust
        self._proofs = proofs
        self._inputs = inputs
        self._within_s = within_s
        self._placing = asyncio.Lock()
        self._chain_program = load_chain().method_id

    async def examine(self, attestation: Attestation) -> Decision:
        """The decision to record.

        Raises, for good: RefusedAttestation `attestation-…`; PolicyError `policy-…` (mock, weak, backend, program,
        preset), `preset-…`; RefusedProof `proof-…`; AlteredArtifact; PoisonError. Raises, to be tried again:
        TransientError `grounds-missing`, `path-missing`, `artifact-…`, `verifier-…`.
        """
        # Who says so, and what it admits of itself, before anything it names is looked for.
        check(attestation, self._trust)
        grounds = await self._archive.grounds(attestation, self._within_s)
        check(
            attestation,
            self._trust,
            proposal=grounds.proposal,
            proof=grounds.proof,
            reports=grounds.reports,
        )
        place = None
        if grounds.proof.identities.get("program_hash") == self._chain_program:
            place = await self._place(attestation)
        checked = await self._proofs.check(grounds.proof, attestation, grounds.proposal, place)
        return Decision(attestation.allocation_id, _fact(checked), place or _row(checked, attestation.row))

    async def _place(self, attestation: Attestation) -> RowPath:
        async with self._placing:
            place = await asyncio.to_thread(self._inputs.place, attestation.run_id, attestation.row)
        if place is None:
            raise TransientError(
                "path-missing",
                f"the inputs of run {attestation.run_id}, from which the path of row {attestation.row} follows, are "
                "not on trace.commitments.v1",
                "They may still come; what has expired there must be put back from the operator's copy",
            )
        return place


def _fact(checked: CheckedProof) -> Fact:
    name = checked.identities.get("preset")
    return Fact(
        program_hash=parse_felt(checked.program_hash),
        output=checked.output,
        preset=preset_named(name) if name else None,
        bits=int(checked.parameters["query_bits"]) if name else checked.security_bits,
        digest=checked.digest,
    )


def _row(checked: CheckedProof, index: int) -> RowPath:
    if checked.rows is None:
        raise RefusedAttestation(
            "attestation-row",
            "the proof is of the chain build, and its message says that it is of another",
            "Do not act on it; the auditor's operator must know",
        )
    return RowPath(felts_of(checked.rows[index]), index, len(checked.rows), ())

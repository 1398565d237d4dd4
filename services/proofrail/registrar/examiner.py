"""From an attestation to what may be recorded: everything it rests on is found and checked first, its proof included.

What is refused here has cost nothing: no ledger has heard of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from proofrail.client import (
    Archive,
    Attestation,
    CheckedProof,
    ProofChecker,
    RowPath,
    Trust,
    check,
    row_path,
)
from proofrail.proving.stone.presets import preset_named
from proofrail.registrar.ledger import Decision, Fact, felts_of
from proofrail.wire.canonical import parse_felt


class Examiner:
    """Examines attestations by what `trust` accepts."""

    def __init__(self, archive: Archive, trust: Trust, proofs: ProofChecker, within_s: float) -> None:
        """`within_s`: how long the grounds of one attestation are waited for before the others go on."""
        self._archive = archive
        self._trust = trust
        self._proofs = proofs
        self._within_s = within_s

    def claimed_row(self, attestation: Attestation) -> Sequence[int] | None:
        """The row that stands in the attestation itself, which auditors that are believed have signed; None of the
        first build's. Raises RefusedAttestation `attestation-…`, MalformedError `malformed-felt`."""
        check(attestation, self._trust)
        path = row_path(attestation)
        return None if path is None else path.row

    async def examine(self, attestation: Attestation) -> Decision:
        """The decision to record.

        Raises, for good: RefusedAttestation `attestation-…`, `grounds-expired`; PolicyError `policy-…` (mock, weak,
        backend, program, preset), `preset-…`; RefusedProof `proof-…`; AlteredArtifact; PoisonError. Raises, to be tried
        again: TransientError `grounds-missing`, `artifact-…`, `verifier-…`.
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
        checked = await self._proofs.check(grounds.proof, attestation, grounds.proposal)
        return Decision(attestation.allocation_id, _fact(checked), _place(attestation, checked))


def _fact(checked: CheckedProof) -> Fact:
    name = checked.identities.get("preset")
    return Fact(
        program_hash=parse_felt(checked.program_hash),
        output=checked.output,
        preset=preset_named(name) if name else None,
        bits=int(checked.parameters["query_bits"]) if name else checked.security_bits,
        digest=checked.digest,
    )


def _place(attestation: Attestation, checked: CheckedProof) -> RowPath:
    """Where the row stands: as the attestation says, which was checked, or in the output itself."""
    rows, index = checked.rows or (), attestation.row
    return row_path(attestation) or RowPath(felts_of(rows[index]), index, len(rows), ())

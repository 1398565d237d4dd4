"""The Proof message about a proof that was made and verified (design section 5, "Other messages")."""

from __future__ import annotations

from proofrail.proving.backend import ProofResult, Verified
from proofrail.wire.canonical import sha256_hex
from proofrail.wire.messages import Proof


def proof_message(run_id: str, result: ProofResult, verified: Verified, uri: str) -> Proof:
    """What the proof's own bytes say (`verified`), and what only its prover knows (`result`). `uri`: where the bytes
    are kept."""
    return Proof(
        run_id=run_id,
        backend=result.backend,
        backend_version=result.backend_version,
        method="stark",
        is_mock=result.is_mock,
        statement=verified.statement.to_dict(),
        parameters=verified.parameters,
        security_bits=verified.security_bits,
        digest=sha256_hex(result.proof),
        size=len(result.proof),
        uri=uri,
        identities=verified.identities,
        timings=result.timings,
    )

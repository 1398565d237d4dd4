"""The Proof message about a proof that was made and verified (schemas/trace-v1.md, section 8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from proofrail.proving.backend import ProofResult, Verified
from proofrail.proving.registry import Registry
from proofrail.wire.canonical import canonical, felt_hex, sha256_hex
from proofrail.wire.messages import Proof, ProofEvidence, ProvenProgram

STATED_FIRST: Final = (
    "program_hash",
    "program_words",
    "output_count",
    "output_sha256",
    "segments",
    "initial_state",
    "final_state",
)
"""Members that every `statement` has; later ones may be missing from messages of earlier provers."""
IDENTIFIED_FIRST: Final = ("program_hash", "output_hash", "fact_hash")
"""Likewise of `identities`."""
ADDED_PARAMETERS: Final = ("query_bits",)
"""The only members of `parameters` that may be missing."""
_OUTPUT_SHOWN: Final = 256
"""Felts up to which the output itself stands in the message, far below what a line may have."""


@dataclass(frozen=True)
class Provenance:
    """What is known of a proof's origin beside its run and its prover's result. `root`: of the run's seal."""

    root: str | None = None
    attempt: int | None = None
    program: ProvenProgram | None = None
    registry: Registry | None = None


def claims(verified: Verified) -> dict[str, Any]:
    """The members of a Proof message that its proof tells, as they must be."""
    statement = verified.statement.to_dict()
    output = verified.statement.output
    if len(output) <= _OUTPUT_SHOWN:
        statement["output"] = [felt_hex(felt) for felt in output]
    return {
        "statement": statement,
        "parameters": verified.parameters,
        "security_bits": verified.security_bits,
        "identities": {
            **verified.identities,
            "statement_digest": statement_digest(statement, verified.parameters),
        },
    }


def statement_digest(statement: Mapping[str, Any], parameters: Mapping[str, Any]) -> str:
    """SHA-256 of what a proof says and with what security, from a Proof's `statement` and `parameters`.

    Two proofs with the same digest say the same, whatever their bytes are. Only members that every version writes
    count.
    """
    said = {
        "parameters": {name: value for name, value in parameters.items() if name not in ADDED_PARAMETERS},
        "statement": {name: statement[name] for name in STATED_FIRST},
    }
    return sha256_hex(canonical(said))


def proof_message(
    run_id: str, result: ProofResult, verified: Verified, uri: str, provenance: Provenance | None = None
) -> Proof:
    """What the proof's own bytes say (`verified`), and what only its prover knows (`result`, `provenance`). `uri`:
    where the bytes are kept."""
    origin = provenance or Provenance()
    registry = origin.registry
    return Proof(
        run_id=run_id,
        backend=result.backend,
        backend_version=result.backend_version,
        method="stark",
        is_mock=result.is_mock,
        **claims(verified),
        digest=sha256_hex(result.proof),
        size=len(result.proof),
        uri=uri,
        has_annotations=False,
        timings=result.timings,
        root=origin.root,
        attempt=origin.attempt,
        program=origin.program,
        evidence=ProofEvidence(
            verified=not result.is_mock,
            verifier=verified.verifier or None,
            n_steps=result.n_steps,
            peak_memory_bytes=result.peak_memory_bytes,
            network=registry.network if registry else None,
            registry=registry.address if registry else None,
        ),
    )

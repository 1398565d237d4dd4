"""Settings of the auditor."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from proofrail.messaging.settings import ServiceSettings


class AuditorSettings(ServiceSettings):
    """What the auditor needs to know beside Kafka; from `PROOFRAIL_…`."""

    auditor_key_file: Path
    """Ed25519 private key (mode 0600) that signs reports and attestations."""

    auditor_keys: str = ""
    """Auditors' keys (C2SP vkeys), separated by white space, whose reports and attestations count as its own, such as
    the former key after a change. What no such key and not its own has signed is audited as if it were not there."""

    checkpoint_keys: str
    """Accepted tracer keys (C2SP vkeys), separated by white space; a checkpoint of another is a MISMATCH."""

    store_url: str
    """Where proofs and evidence are kept: an fsspec URL such as file:///var/lib/proofrail/artifacts."""

    prover_backends: str = "stwo"
    """Backends whose proofs are accepted, separated by commas: stwo, stone (which needs cpu_air_verifier)."""

    min_security_bits: int = Field(default=96, ge=80)
    """Least security of a proof, in bits (conjectured)."""

    registry_presets: str = ""
    """Presets of the registry that proofs must fit, such as small/blake2s_248_lsb/stone6/relaxed, separated
    by white space. Only stone's proofs fit one. Empty: any proof will do."""

    verifier_attempts: int = Field(default=5, ge=1)
    """How often a proof may make the verifier crash or take too long before the verdict stays INDETERMINATE. A host
    that lacks the verifier, room on disk or the store does not count: audits wait for it."""

    unsealed_after_s: float = Field(default=60.0, gt=0)
    """How long a run whose seal has not arrived stays open before it is reported INDETERMINATE."""

    events_within_s: float = Field(default=2.0, gt=0)
    """How long events may trail their seal before what was written around the seal is searched for them."""

    artifact_within_s: float = Field(default=600.0, gt=0)
    """How long a proof that the store does not have is looked for again before the verdict stays INDETERMINATE; a
    store that is away is waited for."""

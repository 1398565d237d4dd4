"""Settings of the prover."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from proofrail.messaging.settings import ServiceSettings


class ProverSettings(ServiceSettings):
    """What the prover needs to know beside Kafka; from `PROOFRAIL_…`."""

    store_url: str
    """Where proofs are kept: an fsspec URL such as file:///var/lib/proofrail/artifacts."""

    checkpoint_keys: str
    """Accepted tracer keys (C2SP vkeys), separated by white space; others are refused before proving."""

    prover_backends: str = "stwo"
    """Backends in the order of preference, separated by commas: stwo, stone. Stone needs the external programs
    cpu_air_prover and cpu_air_verifier, and minutes for what stwo proves in seconds."""

    prover_fall_back: bool = False
    """Whether the next backend may take over when the host lacks what the preferred one needs."""

    min_security_bits: int = Field(default=96, ge=80)
    """Least security of a proof, in bits (conjectured)."""

    max_attempts: int = Field(default=5, ge=1)
    """How often a proof may fail by what may be the run's fault before the run is given up and split; one that takes
    all the time or memory allowed is tried once more at most. A host that lacks the prover program or the store does
    not count: runs wait for it."""

    proof_timeout_s: float = Field(default=7200.0, gt=0)
    """Wall-clock limit of one attempt."""

    proof_memory_limit: str = "90%"
    """Memory that a proof may take: bytes, an amount with KiB, MiB or GiB, or a share of this machine's. A run whose
    proof is expected to take more is given up and split before any work; a prover that takes more ends."""

    unsealed_after_s: float = Field(default=60.0, gt=0)
    """How long a run whose seal has not arrived keeps its place in the topic before it is let go."""

    prover_nice: int = Field(default=10, ge=0, le=19)
    """How far the prover processes give way to others."""

    scratch_dir: Path | None = None
    """Where the files of a proof under way lie, megabytes to some hundred; by default the system's temporary
    folder. What a killed prover left there is removed at the next start."""

    registry_network: str = ""
    """Network of the registry that proofs are meant for, such as sepolia; stands in each Proof. Empty: none."""

    registry_address: str = ""
    """Address of that registry, 0x…; by default the one known for the network."""

    registry_presets: str = ""
    """Presets of the registry that proofs are made for and must fit, such as small/blake2s_248_lsb/stone6/relaxed,
    separated by white space. Only stone's proofs fit one. Empty: any proof will do."""

    chain_max_calldata: int = Field(default=5000, ge=0)
    """Most felts that the transaction with a proof may have: what public networks allow. Proofs for presets in layout
    recursive, which one transaction can take, are made to fit. 0 for any number."""

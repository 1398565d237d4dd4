"""Whom and what a consumer believes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from proofrail.cairo import risk_program
from proofrail.commitment.checkpoint import parse_vkey
from proofrail.proving.backends import parse_names
from proofrail.proving.policy import DEFAULT_SECURITY_BITS, Policy
from proofrail.wire.errors import UnusableInputError


def risk_programs() -> dict[str, tuple[str, ...]]:
    """Both builds of this package's risk engine: their program hashes ("0x…"), and the builtins of their mains."""
    builds = risk_program.load(), risk_program.load_chain()
    return {program.method_id: tuple(program.builtins) for program in builds}


@dataclass(frozen=True)
class Trust:
    """What must hold before a consumer acts on an attestation. Nothing is believed by default but the program.

    Raises UnusableInputError `trust-keys` without a key, `backend-unknown`; CheckpointError `key-malformed`.
    """

    auditor_keys: Sequence[str]
    """The auditors that are believed: C2SP vkeys (`proofrail-auditor+…+…`), as in the `.vkey` file beside the
    auditor's key."""

    min_security_bits: int = DEFAULT_SECURITY_BITS
    """Least security of a proof, in bits (conjectured)."""

    backends: Collection[str] = ("stwo",)
    """Backends whose proofs are accepted: stwo, stone (which needs cpu_air_verifier)."""

    programs: Mapping[str, Sequence[str]] = field(default_factory=risk_programs)
    """The programs that may decide: the builtins of `main`, in order, by program hash. The hash does not cover them,
    and a program given another builtin in one's place computes something else."""

    presets: Collection[str] | None = None
    """The on-chain registry's settings with which it could verify the proof, by name, such as
    `recursive/keccak_160_lsb/stone6/strict`; None accepts proofs that it could not verify, too."""

    def __post_init__(self) -> None:
        if isinstance(self.auditor_keys, str) or not self.auditor_keys:
            raise UnusableInputError(
                "trust-keys",
                "no auditor's key is accepted, so no attestation could be",
                "Give a list of vkeys, such as the content of keys/auditor.vkey",
            )
        parse_names(",".join(self.backends))
        _ = self.keys

    @cached_property
    def keys(self) -> tuple[Ed25519PublicKey, ...]:
        """The auditors' keys."""
        return tuple(parse_vkey(vkey)[1] for vkey in self.auditor_keys)

    @property
    def policy(self) -> Policy:
        """What a proof must be."""
        return Policy(
            min_security_bits=self.min_security_bits,
            backends=tuple(self.backends),
            program_hashes=tuple(self.programs),
            presets=self.presets,
        )

"""The hash functions of a Stone proof: those for our own use, and the sets that the on-chain registry knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from proofrail.proving.errors import PolicyError

_COLLISION_BITS: Final = {
    "keccak256": 128,
    "blake256": 128,
    "keccak256_masked160_msb": 80,
    "keccak256_masked160_lsb": 80,
    "blake256_masked160_msb": 80,
    "blake256_masked248_lsb": 124,
    "poseidon3": 125,
    "pedersen": 125,
}
"""Collision resistance in bits: half of the digest's length, whatever the number of queries; of a sponge over
the field, half of its 251 bits."""

_STONE_DEFAULT: Final = "keccak256_masked160_msb"
"""What Stone commits with when its parameters do not say: at most 80 bits."""


@dataclass(frozen=True)
class Hashes:
    """Which hash does what, by Stone's names. `friendly_layers`: top layers of each tree, counted from the
    root, that use `friendly` instead of `commitment`."""

    commitment: str = "keccak256"
    channel: str = "keccak256"
    page: str = "keccak256"
    pow: str = "keccak256"
    friendly: str | None = None
    friendly_layers: int = 0
    friendly_channel_updates: bool = False

    @property
    def collision_bits(self) -> int:
        """The least collision resistance of the hashes that bind the proof.

        Raises PolicyError `parameters-hash` for a hash that is not in use.
        """
        names = [self.commitment, self.channel, *([self.friendly] if self.friendly else [])]
        unknown = [name for name in (*names, self.page, self.pow) if name not in _COLLISION_BITS]
        if unknown:
            raise PolicyError("parameters-hash", f"the hash {unknown[0]!r} is not in use")
        return min(_COLLISION_BITS[name] for name in names)

    def members(self) -> dict[str, Any]:
        """As members of Stone's parameter file; all are given, so that no default of its own decides."""
        friendly = {"verifier_friendly_commitment_hash": self.friendly} if self.friendly else {}
        return {
            "channel_hash": self.channel,
            "commitment_hash": self.commitment,
            "n_verifier_friendly_commitment_layers": self.friendly_layers,
            "pow_hash": self.pow,
            "statement": {"page_hash": self.page},
            "verifier_friendly_channel_updates": self.friendly_channel_updates,
            **friendly,
        }

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> Hashes:
        """From a parameter file, with Stone's defaults for what is absent.

        Raises PolicyError `parameters-malformed`.
        """
        statement = members.get("statement", {})
        if not isinstance(statement, Mapping) or statement.keys() - {"page_hash"}:
            raise PolicyError("parameters-malformed", "the member statement is not as Stone writes it")
        channel = members.get("channel_hash", "keccak256")
        hashes = cls(
            commitment=members.get("commitment_hash", _STONE_DEFAULT),
            channel=channel,
            page=statement.get("page_hash", "keccak256"),
            pow=members.get("pow_hash", "blake256" if channel == "poseidon3" else "keccak256"),
            friendly=members.get("verifier_friendly_commitment_hash"),
            friendly_layers=members.get("n_verifier_friendly_commitment_layers", 0),
            friendly_channel_updates=members.get("verifier_friendly_channel_updates", False),
        )
        names = (hashes.commitment, hashes.channel, hashes.page, hashes.pow, hashes.friendly or "")
        if (
            not all(isinstance(name, str) for name in names)
            or type(hashes.friendly_layers) is not int
            or not 0 <= hashes.friendly_layers < 1 << 32
            or type(hashes.friendly_channel_updates) is not bool
        ):
            raise PolicyError("parameters-malformed", "a hash of the proof parameters is of another type")
        return hashes


LOCAL: Final = Hashes()
"""For proofs that no contract verifies: as fast as any, and no cap below 128 bits."""


def _registry(commitment: str, pow_hash: str) -> Hashes:
    return Hashes(
        commitment=commitment,
        channel="poseidon3",
        page="pedersen",
        pow=pow_hash,
        friendly="poseidon3",
        friendly_layers=1000,
        friendly_channel_updates=True,
    )


REGISTRY_HASHERS: Final = {
    "keccak_160_lsb": _registry("keccak256_masked160_lsb", "keccak256"),
    "blake2s_248_lsb": _registry("blake256_masked248_lsb", "blake256"),
}
"""The registry's hashers that Stone can prove with, by the registry's names."""

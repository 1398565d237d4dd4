"""Settings of the registrar."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from pydantic import Field, SecretStr, model_validator

from proofrail.messaging.settings import ServiceSettings

ON_CHAIN_PRESETS: Final = ("recursive/blake2s_248_lsb/stone6/strict",)
"""Those that one transaction can verify, with all of the public memory looked at, and whose digests are long enough: a
registry takes proofs with trees of 160-bit digests for keccak_160_lsb, which give 80 bits whatever it counts."""


class RegistrarSettings(ServiceSettings):
    """What the registrar needs to know beside Kafka; from `PROOFRAIL_…`."""

    store_url: str
    """Where proofs are kept: an fsspec URL such as file:///var/lib/proofrail/artifacts."""

    auditor_keys: str
    """Auditors that are believed: their vkeys, separated by white space."""

    prover_backends: str = "stwo"
    """Backends whose proofs are accepted, separated by commas; a ledger on chain takes those of stone alone."""

    min_security_bits: int = Field(default=96, ge=80)
    """Least security of a proof, in bits (conjectured)."""

    registrar_ledger: Literal["file", "starknet"] = "file"
    """Where decisions are recorded."""

    registrar_dir: Path
    """A folder of the instance's own: position, journal of transactions, and the ledger in a file."""

    registrar_presets: str = ""
    """Presets of the registry on chain whose proofs are accepted, by name, separated by white space. By default the
    ledger in a file takes any proof, and that on Starknet those of the recursive layout in strict verification."""

    registrar_batch: int = Field(default=32, ge=1, le=256)
    """Most decisions in one transaction."""

    grounds_within_s: float = Field(default=5.0, ge=0)
    """How long what an attestation rests on is waited for before others go first."""

    chain_url: SecretStr = SecretStr("")
    """The node's JSON-RPC endpoint, most often with a key in it: host and scheme alone are shown."""
    chain_network: str = "SN_SEPOLIA"
    """What the node must say its chain is."""
    chain_contract: str = ""
    """Address of the DecisionRegistry, 0x…."""
    chain_wallet_file: Path | None = None
    """Accounts and their private keys, a line each, readable by their owner only."""
    chain_signer: str = ""
    """Instead of a wallet file: a program that signs (and its arguments)."""
    chain_accounts: str = ""
    """Addresses that the program signs for, separated by white space."""
    chain_max_fee_fri: int = Field(default=5 * 10**18, ge=1)
    """Most that one transaction may cost, in fri (10⁻¹⁸ STRK)."""
    chain_max_calldata: int = Field(default=5000, ge=0)
    """Most felts that the transaction with a proof may have: what public networks allow. A longer one is refused. 0 for
    any number."""
    chain_timeout_s: float = Field(default=10.0, gt=0)
    """How long one answer of the node's is waited for."""
    chain_confirm_s: float = Field(default=60.0, gt=0)
    """How long a transaction is waited for at a time. It is never given up: it is asked for again."""
    chain_poll_s: float = Field(default=0.5, gt=0)
    """Between two questions about a transaction, at most: the first come sooner."""
    chain_finality: Literal["PRE_CONFIRMED", "ACCEPTED_ON_L2", "ACCEPTED_ON_L1"] = "ACCEPTED_ON_L2"
    """When a transaction counts."""

    chain_look_again_s: float = Field(default=30.0, gt=0)
    """Between two looks at transactions that are not final: whether the chain has taken any back."""
    chain_watch_s: float = Field(default=86400.0, ge=0)
    """For how long a transaction is looked at, where nothing is accepted on L1."""

    calldata_command: str = ""
    """Instead of ours: a program that serializes Stone proofs for the verifier on chain (and its arguments)."""

    @model_validator(mode="after")
    def _chain_is_complete(self) -> RegistrarSettings:
        if self.registrar_ledger != "starknet":
            return self
        for name in ("chain_url", "chain_contract"):
            if not getattr(self, name):
                raise ValueError(f"the ledger on Starknet needs PROOFRAIL_{name.upper()}")
        if (self.chain_wallet_file is None) == (not self.chain_signer):
            raise ValueError("name either PROOFRAIL_CHAIN_WALLET_FILE or PROOFRAIL_CHAIN_SIGNER")
        if self.chain_signer and not self.chain_accounts.split():
            raise ValueError("PROOFRAIL_CHAIN_SIGNER needs PROOFRAIL_CHAIN_ACCOUNTS")
        return self

"""Integrity on a chain of one's own: its registry of facts, and the verifier that the registry calls.

Public networks have both already. Their classes are no part of Proofrail: whoever has compiled them names the folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from proofrail.proving.stone.presets import Preset
from proofrail.registrar.starknet.chain import Call
from proofrail.registrar.starknet.classes import ContractClass, in_folder
from proofrail.registrar.starknet.deploy import Deployed, Deployment
from proofrail.wire.errors import UnusableInputError

_REGISTERS: Final = "verify_proof_full_and_register_fact"
_VERIFIES: Final = "verify_proof_full"
_NOT_SPLIT: Final = (0, 0)
"""The verifier's constructor names the contracts that do parts of its work: one that fits one contract has none."""


class IntegrityClasses:
    """The two classes that verify proofs of one preset."""

    def __init__(self, folder: Path, preset: Preset) -> None:
        """Found in a folder by what they can do; the verifier's file name holds the name of its hash function, such as
        `blake2s`. Raises UnusableInputError `class-unusable`, and OSError."""
        hasher = preset.hasher.partition("_")[0]
        self._for = tuple(int.from_bytes(name.encode(), "big") for name in (preset.layout, hasher))
        found = in_folder(folder)
        self.registry = _only(
            folder, "a registry of facts", [one for one in found if _REGISTERS in one.functions]
        )
        self.verifier = _only(
            folder,
            f"a verifier for {hasher}",
            [one for one in found if _VERIFIES in one.functions and hasher in one.name.lower()],
        )

    async def deploy(self, own: Deployment, owner: int) -> Deployed:
        """The registry of facts, with the verifier registered in it by its owner. Raises as Deployment does."""
        verifier = await own.deploy(self.verifier, _NOT_SPLIT)
        registry = await own.deploy(self.registry, [owner])
        if registry.transaction_hash is not None:
            call = Call(registry.address, "register_verifier", (*self._for, verifier.address))
            await own.execute(call, "register the verifier")
        return registry


def _only(folder: Path, what: str, found: list[ContractClass]) -> ContractClass:
    if len(found) != 1:
        raise UnusableInputError(
            "class-unusable",
            f"{folder} holds {len(found)} classes of {what}, and one is needed",
            "Name a folder with Integrity's FactRegistry and its verifier of the recursive layout, in one contract",
        )
    return found[0]

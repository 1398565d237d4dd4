"""What a DecisionRegistry says, asked of a node without an account: what it accepts, and what it holds."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from proofrail.cairo.risk_program import allocation_felt
from proofrail.proving.stone.presets import PRESETS
from proofrail.registrar.ledger import LedgerMisconfigured
from proofrail.registrar.starknet import contracts
from proofrail.registrar.starknet.chain import Call
from proofrail.registrar.starknet.classes import REGISTRY, STAND_IN, packaged
from proofrail.registrar.starknet.contracts import Stored
from proofrail.registrar.starknet.deploy import asked
from proofrail.registrar.starknet.extra import starknet_py
from proofrail.registrar.starknet.node import Node
from proofrail.wire.canonical import felt_hex
from proofrail.wire.errors import UnusableInputError

with starknet_py():
    from starknet_py.hash.storage import get_storage_var_address

_K = TypeVar("_K")
_AT_ONCE: Final = 16
_NOBODY: Final = 2**250 + 0x6E6F626F6479
"""An address that no contract has: it may record only where anybody may."""


@dataclass(frozen=True)
class Terms:
    """What a DecisionRegistry was deployed with; it never changes. `programs`, `presets` and `recorders` are those of
    the ones asked about that it accepts: it lists none itself."""

    class_hash: int
    known_class: bool
    """Whether it is the contract of this version of Proofrail."""
    fact_registry: int
    fact_registry_class: int | None
    """None where no contract is at that address."""
    programs: Collection[int]
    presets: Collection[str]
    min_security_bits: int
    anyone_records: bool
    recorders: Collection[int]

    @property
    def verifies_nothing(self) -> bool:
        """Whether its registry of facts is the stand-in for demonstrations."""
        return self.fact_registry_class == packaged(STAND_IN).class_hash


@dataclass(frozen=True)
class Answer:
    """What it holds of one allocation, and whether it says that the allocation is approved with `shares`."""

    stored: Stored | None
    shares: tuple[int, ...] | None
    """Those that were asked about; None where none were named and none are known."""
    approved: bool


class DecisionContract:
    """A DecisionRegistry on the node's chain. All questions raise UnusableInputError `contract-not-found`, and
    TransientError."""

    def __init__(self, node: Node, address: int) -> None:
        self._node = node
        self._address = address
        self._asking = asyncio.Semaphore(_AT_ONCE)

    async def terms(self, programs: Collection[int], recorders: Collection[int]) -> Terms:
        """What it accepts of these, and of all presets that Stone proves with."""
        class_hash = await self.class_hash()
        presets = {name: contracts.configuration(preset) for name, preset in PRESETS.items()}
        facts, bits, anyone = await asyncio.gather(
            self._one("fact_registry"),
            self._one("min_security_bits"),
            self._one("may_record", _NOBODY),
        )
        return Terms(
            class_hash,
            class_hash == packaged(REGISTRY).class_hash,
            facts,
            await asked(self._node.class_at(facts)),
            await self._accepted("accepts_program", {program: (program,) for program in programs}),
            await self._accepted("accepts_configuration", presets),
            bits,
            bool(anyone),
            await self._accepted("may_record", {account: (account,) for account in recorders}),
        )

    async def answer(self, allocation_id: str, shares: Sequence[int] | None) -> Answer:
        """What it says of an allocation. Without `shares`: of those it holds, which are read from its storage."""
        allocation = allocation_felt(allocation_id)
        class_hash = await self.class_hash()
        stored = contracts.read_decision(await self._view(contracts.decision_of(self._address, allocation)))
        if shares is None and stored is not None and class_hash == packaged(REGISTRY).class_hash:
            key = get_storage_var_address("outcomes", allocation)
            shares = contracts.read_shares(await asked(self._node.storage(self._address, key)))
        if shares is None:
            return Answer(stored, None, False)
        question = contracts.is_approved(self._address, allocation, shares)
        approved = contracts.read_one(await self._view(question), question.function)
        return Answer(stored, tuple(shares), bool(approved))

    async def class_hash(self) -> int:
        """The class of what is at the address."""
        found = await asked(self._node.class_at(self._address))
        if found is None:
            raise UnusableInputError(
                "contract-not-found",
                f"no contract is at {felt_hex(self._address)} on the chain of {self._node.name}",
                "Check address and node; `proofrail chain deploy` puts one there",
            )
        return found

    async def _accepted(self, function: str, questions: Mapping[_K, tuple[int, ...]]) -> list[_K]:
        answers = await asyncio.gather(*(self._one(function, *felts) for felts in questions.values()))
        return [name for name, accepted in zip(questions, answers, strict=True) if accepted]

    async def _one(self, function: str, *felts: int) -> int:
        return contracts.read_one(await self._view(Call(self._address, function, felts)), function)

    async def _view(self, call: Call) -> list[int]:
        async with self._asking:
            try:
                return await asked(self._node.view(call))
            except LedgerMisconfigured as error:
                raise UnusableInputError(
                    "contract-not-found",
                    f"the contract at {felt_hex(self._address)} is no DecisionRegistry: {error.message}",
                    "Check the address",
                ) from error

"""Puts contracts on a chain: declares their classes and deploys them, each where its content says.

A class is known by its hash, and a contract's address follows from class, arguments and salt: whatever is there already
is found and left alone, so that a deployment that was interrupted is simply done again.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from proofrail.registrar.starknet.answers import answer_of
from proofrail.registrar.starknet.chain import Call, Chain, Finality, NodeRefusal
from proofrail.registrar.starknet.classes import ContractClass
from proofrail.registrar.starknet.declaring import DeclaringChain
from proofrail.registrar.starknet.extra import starknet_py
from proofrail.registrar.starknet.journal import Entry, Journal
from proofrail.registrar.starknet.node import Node, Paid
from proofrail.registrar.starknet.rpc import RpcChain
from proofrail.registrar.starknet.sender import Limits, Reverted, Sender, refused
from proofrail.registrar.starknet.signer import Signer
from proofrail.wire.canonical import felt_hex
from proofrail.wire.errors import UnusableInputError

with starknet_py():
    from starknet_py.constants import DEFAULT_DEPLOYER_ADDRESS
    from starknet_py.hash.address import compute_address

DEPLOYER: Final = int(DEFAULT_DEPLOYER_ADDRESS, 16)
"""The contract that deploys others, at the same address on every network."""

MAX_FEE: Final = 20 * 10**18
"""Most that one transaction may cost, in fri, unless told otherwise: to declare a large class is dear."""

_TIMEOUT_S: Final = 60.0
_LIMITS: Final = {"felts": 0, "confirm_s": 180.0, "poll_s": 0.2, "finality": Finality.ACCEPTED_ON_L2}

_T = TypeVar("_T")
Say = Callable[[str], None]
"""Told what is done, and each transaction's hash before it is sent."""


@dataclass(frozen=True)
class Declared:
    """A class on chain. `transaction_hash` and `gas` are None where it was there already."""

    class_hash: int
    transaction_hash: str | None
    gas: Paid | None


@dataclass(frozen=True)
class Deployed:
    """A contract on chain. `transaction_hash` and `gas` are its deployment's, None where it was there already."""

    address: int
    class_hash: int
    transaction_hash: str | None
    gas: Paid | None


class Deployment:
    """One account's way to put contracts on one chain. All methods raise TransientError (ChainAway among them),
    LedgerMisconfigured, and UnusableInputError `deployment-refused`."""

    def __init__(self, node: Node, chain: RpcChain, journal: Journal, limits: Limits, say: Say) -> None:
        self.node = node
        self._chain = chain
        self._journal = journal
        self._limits = limits
        self._say = say

    async def declare(self, contract: ContractClass) -> Declared:
        """Declare the class unless it is."""
        class_hash = await asyncio.to_thread(lambda: contract.class_hash)
        if await asked(self.node.knows_class(class_hash)):
            return Declared(class_hash, None, None)
        try:
            transaction = await self._execute(
                DeclaringChain(self._chain, contract), [], f"declare {contract.name}"
            )
        except UnusableInputError:
            # Somebody else may have declared it meanwhile.
            if await asked(self.node.knows_class(class_hash)):
                return Declared(class_hash, None, None)
            raise
        return Declared(class_hash, transaction, await asked(self.node.paid(transaction)))

    async def deploy(self, contract: ContractClass, calldata: Sequence[int], *, salt: int = 0) -> Deployed:
        """Deploy the contract with these arguments of its constructor unless it is, and its class unless it is."""
        class_hash = (await self.declare(contract)).class_hash
        address = compute_address(
            class_hash=class_hash, constructor_calldata=list(calldata), salt=salt, deployer_address=0
        )
        if await asked(self.node.class_at(address)) is not None:
            return Deployed(address, class_hash, None, None)
        call = Call(DEPLOYER, "deployContract", (class_hash, salt, 0, len(calldata), *calldata))
        transaction = await self._execute(self._chain, [call], f"deploy {contract.name}")
        if await asked(self.node.class_at(address)) != class_hash:
            raise UnusableInputError(
                "deployment-refused",
                f"transaction {transaction} put no {contract.name} at {felt_hex(address)}",
                f"Look at what {felt_hex(DEPLOYER)} is on this network",
            )
        return Deployed(address, class_hash, transaction, await asked(self.node.paid(transaction)))

    async def execute(self, call: Call, what: str) -> str:
        """Have a call executed; the transaction's hash."""
        return await self._execute(self._chain, [call], what)

    async def _execute(self, chain: Chain, calls: Sequence[Call], what: str) -> str:
        self._say(what)
        try:
            return await Sender(chain, self._journal, self._limits).execute(calls, [what])
        except Reverted as reverted:
            raise UnusableInputError(
                "deployment-refused",
                f"the chain refuses to {what}: {reverted.words}",
                "Nothing was put there: correct what it is deployed with",
            ) from reverted


@asynccontextmanager
async def deployment(
    node_url: str,
    signer: Signer,
    *,
    network: str | None = None,
    max_fee: int = MAX_FEE,
    say: Say = lambda _: None,
) -> AsyncIterator[Deployment]:
    """`network`: what the node must say its chain is, by default whatever it says. `max_fee`: most fri for each
    transaction. Raises LedgerMisconfigured `chain-other-network`, ChainAway."""
    limits = Limits(fee=max_fee, **_LIMITS)  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory(prefix="proofrail-deploy-") as scratch:
        journal = _Announcing(Path(scratch) / "transactions.sqlite", say)
        try:
            async with Node(node_url, _TIMEOUT_S) as node:
                chain = RpcChain(node_url, network or await network_of(node), signer, _TIMEOUT_S)
                try:
                    await asked(chain.open())
                    yield Deployment(node, chain, journal, limits, say)
                finally:
                    await chain.close()
        finally:
            journal.close()


def registry_arguments(
    fact_registry: int,
    programs: Collection[int],
    configurations: Collection[Sequence[int]],
    min_bits: int,
    recorders: Collection[int],
) -> list[int]:
    """What the constructor of DecisionRegistry takes: nothing of it can be changed later. `configurations`: four felts
    each. No `recorders`: anybody may record."""
    return [
        *(fact_registry, len(programs), *programs),
        *(len(configurations), *(felt for one in configurations for felt in one)),
        *(min_bits, len(recorders), *recorders),
    ]


async def asked(question: Awaitable[_T]) -> _T:
    """The node's answer. Raises LedgerMisconfigured, TransientError for its refusal."""
    try:
        return await question
    except NodeRefusal as refusal:
        raise refused(answer_of(refusal), str(refusal)) from refusal


async def network_of(node: Node) -> str:
    """What the node says its chain is, such as SN_SEPOLIA. Raises ChainAway."""
    felt = await asked(node.chain_id())
    return felt.to_bytes(32, "big").lstrip(b"\0").decode("ascii", errors="replace")


class _Announcing(Journal):
    """Says each transaction's hash before it is sent."""

    def __init__(self, path: Path, say: Say) -> None:
        super().__init__(path)
        self._say = say

    def write(self, entry: Entry, effects: Sequence[str]) -> None:
        super().write(entry, effects)
        for effect in effects:
            self._say(f"{effect}: transaction {entry.signed.hash}")

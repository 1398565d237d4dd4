"""What the registrar needs of a Starknet node: the port that `rpc` fills with starknet-py.

Nothing here decides anything; errors come as the node says them (`NodeRefusal`), or as `ChainAway` when it says
nothing, and then a transaction may have arrived.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Protocol

from proofrail.wire.errors import TransientError

_SHOWN: Final = 400


class ChainAway(TransientError):  # noqa: N818 -- a finding, not a defect
    """The node gave no answer that can be read; code `chain-away`. What was sent may have arrived."""


class NodeRefusal(Exception):  # noqa: N818 -- the node's answer
    """An error of the node's, by its code in the JSON-RPC specification (0.10)."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(code, message, data)
        self.code = code
        self.message = message
        self.data = data

    def __str__(self) -> str:
        said = f"{self.code} {self.message}"
        return f"{said}: {str(self.data)[:_SHOWN]}" if self.data else said


@dataclass(frozen=True)
class Call:
    """A call of a contract's function by its name."""

    to: int
    function: str
    calldata: tuple[int, ...]


@dataclass(frozen=True)
class Resource:
    """An amount of gas, and its price in fri for each."""

    amount: int
    price: int


@dataclass(frozen=True)
class Fees:
    """What a transaction takes, or may take, of each resource."""

    l1_gas: Resource
    l1_data_gas: Resource
    l2_gas: Resource

    @property
    def total(self) -> int:
        """In fri."""
        return sum(one.amount * one.price for one in (self.l1_gas, self.l1_data_gas, self.l2_gas))

    def times(self, amount: float, price: float) -> Fees:
        """These, with some margin."""

        def more(one: Resource) -> Resource:
            return Resource(int(one.amount * amount), int(one.price * price))

        return Fees(more(self.l1_gas), more(self.l1_data_gas), more(self.l2_gas))


@dataclass(frozen=True)
class Signed:
    """A transaction that can be sent: its hash ("0x…") and, as a JSON object, what the node takes."""

    hash: str
    payload: dict[str, Any]


class Finality(Enum):
    """How far a transaction has come."""

    UNKNOWN = "UNKNOWN"
    """The node has never heard of it."""
    WAITING = "WAITING"
    """It is in, and not executed."""
    PRE_CONFIRMED = "PRE_CONFIRMED"
    ACCEPTED_ON_L2 = "ACCEPTED_ON_L2"
    ACCEPTED_ON_L1 = "ACCEPTED_ON_L1"

    def reaches(self, other: Finality) -> bool:
        order = list(Finality)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True)
class Status:
    """A transaction's, by its hash. `reverted`: the reason, once it was executed in vain."""

    finality: Finality
    reverted: str | None = None


class Chain(Protocol):
    """A node, and the accounts that can be signed for. All methods raise ChainAway and NodeRefusal."""

    @property
    def accounts(self) -> Sequence[int]:
        """Addresses."""

    async def open(self) -> None:
        """Connect. Raises LedgerMisconfigured `chain-other-network`."""

    async def close(self) -> None:
        """Disconnect."""

    async def view(self, call: Call) -> list[int]:
        """What a function answers, as of the block that is being made."""

    async def nonce(self, account: int) -> int:
        """The account's next nonce, as of the block that is being made."""

    async def estimate(self, account: int, nonce: int, calls: Sequence[Call]) -> Fees:
        """What the calls would take in one transaction. A revert is NodeRefusal 41."""

    async def sign(self, account: int, nonce: int, calls: Sequence[Call], bounds: Fees) -> Signed:
        """A transaction of the account's. Raises LedgerMisconfigured, TransientError of the signer's."""

    async def send(self, signed: Signed) -> None:
        """Hand the transaction over."""

    async def status(self, transaction: str) -> Status:
        """How far the transaction has come."""

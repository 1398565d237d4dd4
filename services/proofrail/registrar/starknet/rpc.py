"""A Starknet node over JSON-RPC 0.10, with starknet-py (the extra `chain`)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal

from proofrail.registrar.ledger import LedgerMisconfigured
from proofrail.registrar.starknet.chain import Call, Fees, Finality, Resource, Signed, Status
from proofrail.registrar.starknet.extra import starknet_py
from proofrail.registrar.starknet.node import BLOCK, Node, reading
from proofrail.registrar.starknet.signer import Signer
from proofrail.wire.canonical import felt_hex

with starknet_py():
    from starknet_py.hash.selector import get_selector_from_name
    from starknet_py.net.client_models import ResourceBounds, ResourceBoundsMapping
    from starknet_py.net.models.transaction import DeclareV3, InvokeV3

_QUERY: Final = hex(2**128 + 3)
"""Version of a transaction that can be estimated and never executed."""
_EXECUTED: Final = {one.value for one in Finality} - {Finality.UNKNOWN.value, Finality.WAITING.value}


class RpcChain:
    """The node at `url`. `chain_id`: what it must say it is, such as SN_SEPOLIA."""

    def __init__(self, url: str, chain_id: str, signer: Signer, timeout_s: float) -> None:
        self._node = Node(url, timeout_s)
        self.chain_id = int.from_bytes(chain_id.encode("ascii"), "big")
        self.signer = signer
        self._chain_name = chain_id

    @property
    def accounts(self) -> Sequence[int]:
        """See Chain."""
        return self.signer.accounts

    async def open(self) -> None:
        """See Chain."""
        self._node.open()
        found = await self._node.chain_id()
        if found != self.chain_id:
            raise LedgerMisconfigured(
                "chain-other-network",
                f"the node's chain is {hex(found)}, and {hex(self.chain_id)} ({self._chain_name}) was due",
                "Correct PROOFRAIL_CHAIN_URL or PROOFRAIL_CHAIN_NETWORK",
            )

    async def close(self) -> None:
        """See Chain."""
        await self._node.close()

    async def view(self, call: Call) -> list[int]:
        """See Chain."""
        return await self._node.view(call)

    async def nonce(self, account: int) -> int:
        """See Chain."""
        answer = await self._node.ask("getNonce", {"block_id": BLOCK, "contract_address": felt_hex(account)})
        with reading(answer):
            return int(answer, 16)

    async def estimate(self, account: int, nonce: int, calls: Sequence[Call]) -> Fees:
        """See Chain. Unsigned, so that nothing that could be executed exists before the journal has it."""
        nothing = Resource(0, 0)
        return await self.estimate_payload(
            _payload(self._invoke(account, nonce, calls, Fees(nothing, nothing, nothing)))
        )

    async def estimate_payload(self, unsigned: Mapping[str, Any]) -> Fees:
        """What a transaction would take, as the specification writes it, without its signature."""
        params = {
            "request": [{**unsigned, "version": _QUERY}],
            "simulation_flags": ["SKIP_VALIDATE"],
            "block_id": BLOCK,
        }
        answer = await self._node.ask("estimateFee", params)
        with reading(answer):
            (found,) = answer
            return Fees(
                *(
                    Resource(int(found[f"{name}_consumed"], 16), int(found[f"{name}_price"], 16))
                    for name in ("l1_gas", "l1_data_gas", "l2_gas")
                )
            )

    async def sign(self, account: int, nonce: int, calls: Sequence[Call], bounds: Fees) -> Signed:
        """See Chain."""
        unsigned = self._invoke(account, nonce, calls, bounds)
        # Some thousand felts of a proof take it half a second.
        transaction = await asyncio.to_thread(unsigned.calculate_hash, self.chain_id)
        signature = await self.signer.sign(account, transaction, _payload(unsigned))
        return Signed(felt_hex(transaction), _payload(replace(unsigned, signature=signature)))

    async def send(self, signed: Signed) -> None:
        """See Chain."""
        await self.send_as("Invoke", signed)

    async def send_as(self, kind: Literal["Invoke", "Declare"], signed: Signed) -> None:
        """Hand a transaction of this kind over."""
        answer = await self._node.ask(
            f"add{kind}Transaction", {f"{kind.lower()}_transaction": signed.payload}
        )
        with reading(answer):
            called = answer["transaction_hash"]
        if called != signed.hash:
            raise LedgerMisconfigured(
                "chain-other-network",
                f"the node calls transaction {signed.hash} {called!r:.80}",
                "It is of another chain or version: look the transaction up there before anything else",
            )

    async def status(self, transaction: str) -> Status:
        """See Chain."""
        found = await self._node.ask("getTransactionStatus", {"transaction_hash": transaction})
        with reading(found):
            finality = found["finality_status"]
        if finality not in _EXECUTED:
            return Status(Finality.WAITING)
        if found.get("execution_status") != "REVERTED":
            return Status(Finality(finality))
        return Status(Finality(finality), str(found.get("failure_reason") or "no reason was given"))

    def _invoke(self, account: int, nonce: int, calls: Sequence[Call], bounds: Fees) -> InvokeV3:
        return InvokeV3(
            calldata=_execute(calls),
            sender_address=account,
            resource_bounds=resource_bounds(bounds),
            version=3,
            signature=[],
            nonce=nonce,
            tip=0,
        )


def _execute(calls: Sequence[Call]) -> list[int]:
    """What an account's __execute__ takes: an array of calls."""
    felts = [len(calls)]
    for call in calls:
        felts += [call.to, get_selector_from_name(call.function), len(call.calldata), *call.calldata]
    return felts


def _payload(invoke: InvokeV3) -> dict[str, Any]:
    """The transaction as the specification writes it."""
    return {
        **common_members(invoke),
        "type": "INVOKE",
        "calldata": [felt_hex(felt) for felt in invoke.calldata],
    }


def resource_bounds(bounds: Fees) -> ResourceBoundsMapping:
    """Bounds as starknet-py has them."""
    return ResourceBoundsMapping(
        **{name: ResourceBounds(one.amount, one.price) for name, one in vars(bounds).items()}
    )


def common_members(transaction: InvokeV3 | DeclareV3) -> dict[str, Any]:
    """What every transaction of an account's has, as the specification writes it."""
    bounds: Mapping[str, ResourceBounds] = vars(transaction.resource_bounds)
    return {
        "version": hex(transaction.version),
        "sender_address": felt_hex(transaction.sender_address),
        "signature": [felt_hex(felt) for felt in transaction.signature],
        "nonce": hex(transaction.nonce),
        "resource_bounds": {
            name: {"max_amount": hex(one.max_amount), "max_price_per_unit": hex(one.max_price_per_unit)}
            for name, one in bounds.items()
        },
        "tip": hex(transaction.tip),
        "paymaster_data": [],
        "account_deployment_data": [],
        "nonce_data_availability_mode": "L1",
        "fee_data_availability_mode": "L1",
    }

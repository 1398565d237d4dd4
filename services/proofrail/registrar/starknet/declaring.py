"""Declaring a class: the one transaction of an account's that is not a call."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from proofrail.registrar.starknet.chain import Call, Fees, Resource, Signed, Status
from proofrail.registrar.starknet.classes import ContractClass
from proofrail.registrar.starknet.extra import starknet_py
from proofrail.registrar.starknet.rpc import RpcChain, common_members, resource_bounds
from proofrail.wire.canonical import felt_hex

with starknet_py():
    from starknet_py.hash.transaction import TransactionHashPrefix, compute_declare_v3_transaction_hash
    from starknet_py.net.models.transaction import DeclareV3


class DeclaringChain:
    """A Chain whose transactions declare one class, whatever calls they are given."""

    def __init__(self, chain: RpcChain, declared: ContractClass) -> None:
        self._chain = chain
        self._declared = declared

    @property
    def accounts(self) -> Sequence[int]:
        """See Chain."""
        return self._chain.accounts

    async def open(self) -> None:
        """See Chain."""
        await self._chain.open()

    async def close(self) -> None:
        """See Chain."""
        await self._chain.close()

    async def view(self, call: Call) -> list[int]:
        """See Chain."""
        return await self._chain.view(call)

    async def nonce(self, account: int) -> int:
        """See Chain."""
        return await self._chain.nonce(account)

    async def estimate(self, account: int, nonce: int, calls: Sequence[Call]) -> Fees:
        """See Chain."""
        nothing = Resource(0, 0)
        unsigned = self._declare(account, nonce, Fees(nothing, nothing, nothing))
        return await self._chain.estimate_payload(self._payload(unsigned))

    async def sign(self, account: int, nonce: int, calls: Sequence[Call], bounds: Fees) -> Signed:
        """See Chain."""
        unsigned = self._declare(account, nonce, bounds)
        transaction = await asyncio.to_thread(self._hash, unsigned)
        signature = await self._chain.signer.sign(account, transaction, self._payload(unsigned))
        return Signed(felt_hex(transaction), self._payload(replace(unsigned, signature=signature)))

    async def send(self, signed: Signed) -> None:
        """See Chain."""
        await self._chain.send_as("Declare", signed)

    async def status(self, transaction: str) -> Status:
        """See Chain."""
        return await self._chain.status(transaction)

    def _declare(self, account: int, nonce: int, bounds: Fees) -> DeclareV3:
        return DeclareV3(
            sender_address=account,
            compiled_class_hash=self._declared.compiled_class_hash,
            contract_class=self._declared.typed,
            resource_bounds=resource_bounds(bounds),
            version=3,
            signature=[],
            nonce=nonce,
            tip=0,
        )

    def _hash(self, declare: DeclareV3) -> int:
        """Its `calculate_hash` would hash the class once more, seconds for a large one."""
        fields = declare.get_common_fields(
            TransactionHashPrefix.DECLARE, declare.sender_address, self._chain.chain_id
        )
        return int(
            compute_declare_v3_transaction_hash(
                class_hash=self._declared.class_hash,
                account_deployment_data=[],
                compiled_class_hash=declare.compiled_class_hash,
                common_fields=fields,
            )
        )

    def _payload(self, declare: DeclareV3) -> dict[str, Any]:
        """The transaction as the specification writes it."""
        return {
            **common_members(declare),
            "type": "DECLARE",
            "compiled_class_hash": felt_hex(declare.compiled_class_hash),
            "contract_class": self._declared.payload,
        }

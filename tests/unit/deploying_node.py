"""A node on loopback of a chain on which contracts can be declared, deployed and asked. Needs the extra `chain`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starknet_py.hash.address import compute_address
from starknet_py.hash.selector import get_selector_from_name
from starknet_py.hash.storage import get_storage_var_address
from starknet_py.net.client_models import ResourceBounds, ResourceBoundsMapping
from starknet_py.net.models.transaction import DeclareV3, InvokeV3
from tests.double.node import CHAIN_ID, Node
from tests.unit.registrar_cases import model

from proofrail.registrar.starknet import deploy
from proofrail.registrar.starknet.chain import NodeRefusal
from proofrail.registrar.starknet.classes import ContractClass

GAS = {"l1_gas": 0, "l1_data_gas": 96, "l2_gas": 1000}
FEE = 1100
_VIEWS = {
    get_selector_from_name(name): name
    for name in (
        "fact_registry",
        "min_security_bits",
        "accepts_program",
        "accepts_configuration",
        "may_record",
        "decision",
        "is_approved",
    )
}


@dataclass(frozen=True)
class _Arguments:
    """Of DecisionRegistry's constructor."""

    facts: int
    programs: tuple[int, ...]
    configurations: tuple[tuple[int, ...], ...]
    bits: int
    recorders: tuple[int, ...]

    @classmethod
    def read(cls, felts: Sequence[int]) -> _Arguments:
        rest = list(felts)
        facts, count = rest.pop(0), rest.pop(0)
        programs = tuple(rest.pop(0) for _ in range(count))
        configurations = tuple(tuple(rest.pop(0) for _ in range(4)) for _ in range(rest.pop(0)))
        bits, count = rest.pop(0), rest.pop(0)
        assert count == len(rest)
        return cls(facts, programs, configurations, bits, tuple(rest))


class EmptyChain(Node):
    """A node of a chain on which classes are declared and contracts deployed; it executes nothing else."""

    def __init__(self) -> None:
        super().__init__(model())
        self.classes: dict[int, Any] = {}
        self.contracts: dict[int, tuple[int, list[int]]] = {}
        self.done: list[str] = []
        """The hashes of what was executed."""
        self.refuses: str | None = None
        """What the constructor panics with."""
        self.decisions: dict[int, tuple[int, int, int, tuple[int, ...]]] = {}
        """By allocation: inputs_hash, verdict, leaf, proposed shares."""

    def sent_kinds(self) -> list[str]:
        return [method for method, _ in self.asked if method.startswith("add")]

    def _getClass(self, params: Any) -> Any:  # noqa: N802 -- the specification's names
        try:
            return self.classes[int(params["class_hash"], 16)]
        except KeyError:
            raise NodeRefusal(28, "Class hash not found") from None

    def _getClassHashAt(self, params: Any) -> str:  # noqa: N802
        try:
            return hex(self.contracts[int(params["contract_address"], 16)][0])
        except KeyError:
            raise NodeRefusal(20, "Contract not found") from None

    def _call(self, params: Any) -> list[str]:
        request = params["request"]
        self._getClassHashAt(request)
        deployed = self.contracts[int(request["contract_address"], 16)][1]
        name = _VIEWS.get(int(request["entry_point_selector"], 16), "")
        felts = [int(felt, 16) for felt in request["calldata"]]
        if not deployed or not name:
            raise NodeRefusal(21, "Requested entrypoint does not exist in the contract")
        return [hex(felt) for felt in self._view(name, _Arguments.read(deployed), felts)]

    def _view(self, name: str, arguments: _Arguments, felts: list[int]) -> list[int]:
        if name == "decision":
            found = self.decisions.get(felts[0])
            return [0, 0, 0, 0] if found is None else [1, *found[:3]]
        if name == "is_approved":
            allocation, _, *shares = felts
            found = self.decisions.get(allocation)
            return [int(found is not None and found[1] == 0 and found[3] == tuple(shares))]
        return {
            "fact_registry": lambda: [arguments.facts],
            "min_security_bits": lambda: [arguments.bits],
            "accepts_program": lambda: [int(felts[0] in arguments.programs)],
            "accepts_configuration": lambda: [int(tuple(felts) in arguments.configurations)],
            "may_record": lambda: [int(not arguments.recorders or felts[0] in arguments.recorders)],
        }[name]()

    def _getStorageAt(self, params: Any) -> str:  # noqa: N802
        for allocation, (_, verdict, _, shares) in self.decisions.items():
            if int(params["key"], 16) == get_storage_var_address("outcomes", allocation):
                packed = 1
                for share in shares:
                    packed = packed << 14 | share
                return hex(packed << 6 | verdict)
        return "0x0"

    def _estimateFee(self, params: Any) -> list[dict[str, str]]:  # noqa: N802
        (transaction,) = params["request"]
        assert [] == transaction["signature"]
        if self.refuses and transaction["type"] == "INVOKE":
            raise NodeRefusal(41, "Transaction execution error", {"execution_error": f"'{self.refuses}'"})
        gas = {f"{name}_consumed": hex(amount) for name, amount in GAS.items()}
        return [{**gas, **{f"{name}_price": "0x1" for name in GAS}}]

    def _addDeclareTransaction(self, params: Any) -> dict[str, str]:  # noqa: N802
        payload = params["declare_transaction"]
        found = ContractClass("sent", json.dumps(payload["contract_class"]).encode(), 0)
        compiled = payload["compiled_class_hash"]
        self.classes[found.class_hash] = compiled
        declare = DeclareV3(
            contract_class=found.typed, compiled_class_hash=int(compiled, 16), **_common(payload)
        )
        return self._executed(payload, declare)

    def _addInvokeTransaction(self, params: Any) -> dict[str, str]:  # noqa: N802
        payload = params["invoke_transaction"]
        felts = [int(felt, 16) for felt in payload["calldata"]]
        called, (_, class_hash, salt, unique, length, *calldata) = felts[:3], felts[3:]
        assert [1, deploy.DEPLOYER, get_selector_from_name("deployContract")] == called
        assert (0, len(calldata)) == (unique, length)
        assert class_hash in self.classes
        address = compute_address(
            class_hash=class_hash, constructor_calldata=calldata, salt=salt, deployer_address=0
        )
        self.contracts[address] = (class_hash, calldata)
        return self._executed(payload, InvokeV3(calldata=felts, **_common(payload)))

    def _executed(self, payload: Any, transaction: DeclareV3 | InvokeV3) -> dict[str, str]:
        account = int(payload["sender_address"], 16)
        assert int(payload["nonce"], 16) == self.model.nonces[account]
        assert payload["signature"]
        self.model.nonces[account] += 1
        self.done.append(hex(transaction.calculate_hash(int.from_bytes(CHAIN_ID.encode(), "big"))))
        return {"transaction_hash": self.done[-1]}

    def _getTransactionStatus(self, params: Any) -> dict[str, str]:  # noqa: N802
        if params["transaction_hash"] not in self.done:
            raise NodeRefusal(29, "Transaction hash not found")
        return {"finality_status": "ACCEPTED_ON_L2", "execution_status": "SUCCEEDED"}

    def _getTransactionReceipt(self, params: Any) -> Any:  # noqa: N802
        assert params["transaction_hash"] in self.done
        return {"execution_resources": GAS, "actual_fee": {"amount": hex(FEE), "unit": "FRI"}}


def _common(payload: Any) -> dict[str, Any]:
    bounds = {
        name: ResourceBounds(int(one["max_amount"], 16), int(one["max_price_per_unit"], 16))
        for name, one in payload["resource_bounds"].items()
    }
    return {
        "sender_address": int(payload["sender_address"], 16),
        "resource_bounds": ResourceBoundsMapping(**bounds),
        "version": 3,
        "signature": [],
        "nonce": int(payload["nonce"], 16),
        "tip": int(payload["tip"], 16),
    }

"""The ledger on Starknet and the contract itself, on a chain in memory: what is sent is what the contract takes.

Needs PROOFRAIL_STARKNET, as test_decision_registry.py does. Node and accounts are those of tests/double/chain.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from test_decision_registry import BITS, PROGRAM, Chain
from test_decision_registry import deployed as deployed
from tests.double.chain import PRESET, ChainModel, MemoryChain, Panic, configuration
from tests.unit.registrar_cases import decisions, proven, starknet_ledger

from proofrail.registrar.ledger import LedgerMisconfigured, Receipt
from proofrail.registrar.starknet.chain import Call
from proofrail.registrar.starknet.ledger import StarknetLedger
from proofrail.wire.errors import ProofrailError

pytestmark = pytest.mark.slow

ACCOUNTS = (0xA1, 0xA2)


@dataclass
class ContractModel(ChainModel):
    """The model's node and accounts before the real contract."""

    contracts: Any = None

    def run(self, account: int, call: Call) -> str:
        if call.function == "verify_proof_full_and_register_fact":
            fact, bits = self.proofs[call.calldata[4:]]
            self.contracts.register(fact, bits, call.calldata[:4], to=call.to)
            return f"fact {fact:#x}"
        self._answer(call, account)
        return f"decision {call.calldata[4]:#x}"

    def view(self, call: Call) -> list[int]:
        return self._answer(call, 0)

    def _answer(self, call: Call, caller: int) -> list[int]:
        answer = self.contracts.call(call.function, list(call.calldata), to=call.to, caller=caller)
        if isinstance(answer, str):
            raise Panic(answer)
        return [int(felt) for felt in answer]

    def _state(self) -> Any:
        self.contracts.do(do="keep")

    def _restore(self, state: Any) -> None:
        self.contracts.do(do="restore")


@pytest.fixture(scope="module")
def contract(deployed: Chain) -> int:
    """A contract that takes what the registrar's tests make."""
    given = deployed.constructor(recorders=ACCOUNTS, configurations=[configuration(PRESET)])
    found = deployed.deploy(deployed.artifact, given)
    deployed.do(do="keep")
    assert isinstance(found, int)
    return found


@pytest.fixture
def model(deployed: Chain, contract: int) -> ContractModel:
    return ContractModel(PROGRAM, ACCOUNTS, contracts=deployed)


@pytest.fixture
async def ledger(model: ContractModel, contract: int, tmp_path: Path) -> AsyncIterator[StarknetLedger]:
    found = starknet_ledger(MemoryChain(model), tmp_path, contract=contract)
    await found.open()
    yield found
    await found.close()


async def test_the_contract_takes_what_is_sent(ledger: StarknetLedger, model: ContractModel) -> None:
    """Fact, three rows with their paths in one transaction, and once more; then the contract itself says yes to the
    approved shares, and no to another decision."""
    batch = decisions("a", "b", "c")
    first, other = batch[0], decisions("a", risk=50)[0]
    for number, one in enumerate((first, other)):
        proof = proven(model, one.fact, bytes([number]))
        assert await ledger.holds(one.fact) is None
        assert (await ledger.register(one.fact, proof)).new
    results = await ledger.record(batch)
    assert [True] * 3 == [one.new for one in results if isinstance(one, Receipt)]
    assert [False] * 3 == [one.new for one in await ledger.record(batch) if isinstance(one, Receipt)]
    (refused,) = await ledger.record([other])
    assert isinstance(refused, ProofrailError)
    assert "ledger-other-decision" == refused.code
    (approved,) = model.view(Call(ledger._contract, "is_approved", (first.id, 2, 4400, 5600)))
    assert (first.checked.verdict == 0) == bool(approved)


async def test_the_contracts_own_reasons_are_understood(ledger: StarknetLedger, model: ContractModel) -> None:
    """A fact that is not registered is to be registered, not to be given up."""
    with pytest.raises(ProofrailError) as raised:
        await ledger.record(decisions("nobody-registered"))
    assert "ledger-fact-missing" == raised.value.code


async def test_a_contract_for_others_is_found_out(
    model: ContractModel, deployed: Chain, tmp_path: Path
) -> None:
    """Its recorders and configurations are not ours: said at the start, by the contract."""
    ledger = starknet_ledger(MemoryChain(model), tmp_path, contract=deployed.contract)
    with pytest.raises(LedgerMisconfigured, match="accepts_configuration") as raised:
        await ledger.open()
    assert "chain-contract" == raised.value.code


def test_bits_are_the_tests(model: ContractModel) -> None:
    """The contract asks for as many as the tests' proofs have."""
    assert BITS == decisions("a")[0].fact.bits

"""The contract on a real chain: every attack is refused with its own reason, by the estimate and by the block.

Needs starknet-devnet on PATH; tests/unit/test_decision_registry.py says more, on a chain in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

pytest.importorskip("starknet_py", reason="the extra `chain` is not installed")

from tests.double.devnet import CHAIN, NETWORK, Contracts, Devnet, contract_of_the_tests
from tests.integration.chain_cases import devnet as devnet
from tests.unit.registry_attacks import (
    BATCH,
    BITS,
    CALLS,
    CONFIGURATION,
    FACTS,
    PROGRAM,
    ROW,
    SECOND,
)

from proofrail.registrar.starknet.answers import reason_of, revert_text
from proofrail.registrar.starknet.chain import Call, Fees, NodeRefusal, Resource
from proofrail.registrar.starknet.node import Node
from proofrail.registrar.starknet.rpc import RpcChain
from proofrail.registrar.starknet.signer import KeyFile
from proofrail.wire.errors import UnusableInputError

pytestmark = CHAIN

BOUNDS = Fees(Resource(0, 10**10), Resource(2_000, 10**10), Resource(10**8, 10**10))
ACCEPTED = {"programs": [PROGRAM], "configurations": [CONFIGURATION], "min_bits": BITS}


class Attacker:
    """An account that has what it wants executed, whatever the estimate says."""

    def __init__(self, devnet: Devnet, wallet: KeyFile) -> None:
        self._chain = RpcChain(devnet.url, NETWORK, wallet, 30.0)
        (self._account,) = wallet.accounts

    async def execute(self, *calls: Call) -> str | None:
        """The reason why the calls are reverted, in the estimate and in the block; None when they are executed."""
        await self._chain.open()
        try:
            nonce = await self._chain.nonce(self._account)
            expected = await self._expected(nonce, calls)
            signed = await self._chain.sign(self._account, nonce, calls, BOUNDS)
            await self._chain.send(signed)
            reverted = (await self._chain.status(signed.hash)).reverted
            found = reverted and reason_of(reverted)[1]
            assert expected == (found and f"41 {found}")
            return found
        finally:
            await self._chain.close()

    async def _expected(self, nonce: int, calls: Sequence[Call]) -> str | None:
        try:
            await self._chain.estimate(self._account, nonce, calls)
        except NodeRefusal as refusal:
            return f"{refusal.code} {reason_of(revert_text(refusal))[1]}"
        return None


@pytest.fixture
def attacker(devnet: Devnet) -> Attacker:
    return Attacker(devnet, devnet.one())


def _register(facts: int, fact: int, bits: int = BITS, configuration: Sequence[int] = CONFIGURATION) -> Call:
    return Call(facts, "register", (fact, 1, bits, *configuration))


def _record(contracts: Contracts, calldata: Sequence[int]) -> Call:
    return Call(contracts.registry, "record", tuple(calldata))


async def _view(devnet: Devnet, to: int, function: str, *calldata: int) -> list[int]:
    async with Node(devnet.url, 30.0) as node:
        return await node.view(Call(to, function, calldata))


@pytest.fixture(scope="module")
def attacked(devnet: Devnet) -> Contracts:
    """A contract that holds no decision, and whose registry has verified BATCH: what is refused changes nothing."""

    async def make() -> Contracts:
        made = await devnet.deploy(**ACCEPTED)
        assert await Attacker(devnet, devnet.one()).execute(_register(made.facts, BATCH.fact())) is None
        return made

    return asyncio.run(make())


@pytest.mark.parametrize("attack", CALLS)
async def test_no_record_but_of_what_was_proven(
    devnet: Devnet, attacker: Attacker, attacked: Contracts, attack: str
) -> None:
    """Another program, row, index, path, batch, a node for a leaf: each reverted with its own reason."""
    calldata, why = CALLS[attack]
    assert why == await attacker.execute(_record(attacked, calldata))
    assert [0] * 4 == await _view(devnet, attacked.registry, "decision", ROW[0])


@pytest.mark.parametrize("attack", FACTS)
async def test_no_decision_without_its_proof(devnet: Devnet, attacker: Attacker, attack: str) -> None:
    """A fact that nobody registered, fewer bits, another configuration, and the good of two poor verifications."""
    contracts = await devnet.deploy(**ACCEPTED)
    registered, why = FACTS[attack]
    for fact, bits, configuration in registered:
        assert await attacker.execute(_register(contracts.facts, fact, bits, configuration)) is None
    assert why == await attacker.execute(_record(contracts, BATCH.record(0)))
    assert [0] * 4 == await _view(devnet, contracts.registry, "decision", ROW[0])


async def test_a_decision_is_recorded_once(devnet: Devnet, attacker: Attacker) -> None:
    """A replay says that it is one, and changes and says nothing more; another decision under the same id is refused,
    however well it is proven. Anybody may record here, so that a view can be asked for the answer."""
    contracts = await devnet.deploy(**ACCEPTED, recorders=())
    facts = [_register(contracts.facts, one.fact()) for one in (BATCH, SECOND)]
    assert await attacker.execute(*facts) is None
    approved = ("is_approved", ROW[0], len(ROW[7::3]), *ROW[7::3])
    record = _record(contracts, BATCH.record(0))
    for answer in (1, 0):
        assert [1 - answer] == await _view(devnet, contracts.registry, *approved)
        assert [answer] == await _view(devnet, contracts.registry, "record", *record.calldata)
        assert await attacker.execute(record) is None
        events = devnet.ask(
            "starknet_getEvents", filter={"address": hex(contracts.registry), "chunk_size": 10}
        )["events"]
        assert [[hex(ROW[0]), hex(BATCH.fact())]] == [[one["keys"][1], one["data"][2]] for one in events]
    assert [1] == await _view(devnet, contracts.registry, *approved)
    assert "ANOTHER_DECISION" == await attacker.execute(_record(contracts, SECOND.record(0)))


async def test_a_registry_that_lies_is_not_asked(devnet: Devnet, attacker: Attacker) -> None:
    """It says that everything is verified; the contract asks the registry of its deployment, and no other."""
    lying = await devnet.deploy_class(contract_of_the_tests("lying_fact_registry"), [BITS, *CONFIGURATION])
    told = await _view(devnet, lying, "get_all_verifications_for_fact_hash", BATCH.fact())
    assert [1, BATCH.fact(), BITS, *CONFIGURATION] == told
    contracts = await devnet.deploy(**ACCEPTED)
    assert "FACT_NOT_REGISTERED" == await attacker.execute(_record(contracts, BATCH.record(0)))
    believed = await devnet.deploy(**ACCEPTED, fact_registry=lying)
    assert await attacker.execute(_record(believed, BATCH.record(0))) is None


@pytest.mark.parametrize(
    ("registry", "why"),
    [
        ("babbling", "Returned data too short"),
        ("nothing", "is not deployed"),
        ("another contract", "ENTRYPOINT_NOT_FOUND"),
    ],
)
async def test_what_is_no_registry_verifies_nothing(
    devnet: Devnet, attacker: Attacker, attacked: Contracts, registry: str, why: str
) -> None:
    """An address whose answers are no verifications, at which nothing is, and which has no such function."""
    address = {"nothing": 0xABC, "another contract": attacked.registry}.get(registry)
    if address is None:
        address = await devnet.deploy_class(contract_of_the_tests("lying_fact_registry"), [0, *CONFIGURATION])
    contracts = await devnet.deploy(**ACCEPTED, fact_registry=address)
    assert why in str(await attacker.execute(_record(contracts, BATCH.record(0))))
    assert [0] * 4 == await _view(devnet, contracts.registry, "decision", ROW[0])


async def test_only_a_recorder_records(devnet: Devnet, attacker: Attacker) -> None:
    """An account that is none, with a decision that is proven."""
    contracts = await devnet.deploy(**ACCEPTED, recorders=devnet.one(1).accounts)
    assert await attacker.execute(_register(contracts.facts, BATCH.fact())) is None
    assert "NOT_A_RECORDER" == await attacker.execute(_record(contracts, BATCH.record(0)))
    assert await Attacker(devnet, devnet.one(1)).execute(_record(contracts, BATCH.record(0))) is None


async def test_nothing_is_accepted_by_omission(devnet: Devnet) -> None:
    """A deployment that leaves something open is refused by the chain."""
    for changed, why in (
        ({"fact_registry": 0}, "NO_FACT_REGISTRY"),
        ({"programs": []}, "NO_PROGRAM"),
        ({"configurations": []}, "NO_CONFIGURATION"),
        ({"min_bits": 0}, "NO_SECURITY"),
    ):
        with pytest.raises(UnusableInputError, match=why):
            await devnet.deploy(**ACCEPTED | changed)

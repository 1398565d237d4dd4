"""Declaring and deploying contracts through a node on loopback that plays the chain.

Needs the extra `chain`; on a real node: tests/integration/test_chain_deploy.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starknet_py", reason="the extra `chain` is not installed")

from tests.double.chain import PRESET, configuration
from tests.double.node import serving
from tests.unit.deploying_node import FEE, GAS, EmptyChain
from tests.unit.registrar_cases import PROGRAM

from proofrail.registrar.ledger import LedgerMisconfigured
from proofrail.registrar.starknet import deploy
from proofrail.registrar.starknet.classes import REGISTRY, STAND_IN, ContractClass, in_folder, packaged
from proofrail.registrar.starknet.node import Paid
from proofrail.registrar.starknet.signer import KeyFile
from proofrail.wire.errors import TransientError, UnusableInputError

FACTS = 0xFAC7
PAID = Paid(**GAS, fee=FEE)
WALLET = KeyFile({0xA1: 0x1234})
ARGUMENTS: dict[str, Any] = {
    "fact_registry": FACTS,
    "programs": [PROGRAM],
    "configurations": [configuration(PRESET)],
    "min_bits": 96,
    "recorders": [0xA1],
}


@pytest.fixture
def node() -> EmptyChain:
    return EmptyChain()


@pytest.fixture
def url(node: EmptyChain) -> Iterator[str]:
    with serving(node) as found:
        yield found


async def _deployed(url: str, **arguments: Any) -> deploy.Deployed:
    async with deploy.deployment(url, WALLET) as own:
        return await own.deploy(packaged(REGISTRY), deploy.registry_arguments(**arguments))


async def test_the_registry_is_declared_and_deployed_once(node: EmptyChain, url: str) -> None:
    """Two transactions, whose hashes were known before; the arguments arrive as the constructor takes them; what is
    there already is found by its content, and nothing is sent."""
    first = await _deployed(url, **ARGUMENTS)
    assert ["addDeclareTransaction", "addInvokeTransaction"] == node.sent_kinds()
    registry = packaged(REGISTRY)
    assert {registry.class_hash: hex(registry.compiled_class_hash)} == node.classes
    arguments = [FACTS, 1, PROGRAM, 1, *configuration(PRESET), 96, 1, 0xA1]
    assert {first.address: (registry.class_hash, arguments)} == node.contracts
    assert deploy.Deployed(first.address, registry.class_hash, node.done[1], PAID) == first
    again = await _deployed(url, **ARGUMENTS)
    assert deploy.Deployed(first.address, registry.class_hash, None, None) == again
    assert 2 == len(node.sent_kinds())
    other = await _deployed(url, **{**ARGUMENTS, "min_bits": 100})
    assert first.address != other.address
    assert ["addInvokeTransaction"] == node.sent_kinds()[2:]


async def test_a_hash_is_said_before_its_transaction_is_sent(node: EmptyChain, url: str) -> None:
    """Who is interrupted can look the transaction up."""
    said: list[tuple[str, int]] = []
    async with deploy.deployment(url, WALLET, say=lambda text: said.append((text, len(node.done)))) as own:
        await own.declare(packaged(STAND_IN))
    assert [
        ("declare fact_registry_double", 0),
        (f"declare fact_registry_double: transaction {node.done[0]}", 0),
    ] == said


async def test_a_lost_answer_is_looked_up(node: EmptyChain, url: str) -> None:
    """The connection breaks after the node has taken each transaction: it is found by its hash, and not sent again."""
    node.next_of("addDeclareTransaction", "take, then drop")
    node.next_of("addInvokeTransaction", "take, then drop")
    deployed = await _deployed(url, **ARGUMENTS)
    assert [deployed.address] == list(node.contracts)
    assert ["addDeclareTransaction", "addInvokeTransaction"] == node.sent_kinds()


async def test_what_the_constructor_refuses_is_said(node: EmptyChain, url: str) -> None:
    """The contract's own word for it stands in the error."""
    node.classes[packaged(REGISTRY).class_hash] = {}
    node.refuses = "NO_SECURITY"
    with pytest.raises(UnusableInputError, match="NO_SECURITY") as raised:
        await _deployed(url, **ARGUMENTS)
    assert "deployment-refused" == raised.value.code
    assert {} == node.contracts


async def test_nothing_dearer_than_the_cap_is_sent(node: EmptyChain, url: str) -> None:
    """What a transaction may take is bounded before it is signed."""
    with pytest.raises(TransientError) as raised:
        async with deploy.deployment(url, WALLET, max_fee=1000) as own:
            await own.declare(packaged(REGISTRY))
    assert ("fee-over-cap", []) == (raised.value.code, node.sent_kinds())


async def test_another_network_is_refused(node: EmptyChain, url: str) -> None:
    """A name of the network that is not the node's ends it before anything is looked at."""
    with pytest.raises(LedgerMisconfigured) as raised:
        async with deploy.deployment(url, WALLET, network="SN_MAIN"):
            pytest.fail("it was opened")
    assert "chain-other-network" == raised.value.code


def test_classes_of_a_folder_come_with_their_compiled_hashes(tmp_path: Path) -> None:
    """Each Sierra class by its name, its compiled class hash from the file beside it; without one it is refused."""
    sierra = packaged(STAND_IN).sierra
    (tmp_path / "one.contract_class.json").write_bytes(sierra)
    with pytest.raises(UnusableInputError) as raised:
        in_folder(tmp_path)
    assert "class-unusable" == raised.value.code
    (tmp_path / "one.compiled_class_hash").write_text("0x7b\n")
    assert [ContractClass("one", sierra, 0x7B)] == in_folder(tmp_path)


@pytest.mark.parametrize("text", [b"{}", b'{"sierra_program": [], "abi": []}', b'{"sierra_program'])
def test_what_is_no_class_is_refused(tmp_path: Path, text: bytes) -> None:
    """A JSON file that a compiler did not write is named, and nothing else happens."""
    (tmp_path / "one.json").write_bytes(text)
    (tmp_path / "one.hash").write_text("0x1")
    with pytest.raises(UnusableInputError) as raised:
        _ = [found.class_hash for found in in_folder(tmp_path)]
    assert "class-unusable" == raised.value.code

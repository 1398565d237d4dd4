"""The ledger on Starknet and a real node: starknet-devnet on loopback, with the contract and a stand-in for the
registry of facts.

Needs starknet-devnet on PATH, the extra `chain`, and the contracts' compiler (proofrail.cairo.contract_compiler).
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starknet_py", reason="the extra `chain` is not installed")

from starknet_py.common import create_casm_class
from starknet_py.hash.casm_class_hash import compute_casm_class_hash
from starknet_py.hash.selector import get_selector_from_name
from starknet_py.net.account.account import Account
from starknet_py.net.client_models import Call as NodeCall
from starknet_py.net.full_node_client import FullNodeClient
from starknet_py.net.http_client import RpcHttpClient
from starknet_py.net.models import StarknetChainId
from starknet_py.net.signer.key_pair import KeyPair
from starknet_py.net.udc_deployer.deployer import Deployer
from tests.double.chain import BITS, PRESET, configuration
from tests.unit.registrar_cases import PROGRAM, decisions, starknet_ledger

from proofrail.cairo.contract_compiler import find_compiler
from proofrail.registrar.ledger import Receipt
from proofrail.registrar.starknet.chain import Call
from proofrail.registrar.starknet.ledger import StarknetLedger
from proofrail.registrar.starknet.rpc import RpcChain
from proofrail.registrar.starknet.signer import KeyFile
from proofrail.wire.errors import ProofrailError, TransientError

CHECKOUT = Path(__file__).parents[2]
REGISTRY = CHECKOUT / "cairo" / "contracts" / "artifacts" / "decision_registry.json"
FACTS = CHECKOUT / "tests" / "data" / "contracts" / "fact_registry_double.json"
DEVNET = shutil.which("starknet-devnet")
POLL_S = 0.1

pytestmark = [
    pytest.mark.chain,
    pytest.mark.skipif(DEVNET is None, reason="starknet-devnet is not on PATH"),
]


class Devnet:
    """A node of the test's own, its accounts, and what is deployed there."""

    def __init__(self, url: str, accounts: list[dict[str, str]]) -> None:
        self.url = url
        self.wallet = KeyFile({int(one["address"], 16): int(one["private_key"], 16) for one in accounts})
        first, key = next(iter(self.wallet.keys.items()))
        self._account = Account(
            address=first,
            client=FullNodeClient(node_url=url),
            key_pair=KeyPair.from_private_key(key),
            chain=StarknetChainId.SEPOLIA,
        )
        self.facts = self.contract = 0

    async def deploy(self, folder: Path) -> None:
        """A registry of facts that says what it is told, and the contract that asks it."""
        self.facts = await self._deploy(FACTS, folder, [])
        recorders = self.wallet.accounts
        self.contract = await self._deploy(
            REGISTRY,
            folder,
            [self.facts, 1, PROGRAM, 1, *configuration(PRESET), BITS, len(recorders), *recorders],
        )

    async def register(self, fact: int) -> None:
        """Have the stand-in hold a fact."""
        await self.call(self.facts, "register", [fact, 1, BITS, *configuration(PRESET)])

    async def call(self, to: int, function: str, calldata: list[int]) -> None:
        await self._done(
            await self._account.execute_v3(
                NodeCall(to, get_selector_from_name(function), calldata), auto_estimate=True
            )
        )

    async def _deploy(self, sierra: Path, folder: Path, calldata: list[int]) -> int:
        text, compiled = await asyncio.to_thread(_compiled, sierra, folder)
        declared = await self._account.sign_declare_v3(text, compiled, auto_estimate=True)
        answer = await self._account.client.declare(declared)
        await self._account.client.wait_for_tx(answer.transaction_hash, check_interval=POLL_S)
        deployment = Deployer().create_contract_deployment_raw(answer.class_hash, raw_calldata=calldata)
        await self._done(await self._account.execute_v3(deployment.call, auto_estimate=True))
        return int(deployment.address)

    async def _done(self, answer: Any) -> None:
        await self._account.client.wait_for_tx(answer.transaction_hash, check_interval=POLL_S)


def _compiled(sierra: Path, folder: Path) -> tuple[str, int]:
    """The contract's class, and the hash of what it compiles to."""
    compiler = find_compiler().with_name("starknet-sierra-compile")
    compiler.chmod(0o755)
    casm = folder / f"{sierra.stem}.casm.json"
    subprocess.run([str(compiler), str(sierra), str(casm)], check=True, capture_output=True)
    return sierra.read_text(), compute_casm_class_hash(create_casm_class(casm.read_text()))


@pytest.fixture
async def devnet(tmp_path: Path) -> AsyncIterator[Devnet]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(DEVNET), "--host", "127.0.0.1", "--port", str(port), "--seed", "42", "--accounts", "2"]
    process = subprocess.Popen(  # noqa: ASYNC220 -- milliseconds
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        url = f"http://127.0.0.1:{port}/rpc"
        found = Devnet(url, await _accounts(url))
        await found.deploy(tmp_path)
        yield found
    finally:
        process.terminate()
        process.wait(timeout=10)


async def _accounts(url: str) -> list[dict[str, str]]:
    async with asyncio.timeout(30):
        while True:
            try:
                found: list[dict[str, str]] = await RpcHttpClient(url, method_prefix="devnet").call(
                    "getPredeployedAccounts"
                )
            except OSError:
                await asyncio.sleep(POLL_S)
            else:
                return found


def _ledger(devnet: Devnet, path: Path) -> StarknetLedger:
    chain = RpcChain(devnet.url, "SN_SEPOLIA", devnet.wallet, 10.0)
    return starknet_ledger(
        chain, path, contract=devnet.contract, batch=32, fee=10**19, confirm_s=30.0, poll_s=POLL_S
    )


async def test_twelve_decisions_are_recorded_in_one_transaction(devnet: Devnet, tmp_path: Path) -> None:
    """Within three seconds; again, nothing is sent; another decision is refused; the contract approves the shares."""
    batch = decisions(*(f"chain-{number}" for number in range(12)))
    other = decisions("chain-0", risk=50)
    ledger = _ledger(devnet, tmp_path)
    await ledger.open()
    with pytest.raises(TransientError) as raised:
        await ledger.record(batch[:1])
    assert "ledger-fact-missing" == raised.value.code
    for one in (batch[0], other[0]):
        await devnet.register(one.fact.fact_hash)
    assert not (await ledger.register(batch[0].fact, b"")).new
    begun = time.monotonic()
    results = await ledger.record(batch)
    seconds = time.monotonic() - begun
    receipts = [one for one in results if isinstance(one, Receipt)]
    assert ([True] * 12, 1) == ([one.new for one in receipts], len({one.transaction for one in receipts}))
    assert seconds < 3.0
    again = [one for one in await ledger.record(batch) if isinstance(one, Receipt)]
    assert [Receipt(False, one.transaction) for one in receipts] == again
    (refused,) = await ledger.record(other)
    assert isinstance(refused, ProofrailError)
    assert "ledger-other-decision" == refused.code
    approved = await ledger._chain.view(Call(devnet.contract, "is_approved", (batch[0].id, 2, 4400, 5600)))
    assert [int(batch[0].checked.verdict == 0)] == approved
    await ledger.close()


async def test_bytes_that_were_sent_before_are_known_again(devnet: Devnet, tmp_path: Path) -> None:
    """A registrar that ended before it heard the outcome: its successor sends the same bytes, which the node has."""
    batch = decisions("a")
    await devnet.register(batch[0].fact.fact_hash)
    ledger = _ledger(devnet, tmp_path)
    await ledger.open()
    journal = ledger._journal
    assert journal is not None
    journal.close_entry = lambda *_: None  # type: ignore[method-assign]
    (first,) = await ledger.record(batch)
    await ledger.close()
    ledger = _ledger(devnet, tmp_path)
    await ledger.open()
    (second,) = await ledger.record(batch)
    assert isinstance(first, Receipt)
    assert Receipt(False, first.transaction) == second
    await ledger.close()

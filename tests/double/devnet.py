"""A real Starknet chain for tests: starknet-devnet on loopback, on a free port, its accounts always the same."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import threading
import urllib.request
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from proofrail.registrar.starknet.classes import REGISTRY, STAND_IN, ContractClass, packaged
from proofrail.registrar.starknet.deploy import deployment, registry_arguments
from proofrail.registrar.starknet.signer import KeyFile
from proofrail.wire.canonical import sha256_hex
from tests.double.chain import BITS, PRESET, configuration

NETWORK: Final = "SN_SEPOLIA"
ACCOUNTS: Final = 3
CONTRACTS: Final = Path(__file__).parents[1] / "data" / "contracts"
_PROGRAM: Final = shutil.which("starknet-devnet")
_LISTENING: Final = re.compile(r"listening on (127\.0\.0\.1:\d+)")
_TIMEOUT_S: Final = 60.0
_MANY: Final = 1_000

needs_devnet = pytest.mark.skipif(_PROGRAM is None, reason="starknet-devnet is not on PATH")
CHAIN: Final = [pytest.mark.chain, needs_devnet]
"""The marks of tests on a real chain."""


@dataclass(frozen=True)
class Contracts:
    """Addresses: the stand-in for the registry of facts, and a DecisionRegistry that asks it."""

    facts: int
    registry: int


@dataclass
class Devnet:
    """A running node."""

    url: str
    wallet: KeyFile
    _salts: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def ask(self, method: str, **params: Any) -> Any:
        """Its answer to a question of the specification's or of its own (`devnet_…`). An error is an AssertionError."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(self.url, body, {"content-type": "application/json"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
            found = json.load(answer)
        assert "error" not in found, found
        return found["result"]

    def one(self, account: int = 0) -> KeyFile:
        """The wallet of one account alone."""
        address, key = list(self.wallet.keys.items())[account]
        return KeyFile({address: key})

    def restart(self) -> None:
        """An empty chain again."""
        self.ask("devnet_restart")

    def make_block(self) -> str:
        """What waits is executed; the block's hash."""
        return str(self.ask("devnet_createBlock")["block_hash"])

    def abort_from(self, block: int) -> None:
        """The chain goes back to before this block: what was in it and above was never executed."""
        self.ask("devnet_abortBlocks", starting_block_id={"block_number": block})

    def height(self) -> int:
        return int(self.ask("starknet_blockNumber"))

    def set_price(self, l2_gas: int) -> None:
        """In fri for each unit, from the next block on, which is made."""
        self.ask("devnet_setGasPrice", l2_gas_price_fri=l2_gas, generate_block=True)

    def transactions_of(self, account: int) -> int:
        """How many of the account's were executed, reverted ones too."""
        return int(self.ask("starknet_getNonce", block_id="pre_confirmed", contract_address=hex(account)), 16)

    def status(self, transaction: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("starknet_getTransactionStatus", transaction_hash=transaction)
        return found

    async def deploy(self, **changed: Any) -> Contracts:
        """The stand-in and a registry of their own, recorders all accounts; `changed`: arguments of the registry's."""
        async with deployment(self.url, self.one(ACCOUNTS - 1)) as own:
            facts = changed.pop("fact_registry", None)
            if facts is None:
                facts = (await own.deploy(packaged(STAND_IN), [], salt=next(self._salts))).address
            given: dict[str, Any] = {
                "programs": (),
                "configurations": [configuration(PRESET)],
                "min_bits": BITS,
                "recorders": self.wallet.accounts,
            } | changed
            arguments = registry_arguments(facts, **given)
            found = await own.deploy(packaged(REGISTRY), arguments, salt=next(self._salts))
        return Contracts(facts, found.address)

    async def deploy_class(self, contract: ContractClass, calldata: Sequence[int]) -> int:
        async with deployment(self.url, self.one(ACCOUNTS - 1)) as own:
            return (await own.deploy(contract, calldata, salt=next(self._salts))).address


def contract_of_the_tests(name: str) -> ContractClass:
    """A class in tests/data/contracts, by its manifest."""
    recorded = json.loads((CONTRACTS / "MANIFEST.json").read_bytes())["programs"][name]
    sierra = (CONTRACTS / f"{name}.json").read_bytes()
    assert recorded["artifact_sha256"] == sha256_hex(sierra)
    return ContractClass(name, sierra, int(recorded["compiled_class_hash"], 16))


@contextmanager
def running(*arguments: str) -> Iterator[Devnet]:
    """A node of one's own. `arguments`: its own, such as `--block-generation-on demand`."""
    assert _PROGRAM is not None
    command = [_PROGRAM, "--port", "0", "--seed", "42", "--accounts", str(ACCOUNTS), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout is not None
            said: list[str] = []
            for line in itertools.islice(process.stdout, _MANY):
                said.append(line)
                if found := _LISTENING.search(line):
                    break
            else:
                raise AssertionError("".join(said))
            devnet = Devnet(f"http://{found[1]}/rpc", KeyFile({}))
            # A node that nobody reads stops when the pipe is full.
            threading.Thread(target=deque, args=(process.stdout, 0), daemon=True).start()
            accounts = devnet.ask("devnet_getPredeployedAccounts")
            devnet.wallet = KeyFile(
                {int(one["address"], 16): int(one["private_key"], 16) for one in accounts}
            )
            yield devnet
        finally:
            process.kill()

"""A real chain for a module's tests, and registrars' ledgers on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.double.devnet import NETWORK, Contracts, Devnet, running
from tests.double.stated_proof import StatedProofs
from tests.unit.registrar_cases import PROGRAM, starknet_ledger

from proofrail.registrar.starknet.ledger import StarknetLedger
from proofrail.registrar.starknet.rpc import RpcChain
from proofrail.registrar.starknet.signer import Signer


@pytest.fixture(scope="module")
def devnet() -> Iterator[Devnet]:
    """A node that makes a block of each transaction, shared by the module: deploy contracts of your own."""
    with running("--state-archive-capacity", "full") as found:
        yield found


@pytest.fixture
async def contracts(devnet: Devnet) -> Contracts:
    """A registry of facts and a DecisionRegistry of the test's own."""
    return await devnet.deploy(programs=[PROGRAM])


def ledger_on(devnet: Devnet, contracts: Contracts, path: Path, **changed: Any) -> StarknetLedger:
    """`changed`: of `starknet_ledger`'s arguments, and `url`, `signer`, `timeout`."""
    signer: Signer = changed.pop("signer", devnet.wallet)
    chain = RpcChain(changed.pop("url", devnet.url), NETWORK, signer, changed.pop("timeout", 30.0))
    given: dict[str, Any] = {
        "contract": contracts.registry,
        "network": NETWORK,
        "batch": 32,
        "fee": 10**19,
        "felts": 5_000,
        "confirm_s": 30.0,
        "poll_s": 0.02,
        "calldata": StatedProofs(),
    }
    return starknet_ledger(chain, path, **given | changed)

"""A registrar's ledger in a process of its own, to be killed: registers a batch's fact and records its decisions.

`python chain_worker.py URL CONTRACT FOLDER KEY ACCOUNT ID…`
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.double.devnet import NETWORK
from tests.double.stated_proof import StatedProofs, proof_of
from tests.unit.registrar_cases import decisions, starknet_ledger

from proofrail.registrar.starknet.rpc import RpcChain
from proofrail.registrar.starknet.signer import KeyFile


async def main(url: str, contract: str, folder: str, account: str, key: str, *ids: str) -> None:
    chain = RpcChain(url, NETWORK, KeyFile({int(account, 16): int(key, 16)}), 60.0)
    ledger = starknet_ledger(
        chain,
        Path(folder),
        contract=int(contract, 16),
        network=NETWORK,
        batch=32,
        fee=10**19,
        felts=5_000,
        confirm_s=60.0,
        poll_s=0.02,
        calldata=StatedProofs(),
    )
    await ledger.open()
    batch = decisions(*ids)
    await ledger.register(batch[0].fact, proof_of(batch[0].fact))
    await ledger.record(batch)
    await ledger.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

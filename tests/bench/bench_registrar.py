"""The registrar on a local chain: gas for each decision, and the time from attestations to records.

Beside the time stands its limit in the same run: the very same transactions, sent bare to the very same chain once it
has been taken back. The registry of facts is the stand-in, which verifies nothing: what Integrity takes to verify a
proof is not in these figures. Needs starknet-devnet on PATH.
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from proofrail.registrar.ledger import Decision, Receipt
from proofrail.registrar.starknet.chain import Signed
from proofrail.registrar.starknet.ledger import StarknetLedger
from proofrail.registrar.starknet.node import Node, Paid
from proofrail.registrar.starknet.rpc import RpcChain
from tests.double.devnet import Contracts, Devnet, running
from tests.double.stated_proof import proof_of
from tests.integration.chain_cases import ledger_on
from tests.unit.registrar_cases import PROGRAM, decisions

SIZES: Final = (1, 4, 12)
REPEATS: Final = 5
LIMIT_S: Final = 3.0


@dataclass(frozen=True)
class _Run:
    """One batch: seconds for fact and records, those of sending the same transactions bare, and what each was paid."""

    seconds: float
    bare: float
    fact: Paid
    records: Paid


def _line(what: str, figure: str) -> None:
    print(f"{what:<58} {figure}", flush=True)


@asynccontextmanager
async def _watched(
    devnet: Devnet, contracts: Contracts
) -> AsyncIterator[tuple[StarknetLedger, list[Signed]]]:
    """A ledger on new files, and what it sends."""
    with tempfile.TemporaryDirectory() as folder:
        ledger = ledger_on(devnet, contracts, Path(folder), signer=devnet.one())
        chain, sent = ledger._chain, []
        assert isinstance(chain, RpcChain)
        send = chain.send

        async def noted(signed: Signed) -> None:
            sent.append(signed)
            await send(signed)

        chain.send = noted
        await ledger.open()
        try:
            yield ledger, sent
        finally:
            await ledger.close()


async def _run(devnet: Devnet, batch: Sequence[Decision]) -> _Run:
    contracts = await devnet.deploy(programs=[PROGRAM])
    below = devnet.height()
    async with _watched(devnet, contracts) as (ledger, sent), Node(devnet.url, 60.0) as node:
        begun = time.perf_counter()
        await ledger.register(batch[0].fact, proof_of(batch[0].fact))
        records = await ledger.record(batch)
        seconds = time.perf_counter() - begun
        assert all(isinstance(one, Receipt) and one.new for one in records)
        fact_paid, records_paid = [await node.paid(one.hash) for one in sent]
        devnet.abort_from(below + 1)
        begun = time.perf_counter()
        for one in tuple(sent):
            await ledger._chain.send(one)
            assert (await ledger._chain.status(one.hash)).reverted is None
        return _Run(seconds, time.perf_counter() - begun, fact_paid, records_paid)


async def _measure(devnet: Devnet) -> None:
    runs: dict[int, list[_Run]] = {size: [] for size in SIZES}
    for size in SIZES:
        runs[size].append(await _run(devnet, _batch(0, size)))
        paid = runs[size][0].records
        _line(
            f"records of {size} in one transaction, l2 gas",
            f"{paid.l2_gas:11,d} ({paid.l2_gas / size:,.0f} each; data gas {paid.l1_data_gas})",
        )
    fact = runs[1][0].fact
    _line(
        "a fact at the stand-in, l2 gas", f"{fact.l2_gas:11,d} (it hashes the program, and verifies nothing)"
    )
    for size in SIZES:
        runs[size] += [await _run(devnet, _batch(number, size)) for number in range(1, REPEATS)]
        seconds, bare = (
            statistics.median(getattr(run, name) for run in runs[size]) for name in ("seconds", "bare")
        )
        limit = f", limit {LIMIT_S:.0f} s" if size == SIZES[-1] else ""
        _line(
            f"fact and {size} records, from the proof to both receipts",
            f"{seconds:8.2f} s (bare {bare:.2f} s{limit})",
        )


def _batch(number: int, size: int) -> list[Decision]:
    return decisions(*(f"bench-{number}-{at}" for at in range(size)))


def main() -> None:
    """Print the figures."""
    if shutil.which("starknet-devnet") is None:
        print("starknet-devnet is not on PATH")
        return
    with running("--state-archive-capacity", "full") as devnet:
        asyncio.run(_measure(devnet))


if __name__ == "__main__":
    main()

"""Has a real node say each error that it can be brought to say: `python -m tests.double.exchanges` writes them into
tests/data/chain/exchanges.json, where tests/double/node.py takes them from.

What is listed there as specified stands in the JSON-RPC specification (0.10), and starknet-devnet never says it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from proofrail.cairo.risk_program import load_chain
from proofrail.registrar.starknet.chain import Call, Fees, NodeRefusal, Resource, Signed
from proofrail.registrar.starknet.contracts import record
from proofrail.registrar.starknet.rpc import RpcChain
from proofrail.registrar.starknet.signer import KeyFile, Signer
from tests.double.chain import BITS, PRESET, configuration
from tests.double.devnet import NETWORK, Devnet, running
from tests.double.node import serving
from tests.double.relay import Relay
from tests.double.stated_proof import stated
from tests.unit.registrar_cases import PROGRAM, decisions

FILE: Final = Path(__file__).parents[1] / "data" / "chain" / "exchanges.json"
_PRICE: Final = 10**10
_BOUNDS: Final = Fees(Resource(0, _PRICE), Resource(2_000, _PRICE), Resource(10**7, _PRICE))
_FACT: Final = 5
_TOO_MANY: Final = 60
"""Proofs for one transaction."""
_UNREGISTERED: Final = record(0, decisions("a")[0]).calldata
_Question = Callable[[], Coroutine[Any, Any, Any]]


class _Recorder:
    def __init__(self, devnet: Devnet, relay: Relay, url: str, facts: int) -> None:
        self._relay = relay
        self._url = url
        self._wallet = devnet.one()
        (self._account,) = self._wallet.accounts
        self.facts = facts
        self.register = Call(facts, "register", (_FACT, 1, BITS, *configuration(PRESET)))
        self.chain = self.connected(self._wallet)
        self.found: dict[str, Any] = {}

    def connected(self, signer: Signer) -> RpcChain:
        return RpcChain(self._url, NETWORK, signer, 60.0)

    async def refused(self, name: str, question: _Question) -> None:
        with suppress(NodeRefusal):
            await question()
        self.found[name] = self._relay.said[-1][1]["error"]

    async def status(self, name: str, signed: Signed) -> None:
        await self.chain.status(signed.hash)
        self.found[name] = self._relay.said[-1][1]["result"]

    async def signed(
        self,
        bounds: Fees = _BOUNDS,
        *,
        ahead: int = 0,
        chain: RpcChain | None = None,
        calls: Sequence[Call] = (),
    ) -> Signed:
        nonce = await self.chain.nonce(self._account) + ahead
        return await (chain or self.chain).sign(self._account, nonce, calls or [self.register], bounds)

    async def estimated(self, *calls: Call, ahead: int = 0) -> Any:
        return await self.chain.estimate(self._account, await self.chain.nonce(self._account) + ahead, calls)

    async def bounds(self, **changed: Resource) -> Signed:
        return await self.signed(Fees(**(vars(_BOUNDS) | changed)))


async def provoked(devnet: Devnet) -> dict[str, Any]:
    """What a node with an empty chain says: errors, and the states of transactions."""
    contracts = await devnet.deploy(programs=[PROGRAM])
    relay = Relay(devnet.url)
    with serving(relay) as url:
        recorder = _Recorder(devnet, relay, url, contracts.facts)
        await recorder.chain.open()
        try:
            await _provoke(recorder, contracts.registry)
        finally:
            await recorder.chain.close()
    return recorder.found


async def _provoke(recorder: _Recorder, registry: int) -> None:
    chain = recorder.chain
    await recorder.refused("contract not found", lambda: chain.nonce(0xABC))
    await recorder.refused("hash unknown", lambda: chain.status("0xabc"))
    await recorder.refused("no such function", lambda: chain.view(Call(registry, "nothing", ())))
    await recorder.refused("a view that panics", lambda: chain.view(Call(registry, "record", ())))

    first = await recorder.signed()
    await chain.send(first)
    await recorder.status("succeeded", first)
    await recorder.refused("duplicate", lambda: chain.send(first))
    for name, ahead in (("nonce", -1), ("nonce ahead", 1)):
        other = await recorder.signed(_BOUNDS.times(1.0, 1.5), ahead=ahead)
        await recorder.refused(name, lambda other=other: chain.send(other))
    low = await recorder.bounds(l2_gas=Resource(10**7, 1))
    await recorder.refused("bounds", lambda: chain.send(low))
    dear = await recorder.bounds(l2_gas=Resource(10**7, 10**18))
    await recorder.refused("balance", lambda: chain.send(dear))
    forger = recorder.connected(KeyFile(dict.fromkeys(chain.accounts, 0x1234)))
    forged = await recorder.signed(chain=forger)
    await recorder.refused("signature", lambda: chain.send(forged))

    poor = await recorder.bounds(l2_gas=Resource(900_000, _PRICE))
    await chain.send(poor)
    await recorder.status("reverted: too little gas", poor)
    panicking = await recorder.signed(calls=[Call(registry, "record", _UNREGISTERED)])
    await chain.send(panicking)
    await recorder.status("reverted: panic", panicking)

    await recorder.refused(
        "estimate: panic", lambda: recorder.estimated(Call(registry, "record", _UNREGISTERED))
    )
    await recorder.refused("estimate: nonce", lambda: recorder.estimated(recorder.register, ahead=7))
    proof = Call(
        recorder.facts,
        "verify_proof_full_and_register_fact",
        (*configuration(PRESET), *stated(load_chain().words, (2, 1, 0), BITS)),
    )
    await recorder.refused("estimate: out of gas", lambda: recorder.estimated(*[proof] * _TOO_MANY))
    await recorder.refused(
        "estimate: no contract", lambda: recorder.estimated(Call(0xABC, "record", _UNREGISTERED))
    )


def main() -> None:
    """Write what a node of one's own says."""
    with running() as devnet:
        recorded = asyncio.run(provoked(devnet))
    written = json.loads(FILE.read_text())
    FILE.write_text(json.dumps({**written, "recorded": recorded}, indent=1) + "\n")


if __name__ == "__main__":
    main()

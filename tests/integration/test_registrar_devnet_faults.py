"""The ledger on a real node over kills of its process, blocks that are late, and blocks that are taken back.

Needs starknet-devnet on PATH and the extra `chain`.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starknet_py", reason="the extra `chain` is not installed")

from tests.double.devnet import CHAIN, Contracts, Devnet, running
from tests.double.node import serving
from tests.double.relay import Relay
from tests.double.stated_proof import proof_of
from tests.integration.chain_cases import contracts as contracts
from tests.integration.chain_cases import devnet as devnet
from tests.integration.chain_cases import ledger_on
from tests.unit.registrar_cases import PROGRAM, decisions

from proofrail.registrar.ledger import Receipt
from proofrail.registrar.starknet.chain import ChainAway, Finality
from proofrail.registrar.starknet.ledger import StarknetLedger
from proofrail.wire.errors import ProofrailError, TransientError

pytestmark = CHAIN

CHECKOUT = Path(__file__).parents[2]
IDS = [f"fault-{number}" for number in range(4)]
BATCH = decisions(*IDS)
FACT, PROOF = BATCH[0].fact, proof_of(BATCH[0].fact)
_WAIT_S = 250.0

Make = Callable[..., StarknetLedger]


def _new(results: list[Any]) -> list[Any]:
    return [one.code if isinstance(one, ProofrailError) else one.new for one in results]


@pytest.fixture
def make(devnet: Devnet, contracts: Contracts, tmp_path: Path) -> Make:
    return lambda **changed: ledger_on(devnet, contracts, tmp_path, **{"signer": devnet.one(), **changed})


class _Worker:
    """The ledger in a process, behind a relay that kills it at one of its questions."""

    def __init__(self, devnet: Devnet, contracts: Contracts, folder: Path) -> None:
        ((account, key),) = devnet.one().keys.items()
        self._words = [hex(contracts.registry), str(folder), hex(account), hex(key), *IDS]
        self._process: subprocess.Popen[bytes] | None = None
        self._running = threading.Event()

    def killed(self, result: Any) -> Any:
        assert self._running.wait(_WAIT_S)
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(_WAIT_S)
        return result

    def run(self, url: str) -> int:
        """Its exit status: below 0 when it was killed."""
        worker = Path(__file__).with_name("chain_worker.py")
        self._process = subprocess.Popen(
            [sys.executable, str(worker), url, *self._words],
            env={"PYTHONPATH": f"{CHECKOUT}:{CHECKOUT / 'services'}", "PATH": "/usr/bin:/bin"},
        )
        self._running.set()
        return self._process.wait(_WAIT_S)


@pytest.mark.parametrize("method", ["estimateFee", "addInvokeTransaction", "getTransactionStatus"])
@pytest.mark.parametrize("which", [0, 1], ids=["fact", "records"])
def test_a_killed_registrar_leaves_nothing_twice_and_nothing_lost(
    devnet: Devnet, contracts: Contracts, tmp_path: Path, method: str, which: int
) -> None:
    """SIGKILL between the node's answer and its arrival, for either transaction; the next process, on the same files,
    ends what it began: two transactions in all."""
    relay = Relay(devnet.url)
    worker = _Worker(devnet, contracts, tmp_path)
    (account,) = devnet.one().accounts
    before = devnet.transactions_of(account)
    relay.next_of(method, *[lambda result: result] * which, worker.killed)
    with serving(relay) as url:
        assert -signal.SIGKILL == worker.run(url)
        assert 0 == _Worker(devnet, contracts, tmp_path).run(url)
    assert 2 == devnet.transactions_of(account) - before
    events = devnet.ask("starknet_getEvents", filter={"address": hex(contracts.registry), "chunk_size": 99})
    assert sorted(hex(one.id) for one in BATCH) == sorted(one["keys"][1] for one in events["events"])


async def test_each_outcome_is_known_to_the_next_process(make: Make, devnet: Devnet) -> None:
    """A registrar that ended before it wrote the outcome down: its successor asks for it by the hash, and names the
    transaction."""
    ledger = make()
    await ledger.open()
    await ledger.register(FACT, PROOF)
    journal = ledger._journal
    assert journal is not None
    journal.close_entry = lambda *_: None
    first = await ledger.record(BATCH)
    await ledger.close()
    ledger = make()
    await ledger.open()
    assert [
        Receipt(False, one.transaction) for one in first if isinstance(one, Receipt)
    ] == await ledger.record(BATCH)
    await ledger.close()


@pytest.fixture
def slow_chain() -> Iterator[Devnet]:
    """A node that makes a block when it is told to."""
    with running("--block-generation-on", "demand", "--state-archive-capacity", "full") as found:
        yield found


async def test_what_waits_for_its_block_is_waited_for(slow_chain: Devnet, tmp_path: Path) -> None:
    """Beyond our patience, and over an end of the process: nothing is sent again, and then it counts. Who asks for
    less waits for less."""
    contracts = await _deployed(slow_chain)
    patient = {"signer": slow_chain.one(), "confirm_s": 0.2}
    (account,) = slow_chain.one().accounts
    for _ in range(2):
        ledger = ledger_on(slow_chain, contracts, tmp_path, **patient)
        with pytest.raises(TransientError) as raised:
            await _registered(ledger)
        assert "transaction-pending" == raised.value.code
        await ledger.close()
        assert 1 == slow_chain.transactions_of(account)
    slow_chain.make_block()
    ledger = ledger_on(slow_chain, contracts, tmp_path, **patient)
    await ledger.open()
    assert not (await ledger.register(FACT, PROOF)).new
    await ledger.close()
    hasty = ledger_on(slow_chain, contracts, tmp_path, **patient, finality=Finality.PRE_CONFIRMED)
    await hasty.open()
    assert [True] * 4 == _new(await hasty.record(BATCH))
    await hasty.close()
    assert 2 == slow_chain.transactions_of(account)


async def _registered(ledger: StarknetLedger) -> None:
    await ledger.open()
    await ledger.register(FACT, PROOF)


async def _deployed(chain: Devnet) -> Contracts:
    """With a block after each of its transactions."""
    done = threading.Event()

    def blocks() -> None:
        while not done.wait(0.05):
            chain.make_block()

    thread = threading.Thread(target=blocks)
    thread.start()
    try:
        return await chain.deploy(programs=[PROGRAM])
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize("restarted", [False, True])
async def test_what_a_reorganisation_takes_back_is_recorded_again(
    make: Make, devnet: Devnet, restarted: bool
) -> None:
    """The blocks of fact and records are gone: whoever asks for them again has them put there again, and is told the
    transaction that stands there now."""
    ledger = make()
    await ledger.open()
    below = devnet.height()
    await ledger.register(FACT, PROOF)
    first = await ledger.record(BATCH)
    devnet.abort_from(below + 1)
    devnet.set_price(2 * 10**9)
    try:
        if restarted:
            await ledger.close()
            ledger = make()
            await ledger.open()
        assert await ledger.holds(FACT) is None
        assert (await ledger.register(FACT, PROOF)).new
        second = await ledger.record(BATCH)
    finally:
        devnet.set_price(10**9)
    assert [True] * 4 == _new(second)
    assert not {one.transaction for one in first} & {one.transaction for one in second}
    third = await ledger.record(BATCH)
    assert [Receipt(False, one.transaction) for one in second if isinstance(one, Receipt)] == third
    await ledger.close()


async def test_the_same_transaction_can_be_recorded_again(make: Make, devnet: Devnet) -> None:
    """After a reorganisation nonce and prices may be what they were: the very same bytes are sent, and taken."""
    ledger = make()
    await ledger.open()
    await ledger.register(FACT, PROOF)
    below = devnet.height()
    first = await ledger.record(BATCH)
    devnet.abort_from(below + 1)
    assert first == await ledger.record(BATCH)
    await ledger.close()


@pytest.mark.parametrize("dearer", [False, True])
async def test_what_a_reorganisation_takes_back_is_noticed(make: Make, devnet: Devnet, dearer: bool) -> None:
    """Nobody asks for it: the ledger looks again, and sends the same bytes again. Where prices have risen they are not
    taken, and what is gone is told."""
    ledger = make()
    await ledger.open()
    below = devnet.height()
    fact = (await ledger.register(FACT, PROOF)).transaction
    first = await ledger.record(BATCH)
    gone = {one.transaction for one in first if isinstance(one, Receipt)} | {fact}
    assert frozenset() == await ledger.taken_back()
    devnet.abort_from(below + 1)
    if dearer:
        devnet.set_price(2 * 10**9)
    try:
        assert (gone if dearer else set()) == await ledger.taken_back()
        assert (await ledger.holds(FACT) is None) == dearer
        await ledger.register(FACT, PROOF)
        assert [dearer] * 4 == _new(await ledger.record(BATCH))
    finally:
        devnet.set_price(10**9)
    await ledger.close()


async def test_what_was_under_way_when_blocks_were_taken_back_is_sent_again(
    make: Make, devnet: Devnet
) -> None:
    """Its outcome was never written down, and the node has never heard of it: the same bytes once more."""
    ledger = make()
    await ledger.open()
    await ledger.register(FACT, PROOF)
    below = devnet.height()
    journal = ledger._journal
    assert journal is not None
    journal.close_entry = lambda *_: None
    first = await ledger.record(BATCH)
    await ledger.close()
    devnet.abort_from(below + 1)
    ledger = make()
    await ledger.open()
    assert [
        Receipt(False, one.transaction) for one in first if isinstance(one, Receipt)
    ] == await ledger.record(BATCH)
    await ledger.close()


async def test_a_node_that_is_gone_is_waited_for(tmp_path: Path) -> None:
    """Its process ends: asked for what is missing, the ledger says so, and whatever it does can be done again."""
    with running() as chain:
        contracts = await chain.deploy(programs=[PROGRAM])
        ledger = ledger_on(chain, contracts, tmp_path, signer=chain.one())
        await ledger.open()
        assert await ledger.missing() is None
    assert "gives no answer" in str(await ledger.missing())
    with pytest.raises(ChainAway):
        await ledger.register(FACT, PROOF)
    await ledger.close()

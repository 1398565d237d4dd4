"""What every ledger does, in a file, on a chain in memory and on a real one: one suite for all."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest
from tests.double.chain import BITS, PRESET, MemoryChain
from tests.unit.registrar_cases import PROGRAM, decisions, model, proven, starknet_ledger

from proofrail.cairo.risk_program import allocation_felt
from proofrail.proving.stone.presets import PRESETS
from proofrail.registrar.file_ledger import FileLedger
from proofrail.registrar.ledger import Fact, Ledger, Receipt
from proofrail.wire.errors import ProofrailError, UnusableInputError

if TYPE_CHECKING:
    from tests.double.devnet import Devnet

Open = Callable[[], Ledger]


class Chain(Protocol):
    """What is behind a ledger."""

    def proof(self, fact: Fact, proof: bytes = b"proof") -> bytes:
        """A proof that the ledger takes for this fact."""

    def sent(self) -> int:
        """How many transactions were sent."""


class InMemory:
    def __init__(self) -> None:
        self.model = model()

    def proof(self, fact: Fact, proof: bytes = b"proof") -> bytes:
        return proven(self.model, fact, proof)

    def sent(self) -> int:
        return len(self.model.transactions)


class OnDevnet:
    """A registry of facts that believes what a proof says of itself, and a contract, both of the test's own."""

    def __init__(self, devnet: Devnet) -> None:
        self.devnet = devnet
        self.contracts = asyncio.run(devnet.deploy(programs=[PROGRAM]))
        self._before = self._executed()

    def proof(self, fact: Fact, proof: bytes = b"proof") -> bytes:
        from tests.double.stated_proof import proof_of

        return proof_of(fact)

    def sent(self) -> int:
        return self._executed() - self._before

    def _executed(self) -> int:
        return sum(map(self.devnet.transactions_of, self.devnet.wallet.accounts))


@pytest.fixture(scope="module")
def devnet() -> Iterator[Devnet]:
    from tests.double.devnet import running

    with running() as found:
        yield found


@pytest.fixture(
    params=[
        "file",
        "starknet",
        pytest.param(
            "devnet",
            marks=[
                pytest.mark.chain,
                pytest.mark.slow,
                pytest.mark.skipif(
                    shutil.which("starknet-devnet") is None, reason="starknet-devnet is not on PATH"
                ),
            ],
        ),
    ]
)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def chain(kind: str, request: pytest.FixtureRequest) -> Chain:
    return OnDevnet(request.getfixturevalue("devnet")) if kind == "devnet" else InMemory()


@pytest.fixture
def make(kind: str, tmp_path: Path, chain: Chain) -> Open:
    if isinstance(chain, OnDevnet):
        from tests.integration.chain_cases import ledger_on

        return lambda: ledger_on(chain.devnet, chain.contracts, tmp_path, batch=4)
    assert isinstance(chain, InMemory)
    if kind == "file":
        return lambda: FileLedger(tmp_path / "ledger.sqlite", BITS, [PRESET.name])
    return lambda: starknet_ledger(MemoryChain(chain.model), tmp_path)


@pytest.fixture
async def ledger(make: Open) -> AsyncIterator[Ledger]:
    found = make()
    await found.open()
    yield found
    await found.close()


def _codes(results: list[object]) -> list[object]:
    return [one.code if isinstance(one, ProofrailError) else one.new for one in results]


async def test_a_fact_is_registered_once(ledger: Ledger, chain: Chain) -> None:
    """Before: not held. Registered: new. Again: held, and not new."""
    fact = decisions("a", "b")[0].fact
    proof = chain.proof(fact)
    assert await ledger.holds(fact) is None
    assert (await ledger.register(fact, proof)).new
    assert Receipt(new=False) == replace(await ledger.register(fact, proof), transaction=None)
    assert (await ledger.holds(fact)) is not None


async def test_decisions_are_recorded_once_each(ledger: Ledger, chain: Chain) -> None:
    """In batches larger than one transaction, again, and two of one allocation in one call."""
    batch = decisions(*"abcdefghi")
    await ledger.register(batch[0].fact, chain.proof(batch[0].fact))
    assert [True] * 6 == _codes(await ledger.record(batch[:6]))
    assert [False] * 6 + [True] * 3 + [False] == _codes(await ledger.record([*batch, batch[8]]))


async def test_what_stands_there_stays(ledger: Ledger, chain: Chain) -> None:
    """Another decision for the same allocation, proven as well, is refused by name; its neighbour is recorded."""
    first, second = decisions("a"), decisions("a", "b", risk=50)
    for number, batch in enumerate((first, second)):
        await ledger.register(batch[0].fact, chain.proof(batch[0].fact, bytes([number])))
    assert [True] == _codes(await ledger.record(first))
    assert ["ledger-other-decision", True] == _codes(await ledger.record(second))


async def test_a_row_that_is_not_there_is_refused_alone(ledger: Ledger, chain: Chain) -> None:
    """Another place, another row, another allocation's name: each refused, the honest one recorded."""
    batch = decisions("a", "b", "c")
    await ledger.register(batch[0].fact, chain.proof(batch[0].fact))
    elsewhere = replace(batch[0], place=replace(batch[0].place, index=1))
    another = replace(batch[1], place=replace(batch[1].place, row=batch[0].place.row))
    renamed = replace(batch[1], allocation_id="x")
    found = _codes(await ledger.record([elsewhere, another, renamed, batch[2]]))
    assert ["row-path-wrong", "row-path-wrong", "ledger-row", True] == found


async def test_a_decision_needs_a_registered_fact(ledger: Ledger) -> None:
    """Without it nothing is recorded; what comes of it is the fact's, to be registered first."""
    try:
        found = _codes(await ledger.record(decisions("a")))
    except ProofrailError as error:
        found = [error.code]
    assert ["ledger-fact-missing"] == found


@pytest.mark.parametrize(
    ("bits", "preset"),
    [(BITS - 1, PRESET), (BITS, None), (BITS, PRESETS["recursive/keccak_160_lsb/stone6/relaxed"])],
)
async def test_weak_and_foreign_proofs_are_refused(
    ledger: Ledger, chain: Chain, bits: int, preset: object
) -> None:
    """Too few bits, no preset, another preset: refused before anything is sent."""
    fact: Fact = decisions("a", bits=bits, preset=preset)[0].fact
    with pytest.raises(ProofrailError) as refused:
        await ledger.register(fact, chain.proof(fact))
    assert "ledger-fact-weak" == refused.value.code
    assert 0 == chain.sent()


async def test_a_ledger_opened_anew_knows_everything(make: Open, chain: Chain) -> None:
    """Facts and decisions are there after a close, and after an end without one."""
    batch = decisions("a", "b")
    for ids in (batch[:1], batch):
        ledger = make()
        await ledger.open()
        await ledger.register(batch[0].fact, chain.proof(batch[0].fact))
        await ledger.record(ids)
        await ledger.close()
    ledger = make()
    await ledger.open()
    assert [False, False] == _codes(await ledger.record(batch))
    await ledger.close()


async def test_a_ledger_has_one_user(make: Open, ledger: Ledger) -> None:
    """A second process at the same files is refused: its transactions would clash with ours."""
    with pytest.raises(UnusableInputError) as refused:
        await make().open()
    assert "registrar-in-use" == refused.value.code


def test_the_ids_are_the_contracts() -> None:
    """An allocation stands under the felt of its id."""
    assert allocation_felt("a") == decisions("a")[0].id

"""What every ledger does, in a file and on a chain (in memory): one suite for all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.double.chain import BITS, PRESET, ChainModel, MemoryChain
from tests.unit.registrar_cases import decisions, model, proven, starknet_ledger

from proofrail.cairo.risk_program import allocation_felt
from proofrail.proving.stone.presets import PRESETS
from proofrail.registrar.file_ledger import FileLedger
from proofrail.registrar.ledger import Fact, Ledger, Receipt
from proofrail.wire.errors import ProofrailError, UnusableInputError

Open = Callable[[], Ledger]


@pytest.fixture
def chain() -> ChainModel:
    return model()


@pytest.fixture(params=["file", "starknet"])
def make(request: pytest.FixtureRequest, tmp_path: Path, chain: ChainModel) -> Open:
    if request.param == "file":
        return lambda: FileLedger(tmp_path / "ledger.sqlite", BITS, [PRESET.name])
    return lambda: starknet_ledger(MemoryChain(chain), tmp_path)


@pytest.fixture
async def ledger(make: Open) -> AsyncIterator[Ledger]:
    found = make()
    await found.open()
    yield found
    await found.close()


def _codes(results: list[object]) -> list[object]:
    return [one.code if isinstance(one, ProofrailError) else one.new for one in results]  # type: ignore[attr-defined]


async def test_a_fact_is_registered_once(ledger: Ledger, chain: ChainModel) -> None:
    """Before: not held. Registered: new. Again: held, and not new."""
    fact = decisions("a", "b")[0].fact
    proof = proven(chain, fact)
    assert await ledger.holds(fact) is None
    assert (await ledger.register(fact, proof)).new
    assert Receipt(new=False) == replace(await ledger.register(fact, proof), transaction=None)
    assert (await ledger.holds(fact)) is not None


async def test_decisions_are_recorded_once_each(ledger: Ledger, chain: ChainModel) -> None:
    """In batches larger than one transaction, again, and two of one allocation in one call."""
    batch = decisions(*"abcdefghi")
    await ledger.register(batch[0].fact, proven(chain, batch[0].fact))
    assert [True] * 6 == _codes(await ledger.record(batch[:6]))
    assert [False] * 6 + [True] * 3 + [False] == _codes(await ledger.record([*batch, batch[8]]))


async def test_what_stands_there_stays(ledger: Ledger, chain: ChainModel) -> None:
    """Another decision for the same allocation, proven as well, is refused by name; its neighbour is recorded."""
    first, second = decisions("a"), decisions("a", "b", risk=50)
    for number, batch in enumerate((first, second)):
        await ledger.register(batch[0].fact, proven(chain, batch[0].fact, bytes([number])))
    assert [True] == _codes(await ledger.record(first))
    assert ["ledger-other-decision", True] == _codes(await ledger.record(second))


async def test_a_row_that_is_not_there_is_refused_alone(ledger: Ledger, chain: ChainModel) -> None:
    """Another place, another row, another allocation's name: each refused, the honest one recorded."""
    batch = decisions("a", "b", "c")
    await ledger.register(batch[0].fact, proven(chain, batch[0].fact))
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
    ledger: Ledger, chain: ChainModel, bits: int, preset: object
) -> None:
    """Too few bits, no preset, another preset: refused before anything is sent."""
    fact: Fact = decisions("a", bits=bits, preset=preset)[0].fact  # type: ignore[arg-type]
    with pytest.raises(ProofrailError) as refused:
        await ledger.register(fact, proven(chain, fact))
    assert "ledger-fact-weak" == refused.value.code
    assert not chain.transactions


async def test_a_ledger_opened_anew_knows_everything(make: Open, chain: ChainModel) -> None:
    """Facts and decisions are there after a close, and after an end without one."""
    batch = decisions("a", "b")
    for ids in (batch[:1], batch):
        ledger = make()
        await ledger.open()
        await ledger.register(batch[0].fact, proven(chain, batch[0].fact))
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

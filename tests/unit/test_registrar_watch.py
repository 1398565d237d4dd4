"""What a chain takes back after it counted: noticed, sent again, and else no longer said to stand there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.double.chain import ChainModel, MemoryChain
from tests.unit.registrar_cases import decisions, model, proven, starknet_ledger

from proofrail.messaging.metrics import Metrics
from proofrail.registrar.ledger import LedgerIdentity, Receipt
from proofrail.registrar.said import SaidBefore
from proofrail.registrar.starknet.chain import ChainAway, Finality, Status
from proofrail.registrar.starknet.ledger import StarknetLedger
from proofrail.wire.messages import LedgerName, RegisteredFact, Registration

BATCH = decisions("one", "two")
FACT = BATCH[0].fact
ACCOUNT = (0xA1,)


class _Asked(MemoryChain):
    """Counts questions about transactions, and is away when told."""

    def __init__(self, chain: ChainModel) -> None:
        super().__init__(chain)
        self.asked = 0
        self.away = False

    async def status(self, transaction: str) -> Status:
        self.asked += 1
        if self.away:
            raise ChainAway("chain-away", "no answer", "It is asked again")
        return await super().status(transaction)


@pytest.fixture
def chain() -> _Asked:
    return _Asked(ChainModel(model().program, accounts=ACCOUNT))


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def ledger(chain: _Asked, tmp_path: Path, metrics: Metrics) -> AsyncIterator[StarknetLedger]:
    found = starknet_ledger(chain, tmp_path, metrics=metrics)
    await found.open()
    yield found
    await found.close()


async def _record(chain: _Asked, ledger: StarknetLedger) -> list[str]:
    await ledger.register(FACT, proven(chain.model, FACT))
    return [one.transaction or "" for one in await ledger.record(BATCH) if isinstance(one, Receipt)]


async def test_what_is_taken_back_is_sent_again(
    chain: _Asked, ledger: StarknetLedger, metrics: Metrics
) -> None:
    """The same bytes, in their order, before anybody asks for it: whoever was told that it stands there was told the
    truth, and hears nothing."""
    take_back = chain.model.fork()
    await _record(chain, ledger)
    stood = dict(chain.model.decisions)
    assert frozenset() == await ledger.taken_back()
    sent = list(chain.model.transactions)
    take_back()
    assert {} == chain.model.decisions
    assert frozenset() == await ledger.taken_back()
    assert (stood, sent) == (chain.model.decisions, list(chain.model.transactions))
    counted = {"taken-back": 2, "succeeded": 4}
    name = "proofrail_ledger_transactions_total"
    assert counted == {one: metrics.registry.get_sample_value(name, {"outcome": one}) for one in counted}


async def test_what_cannot_be_sent_again_is_told(
    chain: _Asked, ledger: StarknetLedger, tmp_path: Path
) -> None:
    """Prices rose meanwhile: the transactions are told to be gone, by this process and the next; what they did can be
    done again, and is another transaction's then."""
    take_back = chain.model.fork()
    first = await _record(chain, ledger)
    sent = set(chain.model.transactions)
    take_back()
    chain.model.price *= 2
    assert sent == await ledger.taken_back()
    await ledger.close()
    again = starknet_ledger(chain, tmp_path)
    await again.open()
    assert sent == await again.taken_back()
    assert await again.holds(FACT) is None
    second = await _record(chain, again)
    assert not {*first} & {*second}
    assert sent == await again.taken_back(), "the new ones stand"
    await again.close()


async def test_what_waits_for_its_block_again_is_not_gone(chain: _Asked, ledger: StarknetLedger) -> None:
    """Nor is anything sent for it."""
    await _record(chain, ledger)
    for one in chain.model.transactions.values():
        one.finality = Finality.WAITING
    assert frozenset() == await ledger.taken_back()
    assert 2 == len(chain.model.transactions)


async def test_what_is_executed_in_vain_the_second_time_is_gone(
    chain: _Asked, ledger: StarknetLedger
) -> None:
    """A block in the other's place may have it reverted."""
    (transaction, _) = await _record(chain, ledger)
    chain.model.transactions[transaction].reverted = "out of gas"
    assert {transaction} == await ledger.taken_back()


async def test_nothing_is_looked_at_for_ever(chain: _Asked, tmp_path: Path) -> None:
    """What is accepted on L1 is final; on a chain without L1 the time ends it."""
    ledger = starknet_ledger(chain, tmp_path)
    await ledger.open()
    await _record(chain, ledger)
    for one in chain.model.transactions.values():
        one.finality = Finality.ACCEPTED_ON_L1
    await ledger.taken_back()
    asked = chain.asked
    await ledger.taken_back()
    assert asked == chain.asked
    await ledger.close()
    other = starknet_ledger(chain, tmp_path / "other", watched_s=0.0)
    await other.open()
    asked = chain.asked
    await other.taken_back()
    assert asked == chain.asked
    await other.close()


async def test_what_has_long_stood_is_asked_for_seldom(chain: _Asked, ledger: StarknetLedger) -> None:
    """A day of looks costs each transaction some forty questions; and when the youngest is gone, all are asked for at
    once."""
    now, journal = 1_000_000.0, ledger._journal
    assert journal is not None
    journal._clock = lambda: now
    take_back = chain.model.fork()
    await ledger.register(FACT, proven(chain.model, FACT))
    await ledger.record(BATCH[:1])
    asked = chain.asked
    for _ in range(2 * 60 * 23):
        now += 30
        await ledger.taken_back()
    assert 2 * 30 < chain.asked - asked < 2 * 50
    await ledger.record(BATCH[1:])
    take_back()
    chain.model.price *= 2
    assert 3 == len(await ledger.taken_back())


async def test_a_node_that_is_away_says_nothing(chain: _Asked, ledger: StarknetLedger) -> None:
    """What it does not answer about is neither final nor gone; the next look goes on."""
    take_back = chain.model.fork()
    await _record(chain, ledger)
    take_back()
    chain.away = True
    with pytest.raises(ChainAway):
        await ledger.taken_back()
    assert {} == chain.model.transactions
    chain.away = False
    assert frozenset() == await ledger.taken_back()
    assert 2 == len(chain.model.decisions)


@pytest.mark.parametrize("dearer", [False, True])
async def test_a_registrar_that_ends_while_it_sends_again_leaves_it_to_the_next(
    chain: _Asked, ledger: StarknetLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dearer: bool
) -> None:
    """What is gone stands open in the journal before anything is sent: the next process settles it first."""
    take_back = chain.model.fork()
    await _record(chain, ledger)
    sent = set(chain.model.transactions)
    take_back()

    async def nothing(_: object) -> None:
        raise ChainAway("chain-away", "no answer", "It is asked again")

    with monkeypatch.context() as patched:
        patched.setattr(chain, "send", nothing)
        with pytest.raises(ChainAway):
            await ledger.taken_back()
    await ledger.close()
    chain.model.price *= 1 + dearer
    again = starknet_ledger(chain, tmp_path)
    await again.open()
    assert (sent if dearer else set()) == await again.taken_back()
    assert (0 if dearer else 2) == len(chain.model.decisions)
    await again.close()


LEDGER = LedgerIdentity("starknet", "SN_TEST", "0xdec1")


def _said(outcome: str, transaction: str | None = None, **members: Any) -> Registration:
    fact = RegisteredFact(fact_hash="0x1", transaction="0xfac7") if outcome == "recorded" else None
    refused = {"code": "ledger-row", "message": "no"} if outcome == "refused" else {}
    given = {
        "allocation_id": "one",
        "proposal_sha256": "a" * 64,
        "attestation": "b" * 64,
        "run_id": "c" * 32,
        "row": 0,
        "approved": True,
        "proof": "d" * 64,
        "ledger": LedgerName(kind=LEDGER.kind, network=LEDGER.network, contract=LEDGER.contract),
        "outcome": outcome,
        "fact": fact,
        "transaction": transaction,
        "timestamp": 1,
        **refused,
        **members,
    }
    return Registration(**given)


@pytest.mark.parametrize("gone", ["0xa", "0xfac7"])
def test_what_was_said_counts_until_its_transaction_is_gone(gone: str) -> None:
    """That of the decision or of its fact; then it is lost until it is said again, by whoever, and refusals from before
    count no longer."""
    said, first = SaidBefore(LEDGER), _said("recorded", "0xa")
    said.note(_said("refused"))
    said.note(first)
    said.take_back(frozenset({"0xb"}))
    assert (True, {}) == (said.is_recorded(first.attestation), said.lost)
    said.take_back(frozenset({"0xb", gone}))
    assert (False, {first.attestation: gone}) == (said.is_recorded(first.attestation), said.lost)
    refused = _said("refused", replaces=gone)
    assert not said.has_said(refused)
    said.note(refused)
    said.settle(first.attestation)
    assert ({}, False, True) == (said.lost, said.is_recorded(first.attestation), said.has_said(refused))
    said.note(
        _said("recorded", "0xc", replaces=gone, fact=RegisteredFact(fact_hash="0x1", transaction="0xd"))
    )
    said.take_back(frozenset({"0xb", gone}))
    assert (True, {}) == (said.is_recorded(first.attestation), said.lost)


def test_a_successor_knows_what_is_gone() -> None:
    """It reads what was said, and is told what is gone; what is said to stand in its place is looked for in the ledger,
    not believed."""
    said = SaidBefore(LEDGER)
    said.note(_said("recorded", "0xa"))
    said.take_back(frozenset({"0xa"}))
    assert {"b" * 64: "0xa"} == said.lost
    other = SaidBefore(LEDGER)
    other.note(_said("recorded", "0xa"))
    other.note(_said("recorded", "0xc", replaces="0xa"))
    other.take_back(frozenset({"0xa"}))
    assert ({"b" * 64: "0xa"}, True) == (other.lost, other.is_recorded("b" * 64))


@pytest.mark.parametrize("replaces", [None, "0xa"])
def test_no_line_hides_what_another_one_names(replaces: str | None) -> None:
    """Anybody can write that an attestation is recorded by another transaction: when the true one is gone, that is
    noticed all the same; and what is true is said beside it, once."""
    said, true = SaidBefore(LEDGER), _said("recorded", "0xa")
    forged = _said("recorded", "0xbad", replaces=replaces, fact=RegisteredFact(fact_hash="0x1"))
    said.note(forged)
    assert not said.has_said(true)
    said.note(true)
    said.note(forged)
    assert said.has_said(true)
    said.take_back(frozenset({"0xa"}))
    assert {"b" * 64: "0xa"} == said.lost
    assert not said.has_said(true)


def test_whoever_knows_no_transaction_adds_nothing() -> None:
    """A registrar without its journal finds the record in the ledger, and not by whom: that was said, with more."""
    said = SaidBefore(LEDGER)
    said.note(_said("recorded", "0xa"))
    assert said.has_said(_said("recorded", fact=RegisteredFact(fact_hash="0x1")))
    assert not said.has_said(_said("recorded", "0xc"))


async def test_a_row_that_is_recorded_is_found_without_its_proof(
    chain: _Asked, ledger: StarknetLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the journal, which asks nobody; where it is another's, by the contract: by the row itself, not by its id."""
    await _record(chain, ledger)
    other = starknet_ledger(chain, tmp_path / "other")
    await other.open()
    (dearer,) = decisions("one", risk=36)
    for one in (ledger, other):
        assert [True, False, False] == [
            await one.has(decision.place.row) for decision in (BATCH[0], dearer, *decisions("three"))
        ]
    monkeypatch.setattr(chain, "view", None)
    assert await ledger.has(BATCH[1].place.row)
    await other.close()

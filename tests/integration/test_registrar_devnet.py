"""The ledger on Starknet and a real node: the whole path, each refusal as the node says it, and answers that are lost.

Needs starknet-devnet on PATH and the extra `chain`. The registry of facts is a stand-in that believes every proof.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starknet_py", reason="the extra `chain` is not installed")

from tests.double.chain import BITS
from tests.double.devnet import ACCOUNTS, CHAIN, NETWORK, Contracts, Devnet
from tests.double.node import serving
from tests.double.relay import Relay
from tests.double.stated_proof import proof_of
from tests.integration.chain_cases import contracts as contracts
from tests.integration.chain_cases import devnet as devnet
from tests.integration.chain_cases import ledger_on
from tests.unit.registrar_cases import PROGRAM, decisions

from proofrail.registrar.ledger import Decision, LedgerMisconfigured, Receipt
from proofrail.registrar.starknet.chain import Call, Finality
from proofrail.registrar.starknet.ledger import StarknetLedger
from proofrail.registrar.starknet.node import Node
from proofrail.registrar.starknet.signer import KeyFile, SignerCommand
from proofrail.wire.errors import ProofrailError, TransientError

pytestmark = CHAIN

BATCH = decisions(*(f"chain-{number}" for number in range(12)))
FACT, PROOF = BATCH[0].fact, proof_of(BATCH[0].fact)
PRICE = 10**9
NEW, KNOWN = [True] * 12, [False] * 12


@pytest.fixture
async def relay(devnet: Devnet) -> Relay:
    return Relay(devnet.url)


@pytest.fixture
def url(relay: Relay) -> Iterator[str]:
    with serving(relay) as found:
        yield found


@pytest.fixture
def make(
    devnet: Devnet, contracts: Contracts, relay: Relay, url: str, tmp_path: Path
) -> Callable[..., StarknetLedger]:
    """Makes ledgers of one account, with the relay before the node; all have the same files."""
    return lambda **changed: ledger_on(
        devnet, contracts, tmp_path, **{"url": url, "signer": devnet.one(), **changed}
    )


@pytest.fixture
async def ledger(make: Callable[..., StarknetLedger]) -> AsyncIterator[StarknetLedger]:
    """With the batch's fact registered."""
    found = make()
    await found.open()
    assert (await found.register(FACT, PROOF)).new
    yield found
    await found.close()


@pytest.fixture
def price(devnet: Devnet) -> Iterator[Callable[[float], None]]:
    """Sets the price of gas, as a multiple of what it is at first, for this test."""
    yield lambda times: devnet.set_price(int(PRICE * times))
    devnet.set_price(PRICE)


def _new(results: list[Any]) -> list[Any]:
    return [one.code if isinstance(one, ProofrailError) else one.new for one in results]


async def _approved(devnet: Devnet, contracts: Contracts, decision: Decision) -> bool:
    shares = decision.checked.proposed_bps
    async with Node(devnet.url, 30.0) as node:
        call = Call(contracts.registry, "is_approved", (decision.id, len(shares), *shares))
        return bool((await node.view(call))[0])


def _taken(relay: Relay) -> list[str]:
    """The hashes of the transactions that the node took."""
    return [
        said["result"]["transaction_hash"]
        for method, said in relay.said
        if method == "addInvokeTransaction" and "result" in said
    ]


def _outcomes(devnet: Devnet, relay: Relay) -> list[str]:
    return [devnet.status(hash_)["execution_status"] for hash_ in _taken(relay)]


def _prices(relay: Relay) -> list[int]:
    return [int(one["resource_bounds"]["l2_gas"]["max_price_per_unit"], 16) for one in relay.sent()]


async def test_twelve_decisions_take_two_transactions(
    devnet: Devnet, contracts: Contracts, make: Callable[..., StarknetLedger], relay: Relay
) -> None:
    """From a proof to what the contract answers: one for the fact and one for all records. Again, nothing is sent;
    another decision is refused."""
    ledger = make()
    await ledger.open()
    with pytest.raises(TransientError) as raised:
        await ledger.record(BATCH)
    assert ("ledger-fact-missing", []) == (raised.value.code, relay.sent())
    fact = await ledger.register(FACT, PROOF)
    assert not await _approved(devnet, contracts, BATCH[0])
    results = await ledger.record(BATCH)
    (first, second), calls = _taken(relay), [one["calldata"][0] for one in relay.sent()]
    assert (Receipt(True, first), [Receipt(True, second)] * 12, ["0x1", "0xc"]) == (fact, results, calls)
    assert ["SUCCEEDED"] * 2 == _outcomes(devnet, relay)
    assert [one.checked.verdict == 0 for one in BATCH] == [
        await _approved(devnet, contracts, one) for one in BATCH
    ]
    assert [Receipt(False, second)] * 12 == await ledger.record(BATCH)
    other = decisions("chain-0", risk=50)
    await ledger.register(other[0].fact, proof_of(other[0].fact))
    assert ["ledger-other-decision"] == _new(await ledger.record(other))
    assert 3 == len(relay.sent())
    await ledger.close()


@pytest.mark.parametrize(
    "how", ["drop", "take, then drop", "take, then fail", "garbage", "busy", "unexpected"]
)
async def test_after_a_lost_answer_the_outcome_is_looked_up(
    ledger: StarknetLedger, devnet: Devnet, relay: Relay, how: str
) -> None:
    """Whether the node had taken it or not: the same bytes again, and one transaction is executed."""
    before = devnet.transactions_of(ledger._chain.accounts[0])
    relay.next_of("addInvokeTransaction", how)
    assert NEW == _new(await ledger.record(BATCH))
    assert 1 == devnet.transactions_of(ledger._chain.accounts[0]) - before
    first, *again = relay.sent()[1:]
    assert (0 if how.startswith("take") else 1) == len(again)
    assert [first] * len(again) == again


async def test_a_duplicate_is_in_already(ledger: StarknetLedger, devnet: Devnet, relay: Relay) -> None:
    """The answer is lost and the hash not known at first: sent again, the node says 59, which is as good as yes."""
    relay.next_of("addInvokeTransaction", "take, then drop")
    relay.next_of("getTransactionStatus", "hash unknown")
    assert NEW == _new(await ledger.record(BATCH))
    assert [59] == [
        said["error"]["code"] for _, said in relay.said if "error" in said and said["error"]["code"] != 29
    ]
    assert 3 == len(relay.sent())


@pytest.mark.parametrize(("after", "sent"), [("estimateFee", 2), ("getNonce", 1)])
async def test_a_nonce_that_somebody_else_took_is_asked_for_anew(
    ledger: StarknetLedger,
    devnet: Devnet,
    contracts: Contracts,
    relay: Relay,
    tmp_path: Path,
    after: str,
    sent: int,
) -> None:
    """Another process sends from the same account between two of our questions, which nobody should do: nothing is
    lost, and nothing is recorded twice."""
    (account,) = ledger._chain.accounts

    async def meddle() -> None:
        other = ledger_on(devnet, contracts, tmp_path / "other", signer=devnet.one())
        (tmp_path / "other").mkdir()
        await other.open()
        fact = decisions("meddled")[0].fact
        await other.register(fact, proof_of(fact))
        await other.close()

    def change(result: Any) -> Any:
        asyncio.run(meddle())  # in the thread that serves this question
        return result

    before = devnet.transactions_of(account)
    relay.next_of(after, change)
    assert NEW == _new(await ledger.record(BATCH))
    assert 2 == devnet.transactions_of(account) - before
    assert sent == len(relay.sent()) - 1


async def test_a_price_that_rises_is_asked_for_anew(
    ledger: StarknetLedger, relay: Relay, price: Callable[[float], None]
) -> None:
    """It trebles between estimate and sending: refused (53), estimated anew, and sent under the same nonce."""

    def change(result: Any) -> Any:
        price(3)
        return result

    relay.next_of("estimateFee", change)
    assert NEW == _new(await ledger.record(BATCH))
    assert [1.5 * PRICE, 4.5 * PRICE] == _prices(relay)[1:]
    assert 1 == len({one["nonce"] for one in relay.sent()[1:]})


async def test_nothing_is_sent_above_the_cap(
    make: Callable[..., StarknetLedger], relay: Relay, price: Callable[[float], None]
) -> None:
    """By the node's own prices; and it goes out when they have fallen."""
    ledger = make(fee=10**17)
    await ledger.open()
    price(1_000)
    with pytest.raises(TransientError) as raised:
        await ledger.register(FACT, PROOF)
    assert ("fee-over-cap", []) == (raised.value.code, relay.sent())
    price(0.5)
    assert (await ledger.register(FACT, PROOF)).new
    await ledger.close()


async def test_an_account_that_cannot_pay_gives_nothing_up(
    make: Callable[..., StarknetLedger], relay: Relay, price: Callable[[float], None]
) -> None:
    """54: to be tried again when it can."""
    ledger = make(fee=10**30)
    await ledger.open()
    price(10**6)
    with pytest.raises(TransientError) as raised:
        await ledger.register(FACT, PROOF)
    assert "account-balance" == raised.value.code
    price(1)
    assert (await ledger.register(FACT, PROOF)).new
    await ledger.close()


@pytest.mark.parametrize(("part", "sent"), [(0.1, 2), (0.6, 2)])
async def test_what_runs_out_of_gas_gets_more(
    ledger: StarknetLedger, devnet: Devnet, relay: Relay, part: float, sent: int
) -> None:
    """The estimate is too low, by much or by little: included and reverted, it is sent anew with more."""

    def lower(result: Any) -> Any:
        (one,) = result
        return [{**one, "l2_gas_consumed": hex(int(int(one["l2_gas_consumed"], 16) * part))}]

    relay.next_of("estimateFee", lower)
    assert NEW == _new(await ledger.record(BATCH))
    assert sent == len(relay.sent()) - 1
    assert ["SUCCEEDED", "REVERTED", "SUCCEEDED"] == _outcomes(devnet, relay)


async def test_several_accounts_share_the_work(
    devnet: Devnet, make: Callable[..., StarknetLedger], relay: Relay
) -> None:
    """Three transactions at once, one of each account, none in another's way; and once more."""
    ledger = make(signer=devnet.wallet, batch=4)
    await ledger.open()
    await ledger.register(FACT, PROOF)
    for batch in (BATCH, decisions(*(f"second-{number}" for number in range(12)))):
        await ledger.register(batch[0].fact, proof_of(batch[0].fact))
        before = len(relay.sent())
        assert NEW == _new(await ledger.record(batch))
        senders = {one["sender_address"] for one in relay.sent()[before:]}
        assert (ACCOUNTS, ACCOUNTS) == (len(senders), len(relay.sent()) - before)
    await ledger.close()


async def test_what_the_contract_would_refuse_is_found_out_before_anything_is_sent(
    devnet: Devnet, make: Callable[..., StarknetLedger], relay: Relay
) -> None:
    """A contract for another program, another configuration, other recorders, or that is none."""
    for changed, why in (
        ({"programs": [PROGRAM + 1]}, "accepts_program"),
        ({"programs": [PROGRAM], "configurations": [[1, 2, 3, 4]]}, "accepts_configuration"),
        ({"programs": [PROGRAM], "recorders": devnet.one(1).accounts}, "may_record"),
    ):
        contracts = await devnet.deploy(**changed)
        for contract, said in (
            (contracts.registry, why),
            (contracts.facts, "fact_registry|entry"),
            (0xABC, "found"),
        ):
            with pytest.raises(LedgerMisconfigured, match=said):
                await make(contract=contract).open()
    assert [] == relay.sent()


async def test_a_fact_with_fewer_bits_is_none(
    devnet: Devnet, make: Callable[..., StarknetLedger], relay: Relay
) -> None:
    """The registry holds it, verified worse than the contract asks for: that is not held, and ours goes beside it."""
    strict = await devnet.deploy(programs=[PROGRAM], min_bits=BITS + 4)
    ledger = make(contract=strict.registry)
    await ledger.open()
    with pytest.raises(ProofrailError) as raised:
        await ledger.register(FACT, PROOF)
    assert "ledger-fact-weak" == raised.value.code
    weak = decisions("weak", bits=BITS - 6)[0].fact
    strong = decisions("weak", bits=BITS + 4)[0].fact
    # The proof says less of itself than the registrar was told.
    with pytest.raises(ProofrailError) as raised:
        await ledger.register(strong, proof_of(weak))
    assert "ledger-fact-refused" == raised.value.code
    assert await ledger.holds(strong) is None
    assert (await ledger.register(strong, proof_of(strong))).new
    await ledger.close()


async def test_a_proof_of_another_output_registers_nothing_of_ours(
    ledger: StarknetLedger, relay: Relay
) -> None:
    """The registry takes it, and holds another fact: said, by code."""
    first, second = decisions("one")[0].fact, decisions("two")[0].fact
    with pytest.raises(ProofrailError) as raised:
        await ledger.register(first, proof_of(second))
    assert "ledger-fact-refused" == raised.value.code


async def test_a_program_signs_instead_of_a_wallet(
    devnet: Devnet, make: Callable[..., StarknetLedger], tmp_path: Path
) -> None:
    """It is given the hash and prints a signature that the account accepts; one of another key ends the service."""
    ((address, key),) = devnet.one().keys.items()
    program = tmp_path / "signer.py"
    program.write_text(
        "import json, sys\n"
        "from starknet_py.hash.utils import message_signature\n"
        "asked = json.load(sys.stdin)\n"
        "signature = message_signature(int(asked['hash'], 16), int(sys.argv[1], 16))\n"
        "print(json.dumps([hex(felt) for felt in signature]))\n"
    )
    forged = make(signer=SignerCommand(f"{sys.executable} {program} 0x1234", [address]))
    await forged.open()
    with pytest.raises(LedgerMisconfigured) as raised:
        await forged.register(FACT, PROOF)
    assert "chain-settings" == raised.value.code
    await forged.close()
    ledger = make(signer=SignerCommand(f"{sys.executable} {program} {key:#x}", [address]))
    await ledger.open()
    assert (await ledger.register(FACT, PROOF)).new
    await ledger.close()


async def test_another_network_is_refused(make: Callable[..., StarknetLedger], devnet: Devnet) -> None:
    """By what the node says its chain is: a testnet's wallet pays nothing on another chain."""
    ledger = make()
    ledger._chain.chain_id += 1
    with pytest.raises(LedgerMisconfigured, match=NETWORK) as raised:
        await ledger.open()
    assert "chain-other-network" == raised.value.code


async def test_an_account_that_is_not_there_is_a_matter_of_settings(
    make: Callable[..., StarknetLedger], devnet: Devnet
) -> None:
    """A key for an address without an account; any account may record here."""
    open_to_all = await devnet.deploy(programs=[PROGRAM], recorders=())
    ledger = make(contract=open_to_all.registry, signer=KeyFile({0xABC: 0x1234}))
    await ledger.open()
    assert "20" in str(await ledger.missing())
    with pytest.raises(LedgerMisconfigured) as raised:
        await ledger.register(FACT, PROOF)
    assert "chain-settings" == raised.value.code
    await ledger.close()


async def test_a_confirmation_can_be_taken_early(make: Callable[..., StarknetLedger]) -> None:
    """`PRE_CONFIRMED` is reached, too."""
    ledger = make(finality=Finality.PRE_CONFIRMED)
    await ledger.open()
    assert (await ledger.register(FACT, PROOF)).new
    assert NEW == _new(await ledger.record(BATCH))
    await ledger.close()

"""The ledger on Starknet against a node on loopback: each documented error, lost answers, and what it leaves behind.

Needs the extra `chain`; the chain behind the node is one in memory.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starknet_py", reason="the extra `chain` is not installed")

import aiohttp
from starknet_py.hash.utils import private_to_stark_key, verify_message_signature
from tests.double.chain import PRESET, REGISTRY, ChainModel, MemoryChain, configuration
from tests.double.node import CHAIN_ID, EXCHANGES, Node, serving
from tests.unit.registrar_cases import Scribe, decisions, model, proven, starknet_ledger

from proofrail.registrar.ledger import LedgerMisconfigured, Receipt, RefusedEntry
from proofrail.registrar.starknet.answers import reason_of, revert_text
from proofrail.registrar.starknet.chain import ChainAway, NodeRefusal
from proofrail.registrar.starknet.contracts import record
from proofrail.registrar.starknet.ledger import StarknetLedger
from proofrail.registrar.starknet.rpc import RpcChain
from proofrail.registrar.starknet.signer import KeyFile
from proofrail.wire.errors import ProofrailError, TransientError

BATCH = decisions("a", "b", "c")


@pytest.fixture
def chain() -> ChainModel:
    made = model()
    proven(made, BATCH[0].fact)
    made.facts[BATCH[0].fact.fact_hash] = [(96, configuration(PRESET))]
    return made


@pytest.fixture
def node(chain: ChainModel) -> Node:
    return Node(chain)


@pytest.fixture
def url(node: Node) -> Iterator[str]:
    with serving(node) as found:
        yield found


def _ledger(url: str, path: Path, **changed: Any) -> StarknetLedger:
    chain = RpcChain(url, CHAIN_ID, changed.pop("signer", Scribe()), 30.0)
    return starknet_ledger(chain, path, **{"confirm_s": 30.0, "poll_s": 0.01, **changed})


@pytest.fixture
async def ledger(url: str, tmp_path: Path) -> AsyncIterator[StarknetLedger]:
    found = _ledger(url, tmp_path)
    await found.open()
    yield found
    await found.close()


def _after_estimating(node: Node, change: Callable[[], None]) -> None:
    """Something changes behind the next estimate."""
    estimate = node._estimateFee

    def once(params: Any) -> Any:
        node._estimateFee = estimate
        estimated = estimate(params)
        change()
        return estimated

    node._estimateFee = once


async def test_a_batch_goes_out_in_one_transaction(ledger: StarknetLedger, node: Node) -> None:
    """Three records, one multicall; its hash, computed before it was sent, is the node's; again: nothing is sent."""
    results = await ledger.record(BATCH)
    (sent,) = node.sent()
    (hash_,) = node.model.transactions
    assert [Receipt(True, hash_)] * 3 == results
    assert "0x3" == sent["calldata"][0]
    assert [Receipt(False, hash_)] * 3 == await ledger.record(BATCH)
    assert 1 == len(node.sent())


async def test_a_wallets_key_signs_the_transactions_hash(url: str, node: Node, tmp_path: Path) -> None:
    """The signature that is sent is that of the hash, under the key in the wallet."""
    ledger = _ledger(url, tmp_path, signer=KeyFile({0xA1: 0x1234}))
    await ledger.open()
    await ledger.record(BATCH)
    (sent,), (hash_,) = node.sent(), node.model.transactions
    signature = [int(felt, 16) for felt in sent["signature"]]
    assert verify_message_signature(int(hash_, 16), signature, private_to_stark_key(0x1234))
    await ledger.close()


async def test_a_fact_is_verified_with_its_configuration(ledger: StarknetLedger, node: Node) -> None:
    """The four short strings of the preset go before the proof's felts, to the registry that the contract names."""
    node.model.facts.clear()
    receipt = await ledger.register(BATCH[0].fact, b"proof")
    assert receipt.new
    assert receipt.transaction in node.model.transactions
    assert b"recursive" == bytes.fromhex(node.sent()[0]["calldata"][4][2:])


@pytest.mark.parametrize(
    "how",
    ["drop", "take, then drop", "take, then say nothing", "take, then fail", "garbage", "busy", "unexpected"],
)
async def test_after_a_lost_answer_the_outcome_is_looked_up(
    ledger: StarknetLedger, node: Node, how: str
) -> None:
    """Whether the node had taken it or not: one transaction has the effect, and what is sent again is the same, byte
    for byte, though the price has risen meanwhile."""

    def change() -> None:
        node.model.price = 1_400
        # Only now: what was asked before must be answered, however busy the machine is.
        if how == "take, then say nothing":
            ledger._chain._node._session._timeout = aiohttp.ClientTimeout(total=0.2)

    _after_estimating(node, change)
    node.next_of("addInvokeTransaction", how)
    results = await ledger.record(BATCH)
    assert [True] * 3 == [one.new for one in results]
    sent = node.sent()
    assert 1 == len({str(one) for one in sent})
    assert (1 if how.startswith("take") else 2) == len(sent)
    assert {1} == set(node.model.executed.values())


@pytest.mark.parametrize("errors", [["duplicate"], ["bounds"], ["fee", "bounds"], ["nonce"], ["replacing"]])
async def test_documented_refusals_are_answered_by_what_they_ask_for(
    ledger: StarknetLedger, node: Node, errors: list[str]
) -> None:
    """59: it is in, or is sent again; 53 and 65: estimated anew; 52 and 64: asked about, and never doubled while the
    account's nonce is the transaction's."""
    node.next_of("addInvokeTransaction", *errors)
    assert [True] * 3 == [one.new for one in await ledger.record(BATCH)]
    assert 1 + len(errors) == len(node.sent())
    assert 1 == len({str(one) for one in node.sent()})


async def test_a_price_that_rises_is_asked_for_anew(ledger: StarknetLedger, node: Node) -> None:
    """It has doubled between the estimate and the sending: new bounds under the same nonce."""
    _after_estimating(node, lambda: setattr(node.model, "price", 2_000))
    assert [True] * 3 == [one.new for one in await ledger.record(BATCH)]
    prices = [int(one["resource_bounds"]["l2_gas"]["max_price_per_unit"], 16) for one in node.sent()]
    assert ([1_500, 3_000], {"0x0"}) == (prices, {one["nonce"] for one in node.sent()})


@pytest.mark.parametrize("second", ["nonce", "unexpected"])
async def test_a_node_that_forgets_what_it_took_is_not_believed(
    ledger: StarknetLedger, node: Node, second: str
) -> None:
    """It takes the transaction, says nothing, does not know its hash, and refuses it when it comes again: only what it
    says of the hash afterwards is an outcome."""
    node.next_of("addInvokeTransaction", "take, then drop", second)
    node.next_of("getTransactionStatus", "hash unknown")
    assert [True] * 3 == [one.new for one in await ledger.record(BATCH)]
    assert ({1}, 1) == (set(node.model.executed.values()), len(node.model.transactions))


async def test_a_node_that_fails_may_have_taken_it(ledger: StarknetLedger, node: Node) -> None:
    """An error without a meaning closes nothing, even where the hash is not known yet."""
    node.next_of("addInvokeTransaction", "take, then fail")
    node.next_of("getTransactionStatus", "hash unknown")
    assert [True] * 3 == [one.new for one in await ledger.record(BATCH)]
    assert ({1}, 1) == (set(node.model.executed.values()), len(node.model.transactions))


async def test_an_account_sends_nothing_beside_a_transaction_without_outcome(
    url: str, node: Node, tmp_path: Path
) -> None:
    """The second of two batches waits, though its account is free again."""
    node.model.holding = True
    ledger = _ledger(url, tmp_path, signer=Scribe((0xA1,)), batch=1, confirm_s=0.05)
    await ledger.open()
    with pytest.raises(TransientError) as raised:
        await ledger.record(BATCH[:2])
    assert ("transaction-pending", 1) == (raised.value.code, len(node.sent()))
    node.model.holding = False
    node.model.execute_waiting()
    assert [False, True] == [one.new for one in await ledger.record(BATCH[:2])]
    await ledger.close()


async def test_a_nonce_that_is_gone_is_asked_for_anew(ledger: StarknetLedger, node: Node) -> None:
    """Somebody else used the account between estimate and sending: the transaction has no effect, its successor has."""
    _after_estimating(node, lambda: node.model.nonces.update({0xA1: 7}))
    assert [True] * 3 == [one.new for one in await ledger.record(BATCH)]
    assert ["0x0", "0x7"] == [one["nonce"] for one in node.sent()]


async def test_a_nonce_that_is_gone_before_the_estimate_is_no_revert(
    ledger: StarknetLedger, node: Node
) -> None:
    """A node says so as it says that a call panics; no decision is given up for it."""
    real = node._getNonce
    asked = iter([lambda params: real(params)])

    def first(params: Any) -> str:
        answer = next(asked, real)(params)
        node.model.nonces[0xA1] = 7
        return answer

    node._getNonce = first
    assert [True] * 3 == [one.new for one in await ledger.record(BATCH)]
    assert ["0x7"] == [one["nonce"] for one in node.sent()]


@pytest.mark.parametrize(
    ("method", "error", "code", "kind"),
    [
        ("addInvokeTransaction", "balance", "account-balance", TransientError),
        ("addInvokeTransaction", "signature", "chain-settings", LedgerMisconfigured),
        ("estimateFee", "invalid params", "chain-settings", LedgerMisconfigured),
        ("getNonce", "contract not found", "chain-settings", LedgerMisconfigured),
        ("estimateFee", "unexpected", "chain-malfunction", TransientError),
        ("call", "contract not found", "chain-settings", LedgerMisconfigured),
    ],
)
async def test_what_is_no_decisions_fault_gives_none_up(
    ledger: StarknetLedger, node: Node, method: str, error: str, code: str, kind: type[ProofrailError]
) -> None:
    """Settings end the service, the rest is tried again; afterwards everything is recorded as if nothing had been."""
    node.next_of(method, error)
    with pytest.raises(kind) as raised:
        await ledger.record(BATCH)
    assert code == raised.value.code
    assert [True] * 3 == [one.new for one in await ledger.record(BATCH)]


async def test_an_estimate_that_reverts_is_halved_until_the_culprit_stands_alone(
    ledger: StarknetLedger, node: Node
) -> None:
    """ALREADY_RECORDED for the whole, then for the first: that is looked up and, not being there, tried again later."""
    node.next_of("estimateFee", "already recorded", "already recorded")
    with pytest.raises(TransientError) as raised:
        await ledger.record(BATCH)
    assert "chain-unsettled" == raised.value.code
    assert [True, True, True] == [one.new for one in await ledger.record(BATCH)]
    assert {1} == set(node.model.executed.values())


async def test_a_batch_too_large_for_a_transaction_is_halved(ledger: StarknetLedger, node: Node) -> None:
    """The estimate runs out of gas: two transactions instead of one."""
    node.next_of("estimateFee", "estimate: out of gas")
    assert [True] * 3 == [one.new for one in await ledger.record(BATCH)]
    assert 2 == len(node.sent())


async def test_what_runs_out_of_gas_gets_more(ledger: StarknetLedger, node: Node) -> None:
    """Included, reverted and paid for: the next one may take more."""
    node.model.hidden_gas = 2_000
    assert [True] * 3 == [one.new for one in await ledger.record(BATCH)]
    amounts = [int(one["resource_bounds"]["l2_gas"]["max_amount"], 16) for one in node.sent()]
    assert [4_500, 6_750] == amounts


async def test_nothing_is_sent_above_the_cap(url: str, node: Node, tmp_path: Path) -> None:
    """And it goes out as soon as prices have fallen."""
    ledger = _ledger(url, tmp_path, fee=5_000_000)
    await ledger.open()
    node.model.price = 10_000
    with pytest.raises(TransientError) as raised:
        await ledger.record(BATCH)
    assert ("fee-over-cap", []) == (raised.value.code, node.sent())
    node.model.price = 1_000
    await ledger.record(BATCH)
    assert 1 == len(node.sent())
    await ledger.close()


async def test_a_proof_too_long_for_a_transaction_is_refused(ledger: StarknetLedger, node: Node) -> None:
    """Before anything is estimated, by code."""
    node.model.facts.clear()
    with pytest.raises(RefusedEntry) as refused:
        await ledger.register(BATCH[0].fact, bytes(100))
    assert ("calldata-too-long", []) == (refused.value.code, node.sent())


async def test_accounts_share_the_work_without_clashes(ledger: StarknetLedger, node: Node) -> None:
    """Seven decisions in two transactions: one of each account, neither waiting for the other."""
    batch = decisions(*"abcdefg")
    node.model.facts[batch[0].fact.fact_hash] = [(96, configuration(PRESET))]
    assert [True] * 7 == [one.new for one in await ledger.record(batch)]
    assert ["0xa1", "0xa2"] == sorted(one["sender_address"] for one in node.sent())


async def test_a_transaction_without_outcome_is_not_doubled(url: str, node: Node, tmp_path: Path) -> None:
    """It waits in the node beyond our patience, over an end of the process, and is then found by its hash."""
    ledger = _ledger(url, tmp_path, confirm_s=0.05)
    await ledger.open()
    node.model.holding = True
    for _ in range(2):
        with pytest.raises(TransientError) as raised:
            await ledger.record(BATCH)
        assert "transaction-pending" == raised.value.code
    await ledger.close()
    node.model.execute_waiting()
    (hash_,) = node.model.transactions
    ledger = _ledger(url, tmp_path)
    await ledger.open()
    assert [Receipt(False, hash_)] * 3 == await ledger.record(BATCH)
    assert 1 == len({str(one) for one in node.sent()})
    await ledger.close()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"min_bits": 60}, None),
        ({"program": 1}, "accepts_program"),
        ({"presets": ()}, "accepts_configuration"),
        ({"accounts": (0xA1, 0xA3)}, "may_record"),
    ],
)
async def test_a_contract_that_would_refuse_is_found_out_before_anything_is_sent(
    url: str, node: Node, tmp_path: Path, change: dict[str, Any], what: str | None
) -> None:
    """Program, configuration, recorder: asked of the contract at the start."""
    for name, value in change.items():
        setattr(node.model, name, value)
    ledger = _ledger(url, tmp_path)
    if what is None:
        await ledger.open()
        await ledger.close()
        return
    with pytest.raises(LedgerMisconfigured, match=what) as raised:
        await ledger.open()
    assert ("chain-contract", []) == (raised.value.code, node.sent())


async def test_a_node_that_is_not_up_yet_is_waited_for(url: str, node: Node, tmp_path: Path) -> None:
    """An error and a dropped connection at the start are transient; the ledger opens as soon as there is an answer."""
    ledger = _ledger(url, tmp_path)
    for how, code in (("unexpected", "chain-malfunction"), ("drop", "chain-away"), ("garbage", "chain-away")):
        node.next_of("chainId", how)
        with pytest.raises(TransientError) as raised:
            await ledger.open()
        assert code == raised.value.code
    await ledger.open()
    assert await ledger.missing() is None
    await ledger.close()


@pytest.mark.parametrize("method", ["_getNonce", "_estimateFee", "_call", "_getTransactionStatus"])
@pytest.mark.parametrize("answer", [None, "strange", {}])
async def test_answers_of_another_form_are_no_answers(
    ledger: StarknetLedger, node: Node, method: str, answer: Any
) -> None:
    """Whatever the node says instead, nothing breaks, and nothing is lost."""
    real = getattr(node, method)
    said = iter([answer])
    setattr(node, method, lambda params: _first(said, real, params))
    with suppress(ChainAway):
        await ledger.record(BATCH)
    assert all(isinstance(one, Receipt) for one in await ledger.record(BATCH))
    assert {1} == set(node.model.executed.values())


def _first(said: Iterator[Any], real: Callable[[Any], Any], params: Any) -> Any:
    """The answer that was prepared, once; then the real one."""
    nothing = object()
    found = next(said, nothing)
    return real(params) if found is nothing else found


async def test_the_double_refuses_as_a_real_node_does(node: Node, chain: ChainModel) -> None:
    """Code, message, and the words that are read: those recorded of a real node."""
    memory = MemoryChain(chain)
    call = record(REGISTRY, decisions("another")[0])
    bounds = await memory.estimate(0xA1, 0, [record(REGISTRY, BATCH[0])])
    first, ahead, low = [
        await memory.sign(0xA1, nonce, [call], fees)
        for nonce, fees in ((0, bounds), (2, bounds), (1, bounds.times(1, 0.5)))
    ]
    await memory.send(first)
    chain.gas_limit = 0
    for name, question in {
        "duplicate": lambda: memory.send(first),
        "nonce ahead": lambda: memory.send(ahead),
        "bounds": lambda: memory.send(low),
        "estimate: nonce": lambda: memory.estimate(0xA1, 7, [call]),
        "estimate: panic": lambda: memory.estimate(0xA1, 1, [call]),
        "estimate: out of gas": lambda: memory.estimate(0xA1, 1, [record(REGISTRY, BATCH[0])]),
        "hash unknown": lambda: memory.status("0xabc"),
    }.items():
        real = EXCHANGES[name]
        with pytest.raises(NodeRefusal) as refused:
            await question()
        assert (real["code"], real["message"]) == (refused.value.code, refused.value.message)
        said = [reason_of(revert_text(one)) for one in (NodeRefusal(**real), refused.value)]
        assert "estimate" not in name or said[0] == said[1]
    real, said = EXCHANGES["reverted: panic"], node._getTransactionStatus({"transaction_hash": first.hash})
    assert real.keys() == said.keys()
    assert reason_of(real["failure_reason"]) == reason_of(said["failure_reason"])


async def test_another_chain_is_refused(url: str, node: Node, tmp_path: Path) -> None:
    """By what the node says its chain is."""
    node.chain_id = "SN_MAIN"
    with pytest.raises(LedgerMisconfigured) as raised:
        await _ledger(url, tmp_path).open()
    assert "chain-other-network" == raised.value.code

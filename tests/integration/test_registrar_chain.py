"""The registrar on a real broker and a node on loopback: from attestations to records on chain, and over kills.

Stone's verifier is a double here, as in tests/unit/client_cases.py: it accepts one blob. The chain is one in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starknet_py", reason="the extra `chain` is not installed")

from tests.double.chain import BITS, PRESET, REGISTRY
from tests.double.node import CHAIN_ID, Node, serving
from tests.integration.registrar_runs import (
    Settings,
    registered,
    running,
    say,
    say_all,
    until,
)
from tests.integration.registrar_runs import kafka as kafka
from tests.integration.registrar_runs import settings as settings
from tests.unit.client_cases import BLOB, Published, facts, published, signed
from tests.unit.registrar_cases import model

from proofrail.cairo.risk_program import allocation_felt
from proofrail.client import proofs
from proofrail.messaging.settings import KafkaSettings
from proofrail.proving import verifier as stwo
from proofrail.proving.backend import Verified
from proofrail.proving.message import claims
from proofrail.proving.policy import Policy
from proofrail.proving.statement import Expected
from proofrail.wire import topics
from proofrail.wire.canonical import felt_hex, parse_felt

pytestmark = pytest.mark.kafka


class Stone:
    """Takes BLOB for a proof by Stone that fits PRESET."""

    NAME = "stone"

    @staticmethod
    def what_it_states(proof: bytes) -> Expected:
        return stwo.what_it_states(proof)

    @staticmethod
    def verify(proof: bytes, expected: Expected, policy: Policy) -> Verified:
        found = stwo.verify(proof, expected, replace(policy, backends=("stwo",), presets=None))
        fact = parse_felt(found.identities["fact_hash"])
        members = {
            **vars(PRESET),
            "preset": PRESET.name,
            "config_hash": felt_hex(PRESET.config_hash),
            "verification_hash": felt_hex(PRESET.verification_hash(fact, BITS)),
        }
        return replace(
            found,
            parameters={**found.parameters, "query_bits": BITS},
            identities={**found.identities, **members},
        )


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Published:
    """A run of the chain build, attested with a proof by Stone."""
    made = published(monkeypatch, facts(chain=True))
    monkeypatch.setattr(proofs, "_VERIFIERS", {"stone": Stone})
    verified = Stone.verify(BLOB, stwo.what_it_states(BLOB), Policy())
    proof = type(made.proof).model_validate(
        {**made.proof.to_object(), "backend": "stone", **claims(verified)}
    )
    attestations = tuple(
        signed(one, proof={**one.proof.to_object(), "backend": "stone"}) for one in made.attestations
    )
    return replace(made, proof=proof, attestations=attestations)


@pytest.fixture
def node(run: Published) -> Node:
    made = Node(model())
    made.model.proofs[(7, 7)] = (parse_felt(run.proof.identities["fact_hash"]), BITS)
    return made


@pytest.fixture
def on_chain(node: Node, tmp_path: Path) -> Iterator[dict[str, Any]]:
    wallet = tmp_path / "wallet"
    wallet.write_text("0xa1 0x1234\n0xa2 0x5678\n")
    wallet.chmod(0o600)
    with serving(node) as url:
        yield {
            "registrar_ledger": "starknet",
            "chain_url": url,
            "chain_network": CHAIN_ID,
            "chain_contract": hex(REGISTRY),
            "chain_wallet_file": wallet,
            "chain_poll_s": 0.02,
            "chain_confirm_s": 1.0,
            "chain_timeout_s": 1.0,
            "registrar_presets": PRESET.name,
            "calldata_command": "sh -c 'echo 7 7'",
        }


async def test_attestations_are_recorded_on_chain_once(
    kafka: KafkaSettings,
    settings: Settings,
    run: Published,
    node: Node,
    on_chain: dict[str, Any],
    tmp_path: Path,
) -> None:
    """One transaction for the fact and one for both decisions, though the first answer is lost; published with their
    hashes. A second registrar that has lost its position sends nothing."""
    node.next_of("addInvokeTransaction", "take, then drop")
    await say_all(kafka, run)
    await say(kafka, *((topics.ATTESTATIONS, one) for one in run.attestations))
    async with running(settings(**on_chain)):
        found = await registered(kafka, 2)
    assert [("seed", "recorded"), ("full", "recorded")] == [(one.allocation_id, one.outcome) for one in found]
    fact, record = node.model.transactions
    assert {(fact, record)} == {(one.fact.transaction, one.transaction) for one in found if one.fact}
    assert {PRESET.name} == {one.fact.preset for one in found if one.fact}
    assert {allocation_felt("seed"), allocation_felt("full")} == set(node.model.decisions)
    (tmp_path / "registrar" / "position").unlink()
    async with running(settings(**on_chain)) as context:
        await until(lambda: context._ready)
        await until(lambda: context.metrics.registry.get_sample_value("proofrail_in_flight") == 0)
    assert (2, {1}) == (len(node.sent()), set(node.model.executed.values()))


async def test_a_registrar_that_ends_while_its_transaction_waits_leaves_it_to_the_next(
    kafka: KafkaSettings, settings: Settings, run: Published, node: Node, on_chain: dict[str, Any]
) -> None:
    """The next one finds the transaction in the journal, follows it to its end, and names it in what it publishes."""
    node.model.holding = True
    await say_all(kafka, run)
    await say(kafka, *((topics.ATTESTATIONS, one) for one in run.attestations))
    async with running(settings(**on_chain)):
        await until(lambda: len(node.model.transactions) == 1)
    (fact,) = node.model.transactions
    node.model.holding = False
    node.model.execute_waiting()
    async with running(settings(**on_chain)):
        found = await registered(kafka, 2)
    assert {fact} == {one.fact.transaction for one in found if one.fact}
    assert {1} == set(node.model.executed.values())


@pytest.mark.parametrize("restarted", [False, True])
async def test_what_the_chain_takes_back_is_recorded_again_and_said(
    kafka: KafkaSettings,
    settings: Settings,
    run: Published,
    node: Node,
    on_chain: dict[str, Any],
    restarted: bool,
) -> None:
    """After a reorganisation with other prices the old transactions cannot be sent again: each decision is recorded in
    a new one, and a registration says which one it replaces, once. So it is, too, when the registrar was not there to
    see it."""
    take_back = node.model.fork()
    given = {**on_chain, "chain_look_again_s": 0.1 if not restarted else 1e6}
    await say_all(kafka, run)
    await say(kafka, *((topics.ATTESTATIONS, one) for one in run.attestations))
    async with running(settings(**given)):
        first = await registered(kafka, 2)
        if not restarted:
            take_back()
            node.model.price *= 2
            await registered(kafka, 4)
    if restarted:
        take_back()
        node.model.price *= 2
    for _ in range(2):
        async with running(settings(**given)) as context:
            await registered(kafka, 4)
            await until(lambda c=context: c._ready)
            await until(lambda c=context: c.metrics.registry.get_sample_value("proofrail_in_flight") == 0)
    said = await registered(kafka)
    assert first == said[:2]
    assert [(one.attestation, "recorded", one.transaction) for one in first] == [
        (one.attestation, one.outcome, one.replaces) for one in said[2:]
    ]
    stands = {hash_ for hash_, one in node.model.transactions.items() if one.reverted is None}
    assert {one.transaction for one in said[2:]} <= stands
    assert {1} == set(node.model.executed.values())

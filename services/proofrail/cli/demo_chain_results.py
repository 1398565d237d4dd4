"""What became of a demo's proposals on chain: asked of the node itself, not of the registrar."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from proofrail.cli.chain_ask import said
from proofrail.cli.demo_chain_follow import Journey
from proofrail.client import Attestation, Registration
from proofrail.proving.stone.calldata_size import AROUND_A_PROOF
from proofrail.registrar.settings import RegistrarSettings
from proofrail.registrar.starknet.asking import Answer, DecisionContract
from proofrail.registrar.starknet.deploy import asked
from proofrail.registrar.starknet.node import Node, Paid
from proofrail.wire.canonical import felt_hex

VERIFIED: Final = "Every proof was verified on chain, by Integrity's verifier."
NOT_VERIFIED: Final = (
    "NOTHING WAS VERIFIED ON CHAIN: the registry of facts of this demo is a stand-in that believes what a proof says "
    "of itself. The proof was verified off chain, by Stone's verifier. --integrity DIR deploys the real one."
)
_PUBLIC: Final[int] = RegistrarSettings.model_fields["chain_max_calldata"].default


@dataclass(frozen=True)
class Place:
    """Where the demo's chain is, and what is deployed there."""

    url: str
    network: str
    contract: int
    fact_registry: int
    verified_on_chain: bool


@dataclass(frozen=True)
class Result:
    """One allocation: what was attested, what the registrar did, and what the contract says of the proposed shares."""

    attestation: Attestation
    digest: str
    registration: Registration | None
    answer: Answer

    @property
    def wrong(self) -> str | None:
        """What is not as it must be."""
        name, registration = self.attestation.allocation_id, self.registration
        if registration is None:
            return f"{name}: not recorded in time"
        if registration.outcome != "recorded":
            return f"{name}: refused by the registrar: {registration.code}: {registration.message}"
        stored = self.answer.stored
        if stored is None or stored.verdict != self.attestation.verdict:
            return f"{name}: the contract does not hold what was attested"
        if self.answer.approved != self.attestation.approved:
            return f"{name}: the contract's answer is not the attested decision"
        return None


@dataclass(frozen=True)
class Results:
    """All allocations, and what their transactions took, by hash. `felts`: calldata of the proofs."""

    place: Place
    allocations: list[Result]
    paid: Mapping[str, Paid]
    felts: Mapping[str, int]
    seconds: float
    """From publication to the contract's last answer."""

    def records(self) -> Counter[str]:
        """Decisions by the transaction that recorded them."""
        return Counter(
            one.registration.transaction
            for one in self.allocations
            if one.registration is not None and one.registration.transaction is not None
        )

    def facts(self) -> dict[str, str | None]:
        """The transaction that registered each fact, by the fact's hash."""
        return {
            one.registration.fact.fact_hash: one.registration.fact.transaction
            for one in self.allocations
            if one.registration is not None and one.registration.fact is not None
        }


async def look_up(place: Place, journey: Journey) -> Results:
    """Ask the node about each attested allocation and each transaction. Raises TransientError."""
    async with Node(place.url, 30.0) as node:
        contract = DecisionContract(node, place.contract)
        allocations = [
            Result(
                attestation,
                digest,
                journey.registrations.get(digest),
                await contract.answer(attestation.allocation_id, attestation.proposed_bps),
            )
            for digest, attestation in journey.attestations.items()
        ]
        results = Results(place, allocations, {}, {}, journey.seconds)
        proofs = [one for one in results.facts().values() if one is not None]
        paid = {one: await asked(node.paid(one)) for one in (*proofs, *results.records())}
        felts = {one: len(await asked(node.calldata(one))) - AROUND_A_PROOF for one in proofs}
        return Results(place, allocations, paid, felts, results.seconds)


def lines(results: Results) -> list[dict[str, Any]]:
    """One object for each allocation."""
    return [_line(results.place, one) for one in results.allocations]


def _line(place: Place, one: Result) -> dict[str, Any]:
    attestation, registration = one.attestation, one.registration
    found: dict[str, Any] = {
        "v": 1,
        "type": "DecisionOnChain",
        "network": place.network,
        "contract": felt_hex(place.contract),
        "allocation_id": attestation.allocation_id,
        **said(one.answer),
        "attestation": one.digest,
        "run_id": attestation.run_id,
        "proof": attestation.proof.digest,
        "security_bits": attestation.proof.security_bits,
        "verified_on_chain": place.verified_on_chain,
    }
    if registration is not None:
        found |= {
            name: value
            for name, value in registration.to_object().items()
            if name in ("outcome", "fact", "transaction", "code", "message")
        }
    return found


def totals(results: Results, journey: Journey) -> dict[str, Any]:
    """What it took, in one object."""
    place, proofs = results.place, list(results.felts)
    approved = sum(one.answer.approved for one in results.allocations)
    return {
        "v": 1,
        "type": "ChainDemo",
        "network": place.network,
        "node": place.url,
        "contract": felt_hex(place.contract),
        "fact_registry": felt_hex(place.fact_registry),
        "verified_on_chain": place.verified_on_chain,
        "recorded": sum(one.answer.stored is not None for one in results.allocations),
        "approved": approved,
        "runs": len(journey.proofs),
        "prove_ms": sum(int(proof.timings["prove"]) for proof in journey.proofs.values()),
        "proof_bytes": sum(proof.size for proof in journey.proofs.values()),
        "calldata_felts": sum(results.felts.values()),
        "register_l2_gas": sum(results.paid[one].l2_gas for one in proofs),
        "record_l2_gas": sum(results.paid[one].l2_gas for one in results.records()),
        "fee_fri": felt_hex(sum(one.fee for one in results.paid.values())),
        "reached_ms": {stage: round(1000 * at) for stage, at in journey.reached.items()},
        "total_ms": round(1000 * results.seconds),
    }


def print_results(console: Console, results: Results, journey: Journey, wrong: list[str]) -> None:
    """Allocations first, then the transactions, then what it took, what went `wrong`, and last what it is worth."""
    console.print(
        Text(f"\n{'allocation':<24} {'decision':<9} {'attestation':<13} the contract says", style="bold")
    )
    for one in results.allocations:
        console.print(_row(one), soft_wrap=True, highlight=False)
    console.print()
    for name, text in (*_transactions(results, journey), *_totals(results, journey)):
        console.print(Text(f"{name:<12} {text}"), soft_wrap=True, highlight=False)
    for what in wrong:
        console.print(Text(f"✗ {what}", style="red"), soft_wrap=True)
    if results.place.verified_on_chain:
        console.print(f"\n{VERIFIED}", soft_wrap=True)
    else:
        console.print(Text(f"\n{NOT_VERIFIED}", style="bold yellow"), soft_wrap=True)


def _transactions(results: Results, journey: Journey) -> Iterator[tuple[str, str]]:
    place = results.place
    yield "contract", f"{felt_hex(place.contract)} on {place.network}, a local chain"
    for proof in journey.proofs.values():
        seconds = int(proof.timings["prove"]) / 1000
        yield (
            "proof",
            f"{proof.digest} of run {proof.run_id[:8]}: {proof.security_bits} bits, {proof.size / 1000:.0f} kB, "
            f"made in {seconds:.1f} s",
        )
    for fact, transaction in results.facts().items():
        yield "fact", fact
        if transaction is not None:
            paid, felts = results.paid[transaction], results.felts[transaction]
            yield (
                " registered",
                f"{transaction}: {felts:,} felts of calldata, {paid.l2_gas / 1e6:.1f} M l2_gas",
            )
            if felts + AROUND_A_PROOF > _PUBLIC:
                yield "", f"(public networks take {_PUBLIC:,} felts: see `proofrail demo --help`)"
    for transaction, count in results.records().items():
        gas = results.paid[transaction].l2_gas
        each = f", {gas / count / 1e6:.2f} M each" if count > 1 else ""
        yield " recorded", f"{transaction}: {_number(count, 'decision')}, {gas / 1e6:.1f} M l2_gas{each}"


def _totals(results: Results, journey: Journey) -> Iterator[tuple[str, str]]:
    took = totals(results, journey)
    recorded, approved = took["recorded"], took["approved"]
    fee = sum(one.fee for one in results.paid.values()) / 10**18
    yield (
        "in all",
        f"{_number(recorded, 'decision')} recorded ({approved} approved, {recorded - approved} rejected), "
        f"{(took['register_l2_gas'] + took['record_l2_gas']) / 1e6:.1f} M l2_gas, {fee:.4f} STRK at local prices",
    )
    stages = ", ".join(f"{stage} {at:.1f} s" for stage, at in journey.reached.items())
    yield "time", f"{stages}; proposal to is_approved {results.seconds:.1f} s"


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def _row(one: Result) -> Text:
    attestation = one.attestation
    decision = "approved" if attestation.approved else "rejected"
    shares = "/".join(map(str, attestation.proposed_bps))
    row = Text(f"{attestation.allocation_id:<24} ")
    row.append(f"{decision:<9} ", style="green" if attestation.approved else "yellow")
    row.append(f"{one.digest[:12]}  is_approved({shares}) = ")
    row.append(
        "true" if one.answer.approved else "false", style="bold green" if one.answer.approved else "bold"
    )
    return row

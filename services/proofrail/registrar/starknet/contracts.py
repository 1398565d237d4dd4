"""The calls of the two contracts, and what their views answer: cairo/contracts/decision_registry.cairo, and Integrity's
registry of facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from proofrail.proving.stone.presets import Preset
from proofrail.registrar.ledger import Decision, Fact, LedgerMisconfigured
from proofrail.registrar.starknet.chain import Call

_VERIFICATION_FELTS: Final = 6
_SHARE_BITS: Final = 14
_VERDICT_BITS: Final = 6


@dataclass(frozen=True)
class Verification:
    """One verification of a fact: bits as the registry counts them, and the felts of its configuration."""

    bits: int
    configuration: tuple[int, ...]


def record(registry: int, decision: Decision) -> Call:
    """DecisionRegistry.record."""
    place, (_, count, root) = decision.place, decision.fact.output
    arguments = (
        decision.fact.program_hash,
        count,
        root,
        len(place.row),
        *place.row,
        place.index,
        len(place.path),
        *place.path,
    )
    return Call(registry, "record", arguments)


def decision_of(registry: int, allocation: int) -> Call:
    """DecisionRegistry.decision."""
    return Call(registry, "decision", (allocation,))


@dataclass(frozen=True)
class Stored:
    """A recorded decision, as far as the contract tells."""

    inputs_hash: int
    verdict: int
    leaf: int


def read_decision(answer: Sequence[int]) -> Stored | None:
    """From what `decision` answers: recorded, inputs_hash, verdict, leaf. None where nothing is recorded."""
    recorded, inputs_hash, verdict, leaf = _of_length(answer, 4, "decision")
    return Stored(inputs_hash, verdict, leaf) if recorded else None


def read_leaf(answer: Sequence[int]) -> int | None:
    """The leaf of a recorded decision."""
    stored = read_decision(answer)
    return None if stored is None else stored.leaf


def is_approved(registry: int, allocation: int, shares: Sequence[int]) -> Call:
    """DecisionRegistry.is_approved; shares in basis points, in the proposal's order."""
    return Call(registry, "is_approved", (allocation, len(shares), *shares))


def read_shares(outcome: int) -> tuple[int, ...]:
    """The proposed shares in a felt of the contract's storage `outcomes`: a one, 14 bits a share, 6 of the verdict."""
    packed, shares = outcome >> _VERDICT_BITS, []
    while packed > 1:
        packed, share = divmod(packed, 1 << _SHARE_BITS)
        shares.append(share)
    return tuple(reversed(shares))


def verifications_of(facts: int, fact_hash: int) -> Call:
    """IFactRegistry.get_all_verifications_for_fact_hash."""
    return Call(facts, "get_all_verifications_for_fact_hash", (fact_hash,))


def read_verifications(answer: Sequence[int]) -> list[Verification]:
    """From what `get_all_verifications_for_fact_hash` answers: their number, then verification_hash, security_bits and
    four felts of configuration for each."""
    count = answer[0] if answer else -1
    felts = _of_length(answer, 1 + count * _VERIFICATION_FELTS, "get_all_verifications_for_fact_hash")[1:]
    return [
        Verification(felts[at + 1], tuple(felts[at + 2 : at + _VERIFICATION_FELTS]))
        for at in range(0, len(felts), _VERIFICATION_FELTS)
    ]


def verify(facts: int, fact: Fact, calldata: Sequence[int]) -> Call:
    """IFactRegistry.verify_proof_full_and_register_fact."""
    if fact.preset is None:
        raise ValueError("a fact without a preset cannot be verified on chain")
    return Call(facts, "verify_proof_full_and_register_fact", (*configuration(fact.preset), *calldata))


def configuration(preset: Preset) -> tuple[int, ...]:
    """A preset as four short strings."""
    return tuple(int.from_bytes(text.encode("ascii"), "big") for text in vars(preset).values())


def read_one(answer: Sequence[int], function: str) -> int:
    """The one felt that a view answers."""
    return _of_length(answer, 1, function)[0]


def _of_length(answer: Sequence[int], length: int, function: str) -> Sequence[int]:
    if len(answer) != length:
        raise LedgerMisconfigured(
            "chain-contract",
            f"{function} answers {len(answer)} felts where {length} were due",
            "The address is another contract's: check PROOFRAIL_CHAIN_CONTRACT",
        )
    return answer

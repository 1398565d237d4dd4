"""Decisions of the chain build over made-up proposals, and ledgers to put them in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.double.chain import BITS, PRESET, REGISTRY, ChainModel

from proofrail.cairo import risk_rows
from proofrail.cairo.risk_program import load_chain
from proofrail.cairo.row_path import row_paths
from proofrail.proving.stone.presets import Preset
from proofrail.registrar.ledger import Decision, Fact
from proofrail.registrar.starknet.chain import Chain, Finality
from proofrail.registrar.starknet.ledger import StarknetLedger
from proofrail.registrar.starknet.sender import Limits
from proofrail.wire.canonical import canonical
from proofrail.wire.proposals import parse_proposal

PROGRAM = int(load_chain().method_id, 16)


def form(allocation_id: str, risk: int = 35) -> dict[str, Any]:
    """A proposal in normal form."""
    return parse_proposal(
        canonical(
            {
                "v": 1,
                "type": "AllocationProposal",
                "allocation_id": allocation_id,
                "protocols": [
                    {"name": "jediswap", "apy_bps": 850, "proposed_bps": 4400, "risk": risk},
                    {"name": "ekubo", "apy_bps": 1210, "proposed_bps": 5600, "risk": 39},
                ],
            }
        )
    ).normal_form()


def decisions(*ids: str, risk: int = 35, preset: Preset | None = PRESET, bits: int = BITS) -> list[Decision]:
    """The decisions of one run of the chain build."""
    forms = [form(one, risk) for one in ids]
    fact = Fact(PROGRAM, tuple(risk_rows.expected_output(forms)), preset, bits, "0" * 64)
    return [Decision(one, fact, place) for one, place in zip(ids, row_paths(forms), strict=True)]


class Serializer:
    """A `Calldata` that gives each proof the felts of its bytes."""

    async def felts(self, proof: bytes, preset: Preset) -> list[int]:
        return [len(proof), *proof]


@dataclass(frozen=True)
class Scribe:
    """A `Signer` whose signatures no chain would take, at no cost: a real one takes 75 ms."""

    accounts: tuple[int, ...] = (0xA1, 0xA2)

    async def sign(self, account: int, transaction: int, payload: Mapping[str, Any]) -> list[int]:
        return [account, transaction]


def proven(model: ChainModel, fact: Fact, proof: bytes = b"proof") -> bytes:
    """Have the model's verifier accept `proof` for the fact."""
    model.proofs[(len(proof), *proof)] = (fact.fact_hash, fact.bits)
    return proof


def starknet_ledger(chain: Chain, path: Path, **changed: Any) -> StarknetLedger:
    limits = {
        "fee": 10**12,
        "felts": 100,
        "confirm_s": 0.05,
        "poll_s": 0.0,
        "finality": Finality.ACCEPTED_ON_L2,
    }
    limits |= {name: changed.pop(name) for name in list(changed) if name in limits}
    given: dict[str, Any] = {
        "network": "SN_TEST",
        "contract": REGISTRY,
        "presets": [PRESET.name],
        "programs": [PROGRAM],
        "batch": 4,
        "watched_s": 86_400.0,
        **changed,
    }
    calldata = given.pop("calldata", Serializer())
    return StarknetLedger(chain, path / "transactions.sqlite", calldata, Limits(**limits), **given)


def model() -> ChainModel:
    return ChainModel(PROGRAM)

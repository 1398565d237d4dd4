"""Deploy a DecisionRegistry and print where it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proofrail.cairo.risk_program import load_chain
from proofrail.cli.chain_ask import answered, described, felt_option
from proofrail.cli.output import emit_json, emit_table, note
from proofrail.client.logs import log_like_a_library
from proofrail.proving.stone.presets import check_strong, preset_named
from proofrail.registrar.settings import ON_CHAIN_PRESETS
from proofrail.registrar.starknet.asking import DecisionContract, Terms
from proofrail.registrar.starknet.classes import REGISTRY, packaged
from proofrail.registrar.starknet.contracts import configuration
from proofrail.registrar.starknet.deploy import (
    Deployed,
    asked,
    deployment,
    network_of,
    registry_arguments,
)
from proofrail.registrar.starknet.signer import KeyFile
from proofrail.wire.canonical import felt_hex
from proofrail.wire.errors import UnusableInputError


@dataclass(frozen=True)
class Wanted:
    """What the contract is to accept, as on the command line: empty for what is usual."""

    fact_registry: str
    recorders: tuple[str, ...]
    anyone: bool
    programs: tuple[str, ...]
    presets: tuple[str, ...]
    min_bits: int


async def run_deploy(
    url: str, wallet: Path, wanted: Wanted, network: str | None, max_fee: int, json: bool
) -> None:
    """Deploy and print."""
    log_like_a_library()
    signer = KeyFile.read(wallet)
    facts, arguments = _arguments(wanted, signer)
    found, terms = await answered(_deployed(url, signer, facts, arguments, network, max_fee))
    if terms.verifies_nothing:
        note(
            "Its registry of facts verifies nothing: a stand-in for demonstrations. Nothing in it is proven."
        )
    if json:
        emit_json(found)
        return
    emit_table(
        [
            ("contract", f"{found['contract']} on {found['network']}"),
            ("class", found["class_hash"]),
            ("transaction", found.get("transaction", "none: it was there already")),
            *((("fee", f"{int(found['fee_fri'], 16) / 10**18:.6f} STRK"),) if "fee_fri" in found else ()),
        ]
    )
    note(
        "\nThe registrar's settings for it, beside PROOFRAIL_CHAIN_URL: PROOFRAIL_REGISTRAR_LEDGER=starknet "
        f"PROOFRAIL_CHAIN_NETWORK={found['network']} PROOFRAIL_CHAIN_CONTRACT={found['contract']} "
        f"PROOFRAIL_CHAIN_WALLET_FILE={wallet}"
    )


def _arguments(wanted: Wanted, signer: KeyFile) -> tuple[int, list[int]]:
    """The registry of facts, and all that the constructor takes."""
    if wanted.anyone and wanted.recorders:
        raise UnusableInputError(
            "chain-options", "--anyone and --recorder contradict each other", "Leave one of them out."
        )
    named = [felt_option(one, "--recorder") for one in wanted.recorders] or list(signer.accounts)
    programs = [felt_option(one, "--program") for one in wanted.programs or (load_chain().method_id,)]
    presets = [preset_named(name) for name in wanted.presets or ON_CHAIN_PRESETS]
    check_strong(presets, wanted.min_bits)
    facts = felt_option(wanted.fact_registry, "--fact-registry")
    return facts, registry_arguments(
        facts,
        programs,
        [configuration(preset) for preset in presets],
        wanted.min_bits,
        [] if wanted.anyone else named,
    )


async def _deployed(
    url: str, signer: KeyFile, facts: int, arguments: list[int], network: str | None, max_fee: int
) -> tuple[dict[str, Any], Terms]:
    async with deployment(url, signer, network=network, max_fee=max_fee, say=note) as own:
        if await asked(own.node.class_at(facts)) is None:
            raise UnusableInputError(
                "contract-not-found",
                f"no contract is at {felt_hex(facts)}, which was to be the registry of facts",
                "Name Integrity's FactRegistry on this network: it could not be corrected later.",
            )
        deployed = await own.deploy(packaged(REGISTRY), arguments)
        contract = DecisionContract(own.node, deployed.address)
        programs = arguments[2 : 2 + arguments[1]]
        terms = await contract.terms(programs, signer.accounts)
        return _told(await network_of(own.node), deployed, terms), terms


def _told(network: str, deployed: Deployed, terms: Terms) -> dict[str, Any]:
    found = described(network, deployed.address, terms) | {"new": deployed.transaction_hash is not None}
    if deployed.transaction_hash is not None:
        found["transaction"] = deployed.transaction_hash
    if deployed.gas is not None:
        found |= {"l2_gas": deployed.gas.l2_gas, "fee_fri": felt_hex(deployed.gas.fee)}
    return found

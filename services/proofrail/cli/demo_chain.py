"""`proofrail demo --chain`: the main job all the way, until a contract on a local Starknet chain gives the answer."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Final

from rich.console import Console

from proofrail.cairo.risk_builds import CHAIN
from proofrail.cairo.risk_program import load_chain, samples
from proofrail.cli.demo_chain_follow import journey
from proofrail.cli.demo_chain_results import Place, lines, look_up, print_results, totals
from proofrail.cli.demo_parts import PRESET, Parts
from proofrail.cli.devnet import Devnet
from proofrail.cli.home import Home
from proofrail.cli.keys import read_vkeys
from proofrail.cli.launch import LaunchedSystem, Say
from proofrail.cli.live import LiveLine, telling
from proofrail.cli.output import Exit, emit_json, note
from proofrail.cli.propose import read_proposals, unfinished
from proofrail.cli.table import DecisionTable
from proofrail.cli.terminal import SafeConsole
from proofrail.client import Attestation, AuditReport, DeadLetter, KafkaSettings, Trust, propose
from proofrail.proving.policy import DEFAULT_SECURITY_BITS
from proofrail.registrar.starknet.classes import REGISTRY, STAND_IN, packaged
from proofrail.registrar.starknet.contracts import configuration
from proofrail.registrar.starknet.deploy import deployment, network_of, registry_arguments
from proofrail.registrar.starknet.signer import KeyFile
from proofrail.tracer.settings import TracerSettings
from proofrail.wire.canonical import JsonObject, felt_hex, parse_felt
from proofrail.wire.proposals import parse_proposal

_POLL_S: Final = 0.1
_GATHER_MS: Final = 200


async def run_chain_demo(
    values: list[bytes] | None, parts: Parts, json: bool, keep: bool, timeout_s: float
) -> Exit:
    """Run it all with these proposals, by default as many of the samples as one run holds; the exit status."""
    home = Home(Path(tempfile.mkdtemp(prefix="proofrail-demo-")))
    console = SafeConsole(stderr=json, highlight=False)
    progress = LiveLine(SafeConsole(stderr=True, highlight=False))
    devnet = Devnet(parts.devnet, home, leash=not keep)
    system: LaunchedSystem | None = None
    finished = False
    try:
        progress.say("starting starknet-devnet")
        await devnet.start()
        place = await _deployed(devnet, parts, progress.say)
        system = LaunchedSystem(home, leash=not keep, env=_settings(devnet, place), explorer=keep)
        await system.start(progress.say)
        progress.end()
        status = await _journey(home, place, values or _samples(), console, json, timeout_s, progress)
        finished = True
        return status
    finally:
        progress.end()
        if keep and finished:
            _tell_kept(home, place)
        else:
            if system is not None:
                await system.stop()
            await devnet.stop()
            if not keep:
                shutil.rmtree(home.root, ignore_errors=True)


async def _deployed(devnet: Devnet, parts: Parts, say: Say) -> Place:
    """Both contracts on the chain: the registry of facts, real or stand-in, and ours, which asks it."""
    wallet = KeyFile.read(devnet.wallet)
    (account,) = wallet.accounts
    async with deployment(devnet.url, wallet) as own:
        say("deploying the registry of facts")
        if parts.integrity is None:
            facts = await own.deploy(packaged(STAND_IN), [])
        else:
            facts = await parts.integrity.deploy(own, account)
        say("deploying DecisionRegistry")
        arguments = registry_arguments(
            facts.address,
            [parse_felt(load_chain().method_id)],
            [configuration(PRESET)],
            DEFAULT_SECURITY_BITS,
            [account],
        )
        contract = await own.deploy(packaged(REGISTRY), arguments)
        network = await network_of(own.node)
    return Place(devnet.url, network, contract.address, facts.address, parts.integrity is not None)


def _settings(devnet: Devnet, place: Place) -> dict[str, str]:
    return {
        "PROOFRAIL_PROGRAM": CHAIN.name,
        "PROOFRAIL_GATHER_MS": str(_GATHER_MS),
        "PROOFRAIL_PROVER_BACKENDS": "stone",
        "PROOFRAIL_MIN_SECURITY_BITS": str(DEFAULT_SECURITY_BITS),
        "PROOFRAIL_REGISTRY_PRESETS": PRESET.name,
        "PROOFRAIL_REGISTRY_NETWORK": place.network,
        "PROOFRAIL_REGISTRY_ADDRESS": felt_hex(place.fact_registry),
        "PROOFRAIL_REGISTRAR_LEDGER": "starknet",
        "PROOFRAIL_REGISTRAR_PRESETS": PRESET.name,
        "PROOFRAIL_CHAIN_URL": place.url,
        "PROOFRAIL_CHAIN_NETWORK": place.network,
        "PROOFRAIL_CHAIN_CONTRACT": felt_hex(place.contract),
        "PROOFRAIL_CHAIN_WALLET_FILE": str(devnet.wallet),
        "PROOFRAIL_CHAIN_POLL_S": str(_POLL_S),
        # A devnet takes any number; a proof that fits a public network takes four times as long to make.
        "PROOFRAIL_CHAIN_MAX_CALLDATA": os.environ.get("PROOFRAIL_CHAIN_MAX_CALLDATA", "0"),
    }


async def _journey(
    home: Home,
    place: Place,
    values: list[bytes],
    console: Console,
    json: bool,
    timeout_s: float,
    progress: LiveLine,
) -> Exit:
    kafka = KafkaSettings(bootstrap=home.bootstrap())
    trust = Trust(
        read_vkeys(home.auditor_key.with_suffix(".vkey")), backends=("stone",), presets=(PRESET.name,)
    )
    deadline = time.monotonic() + timeout_s
    wrong: list[str] = []
    async with propose(kafka, values, trust=trust) as proposed, journey(home, kafka, proposed) as found:
        console.print(f"{len(values)} proposals published to a fresh system with a chain of its own\n")
        table = DecisionTable(console)
        table.header()
        async with telling(progress, lambda: found.doing):
            async for settled in proposed.results(timeout_s):
                progress.end()
                table.row(settled, proposed.runs)
                match settled.message:
                    case Attestation() as attestation:
                        found.attested(settled.line, attestation)
                    case AuditReport() as report:
                        wrong.append(f"run {report.run_id} does not match: see its report")
                    case DeadLetter() as letter if settled.published.digest is not None:
                        wrong.append(f"a valid proposal was dead-lettered: {letter.code}: {letter.message}")
            await found.until_registered(deadline - time.monotonic())
        wrong += unfinished(proposed)
        results = await look_up(place, found)
    wrong += [one.wrong for one in results.allocations if one.wrong is not None]
    if json:
        for line in (*lines(results), totals(results, found)):
            emit_json(line)
    print_results(console, results, found, wrong)
    return Exit.NEGATIVE if wrong else Exit.OK


def _tell_kept(home: Home, place: Place) -> None:
    contract = f"--node {place.url} --contract {felt_hex(place.contract)}"
    note(f"\nThe system goes on in {home.root}, and its chain at {place.url}, which ends with it.")
    if page := (home.running() or {}).get("pages", {}).get("explorer"):
        note(f"Look at it:       {page}")
    note(f"Publish more:     proofrail propose FILE --wait --home {home.root}")
    note(f"Ask the contract: proofrail chain show {contract}")
    note(f"                  proofrail chain decision ALLOCATION_ID {contract}")
    note(f"Stop both:        proofrail down --home {home.root}")


def _samples() -> list[bytes]:
    """As many of the sample proposals as one run of the chain build holds: what does not fit is left out."""
    room = TracerSettings.model_construct(program=CHAIN.name).room
    values: list[bytes] = []
    forms: list[JsonObject] = []
    for value in read_proposals(samples()[0].read_bytes().splitlines()):
        form = parse_proposal(value).normal_form()
        if CHAIN.size([*forms, form]).fits(room):
            values.append(value)
            forms.append(form)
    return values

"""Commands around a running system: `up`, `down`, `demo`, `propose`, and each part alone."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from proofrail.artifacts.cache import cache_dir
from proofrail.cli.home import Home
from proofrail.cli.leash import ended_by_sigterm, heed_leash
from proofrail.cli.offline import help_of
from proofrail.cli.output import Exit, ExitError, command, emit_line, note, stderr, wants_json
from proofrail.wire.errors import UnusableInputError

_Settings = TypeVar("_Settings")

HomeOption = Annotated[
    Path | None,
    typer.Option(help="Folder of the system; default PROOFRAIL_HOME or ./.proofrail", show_default=False),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(help=help_of(demo))(demo)
    app.command()(up)
    app.command()(down)
    app.command()(propose)
    app.command()(kafka)
    app.command()(tracer)
    app.command()(prover)
    app.command()(auditor)
    app.command()(registrar)
    app.command()(explorer)


def demo(
    proposals: Annotated[
        Path | None,
        typer.Option(help="NDJSON proposals to publish instead of the samples", show_default=False),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="One attestation a line on stdout, the rest on stderr")
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the system and its data, and say where")
    ] = False,
    timeout: Annotated[
        float | None,
        typer.Option(help="Seconds to wait for the decisions", show_default="600; with --chain 1800"),
    ] = None,
    chain: Annotated[
        bool, typer.Option("--chain", help="Go on to a contract on a local Starknet chain")
    ] = False,
    integrity: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="With --chain: Integrity's compiled classes",
            show_default="a stand-in that verifies nothing",
        ),
    ] = None,
) -> None:
    """Run the main job: proposals in, proven and audited decisions out.

    Starts a broker and the three services on fresh data, publishes proposals (valid and invalid ones), and prints
    every decision as it comes. Exit status 0 only if every valid proposal was attested and every invalid one was
    dead-lettered.

    With --chain the proof is made by Stone, as many of the samples share it as fit, and the decisions are recorded by
    DecisionRegistry on a starknet-devnet of the demo's own; every answer is asked of the contract itself. --json then
    gives a DecisionOnChain a line, and what it took last. Exit status 2, before anything is started, where
    starknet-devnet, Stone's programs or the extra `chain` is missing: the error says how to get it. Proofs are made
    for the local chain; PROOFRAIL_CHAIN_MAX_CALLDATA=5000 makes such as public networks take, in four times the time.

    Examples:  proofrail demo   ·   proofrail demo --proposals mine.ndjson --json | jq .verdict   ·   proofrail demo
    --chain
    """
    with command():
        from proofrail.cli.demo import own_proposals, run_demo

        if not chain:
            if integrity is not None:
                raise UnusableInputError(
                    "demo-options", "--integrity says what is deployed with --chain", "Add --chain."
                )
            raise ExitError(asyncio.run(ended_by_sigterm(run_demo(proposals, json, keep, timeout or 600.0))))
        from proofrail.cli.demo_parts import find_parts

        parts = find_parts(integrity)
        from proofrail.cli.demo_chain import run_chain_demo

        values = own_proposals(proposals) if proposals else None
        done = run_chain_demo(values, parts, json, keep, timeout or 1800.0)
        raise ExitError(asyncio.run(ended_by_sigterm(done)))


def up(home: HomeOption = None) -> None:
    """Run broker, tracer, prover and auditor until Ctrl-C; the data survives restarts. With PROOFRAIL_REGISTRAR_LEDGER
    the registrar, too.


    Uses the broker that PROOFRAIL_KAFKA_BOOTSTRAP names, else starts an embedded one in the home folder.

    Example:  proofrail up   then, in another terminal,   proofrail propose my.ndjson --wait
    """
    heed_leash()
    with command():
        from proofrail.cli.up import run_up

        asyncio.run(run_up(Home.at(home)))


def down(home: HomeOption = None) -> None:
    """Stop the system that runs in a home folder (`up`, or what `demo --keep` left); its data stays."""
    with command():
        place = Home.at(home)
        state = place.running()
        if state is None:
            raise UnusableInputError("no-running-system", f"no system is running in {place.root}")
        os.kill(int(state["pid"]), signal.SIGTERM)
        note(f"stopping the system in {place.root}")
        deadline = time.monotonic() + 60
        while place.running() is not None:
            if time.monotonic() > deadline:
                note(f"it is still draining; process {state['pid']}")
                raise ExitError(Exit.UNDECIDED)
            time.sleep(0.1)


def propose(
    file: Annotated[
        Path, typer.Argument(help="NDJSON proposals, one a line; - for standard input", allow_dash=True)
    ],
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for attestations and dead letters and print them")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="NDJSON on stdout (the default when piped)")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait with --wait")] = 300.0,
    auditor_key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Whose attestations count with --wait: a file of public keys.",
            show_default="the home folder's auditor",
        ),
    ] = None,
    home: HomeOption = None,
) -> None:
    """Publish proposals to a running system.

    With --wait, exit status 1 if any proposal was dead-lettered or not settled in time. An attestation settles a
    proposal when an accepted auditor signed it and it is about that very proposal.

    Example:  proofrail propose proposals.ndjson --wait
    """
    with command():
        from proofrail.cli.believed import trust_in
        from proofrail.cli.broker import kafka_at
        from proofrail.cli.propose import run_propose
        from proofrail.messaging.spans import tracing_of_command

        place = Home.at(home)
        kafka, trust = kafka_at(place), trust_in(place, auditor_key)
        raw = sys.stdin.buffer if str(file) == "-" else file.open("rb")
        with raw:
            lines = raw.readlines()
        with tracing_of_command("propose"):
            status = asyncio.run(run_propose(kafka, lines, wait, wants_json(json), timeout, trust))
        raise ExitError(status)


def kafka(
    data: Annotated[
        Path | None, typer.Option(help="Data folder; default kafka/ in the home folder", show_default=False)
    ] = None,
) -> None:
    """Run the embedded Apache Kafka broker alone until Ctrl-C; its address is printed on stdout."""
    with command():
        from proofrail.messaging.embedded import EmbeddedKafka

        def progress(done: int, total: int) -> None:
            stderr.print(
                f"fetching Kafka's jars: {done} of {total}", end="\r" if stderr.is_terminal else "\n"
            )

        stop = [False]
        signal.signal(signal.SIGTERM, lambda *_: stop.__setitem__(0, True))
        broker = EmbeddedKafka(data or Home.at(None).kafka, cache_dir(), progress=progress)
        with broker:
            emit_line(broker.bootstrap.encode())
            try:
                while not stop[0] and broker.status is None:
                    time.sleep(0.2)
            except KeyboardInterrupt:
                pass
            if not stop[0] and broker.status is not None:
                note(f"the broker ended with status {broker.status}; its log: {broker.log_path}")
                raise ExitError(Exit.NEGATIVE)


def tracer() -> None:
    """Run the tracer alone: proposals in, sealed runs out. Settings: PROOFRAIL_… in the environment."""
    heed_leash()
    with command():
        from proofrail.cli.codes.catalogue import ENTRIES
        from proofrail.tracer.app import run
        from proofrail.tracer.settings import TracerSettings

        raise typer.Exit(run(_settings(TracerSettings), ENTRIES))


def prover() -> None:
    """Run the prover alone: sealed runs in, proofs out. Settings: PROOFRAIL_… in the environment."""
    heed_leash()
    with command():
        from proofrail.cli.codes.catalogue import ENTRIES
        from proofrail.prover.app import run
        from proofrail.prover.settings import ProverSettings

        raise typer.Exit(run(_settings(ProverSettings), ENTRIES))


def auditor() -> None:
    """Run the auditor alone: everything in, reports and attestations out. Settings: PROOFRAIL_… in the
    environment."""
    heed_leash()
    with command():
        from proofrail.auditor.app import run
        from proofrail.auditor.settings import AuditorSettings
        from proofrail.cli.codes.catalogue import ENTRIES

        raise typer.Exit(run(_settings(AuditorSettings), ENTRIES))


def registrar() -> None:
    """Run the registrar alone: attestations in, decisions recorded in a ledger, registrations out. Settings:
    PROOFRAIL_… in the environment.

    The ledger is a file, or with PROOFRAIL_REGISTRAR_LEDGER=starknet the contract DecisionRegistry.
    """
    heed_leash()
    with command():
        from proofrail.cli.codes.catalogue import ENTRIES
        from proofrail.registrar.app import run
        from proofrail.registrar.settings import RegistrarSettings

        raise typer.Exit(run(_settings(RegistrarSettings), ENTRIES))


def explorer(
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Drop the view, and build it again from the topics")
    ] = False,
    file: Annotated[
        Path | None,
        typer.Option(
            help="Show an exported run (`proofrail export`) instead: no broker is asked.", show_default=False
        ),
    ] = None,
    home: HomeOption = None,
) -> None:
    """Run the explorer alone: pages and a JSON API over what stands on the topics. Settings: PROOFRAIL_… in the
    environment.

    It is served on 127.0.0.1; elsewhere (PROOFRAIL_EXPLORER_HOST) only with PROOFRAIL_EXPLORER_TOKEN. Its address is
    printed when it is up.

    Examples:  proofrail explorer   ·   proofrail explorer --file run.ndjson
    """
    heed_leash()
    with command():
        from proofrail.cli.codes.catalogue import ENTRIES
        from proofrail.explorer.app import run, show_file
        from proofrail.explorer.settings import ExplorerSettings

        place = Home.at(home)
        if file is not None:
            show_file(file, lambda url: emit_line(url.encode()))
            return
        state = place.running()
        if state is not None and "bootstrap" in state:
            os.environ.setdefault("PROOFRAIL_KAFKA_BOOTSTRAP", str(state["bootstrap"]))
        raise typer.Exit(run(_settings(ExplorerSettings, place), ENTRIES, rebuild=rebuild))


def _settings(kind: type[_Settings], home: Home | None = None) -> _Settings:
    from pydantic import ValidationError

    from proofrail.cli.broker import settings_error
    from proofrail.cli.ledger_settings import ledger_defaults

    defaults = (home or Home.at(None)).service_defaults() | ledger_defaults(os.environ)
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    try:
        return kind()
    except ValidationError as error:
        raise settings_error(error) from error

"""`proofrail chain`: put the contract on Starknet, and ask it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import typer

from proofrail.cli.output import ExitError, command, wants_json
from proofrail.proving.policy import DEFAULT_SECURITY_BITS

HELP: Final = (
    "The contract DecisionRegistry on Starknet: deploy it, and ask it what it accepts and what it holds."
)

_MAX_FEE: Final = 20.0

_Node = Annotated[str, typer.Option(metavar="URL", help="A node's JSON-RPC endpoint (0.10).")]
_Contract = Annotated[str, typer.Option(metavar="ADDRESS", help="The DecisionRegistry.")]
_Program = Annotated[
    list[str] | None,
    typer.Option(metavar="HASH", help="A program's hash; repeat for more.", show_default="the chain build"),
]
_Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout (the default when piped).")]


def deploy(
    node: _Node,
    wallet: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="The account that pays: a line with address and private key, mode 0600. Of several the first.",
        ),
    ],
    fact_registry: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Integrity's FactRegistry on this network.")
    ],
    recorder: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS",
            help="An account that may record; repeat for more.",
            show_default="the wallet's accounts",
        ),
    ] = None,
    anyone: Annotated[
        bool, typer.Option("--anyone", help="Anybody may record, not named accounts alone.")
    ] = False,
    program: _Program = None,
    preset: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A verifier's configuration: layout/hasher/stone version/memory verification; repeat for more.",
            show_default="those that one transaction verifies",
        ),
    ] = None,
    min_bits: Annotated[
        int, typer.Option(min=1, help="Least security of a verification, in bits.")
    ] = DEFAULT_SECURITY_BITS,
    max_fee: Annotated[
        float, typer.Option(min=0, metavar="STRK", help="Most that one transaction may cost.")
    ] = _MAX_FEE,
    network: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What the node must say its chain is.", show_default="not checked"),
    ] = None,
    json: _Json = False,
) -> None:
    """Declare and deploy a DecisionRegistry. What is there already is found and left alone: do it again after an
    interruption.

    Nothing of it can be changed later: it accepts these programs, configurations and recorders, at least so many bits,
    and asks this registry of facts, for ever. Each transaction's hash is on stderr before it is sent.

    Exit status: 0 it is there, 2 unusable input or refused by the chain, 3 undecided: the node gives no answer, a
    transaction has no outcome yet, or it would cost more than it may.

    Example:  proofrail chain deploy --node https://… --wallet wallet --fact-registry 0x… --network SN_SEPOLIA
    """
    with command():
        from proofrail.cli.chain_deploy import Wanted, run_deploy

        wanted = Wanted(
            fact_registry,
            tuple(recorder or ()),
            anyone,
            tuple(program or ()),
            tuple(preset or ()),
            min_bits,
        )
        asyncio.run(
            run_deploy(node, wallet.absolute(), wanted, network, int(max_fee * 10**18), wants_json(json))
        )


def show(
    node: _Node,
    contract: _Contract,
    program: _Program = None,
    recorder: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS",
            help="Ask whether this account may record; repeat for more.",
            show_default=False,
        ),
    ] = None,
    json: _Json = False,
) -> None:
    """Show what a DecisionRegistry accepts: programs, configurations, bits, recorders, and the registry of facts that
    it asks.

    The contract lists nothing itself: it is asked about both builds of the risk engine, all presets that Stone proves
    with, and the accounts that are named.

    Exit status: 0 it is the contract of this version, 1 it is of another class or its registry of facts verifies
    nothing, 2 there is no such contract, 3 the node gives no answer.

    Example:  proofrail chain show --node https://… --contract 0x…
    """
    with command():
        from proofrail.cli.chain_ask import run_show

        status = run_show(node, contract, program or (), recorder or (), wants_json(json))
        raise ExitError(asyncio.run(status))


def decision(
    allocation_id: Annotated[str, typer.Argument(metavar="ALLOCATION_ID", help="As in its proposal.")],
    node: _Node,
    contract: _Contract,
    shares: Annotated[
        str | None,
        typer.Option(
            metavar="BPS,BPS…",
            help="Ask for these proposed shares in basis points, in the proposal's order.",
            show_default="those that the contract holds",
        ),
    ] = None,
    json: _Json = False,
) -> None:
    """Ask the contract itself about an allocation: recorded or not, its verdict, and whether it is approved with the
    shares.

    Exit status: 0 approved with these shares, 1 not approved or not recorded, 2 unusable input, 3 the node gives no
    answer.

    Example:  proofrail chain decision two-pools --node https://… --contract 0x… --shares 4400,5600
    """
    with command():
        from proofrail.cli.chain_ask import run_decision

        raise ExitError(asyncio.run(run_decision(node, contract, allocation_id, shares, wants_json(json))))


COMMANDS: Final[dict[str, Callable[..., None]]] = {"deploy": deploy, "show": show, "decision": decision}

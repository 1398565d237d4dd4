"""Ask a DecisionRegistry and print what it says."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from proofrail.cairo.pedersen import PRIME
from proofrail.cairo.risk_program import program_hashes
from proofrail.cli.output import Exit, emit_json, emit_table, fail, note
from proofrail.registrar.starknet.asking import Answer, DecisionContract, Terms
from proofrail.registrar.starknet.deploy import network_of
from proofrail.registrar.starknet.node import Node
from proofrail.wire.canonical import felt_hex, parse_felt
from proofrail.wire.errors import TransientError, UnusableInputError
from proofrail.wire.messages import reason_names
from proofrail.wire.model import AllocationId
from proofrail.wire.proposals import WHOLE_BPS

T = TypeVar("T")
_TIMEOUT_S: Final = 30.0
_NEXT: Final = {
    "chain-away": "Check the node's address, and do it again.",
    "fee-over-cap": "Wait until fees have fallen, or raise --max-fee.",
}
"""Where the registrar would try again by itself."""
_VERIFIES_NOTHING: Final = "it verifies nothing: a stand-in for demonstrations"


async def run_show(
    url: str, contract: str, programs: Iterable[str], recorders: Iterable[str], json: bool
) -> Exit:
    """Print what the contract accepts; returns the exit status."""
    address = felt_option(contract, "--contract")
    asked = [felt_option(one, "--program") for one in programs] or [*map(parse_felt, program_hashes())]
    accounts = [felt_option(one, "--recorder") for one in recorders]
    async with Node(url, _TIMEOUT_S) as node:
        network = await answered(network_of(node))
        terms = await answered(DecisionContract(node, address).terms(asked, accounts))
    found = described(network, address, terms)
    if json:
        emit_json(found)
    else:
        emit_table(_rows(found, terms, accounts))
    return Exit.OK if terms.known_class and not terms.verifies_nothing else Exit.NEGATIVE


def described(network: str, address: int, terms: Terms) -> dict[str, Any]:
    """What a contract accepts, as JSON."""
    facts = terms.fact_registry_class
    return {
        "v": 1,
        "type": "DecisionRegistry",
        "network": network,
        "contract": felt_hex(address),
        "class_hash": felt_hex(terms.class_hash),
        "of_this_version": terms.known_class,
        "fact_registry": felt_hex(terms.fact_registry),
        "fact_registry_class": None if facts is None else felt_hex(facts),
        "fact_registry_verifies_nothing": terms.verifies_nothing,
        "programs": [felt_hex(program) for program in terms.programs],
        "presets": list(terms.presets),
        "min_security_bits": terms.min_security_bits,
        "recorders": "anyone" if terms.anyone_records else [felt_hex(one) for one in terms.recorders],
    }


def _rows(found: dict[str, Any], terms: Terms, accounts: Iterable[int]) -> list[tuple[str, object]]:
    builds = dict(zip(program_hashes(), ("the first build", "the chain build"), strict=True))
    facts = found["fact_registry"]
    if terms.fact_registry_class is None:
        facts += " (no contract is there)"
    elif terms.verifies_nothing:
        facts += f" ({_VERIFIES_NOTHING})"
    programs = [f"{one} ({builds.get(one, 'not of this version')})" for one in found["programs"]]
    if terms.anyone_records:
        recorders = "anyone"
    else:
        recorders = ", ".join(
            f"{felt_hex(one)} {'may' if one in terms.recorders else 'may not'}" for one in accounts
        )
    return [
        ("contract", f"{found['contract']} on {found['network']}"),
        ("class", f"{found['class_hash']} ({'of this version' if terms.known_class else 'not known here'})"),
        ("fact registry", facts),
        ("programs", "\n".join(programs) or "none of ours"),
        ("configurations", "\n".join(found["presets"]) or "none that Stone proves with"),
        ("security", f"at least {terms.min_security_bits} bits"),
        ("recorders", recorders or "named accounts alone; ask about one with --recorder"),
    ]


async def run_decision(url: str, contract: str, allocation_id: str, shares: str | None, json: bool) -> Exit:
    """Print what the contract says of an allocation; returns the exit status."""
    address = felt_option(contract, "--contract")
    asked = None if shares is None else _shares(shares)
    _check_id(allocation_id)
    async with Node(url, _TIMEOUT_S) as node:
        network = await answered(network_of(node))
        answer = await answered(DecisionContract(node, address).answer(allocation_id, asked))
    found = {
        "v": 1,
        "type": "DecisionOnChain",
        "network": network,
        "contract": felt_hex(address),
        "allocation_id": allocation_id,
        **said(answer),
    }
    if json:
        emit_json(found)
    else:
        emit_table(_answer_rows(found))
        if answer.stored is None:
            note("The contract holds no decision on it: `proofrail status` says how far it has come.")
    return Exit.OK if answer.approved else Exit.NEGATIVE


def said(answer: Answer) -> dict[str, Any]:
    """What the contract says of an allocation, as JSON."""
    stored = answer.stored
    known: dict[str, Any] = {"recorded": stored is not None}
    if stored is not None:
        known |= {
            "verdict": stored.verdict,
            "reasons": reason_names(stored.verdict),
            "inputs_hash": felt_hex(stored.inputs_hash),
            "leaf": felt_hex(stored.leaf),
        }
    if answer.shares is not None:
        known |= {"shares": list(answer.shares)}
    return known | {"is_approved": answer.approved}


def _answer_rows(found: dict[str, Any]) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = [
        ("allocation", found["allocation_id"]),
        ("contract", f"{found['contract']} on {found['network']}"),
        ("recorded", "yes" if found["recorded"] else "no"),
    ]
    if found["recorded"]:
        reasons = ", ".join(found["reasons"])
        rows += [
            ("verdict", f"rejected: {reasons}" if reasons else "approved"),
            ("inputs_hash", found["inputs_hash"]),
            ("leaf", found["leaf"]),
        ]
    if "shares" in found:
        shares = "/".join(map(str, found["shares"]))
        rows.append((f"is_approved({shares})", "true" if found["is_approved"] else "false"))
    return rows


def felt_option(text: str, option: str) -> int:
    """An address or hash as people copy it, with leading zeros or capitals. Raises UnusableInputError
    `chain-address`."""
    try:
        felt = int(text, 16) if text.lower().startswith("0x") else -1
    except ValueError:
        felt = -1
    if not 0 < felt < PRIME:
        raise UnusableInputError("chain-address", f"{option} {text!r:.80} is no felt", "Give it as 0x….")
    return felt


async def answered(question: Awaitable[T]) -> T:
    """What a node answers; that it does not ends the command undecided."""
    try:
        return await question
    except TransientError as error:
        next_step = _NEXT.get(error.code, error.next_step)
        fail(TransientError(error.code, error.message, next_step), Exit.UNDECIDED)


def _check_id(text: str) -> None:
    try:
        TypeAdapter(AllocationId).validate_python(text)
    except ValidationError as error:
        raise UnusableInputError(
            "chain-options", f"{text!r:.80} is no allocation_id", "It is 1 … 64 of A-Z a-z 0-9 . _ : -"
        ) from error


def _shares(text: str) -> list[int]:
    words = text.replace("/", ",").split(",")
    if not all(word.isascii() and word.isdigit() and int(word) <= WHOLE_BPS for word in words):
        raise UnusableInputError(
            "chain-options", f"--shares {text!r:.80} are no shares", "Give basis points, such as 4400,5600."
        )
    return [int(word) for word in words]

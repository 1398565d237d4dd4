"""What a message says, in a few words for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_SHORT: Final = 8

STYLES: Final = {
    "MATCH": "green",
    "MISMATCH": "bold red",
    "INDETERMINATE": "yellow",
    "approved": "green",
    "rejected": "yellow",
    "recorded": "green",
    "refused": "red",
    "dead letter": "red",
    "not proven": "red",
}
"""How the words that `verdict_of` gives are shown."""


def verdict_of(message: Mapping[str, Any]) -> str | None:
    """The verdict that a message gives: of an audit, a decision, a ledger, or that something failed."""
    match message.get("type"):
        case "AuditReport":
            return str(message.get("verdict"))
        case "Attestation":
            return "approved" if message.get("approved") is True else "rejected"
        case "Registration":
            return str(message.get("outcome"))
        case "DeadLetter":
            return "dead letter"
        case "ProofFailure":
            return "not proven"
    return None


def subject_of(message: Mapping[str, Any], key: str) -> str:
    """What a message is about: an allocation, or the beginning of a run_id."""
    allocation = message.get("allocation_id")
    if isinstance(allocation, str):
        return allocation
    run = message.get("run_id")
    return run[:_SHORT] if isinstance(run, str) else key


def words_of(message: Mapping[str, Any]) -> str:
    """The rest of it, in a line."""
    match message.get("type"):
        case "AuditReport":
            return _report(message)
        case "Attestation":
            return _attestation(message)
        case "Proof":
            return (
                f"{message.get('backend')} {message.get('security_bits')} bits, {_kb(message.get('size'))}"
                + (", MOCK: proves nothing" if message.get("is_mock") else "")
            )
        case "ProofFailure":
            final = "given up" if message.get("final") else "tried again"
            return f"[{message.get('code')}] {message.get('message')} ({final}, attempt {message.get('attempts')})"
        case "DeadLetter":
            return f"[{message.get('code')}] {message.get('message')}"
        case "Registration":
            return _registration(message)
        case "CommitmentSeal":
            return (
                f"sealed: {message.get('inputs_count')} allocations, {message.get('n_steps')} steps, "
                f"{message.get('items')} items"
            )
        case "AllocationIndex":
            given_up = message.get("dead_letter")
            return f"run {_short(message.get('run_id'))} row {message.get('row')}" + (
                f", given up: {given_up}" if given_up else ""
            )
        case "Input":
            form = message.get("input")
            name = form.get("allocation_id") if isinstance(form, Mapping) else None
            return f"input {message.get('index')}" + (f": {name}" if name else "")
        case "CommitmentBlock":
            return f"block {message.get('block')}: {message.get('items')} items"
    return _other(message)


def _report(message: Mapping[str, Any]) -> str:
    said = str(message.get("subject"))
    found = message.get("first_mismatch")
    if isinstance(found, Mapping):
        return f"{said}: {found.get('kind')}: {found.get('message', '')}"
    unchecked = message.get("unchecked")
    if message.get("verdict") == "INDETERMINATE" and isinstance(unchecked, list):
        missing = [part for part in unchecked if isinstance(part, Mapping)]
        return f"{said}: " + "; ".join(f"{part.get('part')}: {part.get('message')}" for part in missing[:2])
    return said


def _attestation(message: Mapping[str, Any]) -> str:
    reasons = message.get("reasons")
    shares = message.get("recommended_bps")
    said = ", ".join(map(str, reasons)) if isinstance(reasons, list) and reasons else "no reason against it"
    told = "/".join(map(str, shares)) if isinstance(shares, list) else "?"
    return f"{said}; recommended {told} bps; run {_short(message.get('run_id'))}"


def _registration(message: Mapping[str, Any]) -> str:
    ledger = message.get("ledger")
    name = f"{ledger.get('kind')} {ledger.get('network', '')}".strip() if isinstance(ledger, Mapping) else "?"
    if message.get("outcome") == "refused":
        return f"{name}: [{message.get('code')}] {message.get('message', '')}"
    return f"{name}: {message.get('transaction', 'recorded')}"


def _other(message: Mapping[str, Any]) -> str:
    protocols = message.get("protocols")
    if isinstance(protocols, list):
        named = [one for one in protocols if isinstance(one, Mapping)]
        return ", ".join(f"{one.get('name')} {one.get('proposed_bps')}" for one in named)
    if "jediswap_pct" in message:
        return f"jediswap {message.get('jediswap_pct')} %, ekubo {message.get('ekubo_pct')} %"
    name = message.get("path") or message.get("name") or message.get("tile_id")
    return str(name) if name else ""


def _short(run: object) -> str:
    return run[:_SHORT] if isinstance(run, str) else "?"


def _kb(size: object) -> str:
    return f"{size / 1000:.0f} kB" if isinstance(size, int) else "? kB"

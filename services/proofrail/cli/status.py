"""How far runs and allocations have come, from what stands on the topics now."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Final

from rich.text import Text

from proofrail.cli.columns import Column, Columns
from proofrail.cli.output import Exit, emit_json, note
from proofrail.cli.status_history import History
from proofrail.cli.terminal import SafeConsole
from proofrail.cli.topic_reading import read
from proofrail.client import (
    ATTESTATIONS,
    PROPOSALS,
    PROPOSALS_DLQ,
    REGISTRATIONS,
    Attestation,
    DeadLetter,
    KafkaSettings,
    ProofrailError,
    Proposal,
    Registration,
    Trust,
    check,
)
from proofrail.client.reading import items
from proofrail.messaging.records import Record

_COLUMNS: Final = (Column("allocation", 32, 12), Column("state", 14), Column("verdict", 9))
_STYLES: Final = {"recorded": "green", "attested": "cyan", "refused": "red", "dead-lettered": "red"}


@dataclass
class _Progress:
    """What is known of one allocation."""

    attestation: Attestation | None = None
    asked_at: int = -1
    """The offset of the last proposal that could be read."""
    letter: DeadLetter | None = None
    registrations: dict[tuple[str, str, str], Registration] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """`waiting`, `dead-lettered`, `attested`, `recorded` (in any ledger), `refused` (by all that said a word)."""
        outcomes = {one.outcome for one in self.registrations.values()}
        if outcomes:
            return "recorded" if "recorded" in outcomes else "refused"
        if self.attestation is not None:
            return "attested"
        return "dead-lettered" if self.dead_letter else "waiting"

    @property
    def dead_letter(self) -> str | None:
        """The code of the dead letter, unless a proposal was published after the one it is about."""
        return None if self.letter is None or self.letter.offset < self.asked_at else self.letter.code

    def take(self, registration: Registration) -> None:
        """The last word of each ledger counts, but that something was recorded is taken back by the ledger alone, not
        by a later refusal."""
        name = registration.ledger
        key = (name.kind, name.network or "", name.contract or "")
        known = self.registrations.get(key)
        if known is None or known.outcome == "refused" or registration.replaces is not None:
            self.registrations[key] = registration

    def to_object(self, allocation_id: str) -> dict[str, Any]:
        found: dict[str, Any] = {
            "v": 1,
            "type": "AllocationStatus",
            "allocation_id": allocation_id,
            "state": self.state,
            "ledgers": [
                {
                    name: value
                    for name, value in one.to_object().items()
                    if name in ("ledger", "outcome", "transaction", "code", "timestamp")
                }
                for one in self.registrations.values()
            ],
        }
        if self.attestation is not None:
            found |= {"approved": self.attestation.approved, "run_id": self.attestation.run_id}
        if self.dead_letter is not None:
            found["code"] = self.dead_letter
        return found


async def run_status(kafka: KafkaSettings, wanted: Collection[str], json: bool, trust: Trust | None) -> Exit:
    """Print how far the wanted runs and allocations have come, or all allocations; returns the exit status. Without
    `trust` attestations are taken unchecked, and a note says so. Of those that are named, each attempt is told."""
    if trust is None:
        note("attestations are not checked: no auditor's key is known here; name one with --auditor-key")
    found = await _read(kafka, trust, wanted)
    history = await History.read(kafka, wanted) if wanted else None
    console, now = SafeConsole(file=sys.stdout, highlight=False), time.time_ns() // 1_000_000
    table = Columns(_COLUMNS, "says")
    unknown = []
    for name in wanted or found:
        runs = history.named(name) if history is not None and name not in found else []
        if name in found and json:
            attempts = {} if history is None else {"attempts": history.attempts(name)}
            emit_json(found[name].to_object(name) | attempts)
        elif name in found and history is None:
            table.row(*_cells(name, found[name]))
        elif name in found and history is not None:
            console.print(_row(name, found[name]), soft_wrap=True)
            for tree in history.trees(name, now):
                console.print(tree)
        elif len(runs) == 1 and history is not None:
            if json:
                emit_json(history.run_object(runs[0]))
            else:
                console.print(history.run_tree(runs[0], now))
        else:
            unknown.append(f"{name}: {len(runs)} runs begin so" if runs else name)
    for name in unknown:
        note(f"nothing on the topics is about {name}" if ":" not in name else name)
    return Exit.NEGATIVE if unknown else Exit.OK


async def _read(kafka: KafkaSettings, trust: Trust | None, wanted: Collection[str]) -> dict[str, _Progress]:
    spelt = [name.encode(errors="surrogateescape") for name in wanted]

    def may_tell(record: Record) -> bool:
        return not spelt or record.key in spelt or any(name in record.value for name in spelt)

    found: dict[str, _Progress] = {}
    for record in await read(kafka, (PROPOSALS, PROPOSALS_DLQ, ATTESTATIONS, REGISTRATIONS), may_tell):
        for item in items(record):
            message = getattr(item, "message", None)
            match message:
                case Proposal():
                    found.setdefault(message.allocation_id, _Progress()).asked_at = record.offset
                case DeadLetter() if item.key:
                    found.setdefault(item.key, _Progress()).letter = message
                case Attestation():
                    if _believed(message, trust):
                        found.setdefault(message.allocation_id, _Progress()).attestation = message
                case Registration():
                    found.setdefault(message.allocation_id, _Progress()).take(message)
    return found


def _believed(attestation: Attestation, trust: Trust | None) -> bool:
    if trust is None:
        return True
    try:
        check(attestation, trust)
    except ProofrailError:
        return False
    return True


def _row(allocation_id: str, progress: _Progress) -> Text:
    """The cells in full."""
    name, (state, style), verdict, says = _cells(allocation_id, progress)
    first, second, third = (one.width for one in _COLUMNS)
    row = Text(f"{name:<{first}} ")
    row.append(f"{state:<{second}} ", style=style)
    row.append(f"{verdict:<{third}} {says}")
    return row


def _cells(allocation_id: str, progress: _Progress) -> tuple[str, tuple[str, str], str, str]:
    attestation = progress.attestation
    said = [
        f"{one.ledger.kind}{' ' + one.ledger.network if one.ledger.network else ''}: "
        f"{one.transaction or one.code or one.outcome}"
        for one in progress.registrations.values()
    ]
    return (
        allocation_id,
        (progress.state, _STYLES.get(progress.state, "")),
        "-" if attestation is None else "approved" if attestation.approved else "rejected",
        "; ".join(said) or progress.dead_letter or "",
    )

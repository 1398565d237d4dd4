"""What the topics say of each run: sealed, proven or given up, audited, attested."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from proofrail.messaging.records import Record
from proofrail.wire import topics
from proofrail.wire.canonical import parse_object
from proofrail.wire.errors import MalformedError
from proofrail.wire.readable import objects

TOPICS: Final = (topics.COMMITMENTS, topics.PROOFS, topics.REPORTS)
"""What runs are read from."""


@dataclass(frozen=True)
class Said:
    """A message about a run, and when it was written (milliseconds since the epoch)."""

    message: Mapping[str, Any]
    at_ms: int

    def __getitem__(self, name: str) -> Any:
        return self.message.get(name)


@dataclass
class RunSeen:
    """One run, as far as the topics tell."""

    run_id: str
    seal: Said | None = None
    terminals: list[Said] = field(default_factory=list)
    """Proofs and failures, final or not, in order."""
    reports: list[Said] = field(default_factory=list)

    @property
    def terminal(self) -> Said | None:
        """The prover's last word; None while it has none."""
        return next((one for one in self.terminals if one["type"] == "Proof" or one["final"] is True), None)

    def report(self, subject: str) -> Said | None:
        """The auditor's last word on the run or its proof: the first verdict stands, what was undecided is followed."""
        said = [one for one in self.reports if one["subject"] == subject]
        final = next((one for one in said if one["verdict"] in ("MATCH", "MISMATCH")), None)
        return final or (said[-1] if said else None)

    @property
    def state(self) -> str:
        """`proving`, `given up`, `proven`, `mismatch`, `undecided`, `audited`."""
        found = [report for subject in ("run", "proof") if (report := self.report(subject)) is not None]
        if any(report["verdict"] == "MISMATCH" for report in found):
            return "mismatch"
        terminal = self.terminal
        if terminal is None:
            return "proving"
        if terminal["type"] != "Proof":
            return "given up"
        if any(report["verdict"] == "INDETERMINATE" and waits_until(report) is None for report in found):
            return "undecided"
        return "audited" if [one["verdict"] for one in found] == ["MATCH", "MATCH"] else "proven"

    @property
    def awaits_audit_since(self) -> int | None:
        """Since when the auditor has something to say of it; None when it has said all."""
        if self.seal is not None and self.report("run") is None:
            return self.seal.at_ms
        terminal = self.terminal
        if terminal is None or self.report("run") is None:
            return None
        last = self.report("proof")
        return terminal.at_ms if last is None or waits_until(last) is not None else None


class RunsSeen:
    """All runs on the topics, in the order in which they were sealed."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.runs: dict[str, RunSeen] = {}
        for record in records:
            self.take(record)

    def take(self, record: Record) -> None:
        """Note what a record says of its run; nothing else of it is kept."""
        match record.topic:
            case topics.COMMITMENTS:
                seal = _last_line(record)
                if seal.get("type") == "CommitmentSeal":
                    run = self._run(record)
                    run.seal = run.seal or Said(seal, record.timestamp)
            case topics.PROOFS:
                self._run(record).terminals += _all(record)
            case topics.REPORTS:
                self._run(record).reports += _all(record)

    def __iter__(self) -> Any:
        return iter(self.runs.values())

    def _run(self, record: Record) -> RunSeen:
        return self.runs.setdefault(record.key_text, RunSeen(record.key_text))


def waits_until(report: Said) -> str | None:
    """Until when the auditor waits for what an undecided report lacks; None when nobody waits."""
    unchecked = report["unchecked"]
    if report["verdict"] != "INDETERMINATE" or not isinstance(unchecked, list):
        return None
    found = [part["until"] for part in unchecked if isinstance(part, dict) and "until" in part]
    return str(found[0]) if found else None


def why(said: Said) -> str:
    """What a report or a failure names as its reason; "" where it has none."""
    if said["type"] == "ProofFailure":
        return f"[{said['code']}] {said['message']}"
    found = said["first_mismatch"]
    if isinstance(found, dict):
        return f"{found.get('kind')}: {found.get('message', '')}"
    unchecked = said["unchecked"] if said["verdict"] == "INDETERMINATE" else None
    parts = [part for part in unchecked or () if isinstance(part, dict)]
    return "; ".join(f"{part.get('part')}: {part.get('message')} ({part.get('code')})" for part in parts[:3])


def _all(record: Record) -> list[Said]:
    return [Said(message, record.timestamp) for message in objects(record.value)]


def _last_line(record: Record) -> dict[str, Any]:
    """A seal is the last line of its record: the others need not be read to find it."""
    try:
        return parse_object(record.value.removesuffix(b"\n").rpartition(b"\n")[2])
    except MalformedError:
        return {}

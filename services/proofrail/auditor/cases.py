"""What the auditor holds of each run: everything published of it, and what it has found out so far.

A case opens with the first record of a run and closes when both reports are out. Until then the records it
rests on are not committed, so a restarted auditor reads them again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from proofrail.audit.claimed_events import EventValues
from proofrail.audit.events import first_event
from proofrail.audit.run_audit import RunAudit
from proofrail.messaging.records import Record, TopicPartition
from proofrail.wire import topics
from proofrail.wire.canonical import parse_object
from proofrail.wire.errors import MalformedError
from proofrail.wire.runs import CommittedRun, RunAssembler


@dataclass
class Case:
    """One run as published so far. Times are seconds of a monotonic clock."""

    run_id: str
    opened_at: float
    committed: CommittedRun | None = None
    committed_at: float = 0.0
    committed_in: TopicPartition | None = None
    committed_ms: int | None = None
    """Where and when the seal's record was written, by its own timestamp; `terminal_ms` likewise."""
    event_values: list[bytes] = field(default_factory=list)
    event_lines: int = 0
    events_searched: bool = False
    events_expired: bool = False
    """The events, or the first of them, are gone from the topic by its retention: the commitments alone are left."""
    ends: dict[TopicPartition, int] | None = None
    """How far a topic must have been read before what is missing counts as missing."""
    terminal: dict[str, Any] | None = None
    terminal_value: bytes = b""
    terminal_ms: int | None = None
    terminal_traceparent: str | None = None
    traceparent: str | None = None
    run_audit: RunAudit | None = None
    run_report_digest: str | None = None
    look_again_at: float = 0.0
    missing_since: float | None = None
    """Since when the store, whenever it was there, lacks the proof."""

    @property
    def has_all_events(self) -> bool:
        """As many lines as the seal says have arrived, or it is known that no more will come."""
        if self.committed is None:
            return False
        seal = self.committed.seal
        items = seal.get("items") if seal is not None else 0
        return self.events_searched or (isinstance(items, int) and self.event_lines >= items)

    @property
    def settled_by_prover(self) -> bool:
        """The prover's terminal record, readable or not, has arrived."""
        return bool(self.terminal_value)

    @property
    def backend(self) -> str:
        """The backend that the terminal record names."""
        return str((self.terminal or {}).get("backend"))

    def keep(self, audit: RunAudit) -> None:
        """Keep of the run's audit what that of its proof takes: a case may wait for hours, and traces are large."""
        recomputed = audit.recomputed
        if recomputed is not None:
            recomputed = replace(recomputed, lines=_gone, trace=b"", memory=b"")
        self.run_audit = replace(audit, recomputed=recomputed, evidence=None)
        self.event_values.clear()

    def replace_events(self, values: list[bytes], *, may_have_expired: bool) -> None:
        """All events that the topic holds. Retention removes from the beginning: a run whose first event is there
        has lost none, and what it lacks was never published."""
        self.event_values = values
        self.event_lines = sum(_count_lines(value) for value in values)
        self.events_searched = True
        self.events_expired = may_have_expired and first_event(EventValues(values)).get("seq") != 0


class CaseFile:
    """All open cases, fed record by record."""

    def __init__(self) -> None:
        self._cases: dict[str, Case] = {}
        self._assembler = RunAssembler()

    def __len__(self) -> int:
        return len(self._cases)

    def __iter__(self) -> Iterator[Case]:
        return iter(list(self._cases.values()))

    def take(self, record: Record, now: float) -> None:
        """File a record of commitments, events or proofs under the run that its key names."""
        run_id = record.key_text
        case = self._cases.setdefault(run_id, Case(run_id, opened_at=now))
        if record.topic == topics.COMMITMENTS and case.committed is not None:
            case.committed.hold(record.value)
        elif record.topic == topics.COMMITMENTS:
            for committed in self._assembler.feed(run_id, record.value, record.traceparent):
                case.committed = committed
                case.committed_at = now
                case.committed_in = record.tp
                case.committed_ms = record.timestamp
                case.ends = None
                case.traceparent = committed.traceparent
        elif record.topic == topics.EVENTS:
            case.event_values.append(record.value)
            case.event_lines += _count_lines(record.value)
        elif record.topic == topics.PROOFS:
            _take_terminal(case, record)

    def unfinished(self, run_id: str) -> list[bytes]:
        """The commitment lines so far of a run that was not sealed."""
        return self._assembler.unfinished(run_id)

    def close(self, run_id: str) -> None:
        self._cases.pop(run_id, None)
        self._assembler.forget(run_id)


def _take_terminal(case: Case, record: Record) -> None:
    """The first terminal record is the claim, also when it cannot be read; a ProofFailure that is not final is
    none."""
    value = record.value.removesuffix(b"\n")
    if case.settled_by_prover or not value:
        return
    try:
        case.terminal = parse_object(value)
    except MalformedError:
        case.terminal = None
    if (
        case.terminal is not None
        and case.terminal.get("type") == "ProofFailure"
        and not case.terminal.get("final")
    ):
        case.terminal = None
        return
    case.terminal_value = value
    case.terminal_ms = record.timestamp
    case.terminal_traceparent = record.traceparent


def _gone() -> Iterator[bytes]:
    raise AssertionError("the events of a run that was audited are not kept")


def _count_lines(value: bytes) -> int:
    return value.removesuffix(b"\n").count(b"\n") + 1 if value else 0

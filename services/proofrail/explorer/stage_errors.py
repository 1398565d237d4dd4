"""What went wrong last at each stage, in words."""

from __future__ import annotations

from sqlite3 import Connection, Row
from typing import Final

from proofrail.explorer import schema
from proofrail.explorer.lines import message_of
from proofrail.explorer.model.strip import StageError
from proofrail.wire.messages import AuditReport, DeadLetter, ProofFailure, Registration
from proofrail.wire.model import Message

_LOOKED_AT: Final = 20
"""Undecided runs that are looked into."""


def last_error(connection: Connection, kind: int) -> StageError | None:
    return _error(
        connection.execute(
            "SELECT raw, at_ms, key FROM messages WHERE type = ? ORDER BY at_ms DESC, place DESC LIMIT 1",
            (kind,),
        ).fetchone()
    )


def last_mismatch(connection: Connection) -> StageError | None:
    run = connection.execute(
        "SELECT run_id FROM runs WHERE verdict = 'MISMATCH' ORDER BY at_ms DESC, run_id DESC LIMIT 1"
    ).fetchone()
    if run is None:
        return None
    rows = connection.execute(
        "SELECT raw, at_ms, key FROM messages WHERE key = ? AND type = ? ORDER BY at_ms LIMIT 100",
        (run[0], schema.REPORT_OPEN),
    )
    for row in rows:
        report = message_of(AuditReport, row["raw"])
        if report is not None and report.verdict == "MISMATCH":
            return _error(row)
    return None


def undecided(connection: Connection, since_ms: int) -> StageError | None:
    """The last report that leaves something open for good: what is only late, the auditor waits for, and where there
    is no proof, the prover has said so."""
    runs = connection.execute(
        "SELECT run_id FROM runs WHERE verdict = 'INDETERMINATE' AND failure IS NULL"
        " ORDER BY at_ms DESC, run_id DESC LIMIT ?",
        (_LOOKED_AT,),
    ).fetchall()
    for run in runs:
        row = connection.execute(
            "SELECT raw, at_ms, key FROM messages WHERE key = ? AND type = ? AND at_ms >= ?"
            " ORDER BY at_ms DESC, place DESC LIMIT 1",
            (run[0], schema.REPORT_OPEN, since_ms),
        ).fetchone()
        report = None if row is None else message_of(AuditReport, row["raw"])
        if report is not None and not any(part.until for part in report.unchecked):
            return _error(row)
    return None


def _error(row: Row | None) -> StageError | None:
    if row is None:
        return None
    message = message_of(Message, row["raw"])
    code, text = _said(message)
    of_run = isinstance(message, ProofFailure | AuditReport)
    return StageError(
        code=code,
        message=text,
        at_ms=row["at_ms"],
        run_id=row["key"] if of_run else getattr(message, "run_id", None),
        allocation_id=None if of_run else row["key"],
    )


def _said(message: Message | None) -> tuple[str, str]:
    match message:
        case AuditReport(first_mismatch=first) if first is not None:
            where = f" at item {first.item}" if first.item is not None else ""
            return (
                f"MISMATCH {first.kind}",
                f"the {message.subject} differs in {first.member or first.kind}{where}",
            )
        case AuditReport(unchecked=[first, *_]):
            return first.code or message.verdict, f"{message.subject} undecided: {first.message}"
        case DeadLetter() | ProofFailure():
            return message.code, message.message
        case Registration():
            return message.code or message.outcome, message.message or ""
    return "unreadable", "the message cannot be read"

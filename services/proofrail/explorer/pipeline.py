"""The strip: each stage's rate, lag and last error, and whether a person is needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from sqlite3 import Connection, Row
from typing import Any, Final

from proofrail.explorer import schema
from proofrail.explorer.lines import message_of
from proofrail.explorer.model.base import StageName
from proofrail.explorer.model.strip import Behind, Concern, Pipeline, Stage, StageError
from proofrail.wire.messages import AuditReport, DeadLetter, ProofFailure, Registration
from proofrail.wire.model import Message

_RATE_MS: Final = 5 * 60 * 1000
_RECENT_MS: Final = 24 * 60 * 60 * 1000
"""So long what went wrong asks for a person. Nothing on the topics says that one has come, and what stays red hides
what comes next; a mismatch is told of on every page after that, too, but not in red."""
_SHORT: Final = 12
"""Characters of a run_id that commands are given."""
_LOOKED_AT: Final = 20
"""Undecided runs that are looked into."""


@dataclass(frozen=True)
class Group:
    """A service's consumer group, as the broker says."""

    members: int
    empty_since_ms: int | None
    """Since when it has had no member, as far as this process has seen."""


@dataclass(frozen=True)
class Patience:
    """From when on waiting asks for a person."""

    unreachable_ms: int = 8_000
    """A service without a member in its group; the broker takes up to its session's timeout to say so."""
    stuck_ms: Mapping[str, int] = field(
        default_factory=lambda: {
            "tracer": 120_000,
            "prover": 3_600_000,
            "auditor": 300_000,
            "registrar": 600_000,
        }
    )
    """The oldest in the hands of a service that is there."""


@dataclass(frozen=True)
class _Facts:
    """One stage's numbers."""

    unit: str
    done: tuple[int, ...]
    lag: int
    oldest: tuple[str, int] | None
    errors: int
    """Type of the messages that are its errors."""


@dataclass(frozen=True)
class _Mismatches:
    count: int
    last: StageError | None


def pipeline(
    connection: Connection,
    now_ms: int,
    behind: Behind,
    groups: Mapping[StageName, Group],
    *,
    registrar: bool,
    patience: Patience,
) -> Pipeline:
    """What the topics say of the whole. `groups`: what the broker said of the services' consumer groups; `registrar`:
    whether there is meant to be one."""
    allocations = _counts(connection, "allocations")
    runs = _counts(connection, "runs")
    mismatches = _Mismatches(
        _one(connection, "SELECT count(*) FROM runs WHERE verdict = 'MISMATCH'"), _last_mismatch(connection)
    )
    registrar = registrar or bool(
        _one(
            connection,
            "SELECT EXISTS (SELECT 1 FROM messages WHERE type IN (?, ?))",
            schema.RECORDED,
            schema.REFUSED,
        )
    )
    facts: dict[StageName, _Facts] = {
        "tracer": _Facts(
            "proposals",
            (schema.INDEX_ENTRY, schema.DEAD_LETTER),
            allocations.get("waiting", 0),
            _oldest(connection, "allocation_id", "allocations WHERE state = 'waiting'"),
            schema.DEAD_LETTER,
        ),
        "prover": _Facts(
            "runs",
            (schema.PROOF, schema.FAILURE),
            runs.get("sealed", 0),
            _oldest(connection, "run_id", "runs WHERE state = 'sealed'"),
            schema.FAILURE,
        ),
        "auditor": _Facts(
            "runs",
            (schema.REPORT, schema.REPORT_OPEN),
            _one(connection, "SELECT count(*) FROM runs WHERE audit_due_ms IS NOT NULL"),
            _oldest(connection, "run_id", "runs WHERE audit_due_ms IS NOT NULL", "audit_due_ms"),
            schema.REPORT_OPEN,
        ),
        "registrar": _Facts(
            "allocations",
            (schema.RECORDED, schema.REFUSED),
            allocations.get("attested", 0) if registrar else 0,
            _oldest(connection, "allocation_id", "allocations WHERE state = 'attested'", "attested_ms")
            if registrar
            else None,
            schema.REFUSED,
        ),
    }
    return Pipeline(
        at_ms=now_ms,
        stages=tuple(
            _stage(
                connection,
                name,
                one,
                now_ms,
                groups.get(name),
                registrar or name != "registrar",
                behind,
                patience,
                mismatches,
            )
            for name, one in facts.items()
        ),
        allocations=allocations,
        runs=runs,
        mismatches=mismatches.count,
        last_mismatch=mismatches.last,
        dead_letters=_one(connection, "SELECT count(*) FROM dead_letters"),
        unreadable=_one(connection, "SELECT count(*) FROM unreadable"),
        behind=behind,
    )


def _stage(
    connection: Connection,
    name: StageName,
    facts: _Facts,
    now_ms: int,
    group: Group | None,
    in_use: bool,
    behind: Behind,
    patience: Patience,
    mismatches: _Mismatches,
) -> Stage:
    marks = ", ".join("?" * len(facts.done))
    done = _one(
        connection,
        f"SELECT count(*) FROM messages WHERE type IN ({marks}) AND at_ms > ?",  # noqa: S608
        *facts.done,
        now_ms - _RATE_MS,
    )
    error = _last_error(connection, facts.errors)
    # While the view is being built, or the broker is away, nothing can be told of services.
    tells = in_use and behind.caught_up and behind.broker_since_ms is None
    concern, attention = None, None
    if tells:
        since = None if group is None else group.empty_since_ms
        away = since is not None and now_ms - since >= patience.unreachable_ms
        wrong = (
            ("unreachable", f"{name} unreachable since {_clock(since or 0)}; {_waiting(facts)}")
            if away
            else _went_wrong(connection, name, now_ms - _RECENT_MS, error, mismatches)
            or _stuck(name, facts, now_ms, patience)
        )
        concern, attention = wrong or (None, None)
    return Stage(
        name=name,
        in_use=in_use,
        instances=None if group is None else group.members,
        unreachable_since_ms=None if group is None else group.empty_since_ms,
        unit=facts.unit,
        per_minute=round(done * 60_000 / _RATE_MS, 2),
        lag=facts.lag,
        lag_seconds=_waited(facts, now_ms) / 1000,
        oldest=None if facts.oldest is None else facts.oldest[0],
        last_error=error,
        attention=attention,
        concern=concern,
    )


def _waited(facts: _Facts, now_ms: int) -> int:
    return 0 if facts.oldest is None else max(0, now_ms - facts.oldest[1])


def _waiting(facts: _Facts) -> str:
    return f"{facts.lag} {facts.unit if facts.lag != 1 else facts.unit[:-1]} waiting; nothing lost"


def _went_wrong(
    connection: Connection,
    name: StageName,
    since_ms: int,
    error: StageError | None,
    mismatches: _Mismatches,
) -> tuple[Concern, str] | None:
    """What has gone wrong at a stage since then and does not mend itself."""
    if name == "prover":
        given_up = connection.execute(
            "SELECT allocation_id, indexed_run, dead_code, count(*) OVER () AS others FROM allocations"
            " WHERE indexed_dead IS NOT NULL AND dead_ms >= ? AND state = 'dead-lettered'"
            " ORDER BY dead_ms DESC LIMIT 1",
            (since_ms,),
        ).fetchone()
        if given_up is not None:
            run, others = given_up["indexed_run"], given_up["others"] - 1
            return "given-up", (
                f"{given_up['allocation_id']} cannot be proven [{given_up['dead_code']}]{_and_more(others)}; "
                f"proofrail requeue {run[:_SHORT]} runs it again"
            )
    if name == "auditor":
        last = mismatches.last
        if last is not None and last.at_ms >= since_ms:
            return "mismatch", (
                f"run {last.run_id} does not hold: {last.message}{_and_more(mismatches.count - 1)}"
            )
        undecided = _undecided(connection, since_ms)
        if undecided is not None:
            return "undecided", f"run {undecided.run_id} stays undecided: {undecided.message}"
    if name == "registrar" and error is not None and error.at_ms >= since_ms:
        return "refused", f"{error.allocation_id} was refused: {error.message}"
    return None


def _and_more(count: int) -> str:
    return f", and {count:,} more" if count > 0 else ""


def _stuck(name: StageName, facts: _Facts, now_ms: int, patience: Patience) -> tuple[Concern, str] | None:
    if facts.oldest is None or _waited(facts, now_ms) < patience.stuck_ms[name]:
        return None
    since = _clock(facts.oldest[1])
    return "stuck", f"{name} has not finished {facts.oldest[0]} since {since}; {_waiting(facts)}"


def _last_error(connection: Connection, kind: int) -> StageError | None:
    return _error(
        connection.execute(
            "SELECT raw, at_ms, key FROM messages WHERE type = ? ORDER BY at_ms DESC, place DESC LIMIT 1",
            (kind,),
        ).fetchone()
    )


def _last_mismatch(connection: Connection) -> StageError | None:
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


def _undecided(connection: Connection, since_ms: int) -> StageError | None:
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


def _counts(connection: Connection, table: str) -> dict[Any, int]:
    rows = connection.execute(f"SELECT state, count(*) FROM {table} GROUP BY state")  # noqa: S608
    return {row[0]: row[1] for row in rows}


def _oldest(connection: Connection, name: str, rest: str, at: str = "at_ms") -> tuple[str, int] | None:
    row: Row | None = connection.execute(
        f"SELECT {name}, {at} FROM {rest} ORDER BY {at}, {name} LIMIT 1"  # noqa: S608
    ).fetchone()
    return None if row is None else (row[0], row[1])


def _one(connection: Connection, statement: str, *values: object) -> int:
    return int(connection.execute(statement, values).fetchone()[0])


def _clock(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%H:%M:%S UTC")

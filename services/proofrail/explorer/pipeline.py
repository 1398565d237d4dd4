"""The strip: each stage's rate, lag and last error, and whether a person is needed."""

from __future__ import annotations

from collections.abc import Mapping
from sqlite3 import Connection, Row
from typing import Any, Final

from proofrail.explorer import schema
from proofrail.explorer.attention import Facts, Group, Mismatches, Patience, needs_a_person, waited
from proofrail.explorer.model.base import StageName
from proofrail.explorer.model.strip import Behind, Pipeline, Stage
from proofrail.explorer.stage_errors import last_error, last_mismatch

_RATE_MS: Final = 5 * 60 * 1000
_SAID: Final[Mapping[StageName, tuple[tuple[int, ...], int]]] = {
    "tracer": ((schema.INDEX_ENTRY, schema.DEAD_LETTER), schema.DEAD_LETTER),
    "prover": ((schema.PROOF, schema.FAILURE), schema.FAILURE),
    "auditor": ((schema.REPORT, schema.REPORT_OPEN), schema.REPORT_OPEN),
    "registrar": ((schema.RECORDED, schema.REFUSED), schema.REFUSED),
}
"""Types of the messages by which a stage says that it has finished something, and of those that are its errors."""


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
    mismatches = Mismatches(
        _one(connection, "SELECT count(*) FROM runs WHERE verdict = 'MISMATCH'"), last_mismatch(connection)
    )
    registrar = registrar or bool(
        _one(
            connection,
            "SELECT EXISTS (SELECT 1 FROM messages WHERE type IN (?, ?))",
            schema.RECORDED,
            schema.REFUSED,
        )
    )
    facts: dict[StageName, Facts] = {
        "tracer": Facts(
            "proposals",
            allocations.get("waiting", 0),
            _oldest(connection, "allocation_id", "allocations WHERE state = 'waiting'"),
        ),
        "prover": Facts(
            "runs",
            runs.get("sealed", 0),
            _oldest(connection, "run_id", "runs WHERE state = 'sealed'"),
        ),
        "auditor": Facts(
            "runs",
            _one(connection, "SELECT count(*) FROM runs WHERE audit_due_ms IS NOT NULL"),
            _oldest(connection, "run_id", "runs WHERE audit_due_ms IS NOT NULL", "audit_due_ms"),
        ),
        "registrar": Facts(
            "allocations",
            allocations.get("attested", 0) if registrar else 0,
            _oldest(
                connection,
                "allocation_id",
                "allocations INDEXED BY allocations_unrecorded WHERE state = 'attested'",
                "attested_ms",
            )
            if registrar
            else None,
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
    facts: Facts,
    now_ms: int,
    group: Group | None,
    in_use: bool,
    behind: Behind,
    patience: Patience,
    mismatches: Mismatches,
) -> Stage:
    finished, errors = _SAID[name]
    marks = ", ".join("?" * len(finished))
    done = _one(
        connection,
        f"SELECT count(*) FROM messages WHERE type IN ({marks}) AND at_ms > ?",  # noqa: S608
        *finished,
        now_ms - _RATE_MS,
    )
    error = last_error(connection, errors)
    # While the view is being built, or the broker is away, nothing can be told of services.
    tells = in_use and behind.caught_up and behind.broker_since_ms is None
    wrong = (
        needs_a_person(connection, name, facts, now_ms, group, error, mismatches, patience) if tells else None
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
        lag_seconds=waited(facts, now_ms) / 1000,
        oldest=None if facts.oldest is None else facts.oldest[0],
        last_error=error,
        attention=attention,
        concern=concern,
    )


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

"""Whether a stage needs a person, and why: nothing else is shown red."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from sqlite3 import Connection
from typing import Final

from proofrail.explorer.model.base import StageName
from proofrail.explorer.model.strip import Concern, StageError
from proofrail.explorer.stage_errors import undecided

_RECENT_MS: Final = 24 * 60 * 60 * 1000
"""So long what went wrong asks for a person. Nothing on the topics says that one has come, and what stays red hides
what comes next; a mismatch is told of on every page after that, too, but not in red."""
_SHORT: Final = 12
"""Characters of a run_id that commands are given."""


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
class Facts:
    """What a stage has before it."""

    unit: str
    lag: int
    oldest: tuple[str, int] | None
    """Its id, and since when it waits."""


@dataclass(frozen=True)
class Mismatches:
    """All that there are, and the first report on the youngest."""

    count: int
    last: StageError | None


def needs_a_person(
    connection: Connection,
    name: StageName,
    facts: Facts,
    now_ms: int,
    group: Group | None,
    error: StageError | None,
    mismatches: Mismatches,
    patience: Patience,
) -> tuple[Concern, str] | None:
    """The worst that a person has to see to, in one sentence."""
    since = None if group is None else group.empty_since_ms
    if since is not None and now_ms - since >= patience.unreachable_ms:
        return "unreachable", f"{name} unreachable since {_clock(since)}; {_waiting(facts)}"
    return _went_wrong(connection, name, now_ms - _RECENT_MS, error, mismatches) or _stuck(
        name, facts, now_ms, patience
    )


def waited(facts: Facts, now_ms: int) -> int:
    """How long the oldest has waited, in milliseconds."""
    return 0 if facts.oldest is None else max(0, now_ms - facts.oldest[1])


def _waiting(facts: Facts) -> str:
    return f"{facts.lag} {facts.unit if facts.lag != 1 else facts.unit[:-1]} waiting; nothing lost"


def _went_wrong(
    connection: Connection,
    name: StageName,
    since_ms: int,
    error: StageError | None,
    mismatches: Mismatches,
) -> tuple[Concern, str] | None:
    """What has gone wrong at a stage since then and does not mend itself."""
    if name == "prover":
        given_up = connection.execute(
            "SELECT allocation_id, indexed_run, dead_code, count(*) OVER () AS others FROM allocations"
            " INDEXED BY allocations_given_up"
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
        left = undecided(connection, since_ms)
        if left is not None:
            return "undecided", f"run {left.run_id} stays undecided: {left.message}"
    if name == "registrar":
        refused = connection.execute(
            "SELECT allocation_id, refused_code, count(*) OVER () AS others FROM allocations"
            " INDEXED BY allocations_refused"
            " WHERE state = 'refused' AND registered_ms >= ? ORDER BY registered_ms DESC LIMIT 1",
            (since_ms,),
        ).fetchone()
        if refused is not None:
            told = error is not None and error.allocation_id == refused["allocation_id"]
            why = f": {error.message}" if error is not None and told else ""
            return "refused", (
                f"{refused['allocation_id']} was refused [{refused['refused_code']}]{why}"
                f"{_and_more(refused['others'] - 1)}"
            )
    return None


def _and_more(count: int) -> str:
    return f", and {count:,} more" if count > 0 else ""


def _stuck(name: StageName, facts: Facts, now_ms: int, patience: Patience) -> tuple[Concern, str] | None:
    if facts.oldest is None or waited(facts, now_ms) < patience.stuck_ms[name]:
        return None
    since = _clock(facts.oldest[1])
    return "stuck", f"{name} has not finished {facts.oldest[0]} since {since}; {_waiting(facts)}"


def _clock(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%H:%M:%S UTC")

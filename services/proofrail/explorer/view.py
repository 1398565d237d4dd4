"""The view: batches of records go in, each in one transaction with the positions behind it.

What tables are asked for is kept in columns; what a column says follows from facts alone, whatever the order in which
topics were read, and however often a record comes: the first proposal, seal and terminal record count, the last index
entry and report, and a MISMATCH is not taken back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from sqlite3 import Connection
from typing import Final

from aiokafka import TopicPartition

from proofrail.explorer.database import ViewDatabase
from proofrail.explorer.intake import Batch
from proofrail.messaging.records import Record

_CHANGES_TOLD: Final = 200
"""Where more has changed at once, that is all that is said."""


@dataclass
class Changed:
    """What a batch has changed, for those who look."""

    runs: list[tuple[str, str, str]] = field(default_factory=list)
    """run_id, state, verdict."""
    allocations: list[tuple[str, str]] = field(default_factory=list)
    """allocation_id, state."""
    dead_letters: int = 0
    too_many: bool = False
    """Then the lists are empty."""


class View:
    """Writes the view. One thread at a time."""

    def __init__(self, database: ViewDatabase) -> None:
        self._database = database

    def positions(self) -> dict[TopicPartition, int]:
        """The offset of the next record, by partition."""
        with self._database.snapshot() as connection:
            rows = connection.execute("SELECT topic, partition, next FROM positions")
            return {TopicPartition(topic, partition): following for topic, partition, following in rows}

    def cluster(self) -> str | None:
        """The cluster whose offsets the positions are."""
        with self._database.snapshot() as connection:
            row = connection.execute("SELECT value FROM meta WHERE name = 'cluster'").fetchone()
            return None if row is None else str(row[0])

    def begin(self, cluster: str) -> None:
        """Note whose records come. Raises TransientError `explorer-disk`."""
        with self._database.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('cluster', ?)", (cluster,))

    def note_gap(self, at_ms: int, what: str, partition: TopicPartition) -> None:
        """Note that records were removed before they were read, and forget the place that is gone."""
        with self._database.transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO gaps VALUES (?, ?)", (at_ms, what))
            connection.execute("DELETE FROM positions WHERE topic = ? AND partition = ?", partition)

    def apply(self, records: Sequence[Record], positions: Mapping[TopicPartition, int]) -> Changed:
        """Take records, and the positions behind them. Raises TransientError `explorer-disk`."""
        batch = Batch()
        batch.take(records)
        with self._database.transaction() as connection:
            for statement, rows in _rows(batch):
                if rows:
                    connection.executemany(statement, rows)
            changed = _derive(connection, batch)
            connection.executemany(
                "INSERT OR REPLACE INTO positions VALUES (?, ?, ?)",
                [(tp.topic, tp.partition, following) for tp, following in positions.items()],
            )
        return changed


def _rows(batch: Batch) -> list[tuple[str, Sequence[tuple[object, ...]]]]:
    return [
        ("INSERT OR IGNORE INTO messages VALUES (?, ?, ?, ?, ?)", batch.messages),
        ("INSERT OR IGNORE INTO parts VALUES (?, ?, ?, ?)", batch.parts),
        ("INSERT OR IGNORE INTO dead_letters VALUES (?, ?, ?)", batch.refusals),
        ("INSERT OR IGNORE INTO unreadable VALUES (?, ?, ?, ?)", batch.unreadable),
        ("INSERT OR IGNORE INTO digests VALUES (?, ?, ?)", batch.digests),
        ("INSERT OR IGNORE INTO inputs VALUES (?, ?, ?)", batch.inputs),
        (_SEEN_RUN, list(batch.seen_runs.values())),
        (_SEAL, batch.seals),
        (_TERMINAL, batch.terminals),
        (_REPORT.format(subject="run"), batch.run_reports),
        (_REPORT.format(subject="proof"), batch.proof_reports),
        (_INPUT, batch.taken),
        (_PROPOSAL, batch.proposals),
        (_DEAD_LETTER, batch.dead_letters),
        (_ENTRY, batch.entries),
        (_ATTESTATION, batch.attestations),
        (_ATTESTED_RUN, list(batch.attested_runs.items())),
        (_REGISTRATION, batch.registrations),
    ]


# Facts. `WHERE` behind `DO UPDATE` says which of two words on the same thing counts.

_SEEN_RUN: Final = """
INSERT INTO runs (run_id, at_ms, traceparent) VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET
    at_ms = CASE WHEN sealed_ms IS NULL THEN min(at_ms, excluded.at_ms) ELSE at_ms END,
    traceparent = coalesce(traceparent, excluded.traceparent)
"""
_SEAL: Final = """
INSERT INTO runs (run_id, at_ms, seal, sealed_ms, program, layout, outcome, items, blocks, block_items, bits, n_steps)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET
    at_ms = excluded.at_ms, seal = excluded.seal, sealed_ms = excluded.sealed_ms, program = excluded.program,
    layout = excluded.layout, outcome = excluded.outcome, items = excluded.items, blocks = excluded.blocks,
    block_items = excluded.block_items, bits = excluded.bits, n_steps = excluded.n_steps
WHERE seal IS NULL OR seal > excluded.seal
"""
_TERMINAL: Final = """
INSERT INTO runs (run_id, at_ms, terminal, terminal_ms, prove_ms, backend, security_bits, is_mock, failure)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET
    terminal = excluded.terminal, terminal_ms = excluded.terminal_ms, prove_ms = excluded.prove_ms,
    backend = excluded.backend, security_bits = excluded.security_bits, is_mock = excluded.is_mock,
    failure = excluded.failure
WHERE terminal IS NULL OR terminal > excluded.terminal
"""
_REPORT: Final = """
INSERT INTO runs (run_id, at_ms, {subject}_verdict, {subject}_report_ms, mismatch, mismatch_item, mismatch_block,
    mismatch_step)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET
    {subject}_verdict = excluded.{subject}_verdict, {subject}_report_ms = excluded.{subject}_report_ms,
    mismatch = coalesce(excluded.mismatch, mismatch),
    mismatch_item = coalesce(excluded.mismatch_item, mismatch_item),
    mismatch_block = coalesce(excluded.mismatch_block, mismatch_block),
    mismatch_step = coalesce(excluded.mismatch_step, mismatch_step)
WHERE {subject}_verdict IS NOT 'MISMATCH'
"""
_INPUT: Final = """
INSERT INTO allocations (allocation_id, at_ms, taken, taken_run, taken_row) VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET taken = excluded.taken, taken_run = excluded.taken_run, taken_row = excluded.taken_row
WHERE taken IS NULL OR taken < excluded.taken
"""
_PROPOSAL: Final = """
INSERT INTO allocations (allocation_id, at_ms, proposal, proposed_ms) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET
    at_ms = excluded.at_ms, proposal = excluded.proposal, proposed_ms = excluded.proposed_ms
WHERE proposal IS NULL OR proposal > excluded.proposal
"""
_DEAD_LETTER: Final = """
INSERT INTO allocations (allocation_id, at_ms, dead, dead_ms, dead_code) VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET dead = excluded.dead, dead_ms = excluded.dead_ms, dead_code = excluded.dead_code
WHERE dead IS NULL OR dead < excluded.dead
"""
_ENTRY: Final = """
INSERT INTO allocations (allocation_id, at_ms, indexed, indexed_run, indexed_row, indexed_dead, accepted)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET
    indexed = excluded.indexed, indexed_run = excluded.indexed_run, indexed_row = excluded.indexed_row,
    indexed_dead = excluded.indexed_dead, accepted = excluded.accepted
WHERE indexed IS NULL OR indexed < excluded.indexed
"""
_ATTESTATION: Final = """
INSERT INTO allocations (allocation_id, at_ms, attestation, attested_ms, attested_run, attested_row, verdict)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET
    attestation = excluded.attestation, attested_ms = excluded.attested_ms, attested_run = excluded.attested_run,
    attested_row = excluded.attested_row, verdict = excluded.verdict
WHERE attestation IS NULL OR attestation > excluded.attestation
"""
_ATTESTED_RUN: Final = """
UPDATE runs SET attested_ms = min(coalesce(attested_ms, ?2), ?2) WHERE run_id = ?1
"""
_REGISTRATION: Final = """
INSERT INTO allocations (allocation_id, at_ms, registered, registered_ms, recorded, refused_code)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT DO UPDATE SET
    registered = max(coalesce(registered, 0), excluded.registered),
    registered_ms = CASE WHEN coalesce(recorded, 0) < excluded.recorded OR registered IS NULL OR ?7
        THEN excluded.registered_ms ELSE registered_ms END,
    recorded = CASE WHEN ?7 THEN excluded.recorded ELSE max(coalesce(recorded, 0), excluded.recorded) END,
    refused_code = coalesce(excluded.refused_code, refused_code)
"""

# What follows from them. Only what becomes another is written, and told.

_DERIVE_RUNS: Final = """
UPDATE runs SET state = d.state, verdict = d.verdict, audit_due_ms = d.due
FROM (
    SELECT r.run_id AS name,
        CASE
            WHEN run_verdict = 'MISMATCH' OR proof_verdict = 'MISMATCH' THEN 'MISMATCH'
            WHEN run_verdict = 'INDETERMINATE' OR proof_verdict = 'INDETERMINATE' THEN 'INDETERMINATE'
            WHEN run_verdict = 'MATCH' AND proof_verdict = 'MATCH' THEN 'MATCH'
            ELSE 'PENDING' END AS verdict,
        CASE
            WHEN attested_ms IS NOT NULL THEN 'attested'
            WHEN failure IS NOT NULL THEN 'given-up'
            WHEN terminal IS NOT NULL THEN 'proven'
            WHEN seal IS NOT NULL THEN 'sealed'
            ELSE 'open' END AS state,
        CASE
            WHEN seal IS NOT NULL AND run_verdict IS NULL THEN sealed_ms
            WHEN run_verdict = 'MATCH' AND terminal IS NOT NULL AND failure IS NULL AND proof_verdict IS NULL
                THEN terminal_ms
            END AS due
    FROM temp.touched_runs t JOIN runs r ON r.run_id = t.run_id
) AS d
WHERE run_id = d.name AND (runs.state, runs.verdict, runs.audit_due_ms) IS NOT (d.state, d.verdict, d.due)
RETURNING run_id, state, verdict
"""
_DERIVE_ALLOCATIONS: Final = """
UPDATE allocations SET run_id = d.run_id, row = d.row, state = d.state, error = d.error
FROM (
    SELECT a.allocation_id AS name, a.in_run AS run_id, a.in_row AS row,
        CASE
            WHEN recorded = 1 THEN 'recorded'
            WHEN registered IS NOT NULL THEN 'refused'
            WHEN attestation IS NOT NULL THEN 'attested'
            WHEN r.verdict = 'MISMATCH' THEN 'mismatch'
            WHEN dead IS NOT NULL AND (a.in_run IS NULL OR indexed_dead IS NOT NULL) THEN 'dead-lettered'
            WHEN r.state IN ('proven', 'attested') THEN 'proven'
            WHEN a.in_run IS NOT NULL THEN 'traced'
            ELSE 'waiting' END AS state,
        CASE
            WHEN recorded = 1 THEN NULL
            WHEN registered IS NOT NULL THEN refused_code
            WHEN attestation IS NOT NULL THEN NULL
            WHEN r.verdict = 'MISMATCH' THEN coalesce(r.mismatch, 'mismatch')
            WHEN dead IS NOT NULL AND (a.in_run IS NULL OR indexed_dead IS NOT NULL) THEN dead_code
            ELSE r.failure END AS error
    FROM (
        SELECT *,
            coalesce(attested_run, indexed_run, taken_run) AS in_run,
            CASE WHEN attested_run IS NOT NULL THEN attested_row WHEN indexed_run IS NOT NULL THEN indexed_row
                ELSE taken_row END AS in_row
        FROM temp.touched_allocations t CROSS JOIN allocations USING (allocation_id)
    ) AS a LEFT JOIN runs r ON r.run_id = a.in_run
) AS d
WHERE allocation_id = d.name AND (allocations.run_id, allocations.row, allocations.state, allocations.error)
    IS NOT (d.run_id, d.row, d.state, d.error)
RETURNING allocation_id, state
"""


def _derive(connection: Connection, batch: Batch) -> Changed:
    connection.execute("DELETE FROM temp.touched_runs")
    connection.execute("DELETE FROM temp.touched_allocations")
    connection.executemany("INSERT INTO temp.touched_runs VALUES (?)", [(one,) for one in batch.runs])
    connection.executemany(
        "INSERT INTO temp.touched_allocations VALUES (?)", [(one,) for one in batch.allocations]
    )
    runs = connection.execute(_DERIVE_RUNS).fetchall()
    # What becomes of a run becomes of its allocations.
    connection.executemany(
        "INSERT OR IGNORE INTO temp.touched_allocations SELECT allocation_id FROM allocations WHERE run_id = ?",
        [(row[0],) for row in runs],
    )
    allocations = connection.execute(_DERIVE_ALLOCATIONS).fetchall()
    if len(runs) + len(allocations) > _CHANGES_TOLD:
        return Changed(too_many=True)
    # An allocation is told of also when it comes to be, waiting.
    states = {name: "waiting" for name, *_ in batch.proposals if len(batch.proposals) <= _CHANGES_TOLD}
    states |= {row[0]: row[1] for row in allocations}
    return Changed([tuple(row) for row in runs], list(states.items()), len(batch.refusals))

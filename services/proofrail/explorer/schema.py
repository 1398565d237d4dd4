"""The view's tables. All of them can be made again from the topics, so a file of another version is dropped.

A message is named by its place, one integer: topic, partition, offset and line. `messages` holds lines as they were
published; `runs` and `allocations` sum them up, with a column for each question that a table or the strip asks.
"""

from __future__ import annotations

from typing import Final

from proofrail.explorer.model.base import Place
from proofrail.wire import topics
from proofrail.wire.errors import ProofrailError

VERSION: Final = 5
"""Raised with each change of the tables, or of what stands in them: files of other versions are built anew."""

TOPICS: Final = (
    topics.PROPOSALS,
    topics.PROPOSALS_DLQ,
    topics.INDEX,
    topics.EVENTS,
    topics.COMMITMENTS,
    topics.PROOFS,
    topics.REPORTS,
    topics.ATTESTATIONS,
    topics.REGISTRATIONS,
)
"""What is read, in the order of their numbers in a place."""

PROPOSAL: Final = 1
DEAD_LETTER: Final = 2
INDEX_ENTRY: Final = 3
SEAL: Final = 4
PROOF: Final = 5
FAILURE: Final = 6
REPORT: Final = 7
REPORT_OPEN: Final = 8
"""A report that is no MATCH."""
ATTESTATION: Final = 9
RECORDED: Final = 10
REFUSED: Final = 11

_TOPIC_NUMBER: Final = {name: number for number, name in enumerate(TOPICS)}
LINE_BITS: Final = 14
"""A record's place is its partition's and `offset << LINE_BITS`."""
_OFFSET_BITS: Final = 36
_PARTITION_BITS: Final = 9
_PARTITION_SHIFT: Final = LINE_BITS + _OFFSET_BITS
_TOPIC_SHIFT: Final = _PARTITION_SHIFT + _PARTITION_BITS

MAX_LINES: Final = 1 << LINE_BITS
"""Lines of a record that can be named. 512 KiB of more lines than that are no messages: they would have 32 bytes."""


def can_name(partition: int, offset: int, line: int = 0) -> bool:
    """Whether there is an integer for such a place."""
    return not (partition >> _PARTITION_BITS or offset >> _OFFSET_BITS or line >> LINE_BITS)


def place_of(topic: str, partition: int, offset: int, line: int = 0) -> int:
    """A place as one integer, ordered by topic, partition, offset and line. Raises ProofrailError `explorer-place`
    beyond 512 partitions, 2^36 records or 2^14 lines."""
    if not can_name(partition, offset, line):
        raise ProofrailError(
            "explorer-place",
            f"{topic}/{partition}, offset {offset}, line {line} is beyond what the view can name",
            "The explorer reads topics of at most 512 partitions",
        )
    return _TOPIC_NUMBER[topic] << _TOPIC_SHIFT | partition << _PARTITION_SHIFT | offset << LINE_BITS | line


def base_of(topic: str, partition: int) -> int:
    """What is added to `offset << LINE_BITS` for places in this partition; see `place_of`."""
    return place_of(topic, partition, 0)


def place_at(number: int) -> Place:
    """The place that an integer names."""
    return Place(
        topic=TOPICS[number >> _TOPIC_SHIFT],
        partition=number >> _PARTITION_SHIFT & (1 << _PARTITION_BITS) - 1,
        offset=number >> LINE_BITS & (1 << _OFFSET_BITS) - 1,
        line=number & MAX_LINES - 1,
    )


EVENTS_END: Final = base_of(topics.COMMITMENTS, 0)
"""Places of events lie before it, those of commitments do not."""

TABLES: Final = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE positions (topic TEXT, partition INTEGER, next INTEGER NOT NULL, PRIMARY KEY (topic, partition))
    WITHOUT ROWID;
CREATE TABLE gaps (at_ms INTEGER, what TEXT PRIMARY KEY) WITHOUT ROWID;

CREATE TABLE messages (
    place INTEGER PRIMARY KEY,
    type INTEGER NOT NULL,
    key TEXT,              -- the allocation_id or run_id it is about
    at_ms INTEGER NOT NULL,
    raw BLOB NOT NULL
);
CREATE TABLE parts (       -- records of events and commitments, which stay on their topics
    place INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    at_ms INTEGER NOT NULL
);
CREATE TABLE dead_letters (place INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, code TEXT NOT NULL);
CREATE TABLE unreadable (place INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, code TEXT NOT NULL, message TEXT NOT NULL);

CREATE TABLE runs (
    run_id TEXT PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'open',
    verdict TEXT NOT NULL DEFAULT 'PENDING',
    audit_due_ms INTEGER,
    traceparent TEXT,
    seal INTEGER, sealed_ms INTEGER, program TEXT, layout TEXT, outcome TEXT, items INTEGER, blocks INTEGER,
    block_items INTEGER, bits INTEGER, n_steps INTEGER,
    terminal INTEGER, terminal_ms INTEGER, prove_ms INTEGER, backend TEXT, security_bits INTEGER,
    is_mock INTEGER NOT NULL DEFAULT 0, failure TEXT,
    run_verdict TEXT, run_report_ms INTEGER, proof_verdict TEXT, proof_report_ms INTEGER,
    mismatch TEXT, mismatch_item INTEGER, mismatch_block INTEGER, mismatch_step INTEGER,
    attested_ms INTEGER
) WITHOUT ROWID;
CREATE TABLE inputs (run_id TEXT, row INTEGER, allocation_id TEXT, PRIMARY KEY (run_id, row)) WITHOUT ROWID;

CREATE TABLE allocations (
    allocation_id TEXT PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting',
    proposal INTEGER, accepted INTEGER, proposed_ms INTEGER,
    taken INTEGER, taken_run TEXT, taken_row INTEGER,
    indexed INTEGER, indexed_run TEXT, indexed_row INTEGER, indexed_dead TEXT,
    dead INTEGER, dead_ms INTEGER, dead_code TEXT,
    attestation INTEGER, attested_ms INTEGER, attested_run TEXT, attested_row INTEGER, verdict INTEGER,
    registered INTEGER, registered_ms INTEGER, recorded INTEGER, refused_code TEXT,
    run_id TEXT, row INTEGER, error TEXT
) WITHOUT ROWID;

CREATE TABLE digests (digest TEXT, kind TEXT, ref TEXT, PRIMARY KEY (digest, kind, ref)) WITHOUT ROWID;
"""

INDEXES: Final = """
CREATE INDEX messages_by_key ON messages (key, type);
CREATE INDEX messages_by_type ON messages (type, at_ms);
CREATE INDEX dead_letters_by_time ON dead_letters (at_ms, place);
CREATE INDEX dead_letters_by_code ON dead_letters (code, at_ms, place);
CREATE INDEX parts_by_run ON parts (run_id);
CREATE INDEX runs_by_time ON runs (at_ms, run_id);
CREATE INDEX runs_by_state ON runs (state, at_ms, run_id);
CREATE INDEX runs_by_verdict ON runs (verdict, at_ms, run_id);
CREATE INDEX runs_by_program ON runs (program, at_ms);
CREATE INDEX runs_to_audit ON runs (audit_due_ms) WHERE audit_due_ms IS NOT NULL;
CREATE INDEX runs_mismatched ON runs (mismatch_step) WHERE mismatch_step IS NOT NULL;
CREATE INDEX inputs_by_allocation ON inputs (allocation_id);
CREATE INDEX allocations_by_time ON allocations (at_ms, allocation_id);
CREATE INDEX allocations_by_state ON allocations (state, at_ms, allocation_id);
CREATE INDEX allocations_by_verdict ON allocations (verdict, at_ms, allocation_id);
CREATE INDEX allocations_given_up ON allocations (dead_ms) WHERE indexed_dead IS NOT NULL;
CREATE INDEX allocations_refused ON allocations (registered_ms) WHERE state = 'refused';
CREATE INDEX allocations_unrecorded ON allocations (attested_ms, allocation_id) WHERE state = 'attested';
CREATE INDEX allocations_by_run ON allocations (run_id, row);
"""

SCRATCH: Final = """
CREATE TEMP TABLE touched_runs (run_id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TEMP TABLE touched_allocations (allocation_id TEXT PRIMARY KEY) WITHOUT ROWID;
"""
"""The writer's own: of what a batch says something."""

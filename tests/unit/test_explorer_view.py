"""The explorer's view: what follows from records, whatever their order, and however often they come."""

from __future__ import annotations

import itertools
import json
import random
import threading
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.explorer_cases import HOSTILE_ID, World, applied, filled, proposal

from proofrail.explorer.database import Database
from proofrail.explorer.schema import TOPICS, can_name, place_at, place_of
from proofrail.explorer.view import View
from proofrail.messaging.records import Record
from proofrail.wire import topics
from proofrail.wire.errors import ProofrailError

_TABLES = ("messages", "dead_letters", "parts", "unreadable", "runs", "inputs", "allocations", "digests")


@pytest.fixture(scope="module")
def world() -> World:
    return filled()


def tables(folder: Path, lots: list[list[Record]]) -> dict[str, list[tuple[object, ...]]]:
    """All rows of a view that took these lots of records, one after the other."""
    database = Database(folder / "view.sqlite")
    try:
        view = View(database)
        for lot in lots:
            applied(view, lot, size=7)
        with database.snapshot() as connection:
            return {
                table: sorted(map(tuple, connection.execute(f"SELECT * FROM {table}")), key=repr)  # noqa: S608
                for table in _TABLES
            }
    finally:
        database.close()


def column(folder: Path, records: list[Record], statement: str) -> dict[str, object]:
    """Two columns of a view over records, as a dict."""
    database = Database(folder / "view.sqlite")
    try:
        applied(View(database), records)
        with database.snapshot() as connection:
            return dict(map(tuple, connection.execute(statement)))
    finally:
        database.close()


def test_states_follow_from_what_is_published(tmp_path: Path, world: World) -> None:
    """Each state of an allocation, from the records that lead to it."""
    found = column(tmp_path, world.records, "SELECT allocation_id, state FROM allocations")
    expected = {
        "vault:000000": "recorded",
        "vault:000001": "attested",
        "vault:000003": "refused",
        "vault:000010": "mismatch",
        "vault:000020": "attested",
        "vault:000040": "traced",
        "vault:000050": "waiting",
        "bad-1": "dead-lettered",
        HOSTILE_ID: "dead-lettered",
    }
    assert expected == {name: found[name] for name in expected}


def test_what_a_ledger_takes_back_is_recorded_no_more(tmp_path: Path) -> None:
    """A refusal alone takes nothing back; one that replaces a transaction does, and what is recorded in its place
    counts again."""
    world = World()
    run = world.seal(world.propose(proposal(1)))
    run.settle()
    (name,) = run.attestations
    for code, more, state in (
        (None, {}, "recorded"),
        ("policy-security", {}, "recorded"),
        ("ledger-other-decision", {"replaces": "0xa"}, "refused"),
        (None, {"replaces": "0xa"}, "recorded"),
    ):
        run.register(name, code, **more)
        folder = tmp_path / str(len(world.records))
        found = column(folder, world.records, "SELECT allocation_id, state FROM allocations")
        assert {name: state} == found


def test_the_order_of_topics_does_not_matter(tmp_path: Path, world: World) -> None:
    """A view that reads topic after topic, in any order of topics, has the same rows as one that saw it all happen."""
    expected = tables(tmp_path / "happened", [world.records])
    orders = [list(TOPICS), list(reversed(TOPICS)), random.Random(7).sample(TOPICS, len(TOPICS))]  # noqa: S311
    for number, order in enumerate(orders):
        lots = [[record for record in world.records if record.topic == topic] for topic in order]
        assert expected == tables(tmp_path / str(number), lots)


def test_records_that_come_twice_change_nothing(tmp_path: Path, world: World) -> None:
    """Whatever part of the records comes again, the rows are the same."""
    expected = tables(tmp_path / "once", [world.records])
    middle = len(world.records) // 2
    assert expected == tables(tmp_path / "twice", [world.records, world.records])
    assert expected == tables(tmp_path / "half", [world.records[:middle], world.records[middle // 2 :]])


def test_position_and_view_are_kept_together(tmp_path: Path, world: World) -> None:
    """What a view that was closed at any moment says it has, it has: going on from there leads to the same rows."""
    expected = tables(tmp_path / "whole", [world.records])
    for upto in (0, 1, 17, len(world.records) - 1):
        folder = tmp_path / f"cut {upto}"
        database = Database(folder / "view.sqlite")
        applied(View(database), world.records[:upto], size=5)
        database.close()
        database = Database(folder / "view.sqlite")
        ends = View(database).positions()
        database.close()
        rest = [one for one in world.records if one.offset >= ends.get(one.tp, 0)]
        assert len(world.records) - upto == len(rest)
        assert expected == tables(folder, [rest])


def test_a_failed_transaction_leaves_neither_rows_nor_positions(tmp_path: Path, world: World) -> None:
    """A batch that cannot be written whole is not written at all."""
    database = Database(tmp_path / "view.sqlite")
    view = View(database)
    database.writer.execute("DROP TABLE digests")
    with pytest.raises(ProofrailError, match="explorer-disk"):
        view.apply(world.records[:50], {TopicPartition(topics.PROPOSALS, 0): 5})
    assert {} == view.positions()
    with database.snapshot() as connection:
        assert 0 == connection.execute("SELECT count(*) FROM messages").fetchone()[0]
    database.close()


def test_a_file_of_another_version_is_built_anew(tmp_path: Path, world: World) -> None:
    """A view of another schema is dropped, and so is one on demand and one that is no database."""
    path = tmp_path / "view.sqlite"

    def fill() -> None:
        database = Database(path)
        applied(View(database), world.records[:20])
        database.close()

    fill()
    assert not reopened(path).rebuilt
    database = Database(path)
    database.writer.execute("PRAGMA user_version = 99")
    database.close()
    assert reopened(path).rebuilt
    fill()
    database = Database(path, rebuild=True)
    assert {} == View(database).positions()
    database.close()
    path.write_bytes(b"no database" * 1000)
    assert reopened(path).rebuilt


def reopened(path: Path) -> Database:
    database = Database(path)
    database.close()
    return database


def test_a_view_has_one_writer(tmp_path: Path) -> None:
    """A second explorer on the same file does not start."""
    database = Database(tmp_path / "view.sqlite")
    with pytest.raises(ProofrailError, match="explorer-in-use"):
        Database(tmp_path / "view.sqlite")
    database.close()


def test_a_mismatch_is_not_taken_back(tmp_path: Path) -> None:
    """A MATCH behind a MISMATCH changes nothing, from whomever it comes."""
    world = World()
    run = world.seal(world.propose(proposal(1)))
    run.mismatch()
    run.report("run", "MATCH")
    assert {run.run_id: "MISMATCH"} == column(tmp_path, world.records, "SELECT run_id, verdict FROM runs")


def test_the_first_terminal_record_counts(tmp_path: Path) -> None:
    """As for the other services: what is said of a proven run later is not its terminal record."""
    world = World()
    run = world.seal(world.propose(proposal(1)))
    run.prove()
    run.fail("prover-killed", "too late")
    assert {run.run_id: None} == column(tmp_path, world.records, "SELECT run_id, failure FROM runs")


def test_another_proposal_under_the_same_id_does_not_touch_the_first(tmp_path: Path) -> None:
    """The second is dead-lettered; the allocation stays what the first made of it."""
    world = World()
    world.seal(world.propose(proposal(1))).settle()
    second = world.publish(topics.PROPOSALS, "vault:000001", proposal(1, share=7000))
    world.dead_letter(second, "proposal-id-reused", "already stands for another proposal")
    found = column(tmp_path, world.records, "SELECT allocation_id, state FROM allocations")
    assert {"vault:000001": "attested"} == found


def test_a_halved_run_moves_its_allocations(tmp_path: Path) -> None:
    """What the index says last counts, and the old run keeps its failure."""
    world = World()
    proposed = world.propose(proposal(1), proposal(2))
    whole = world.seal(proposed)
    whole.fail("prover-out-of-memory", "too large")
    halves = [world.seal([one]) for one in proposed]
    found = column(tmp_path, world.records, "SELECT allocation_id, run_id FROM allocations")
    assert {"vault:000001": halves[0].run_id, "vault:000002": halves[1].run_id} == found
    assert "given-up" == column(tmp_path, [], "SELECT run_id, state FROM runs")[whole.run_id]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\xff",
        b"[]",
        b"{" * 5000,
        b'{"v":1,"type":"AuditReport"}',
        b'{"v":1,"type":"AuditReport","run_id":7,"subject":"run","verdict":"MATCH"}',
        b'{"v":1,"type":"AuditReport","run_id":"r","subject":"run","verdict":"YES"}',
        b'{"v":1,"type":"AuditReport","run_id":"r","subject":"run","verdict":"MISMATCH",'
        b'"first_mismatch":{"kind":"x","block":' + b"9" * 5000 + b"}}",
        b'{"v":1,"type":"AuditReport","run_id":"\\ud800","subject":"run","verdict":"MATCH"}',
        b'{"v":2,"type":"AuditReport","run_id":"r","subject":"run","verdict":"MATCH"}',
        b'{"v":1,"type":"Attestation","allocation_id":"a"}',
    ],
)
def test_what_cannot_be_read_spoils_nothing(tmp_path: Path, line: bytes) -> None:
    """It is counted; the lines beside it, and the topics, are read on."""
    good = b'{"v":1,"type":"AuditReport","run_id":"r","subject":"run","verdict":"MATCH","checked":[],"unchecked":[]}'
    record = Record(topics.REPORTS, 0, 0, b"r", line + b"\n" + good, {}, 1)
    assert {"r": "MATCH"} == column(tmp_path, [record], "SELECT run_id, run_verdict FROM runs")
    assert 1 == len(column(tmp_path, [], "SELECT place, code FROM unreadable"))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_MEMBERS = ("v", "type", "run_id", "allocation_id", "row", "offset", "partition", "topic", "input", "index", "items",
            "blocks", "block_items", "bits", "verdict", "subject", "code", "value", "key", "outcome", "fact", "proof",
            "security_bits", "backend", "timings", "identities", "digest", "evidence", "program")  # fmt: skip
_TYPES = ("Proof", "ProofFailure", "AuditReport", "Attestation", "Registration", "DeadLetter", "AllocationIndex",
          "CommitmentSeal", "Input")  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(TOPICS),
            st.binary(max_size=8) | st.sampled_from([b"r", b"a"]),
            st.binary(max_size=40)
            | st.dictionaries(
                st.sampled_from(_MEMBERS), st.sampled_from(["r", "a", 1, 0, *_TYPES]) | _JSON, max_size=12
            ),
            st.integers(-(2**63), 2**63 - 1),
        ),
        max_size=6,
    )
)
def test_any_record_is_taken(
    tmp_path_factory: pytest.TempPathFactory, made: list[tuple[str, bytes, object, int]]
) -> None:
    """Nothing that can stand on a topic keeps the view from being built."""
    records = [
        Record(
            topic, 0, offset, key, value if isinstance(value, bytes) else json.dumps(value).encode(), {}, at
        )
        for offset, (topic, key, value, at) in enumerate(made)
    ]
    database = Database(tmp_path_factory.mktemp("any") / "view.sqlite")
    applied(View(database), records)
    database.close()


@given(st.sampled_from(TOPICS), st.integers(0, 511), st.integers(0, 2**36 - 1), st.integers(0, 2**14 - 1))
def test_places_are_named_by_one_integer(topic: str, partition: int, offset: int, line: int) -> None:
    """There and back, and within what SQLite holds."""
    number = place_of(topic, partition, offset, line)
    assert number < 2**63
    place = place_at(number)
    assert (topic, partition, offset, line) == (place.topic, place.partition, place.offset, place.line)
    assert can_name(partition, offset, line)


def test_closing_waits_for_whoever_reads(tmp_path: Path) -> None:
    """SQLite may crash where a connection is closed under a statement."""
    database = Database(tmp_path / "view.sqlite")
    closing = threading.Thread(target=database.close)
    with database.snapshot() as connection:
        rows = connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
        )
        closing.start()
        assert list(range(1, 10_001)) == [row[0] for row in itertools.islice(rows, 10_000)]
        rows.close()
        assert closing.is_alive()
    closing.join(10)
    assert not closing.is_alive()

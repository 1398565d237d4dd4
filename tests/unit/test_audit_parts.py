"""The small parts of the audit: values, raw files, settings, claims."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofrail.audit.claimed_events import EventValues
from proofrail.audit.claims import read_claims
from proofrail.audit.compare import compare_objects
from proofrail.audit.findings import KINDS, Finding
from proofrail.audit.raw import CELL_BYTES, STEP_BYTES, cell_at, first_difference, sorted_cells, step_at
from proofrail.audit.settings import RunPolicy, resolve
from proofrail.audit.values import ABSENT, LIMIT, same, shown
from proofrail.audit.vocabulary import event_members
from proofrail.commitment.runid import run_id
from proofrail.wire.canonical import canonical
from proofrail.wire.errors import MalformedError
from proofrail.wire.events import EVENT_TYPES

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(JSON, JSON)
def test_same_is_equality_of_canonical_forms(left: Any, right: Any) -> None:
    """Two JSON values are the same exactly when their canonical forms are: true is not 1."""
    assert (canonical([left]) == canonical([right])) == same(left, right)
    assert same(left, left)
    assert not same(left, ABSENT)


@given(
    st.dictionaries(st.text(max_size=3), JSON, max_size=4),
    st.dictionaries(st.text(max_size=3), JSON, max_size=4),
)
def test_objects_compare_equal_exactly_when_they_are(left: dict[str, Any], right: dict[str, Any]) -> None:
    """A comparison without difference and without unknown members is equality."""
    comparison = compare_objects(left, right, {})
    found = comparison.difference is not None or bool(comparison.unknown)
    assert same(left, right) != found


def test_long_values_are_cut_around_the_first_difference() -> None:
    """Both excerpts begin at the same offset, shortly before what differs."""
    left, right = "a" * 5000, "a" * 3000 + "b" + "a" * 1999
    found = shown(left, right)
    assert True is found["truncated"]
    start = found["excerpt_from"]
    assert left[start : start + LIMIT] == found["expected"]
    assert "b" == found["claimed"][3000 - start]
    assert {"claimed": "null", "expected": 1} == shown(1, None)
    assert {"expected": 1} == shown(1, ABSENT)


@given(st.binary(max_size=400), st.binary(max_size=400), st.sampled_from([1, STEP_BYTES, CELL_BYTES]))
def test_the_first_difference_is_the_first(left: bytes, right: bytes, record: int) -> None:
    """Whole records before it are equal, and it is not."""
    index = first_difference(left, right, record)
    if index is None:
        assert left == right
    else:
        assert left[: index * record] == right[: index * record]
        assert left[index * record : (index + 1) * record] != right[index * record : (index + 1) * record]


def test_a_difference_far_into_a_file_is_found() -> None:
    """Files are compared in slices; the place is exact across their borders."""
    left = bytes(3 << 20)
    for position in (0, (1 << 20) - 1, 1 << 20, (2 << 20) + 5, (3 << 20) - 1):
        right = bytearray(left)
        right[position] = 1
        assert position == first_difference(left, right, 1)


def test_records_beyond_the_end_are_none() -> None:
    """A record that is cut off is no record."""
    assert step_at(bytes(47), 1) is None
    assert cell_at(bytes(79), 1) is None
    assert step_at(bytes(48), 1) is not None


@given(st.lists(st.integers(0, 2**64 - 1), max_size=20, unique=True))
def test_cells_are_sorted_by_address(addresses: list[int]) -> None:
    """By the number, not by its little-endian bytes."""
    cells = [address.to_bytes(8, "little") + bytes(32) for address in addresses]
    in_order = [address.to_bytes(8, "little") + bytes(32) for address in sorted(addresses)]
    assert b"".join(in_order) == sorted_cells(b"".join(cells))


@pytest.mark.parametrize("name", ["layout", "spans", "bits", "block_items"])
def test_the_run_id_tells_which_claim_is_the_original(name: str) -> None:
    """Of a seal and a TraceStart that contradict each other, the one that gives the run_id is believed."""
    true = {"layout": "dex", "spans": "all", "bits": 8, "block_items": 32}
    false = {"layout": "small", "spans": "own", "bits": 9, "block_items": 33}
    claimed = run_id(artifact_sha256="a", method_id="0x1", inputs_sha256="0" * 64, **true)
    seal: dict[str, Any] = {**true, "run_id": claimed, name: false[name]}
    start = {
        "run_id": claimed,
        "layout": true["layout"],
        "spans": true["spans"],
        "commitment": {"bits": true["bits"], "block_items": true["block_items"]},
    }

    def resolved(policy: RunPolicy, **claims: Any) -> Any:
        return resolve(
            method_id="0x1",
            artifact_sha256="a",
            inputs_sha256="0" * 64,
            lines=[],
            policy=policy,
            **claims,
        )

    found = resolved(RunPolicy(), seal=seal, start=start)
    assert found.anchored
    assert true == {key: getattr(found, key) for key in true}
    found = resolved(RunPolicy(**{name: false[name]}), seal=seal, start=start)
    assert (False, false[name]) == (found.anchored, getattr(found, name))


def test_commitment_lines_are_sorted_and_the_rest_is_kept() -> None:
    """Lines that have no place among commitments, or cannot be read, are findings with their numbers."""
    lines = [
        b'{"type":"Input"}',
        b"{",
        b'{"type":"CommitmentBlock"}',
        b'{"type":"Input"}',
        b'{"type":"Other"}',
        b'{"type":"CommitmentSeal"}',
        b'{"type":"CommitmentBlock"}',
        b'{"type":"CommitmentSeal"}',
    ]
    claims = read_claims(lines)
    assert ([1], [3], [6]) == tuple(
        [line.number for line in part] for part in (claims.inputs, claims.blocks, claims.seals)
    )
    assert [4, 5, 7, 8] == [line.number for line in claims.misplaced]
    assert [2] == [line.number for line in claims.malformed]
    assert 8 == claims.lines


def test_events_are_read_out_of_records() -> None:
    """Consecutive values are one stream; a line that is too long is an error at its place."""
    assert [b"a", b"b", b"", b"c"] == list(EventValues([b"a\nb\n", b"", b"\nc"])())
    lines = EventValues([b"a\n", b"x" * 70_000])()
    assert b"a" == next(lines)
    with pytest.raises(MalformedError, match="line-too-long"):
        next(lines)


def test_every_type_of_event_has_a_vocabulary() -> None:
    """The members of each type are known; a type from elsewhere has none."""
    assert all("span_id" in event_members(name) or "seq" in event_members(name) for name in EVENT_TYPES)
    assert {} == event_members("Unheard")


def test_kinds_are_a_closed_list() -> None:
    """A finding of an unlisted kind cannot be made."""
    assert "packed" in KINDS
    with pytest.raises(ValueError, match="no kind"):
        Finding("novel", "seal", "…")

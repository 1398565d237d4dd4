"""Positions: one spelling for each, nothing else accepted, and a file that is there whole or not at all."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofrail.client import Place, Position, PositionFile, ProofrailError
from proofrail.messaging.records import TopicPartition
from proofrail.wire.errors import UnusableInputError

NAMES = st.text("aZ09._-", min_size=1, max_size=20)
PARTITIONS = st.builds(TopicPartition, NAMES, st.integers(0, 10**9 - 1))
PLACES = st.builds(Place, st.integers(0, 2**53 - 1), st.integers(0, 10**6))
POSITIONS = st.builds(Position, st.text(max_size=30), st.dictionaries(PARTITIONS, PLACES, max_size=5))


@given(POSITIONS)
def test_a_position_is_read_back_as_it_was(position: Position) -> None:
    """One line, and the same position from it."""
    data = position.to_bytes()
    assert len(data) - 1 == data.index(b"\n")
    assert position == Position.from_bytes(data)


@given(POSITIONS, st.data())
def test_what_is_accepted_is_written_back(position: Position, data: st.DataObject) -> None:
    """Any bytes are either refused or mean one position, however they were altered."""
    written = bytearray(position.to_bytes())
    at = data.draw(st.integers(0, len(written) - 1))
    written[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    with contextlib.suppress(UnusableInputError):
        found = Position.from_bytes(bytes(written))
        assert found == Position.from_bytes(found.to_bytes())


@given(PARTITIONS, PLACES, PLACES)
def test_a_position_only_moves_forward(tp: TopicPartition, one: Place, two: Place) -> None:
    """Whatever is done in whatever order, a partition's place is the furthest."""
    moved = Position().moved(tp, one).moved(tp, two)
    assert {tp: max(one, two, key=lambda place: (place.offset, place.lines))} == dict(moved.places)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b'{"cluster":"","topics":{},"type":"Position","v":2}',
        b'{"cluster":"","topics":{},"type":"Proof","v":1}',
        b'{"cluster":1,"topics":{},"type":"Position","v":1}',
        b'{"cluster":"","topics":[],"type":"Position","v":1}',
        b'{"cluster":"","topics":{"t":{"00":[1,0]}},"type":"Position","v":1}',
        b'{"cluster":"","topics":{"t":{"-1":[1,0]}},"type":"Position","v":1}',
        b'{"cluster":"","topics":{"t":{"0":[-1,0]}},"type":"Position","v":1}',
        b'{"cluster":"","topics":{"t":{"0":[true,0]}},"type":"Position","v":1}',
        b'{"cluster":"","topics":{"t":{"0":[1]}},"type":"Position","v":1}',
        b'{"cluster":"","topics":{"a/b":{"0":[1,0]}},"type":"Position","v":1}',
        b'{"cluster":"","topics":{},"type":"Position","v":1,"more":0}',
    ],
)
def test_what_is_no_position_is_refused(data: bytes, tmp_path: Path) -> None:
    """Also from a file, which stays as it is."""
    path = tmp_path / "position"
    path.write_bytes(data)
    with pytest.raises(ProofrailError) as caught:
        PositionFile(path).load()
    assert ("position-malformed", data) == (caught.value.code, path.read_bytes())


def test_a_file_keeps_the_last_position(tmp_path: Path) -> None:
    """None before the first; then the last one, in a folder that is made if need be, and no scratch beside it. A
    folder in its place is an error with a code."""
    file = PositionFile(tmp_path / "made" / "position")
    assert file.load() is None
    for offset in range(3):
        file.save(Position("c", {TopicPartition("t", 0): Place(offset, 1)}))
    assert Position("c", {TopicPartition("t", 0): Place(2, 1)}) == file.load()
    assert ["position"] == [path.name for path in (tmp_path / "made").iterdir()]
    for work in (PositionFile(tmp_path).load, lambda: PositionFile(tmp_path).save(Position())):
        with pytest.raises(ProofrailError) as caught:
            work()
        assert "position-file" == caught.value.code

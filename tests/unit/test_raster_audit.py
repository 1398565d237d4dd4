"""The audit against a commitment file: every flip, cut and extension is found where it is, none is a pass."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import plain_raster
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raster_items import example_a, example_b, items, plain

from proofrail.commitment.raster.audit import AuditResult, audit_items
from proofrail.commitment.raster.encoding import Encoding
from proofrail.commitment.raster.item import Item
from proofrail.commitment.raster.packing import RasterCommitter, commit_items, file_size

POSTCARD, BINCODE = Encoding.POSTCARD, Encoding.BINCODE


def _file(found: list[Item], encoding: Encoding = POSTCARD, bits: int = 16) -> bytes:
    return b"".join(commit_items(found, encoding, bits))


def _altered(right: bytes) -> Iterator[bytes]:
    """Every bit flipped, every truncation, extensions by 1 to 17 bytes of three kinds, two bits at once."""
    for bit in range(8 * len(right)):
        flipped = bytearray(right)
        flipped[bit // 8] ^= 1 << bit % 8
        yield bytes(flipped)
        flipped[-1] ^= 0x80
        yield bytes(flipped)
    for length in range(len(right)):
        yield right[:length]
        yield right[:length] + bytes(len(right) - length)
    for more in range(1, 18):
        for fill in (b"\0", b"\1", b"\xff"):
            yield right + fill * more
            yield right + bytes(more - 1) + fill


def _reported(result: AuditResult) -> tuple[int, str] | None:
    found = result.difference
    return None if found is None else (found.index, found.reason)


@pytest.mark.parametrize(
    ("encoding", "bits"), [*((POSTCARD, bits) for bits in (1, 9, 16, 33, 64)), (BINCODE, 4), (BINCODE, 16)]
)
def test_every_alteration(encoding: Encoding, bits: int) -> None:
    """Each alteration is reported where a plain comparison of bit strings sees it, and only the right file is equal."""
    count = 0
    for length in (0, 1, 5 if bits == 16 else 2):
        found = example_b()[:length]
        right = _file(found, encoding, bits)
        assert audit_items(found, right, encoding, bits).difference is None
        for other in _altered(right):
            if other != right:
                count += 1
                expected = plain_raster.first_difference(right, other, length, bits)
                result = audit_items(found, other, encoding, bits)
                assert expected is not None
                assert expected == _reported(result)
                assert not json.loads(result.to_line())["success"]
    assert 250 < count


@settings(max_examples=60, deadline=None)
@given(
    st.lists(items(), max_size=8),
    st.lists(items(), max_size=8),
    st.sampled_from(list(Encoding)),
    st.integers(1, 64),
)
def test_any_two_traces(ours: list[Item], theirs: list[Item], encoding: Encoding, bits: int) -> None:
    """A trace against the file of any other: equal exactly when the files are, else where the plain comparison says."""
    right = plain_raster.file([plain(item) for item in ours], str(encoding), bits)
    other = plain_raster.file([plain(item) for item in theirs], str(encoding), bits)

    result = audit_items(ours, other, encoding, bits)

    assert plain_raster.first_difference(right, other, len(ours), bits) == _reported(result)


@pytest.mark.parametrize("bits", [1, 7, 16, 33, 64])
def test_traces_of_other_lengths(bits: int) -> None:
    """A trace that lacks items of the file, or has more: the first one that is not on both sides, unless the values
    that tell are zero, which one bit an item makes likely and 16 do not."""
    whole = [*example_b(), *example_a()[:3]]
    files = [_file(whole[:count], POSTCARD, bits) for count in range(len(whole))]
    for ours in range(len(whole)):
        for theirs in range(len(whole)):
            result = audit_items(whole[:ours], files[theirs], POSTCARD, bits)
            if bits >= 16 and ours != theirs:
                assert result.difference is not None
                assert min(ours, theirs) == result.difference.index
            assert (files[ours] == files[theirs]) == (result.difference is None)


def _with_value_zero() -> list[Item]:
    """Three items of which the last has the 4-bit value 0."""
    for number in range(1000):
        last = Item("last", None, (), b"", "u64", number.to_bytes(8, "little"))
        committer = RasterCommitter(POSTCARD, 4)
        if [committer.append(item) for item in (*example_a()[:2], last)][-1] == 0:
            return [*example_a()[:2], last]
    raise AssertionError


def test_an_item_that_looks_like_padding() -> None:
    """Where the file is the same with and without an item of value zero, nothing differs; the result says for how many
    items the file can stand, and whoever knows the number is told the truth."""
    three = _with_value_zero()
    file = _file(three, POSTCARD, 4)
    assert _file(three[:2], POSTCARD, 4) == file

    for ours in (two := three[:2]), three:
        result = audit_items(ours, file, POSTCARD, 4)
        assert result.difference is None
        assert (2, 16) == result.possible_items
        assert (None if ours is three else (2, "length")) == _reported(
            audit_items(ours, file, POSTCARD, 4, 3)
        )
        assert (None if ours is two else (2, "length")) == _reported(audit_items(ours, file, POSTCARD, 4, 2))
        assert (len(ours), "length") == _reported(audit_items(ours, file, POSTCARD, 4, 16))


def test_known_items() -> None:
    """A known number of items is compared exactly, behind the values that differ before."""
    found, file = example_b(), _file(example_b())
    expected = {0: 0, 3: 3, 5: 5, 6: None, 7: 6, 8: 6}
    assert expected == {
        known: result.difference.index
        if (result := audit_items(found, file, POSTCARD, 16, known)).difference
        else None
        for known in expected
    }
    flipped = bytes([file[0] ^ 1]) + file[1:]
    assert (0, "value") == _reported(audit_items(found, flipped, POSTCARD, 16, 8))


@pytest.mark.parametrize("bits", [1, 5, 16, 33, 60, 64])
def test_possible_items(bits: int) -> None:
    """The number of items lies between least and most, for as many items as the file has room for."""
    for count in range(12):
        found = [*example_b(), *example_b()][:count]
        file = _file(found, POSTCARD, bits)
        result = audit_items(found, file, POSTCARD, bits)
        possible = result.possible_items
        assert possible is not None
        least, most = possible
        assert least <= count <= most
        assert len(file) == file_size(least, bits) == file_size(most, bits)
        assert len(file) < file_size(most + 1, bits)
        assert audit_items(found, file + b"\0", POSTCARD, bits).possible_items is None


def test_padding_that_no_trace_has() -> None:
    """A set bit where no whole value fits is a file that no trace has: at 33 bits, three bits of 64 words."""
    file = bytearray(_file(example_b()[:1], POSTCARD, 33))
    file[7] |= 0x80

    result = audit_items(example_b()[:1], bytes(file), POSTCARD, 33)

    assert (1, "past-the-end") == _reported(result)
    assert result.possible_items is None
    assert result.difference is not None
    assert result.difference.expected is None


def _leaves(window: list[dict[str, Any]], encoding: Encoding) -> list[bytes]:
    """The leaves of items as they are printed."""
    leaves = []
    for obj in window:
        for name in ("input_data", "output_data"):
            obj[name] = bytes(obj[name]) if encoding is POSTCARD else base64.b64decode(obj[name])
        encoded = plain_raster.postcard(obj) if encoding is POSTCARD else plain_raster.bincode(obj)
        leaves += [plain_raster.h(encoded)] * (1 if encoding is POSTCARD else 2)
    return leaves


@pytest.mark.parametrize("encoding", list(Encoding))
def test_windows(encoding: Encoding) -> None:
    """The window is the last two items up to the difference, with the tree before the first of them, at both ends: a
    stranger who appends the items of the window to the frontier, as they are printed, gets the value computed."""
    found = example_b()
    right = _file(found, encoding)
    for index in range(len(found) + 2):
        other = bytearray(right)
        other[2 * index] ^= 1
        result = audit_items(found, bytes(other), encoding, 16)
        difference = result.difference
        assert difference is not None
        start = max(index - 1, 0)
        assert found[start : index + 1] == result.window
        assert start == difference.window_start
        assert start * (2 if encoding is BINCODE else 1) == difference.frontier.position
        assert (index < len(found)) == (difference.computed is not None)
        if difference.computed is not None:
            printed = json.loads(result.to_line())
            frontier = plain_raster.read_frontier(bytes(printed["diff"]["frontier"]))
            root = plain_raster.root_after(frontier, _leaves(printed["trace_window"], encoding))
            assert difference.computed == int.from_bytes(root[:2], "little")


def test_window_far_behind_the_end() -> None:
    """A set bit several values behind the last item leaves an empty window and the tree after all items."""
    file = bytearray(_file(example_b()[:1]))
    file[7] = 0x80

    result = audit_items(example_b()[:1], bytes(file), POSTCARD, 16)

    difference = result.difference
    assert difference is not None
    assert (3, 1, 1, []) == (
        difference.index,
        difference.window_start,
        difference.frontier.position,
        result.window,
    )


def test_the_line() -> None:
    """The members of the tool's AuditResult, and ours beside them; the numbers of a file as the tool writes them."""
    file = bytearray(_file(example_b()))
    file[4] ^= 1
    line = audit_items(example_b(), bytes(file), POSTCARD, 16).to_line(skipped={"pieces": 0})
    result = json.loads(line)

    assert b"\n" not in line
    assert list(file) == result["diff"]["fingerprint"]
    assert {"index", "frontier", "fingerprint", "bits_per_item", "window_start_position"} <= result[
        "diff"
    ].keys()
    assert ("0x000000000000c5d0", "0x000000000000c5d1") == (
        result["diff"]["expected"],
        result["diff"]["computed"],
    )
    assert ["exclaim", "exclaim"] == [item["fn_name"] for item in result["trace_window"]]
    assert {"pieces": 0} == result["skipped"]


def test_nothing() -> None:
    """No items match a file of no bytes, and no other, though the tool takes 0 to 7 bytes."""
    for encoding in Encoding:
        assert audit_items([], b"", encoding, 16).difference is None
        for size in range(1, 17):
            assert (0, "length") == _reported(audit_items([], bytes(size), encoding, 16))

"""Claimed events compared with a run's own while it is executed, held to the plain comparison of items."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cairo_runs import published, traced
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_run import VKEY

from proofrail.audit.cairo_subject import CairoSubject
from proofrail.audit.claimed_events import EventFile, EventPieces, EventValues, pieces_of
from proofrail.audit.run_audit import audit_run
from proofrail.cairo.trace import RunTrace
from proofrail.commitment.items import item_bytes
from proofrail.wire.canonical import parse_object
from proofrail.wire.errors import MalformedError
from proofrail.wire.topics import MAX_LINE

RUNS = {
    "completed": traced("loops", {"i": 3, "n": 4, "depth": 2, "m": 2}, label="a label"),
    "in a thread": traced("loops", {"i": 40, "n": 300, "depth": 0, "m": 1}, block_items=100),
    "failed": traced("failing", {"how": 1}),
}


def _bytes(run: RunTrace) -> bytes:
    return b"".join(chunk.lines for chunk in run.stream())


STREAMS = {name: _bytes(run) for name, run in RUNS.items()}
BLOCKS = {name: [line for chunk in run.stream() for line in chunk.blocks] for name, run in RUNS.items()}
SMALL = ("completed", "failed")


def _items(stream: bytes) -> list[bytes] | None:
    """The items of a stream by the plain implementation; None where one of its lines is malformed."""
    try:
        lines = stream.removesuffix(b"\n").split(b"\n") if stream else []
        if any(len(line) > MAX_LINE for line in lines):
            return None
        return [item_bytes(parse_object(line)) for line in lines]
    except MalformedError:
        return None


ITEMS = {name: _items(stream) for name, stream in STREAMS.items()}


def _cut(stream: bytes, size: int) -> Iterator[bytes]:
    return (stream[start : start + size] for start in range(0, len(stream), size))


def _equal(name: str, claimed: bytes, size: int = 1 << 18) -> bool:
    blocks, equal = RUNS[name].against(_cut(claimed, size))
    assert BLOCKS[name] == blocks
    return equal


@pytest.mark.parametrize(
    ("name", "size"),
    [*((name, 1) for name in SMALL), *((name, 1000) for name in RUNS), ("in a thread", 1 << 20)],
)
def test_a_runs_own_events_are_equal_however_they_are_cut(name: str, size: int) -> None:
    """The same items: as written, without the last line feed, as another writer spells them, at other times."""
    stream = STREAMS[name]
    assert _equal(name, stream, size)
    assert _equal(name, stream.removesuffix(b"\n"), size)
    events = [json.loads(line) for line in stream.splitlines()]
    assert _equal(name, b"".join(json.dumps(event).encode() + b"\n" for event in events), size)
    for event in events:
        event["timestamp"] = 2**100
        event["label"] = event["detail"] = "anything"
    assert _equal(
        name, b"".join(json.dumps(event, sort_keys=True).encode() + b"\n" for event in events), size
    )


@pytest.mark.parametrize("name", SMALL)
def test_a_flipped_bit_counts_unless_it_is_volatile(name: str) -> None:
    """A seeded sample of single bits: equal exactly where the plain items are."""
    stream, seeded = STREAMS[name], random.Random(4)  # noqa: S311 - a sample
    outcomes = []
    for _ in range(400):
        place, bit = seeded.randrange(len(stream)), seeded.randrange(8)
        altered = bytearray(stream)
        altered[place] ^= 1 << bit
        expected = _items(bytes(altered)) == ITEMS[name]
        assert expected == _equal(name, bytes(altered), 4096), (place, bit)
        outcomes.append(expected)
    assert {True, False} == set(outcomes)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(SMALL),
    st.randoms(use_true_random=False),
    st.sampled_from(["drop", "double", "swap", "cut", "more"]),
)
def test_lines_that_are_missing_moved_or_too_many_count(name: str, random: Any, how: str) -> None:
    """Whatever is done to whole lines, the streams are equal exactly where their items are."""
    lines = STREAMS[name].splitlines(keepends=True)
    at = random.randrange(len(lines) - 1)
    if how == "drop":
        del lines[at]
    elif how == "double":
        lines.insert(at, lines[at])
    elif how == "swap":
        lines[at : at + 2] = reversed(lines[at : at + 2])
    elif how == "cut":
        del lines[at:]
    else:
        lines.append(random.choice([b"\n", b"{}\n", b" ", lines[-1]]))
    claimed = b"".join(lines)
    assert (_items(claimed) == ITEMS[name]) is False
    assert not _equal(name, claimed, random.choice([100, 5000]))


def test_a_line_that_is_too_long_is_not_equal() -> None:
    """White space and volatile members do not make a line longer than a line may be."""
    stream = STREAMS["completed"]
    first, rest = stream.split(b"\n", 1)
    for more in (MAX_LINE - len(first), MAX_LINE - len(first) + 1):
        padded = first[:-1] + b" " * more + b"}\n" + rest
        assert (_items(padded) is not None) == _equal("completed", padded)


def test_events_are_had_in_lines_and_in_pieces(tmp_path: Path) -> None:
    """A file, records and any iterator of lines give the same events either way."""
    path = tmp_path / "events.ndjson"
    for stream in (b"", b"a\n", b"a", b"\n", b"a\n\nb" * 200_000):
        path.write_bytes(stream)
        lines = stream.removesuffix(b"\n").split(b"\n") if stream else []
        for events in (EventFile(path), EventValues([stream]), lambda lines=lines: iter(lines)):
            assert lines == list(events())
            joined = b"".join(pieces_of(events))
            assert lines == (joined.removesuffix(b"\n").split(b"\n") if joined else [])
    assert b"a\nb\n\nc\n" == b"".join(pieces_of(EventValues([b"a\nb\n", b"", b"\nc"])))


@pytest.mark.parametrize("name", SMALL)
def test_an_audit_does_not_read_equal_events_twice(name: str, tmp_path: Path) -> None:
    """The verdict is that of the same events line by line, found in one reading of the file."""
    run = published(RUNS[name])
    path = tmp_path / "events.ndjson"
    path.write_bytes(b"".join(line + b"\n" for line in run.events))

    class Once(EventFile):
        read = 0

        def pieces(self) -> Iterator[bytes]:
            Once.read += 1
            return super().pieces()

    once = Once(path)
    assert isinstance(once, EventPieces)
    subject = CairoSubject(RUNS[name].spec.program)
    reports = [
        audit_run(commitments=run.commitments, events=events, subject=subject, keys=[VKEY]).report
        for events in (once, lambda: iter(run.events))
    ]
    assert reports[0] == reports[1]
    assert "MATCH" == reports[0].verdict
    assert 1 == Once.read

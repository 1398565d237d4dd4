"""Numbers, times, differences and pictures of the explorer's pages."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofrail.explorer.model.base import CellState
from proofrail.explorer.model.rows import Phase, Share
from proofrail.explorer.model.run import Cell
from proofrail.explorer.model.spans import Span, Spans
from proofrail.explorer.pages import words
from proofrail.explorer.pages.pictures import few_cells, journey, share_bars, waterfall

times = st.integers(0, 10**13)


@pytest.mark.parametrize(
    ("ms", "said"),
    [
        (None, "–"),
        (0, "0 ms"),
        (0.0421, "42 µs"),
        (0.9, "900 µs"),
        (4.25, "4.2 ms"),
        (430, "430 ms"),
        (1_234, "1.2 s"),
        (12_999, "12 s"),
        (200_000, "3 min 20 s"),
        (7_500_000, "2 h 5 min"),
        (3_600_000, "1 h"),
        (90_000_000_000, "1041 d 16 h"),
        (-5, "0 ms"),
    ],
)
def test_durations_have_one_or_two_units(ms: float | None, said: str) -> None:
    """Short enough for a table, exact enough to act on."""
    assert said == words.duration(ms)


def test_times_of_any_record_can_be_shown() -> None:
    """A record may claim any time: none of them ends a page."""
    assert "1970-01-01 00:00:00 UTC" == words.moment(-(10**20))
    assert "9999-12-31 23:59:59 UTC" == words.moment(10**20)
    assert "2025-11-21T08:00:00.123Z" == words.stamp(1_763_712_000_123)
    assert ("just now", "59 s ago", "1 min ago", "2 h ago", "just now") == tuple(
        words.ago(0, now) for now in (999, 59_999, 60_000, 7_300_000, -50)
    )


@pytest.mark.parametrize(
    ("bps", "said"),
    [(None, "–"), (0, "0 %"), (4383, "43.83 %"), (4500, "45 %"), (10_000, "100 %"), (1210, "12.1 %")],
)
def test_basis_points_are_said_as_percent(bps: int | None, said: str) -> None:
    """As many digits as it takes, and no more."""
    assert said == words.percent(bps)


@given(expected=st.text("01ab", max_size=12), claimed=st.text("01ab", max_size=12))
def test_the_difference_is_what_must_be_taken_out(expected: str, claimed: str) -> None:
    """The pieces make up what is claimed; without the marked one, both sides have the same beginning and end."""
    pieces = words.differing(expected, claimed)
    assert claimed == "".join(text for text, _ in pieces)
    assert sum(marked for _, marked in pieces) <= 1
    alike = [text for text, marked in pieces if not marked]
    assert len("".join(alike)) <= len(expected)
    if expected == claimed:
        assert [] == [text for text, marked in pieces if marked]


@given(text=st.text())
def test_nothing_that_cannot_be_seen_is_written_to_a_page(text: str) -> None:
    """Controls, turns of direction and unassigned characters are spelled out; other text stays."""
    shown = words.visible(text)
    assert isinstance(shown, str)
    assert all(char in "\n\t" or char.isprintable() or char.isspace() for char in shown)
    assert "a⟨U+202E⟩b⟨U+200B⟩" == words.visible("a\u202eb\u200b")
    assert "é 漢 ש" == words.visible("é 漢 ש")
    assert 5 == words.visible(5)


phases = st.builds(
    lambda stage, kind, begin, lasted, open_: Phase(
        stage=stage, kind=kind, started_ms=begin, ended_ms=None if open_ else begin + lasted, estimated=False
    ),
    st.sampled_from(["tracer", "prover", "auditor", "registrar"]),
    st.sampled_from(["wait", "work"]),
    times,
    st.integers(-1000, 10**12),
    st.booleans(),
)


@given(found=st.lists(phases, max_size=8), now=times)
def test_a_life_always_fits_its_bar(found: list[Phase], now: int) -> None:
    """Whatever times the records claim, a stretch begins on the bar and has a width that can be drawn and seen."""
    whole = journey(found, now)
    if whole is None:
        assert [] == found
        return
    for stretch in whole.stretches:
        assert 0 <= stretch.x < 100
        assert 0 < stretch.width <= 100


@given(
    begins=st.lists(st.tuples(st.integers(0, 2**53), st.none() | st.integers(0, 2**53)), max_size=8),
    total=st.integers(0, 2**53),
)
def test_a_span_always_fits_the_waterfall(begins: list[tuple[int, int | None]], total: int) -> None:
    """Also where the events' times go backwards, or a span has no end."""
    rows = tuple(
        Span(
            span_id=f"{place:016x}",
            parent_span_id=None,
            name="f",
            kind="tile",
            depth=place * 3,
            path=None,
            iteration=None,
            first_iteration=None,
            iterations=None,
            started_ns=start,
            ended_ns=end,
            cycles=None,
            seq=place,
            children=0,
            shown=False,
            error=None,
            input_bytes=None,
            output_bytes=None,
        )
        for place, (start, end) in enumerate(begins)
    )
    found = Spans(
        run_id="r", available=True, why=None, parent=None, rows=rows, next=None, total_ns=total, total_spans=9
    )
    for bar in waterfall(found):
        assert 0 <= bar.x < 100
        assert 0 < bar.width <= 100
        assert bar.indent <= 6


def test_a_share_above_its_limit_is_marked() -> None:
    """The picture marks what the program rejects, and nothing where the limit is not known."""
    share = Share(
        protocol="p",
        proposed_bps=6001,
        recommended_bps=5000,
        risk=1,
        apy_bps=1,
        given_risk=None,
        metrics=None,
    )
    assert [True, False, False] == [share_bars([share], limit)[0].over for limit in (6000, 6001, None)]


@given(states=st.lists(st.sampled_from(["match", "mismatch", "unchecked"]), max_size=512))
def test_a_bar_of_few_cells_says_the_same_of_every_block(states: list[CellState]) -> None:
    """No block is lost or changes its state, and what differs is a cell of its own."""
    cells = [
        Cell(first_block=at, blocks=1, first_item=at * 4, items=4, state=state)
        for at, state in enumerate(states)
    ]
    found = few_cells(cells)
    said = [(cell.first_block + place, cell.state) for cell in found for place in range(cell.blocks)]
    assert list(enumerate(states)) == said
    assert all(cell.blocks == 1 for cell in found if cell.state == "mismatch")
    assert len(found) <= 96 + sum(before != after for before, after in pairwise(states)) + states.count(
        "mismatch"
    )


def test_long_texts_say_what_was_left_out() -> None:
    """A page stays small whatever a run says."""
    assert ("abc", "ab… and 1 characters more") == (words.cut("abc", 3), words.cut("abc", 2))

"""Where things stand in the pictures: percentages of a width, which templates write as SVG attributes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from proofrail.explorer.model.rows import Phase, Share
from proofrail.explorer.model.run import Cell
from proofrail.explorer.model.spans import Span, Spans
from proofrail.explorer.pages.words import duration

_LEAST: Final = 0.4
"""Percent of the width below which a bar could not be seen."""

_MOST_CELLS: Final = 96
_COLOURS: Final = {"tracer": "c1", "prover": "c2", "auditor": "c3", "registrar": "c4"}


class Stretch(NamedTuple):
    """A part of a bar."""

    x: float
    width: float
    css: str
    """`c1` … `c4` for work, `wait` for queueing."""
    text: str


class Journey(NamedTuple):
    """Phases on one scale."""

    stretches: tuple[Stretch, ...]
    total_ms: int
    waited_ms: int
    text: str
    """The same in words."""


def journey(phases: Sequence[Phase], now_ms: int) -> Journey | None:
    """The phases of a life on one scale, from its first moment to its last; None where nothing is known."""
    if not phases:
        return None
    begin = min(phase.started_ms for phase in phases)
    end = max(_end(phase, now_ms) for phase in phases)
    total = max(1, end - begin)
    stretches, waited = list[Stretch](), 0
    for phase in phases:
        lasted = _end(phase, now_ms) - phase.started_ms
        waited += lasted if phase.kind == "wait" else 0
        verb = f"waits for the {phase.stage}" if phase.kind == "wait" else phase.stage
        about = "about " if phase.estimated else ""
        stretches.append(
            Stretch(
                *_stretch(phase.started_ms - begin, lasted, total),
                "wait" if phase.kind == "wait" else _COLOURS[phase.stage],
                f"{verb}: {about}{duration(lasted)}{'' if phase.ended_ms is not None else ' so far'}",
            )
        )
    return Journey(tuple(stretches), end - begin, waited, "; ".join(one.text for one in stretches))


def _end(phase: Phase, now_ms: int) -> int:
    return max(phase.started_ms, now_ms if phase.ended_ms is None else phase.ended_ms)


def _stretch(offset: int, lasted: int, total: int) -> tuple[float, float]:
    width = max(_LEAST, 100 * lasted / total)
    return round(min(100 - _LEAST, max(0.0, 100 * offset / total)), 3), round(min(100.0, width), 3)


class SpanBar(NamedTuple):
    """A row of the waterfall."""

    span: Span
    x: float
    width: float
    css: str
    fill: str | None
    """A pattern, which has to be an attribute: a style sheet's url() would be its own."""
    lasted_ms: float | None
    indent: int
    key: str
    """What to ask for when it is opened."""


def waterfall(spans: Spans) -> tuple[SpanBar, ...]:
    """The spans on the scale of their run."""
    total = max(1, spans.total_ns)
    rows = list[SpanBar]()
    for span in spans.rows:
        end = spans.total_ns if span.ended_ns is None else span.ended_ns
        folded = span.kind == "iterations"
        css = "fail" if span.error else "" if folded else "c1" if span.kind == "sequence" else "c3"
        rows.append(
            SpanBar(
                span,
                *_stretch(span.started_ns, end - span.started_ns, total),
                css,
                "url(#fold)" if folded and not span.error else None,
                None if span.ended_ns is None else (span.ended_ns - span.started_ns) / 1e6,
                min(span.depth, 6),
                f"{span.parent_span_id}:iterations" if folded else span.span_id or "",
            )
        )
    return tuple(rows)


class ShareBar(NamedTuple):
    """A protocol's proposed and recommended part, as widths in percent."""

    share: Share
    proposed: float
    recommended: float | None
    difference_bps: int | None
    over: bool
    """Whether the proposed part is above the limit for one protocol."""


def share_bars(shares: Sequence[Share], max_single_bps: int | None) -> tuple[ShareBar, ...]:
    return tuple(
        ShareBar(
            share,
            share.proposed_bps / 100,
            None if share.recommended_bps is None else share.recommended_bps / 100,
            None if share.recommended_bps is None else share.proposed_bps - share.recommended_bps,
            max_single_bps is not None and share.proposed_bps > max_single_bps,
        )
        for share in shares
    )


def few_cells(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """The bar of blocks in about a hundred cells: neighbours in the same state become one, a mismatch stays alone."""
    together = -(-len(cells) // _MOST_CELLS) if cells else 1
    found = list[Cell]()
    joined = 0
    for cell in cells:
        last = found[-1] if found else None
        if last is not None and joined < together and last.state == cell.state != "mismatch":
            more = {"blocks": last.blocks + cell.blocks, "items": last.items + cell.items}
            found[-1] = last.model_copy(update=more)
            joined += 1
        else:
            found.append(cell)
            joined = 1
    return tuple(found)

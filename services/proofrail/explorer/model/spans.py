"""A run's spans and events."""

from __future__ import annotations

from typing import Literal

from proofrail.explorer.model.base import Part


class Span(Part):
    """An invocation in the waterfall, or the iterations of a loop folded into one line."""

    span_id: str | None
    """Null for folded iterations."""
    parent_span_id: str | None
    name: str
    kind: Literal["sequence", "tile", "iterations"]
    depth: int
    path: str | None
    iteration: int | None
    first_iteration: int | None
    """Of folded iterations; `iterations` says how many there are."""
    iterations: int | None
    started_ns: int
    """Since the run's beginning, by its own clock (interpolated by step)."""
    ended_ns: int | None
    """Null where its end is missing."""
    cycles: int | None
    """VM steps, callees included."""
    seq: int
    """Of its Start; of folded iterations, of the first one's."""
    children: int
    """Spans below it, directly; shown or not."""
    shown: bool
    """Whether its children follow in the same answer."""
    error: str | None
    input_bytes: str | None
    """Hex, at most 2,048 characters."""
    output_bytes: str | None


class Spans(Part):
    """Rows of the waterfall in the order of the run, each before its children."""

    run_id: str
    available: bool
    why: str | None
    """Why there are none: the events have expired, or were never published."""
    parent: str | None
    """The span below which they stand; null for the top."""
    rows: tuple[Span, ...]
    next: str | None
    """Cursor for more of the same."""
    total_ns: int
    """Until the last span ended, for the scale."""
    total_spans: int

    @classmethod
    def none(cls, run_id: str, why: str, parent: str | None = None) -> Spans:
        """The answer where there are none."""
        return cls(
            run_id=run_id,
            available=False,
            why=why,
            parent=parent,
            rows=(),
            next=None,
            total_ns=0,
            total_spans=0,
        )


class Event(Part):
    """One trace event, as published."""

    seq: int
    type: str
    title: str
    """Name or tile, block number, outcome."""
    path: str | None
    block: int
    """The commitment block that its item stands in."""
    line: str
    """The JSON text."""


class Events(Part):
    """Some of a run's trace events, in order."""

    run_id: str
    available: bool
    why: str | None
    rows: tuple[Event, ...]
    next: str | None
    total: int

    @classmethod
    def none(cls, run_id: str, why: str) -> Events:
        """The answer where there are none."""
        return cls(run_id=run_id, available=False, why=why, rows=(), next=None, total=0)

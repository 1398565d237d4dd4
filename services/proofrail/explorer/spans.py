"""A run's trace events as a tree of spans, and the rows of it that a waterfall shows.

Built from the events' lines when somebody looks, and forgotten again: see `run_events`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic_core import from_json

from proofrail.explorer.errors import bad_query, not_found
from proofrail.explorer.model.spans import Event, Events, Span, Spans

_STARTS: Final = frozenset({"SequenceStart", "TileStart"})
_ENDS: Final = frozenset({"SequenceEnd", "TileEnd", "SequenceFailure", "TileFailure"})
_SHOWN_HEX: Final = 2048
_MAX_LIMIT: Final = 1000
_ITERATIONS: Final = ":iterations"
_LONGEST_NS: Final = 2**53 - 1
_WASTED: Final = 20_000
"""Most lines looked at for one page of a search."""


@dataclass(slots=True)
class _Node:
    """One span. Times are nanoseconds since the run's beginning."""

    span_id: str
    name: str
    is_tile: bool
    parent: int | None
    depth: int
    seq: int
    started: int
    path: str | None
    iteration: int | None
    ended: int | None = None
    end_seq: int | None = None
    cycles: int | None = None
    error: str | None = None
    children: list[int] = field(default_factory=list)


class RunSpans:
    """A run's events: lines by seq, and the tree."""

    def __init__(self, run_id: str, lines: Sequence[bytes], block_items: int | None) -> None:
        """Lines that are no trace events are passed over; what is wrong with a run is the auditor's to say."""
        self.run_id = run_id
        self.lines = lines
        self.size = sum(map(len, lines)) + 600 * len(lines)
        """Bytes held, about."""
        self._block_items = block_items or 256
        self._nodes: list[_Node] = []
        self._by_id: dict[str, int] = {}
        self._roots: list[int] = []
        self._length = 0
        self._scale = 0
        self.n_steps = 0
        self._build()

    # --- building -----------------------------------------------------------------------------------------

    def _build(self) -> None:
        opened: list[int] = []
        begin: int | None = None
        for seq, line in enumerate(self.lines):
            if b'Block","v"' in line[-24:]:
                continue  # steps and memory: half of a large run's lines, and no spans
            event = _read(line)
            kind, at = event.get("type"), event.get("timestamp")
            if type(at) is not int:
                continue
            begin = at if begin is None else begin
            now = min(max(0, at - begin), _LONGEST_NS)
            if kind in _STARTS:
                self._open(event, kind == "TileStart", seq, now, opened)
            elif kind in _ENDS:
                self._close(event, seq, now, opened)
            elif kind == "TraceEnd":
                steps = event.get("n_steps")
                self.n_steps = steps if type(steps) is int else 0
            if now > self._length:
                self._length = now
        # Behind the last span there are steps that fill the trace up only: on their scale nothing could be seen.
        ends = [self._nodes[one].ended for one in self._roots]
        self._scale = max((end or self._length for end in ends), default=self._length) or self._length

    def _open(self, event: dict[str, Any], tile: bool, seq: int, now: int, opened: list[int]) -> None:
        name, span_id = event.get("tile_id" if tile else "name"), event.get("span_id")
        if not isinstance(name, str) or not isinstance(span_id, str):
            return
        parent = opened[-1] if opened else None
        path, iteration = event.get("path"), event.get("iteration")
        node = _Node(
            span_id,
            name,
            tile,
            parent,
            len(opened),
            seq,
            now,
            path if isinstance(path, str) else None,
            iteration if type(iteration) is int else None,
        )
        number = len(self._nodes)
        self._nodes.append(node)
        self._by_id.setdefault(span_id, number)
        (self._roots if parent is None else self._nodes[parent].children).append(number)
        opened.append(number)

    def _close(self, event: dict[str, Any], seq: int, now: int, opened: list[int]) -> None:
        span_id = event.get("span_id")
        for place in range(len(opened) - 1, -1, -1):
            node = self._nodes[opened[place]]
            if node.span_id == span_id:
                del opened[place:]
                node.ended, node.end_seq = now, seq
                cycles, error = event.get("cycles"), event.get("error")
                node.cycles = cycles if type(cycles) is int else None
                if isinstance(error, dict):
                    node.error = str(error.get("message") or error.get("code"))
                return

    # --- rows ---------------------------------------------------------------------------------------------

    def rows(self, parent: str | None, cursor: str | None, limit: int) -> Spans:
        """See `ViewReader.spans`. Raises NotFoundError, BadQueryError."""
        start = _number(cursor)
        if not 1 <= limit <= _MAX_LIMIT:
            raise bad_query(f"limit is {limit}; it must lie in 1 … {_MAX_LIMIT}")
        if parent is None:
            found, following = self._top(start, limit)
        else:
            span_id = parent.removesuffix(_ITERATIONS)
            number = self._by_id.get(span_id)
            if number is None:
                raise not_found(f"span {span_id} of run {self.run_id}")
            below = self._nodes[number].children
            if self._is_loop(number) and not parent.endswith(_ITERATIONS):
                found, following = [self._folded(number)], None
            else:
                found = [self._row(one) for one in below[start : start + limit]]
                following = start + limit if start + limit < len(below) else None
        return Spans(
            run_id=self.run_id,
            available=True,
            why=None,
            parent=parent,
            rows=tuple(found),
            next=None if following is None else str(following),
            total_ns=self._scale,
            total_spans=len(self._nodes),
        )

    def _top(self, start: int, limit: int) -> tuple[list[Span], int | None]:
        roots = self._roots[start : start + limit]
        shown = self._expanded(roots, limit)
        rows: list[Span] = []
        waiting = list(reversed(roots))
        while waiting:
            number = waiting.pop()
            rows.append(self._row(number, shown=number in shown))
            if number in shown:
                if self._is_loop(number):
                    rows.append(self._folded(number))
                else:
                    waiting.extend(reversed(self._nodes[number].children))
        return rows, start + limit if start + limit < len(self._roots) else None

    def _expanded(self, roots: Iterable[int], limit: int) -> set[int]:
        """The spans whose children are shown: level by level, as long as all rows fit."""
        shown: set[int] = set()
        waiting = deque(roots)
        used = len(waiting)
        while waiting:
            number = waiting.popleft()
            below = self._nodes[number].children
            takes = 1 if self._is_loop(number) else len(below)
            if not below or used + takes > limit:
                continue
            used += takes
            shown.add(number)
            if not self._is_loop(number):
                waiting.extend(below)
        return shown

    def _is_loop(self, number: int) -> bool:
        below = self._nodes[number].children
        return bool(below) and self._nodes[below[0]].iteration is not None

    def _row(self, number: int, *, shown: bool = False) -> Span:
        node = self._nodes[number]
        return Span(
            span_id=node.span_id,
            parent_span_id=None if node.parent is None else self._nodes[node.parent].span_id,
            name=node.name,
            kind="tile" if node.is_tile else "sequence",
            depth=node.depth,
            path=node.path,
            iteration=node.iteration,
            first_iteration=None,
            iterations=len(node.children) if self._is_loop(number) else None,
            started_ns=node.started,
            ended_ns=node.ended,
            cycles=node.cycles,
            seq=node.seq,
            children=len(node.children),
            shown=shown,
            error=node.error,
            input_bytes=self._bytes(node.seq, "input_bytes"),
            output_bytes=self._bytes(node.end_seq, "output_bytes"),
        )

    def _folded(self, number: int) -> Span:
        loop = self._nodes[number]
        first, last = self._nodes[loop.children[0]], self._nodes[loop.children[-1]]
        known = [self._nodes[one].cycles for one in loop.children]
        return Span(
            span_id=None,
            parent_span_id=loop.span_id,
            name=loop.name,
            kind="iterations",
            depth=loop.depth + 1,
            path=loop.path,
            iteration=None,
            first_iteration=first.iteration,
            iterations=len(loop.children),
            started_ns=first.started,
            ended_ns=last.ended,
            cycles=None if None in known else sum(one or 0 for one in known),
            seq=first.seq,
            children=len(loop.children),
            shown=False,
            error=next((text for one in loop.children if (text := self._nodes[one].error)), None),
            input_bytes=None,
            output_bytes=None,
        )

    def _bytes(self, seq: int | None, member: str) -> str | None:
        if seq is None:
            return None
        value = _read(self.lines[seq]).get(member)
        return value[:_SHOWN_HEX] if isinstance(value, str) else None

    def span_at(self, step: int) -> Span | None:
        """The innermost span that runs at a step, by the events' clock, which counts steps."""
        if not self.n_steps or not 0 <= step < self.n_steps or not self._length:
            return None
        at = step * self._length // self.n_steps
        found: int | None = None
        waiting: Sequence[int] = self._roots
        while True:
            inside = [
                one
                for one in waiting
                if self._nodes[one].started <= at and at < (self._nodes[one].ended or self._length + 1)
            ]
            if not inside:
                return None if found is None else self._row(found)
            found = inside[-1]
            waiting = self._nodes[found].children

    # --- events -------------------------------------------------------------------------------------------

    def events(self, q: str | None, cursor: str | None, limit: int) -> Events:
        """See `ViewReader.events`. Raises BadQueryError."""
        if not 1 <= limit <= _MAX_LIMIT:
            raise bad_query(f"limit is {limit}; it must lie in 1 … {_MAX_LIMIT}")
        wanted = (q or "").encode(errors="replace")
        found: list[Event] = []
        seq = start = _number(cursor)
        while seq < len(self.lines) and len(found) < limit and seq - start < _WASTED:
            if wanted in self.lines[seq]:
                found.append(self._event(seq))
            seq += 1
        return Events(
            run_id=self.run_id,
            available=True,
            why=None,
            rows=tuple(found),
            next=str(seq) if seq < len(self.lines) else None,
            total=len(self.lines),
        )

    def _event(self, seq: int) -> Event:
        line = self.lines[seq]
        event = _read(line)
        titles = (event.get(name) for name in ("tile_id", "name", "block", "outcome", "layout"))
        path = event.get("path")
        return Event(
            seq=seq,
            type=str(event.get("type")),
            title=next((str(one) for one in titles if one is not None), ""),
            path=path if isinstance(path, str) else None,
            block=seq // self._block_items,
            line=line.decode(errors="replace"),
        )


def _read(line: bytes) -> dict[str, Any]:
    try:
        value = from_json(line, allow_inf_nan=False)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _number(cursor: str | None) -> int:
    if not cursor:
        return 0
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 15:
        raise bad_query(f"{cursor[:40]!r} is no cursor of this explorer's")
    return int(cursor)

"""From trace events to a tree of spans, of which no more is kept than is shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from proofrail.wire.canonical import JsonObject
from proofrail.wire.errors import UnusableInputError

_CALLS_SHOWN: Final = 64
"""Children of a span that are shown at most where they are no iterations."""

_STARTS: Final = {"SequenceStart": "sequence", "TileStart": "tile"}
_ENDS: Final = frozenset({"SequenceEnd", "TileEnd", "SequenceFailure", "TileFailure"})
_PROVEN: Final = ("proof_cycles", "receipt", "verified")


@dataclass
class Folded:
    """Consecutive children of a span that are left out; their cycles together, as far as they say."""

    count: int = 0
    cycles: int = 0

    def add(self, span: Span) -> None:
        self.count += 1
        self.cycles += span.cycles or 0


@dataclass
class Span:
    """One invocation, as its events tell it.

    `first_step` is the step of its first instruction, where the timestamps tell; `proven` what a proving VM
    says of it; `below` counts the spans inside it that are too deep to be shown.
    """

    kind: str
    name: str
    item: int
    depth: int
    span_id: str | None = None
    path: str | None = None
    iteration: int | None = None
    input_bytes: str = ""
    output_bytes: str | None = None
    cycles: int | None = None
    first_step: int | None = None
    error: JsonObject | None = None
    detail: str | None = None
    is_ended: bool = False
    proven: JsonObject = field(default_factory=dict)
    children: list[Span | Folded] = field(default_factory=list)
    below: int = 0


@dataclass(frozen=True)
class Limits:
    """How much is shown: spans down to `depth`, and of more than `fold` iterations the first ones and the last.
    None shows all."""

    depth: int | None = None
    fold: int | None = None


@dataclass
class Summary:
    """What a stream says beside its spans; complete when it was read to its end."""

    spans: int = 0
    blocks: int = 0
    end: JsonObject | None = None
    innermost_failure: Span | None = None


class StepClock:
    """Steps from timestamps: a Cairo run's event at step s has started + ⌊s · duration / steps⌋."""

    def __init__(self, start: JsonObject, end: JsonObject) -> None:
        begun, ended, steps = start.get("timestamp"), end.get("timestamp"), end.get("n_steps")
        self._begun = self._duration = self._steps = 0
        # A clock coarser than the steps cannot tell one from the next.
        if type(begun) is int and type(ended) is int and type(steps) is int and 0 < steps <= ended - begun:
            self._begun, self._duration, self._steps = begun, ended - begun, steps

    def step(self, event: JsonObject) -> int | None:
        """None where the timestamps do not tell."""
        at = event.get("timestamp")
        if not self._steps or type(at) is not int or at < self._begun:
            return None
        return -(-(at - self._begun) * self._steps // self._duration)


def read_spans(
    events: Iterable[JsonObject], summary: Summary, clock: StepClock | None = None
) -> Iterator[tuple[Span, Span | None]]:
    """Each span with the one around it, as it ends; spans that never end come last. Fills in `summary`.

    Raises UnusableInputError `events-not-nested` for an end without a start.
    """
    stack: list[Span] = []
    for item, event in enumerate(events):
        kind = str(event.get("type"))
        if kind in _STARTS:
            summary.spans += 1
            stack.append(_started(event, item, len(stack), clock))
        elif kind in _ENDS:
            if not stack:
                raise UnusableInputError(
                    "events-not-nested",
                    f"item {item} ends a span, and none is open",
                    "`proofrail check EVENTS` names everything that is wrong with it.",
                    line=item + 1,
                )
            span = stack.pop()
            _end(span, event)
            if span.error is not None and summary.innermost_failure is None:
                summary.innermost_failure = span
            yield span, stack[-1] if stack else None
        elif kind == "TraceEnd":
            summary.end = event
        elif kind in ("StepBlock", "MemoryBlock"):
            summary.blocks += 1
    while stack:
        span = stack.pop()
        yield span, stack[-1] if stack else None


def read_tree(
    events: Iterable[JsonObject], summary: Summary, limits: Limits, clock: StepClock | None = None
) -> list[Span | Folded]:
    """The outermost spans, with as much below them as `limits` say. Raises as `read_spans` does."""
    outside = Span("", "", -1, -1)
    for span, parent in read_spans(events, summary, clock):
        around = parent or outside
        if limits.depth is not None and span.depth > limits.depth:
            around.below += 1 + span.below
        else:
            _attach(around.children, span, limits)
    return outside.children


def _attach(children: list[Span | Folded], span: Span, limits: Limits) -> None:
    most = limits.fold if span.iteration is not None or limits.fold is None else _CALLS_SHOWN
    if most is None or len(children) < most:
        children.append(span)
        return
    last = children[-1]
    if not isinstance(children[-2], Folded):
        children[-1:] = [Folded(), last]
    folded = children[-2]
    if isinstance(folded, Folded) and isinstance(last, Span):
        folded.add(last)
    children[-1] = span


def _started(event: JsonObject, item: int, depth: int, clock: StepClock | None) -> Span:
    tile = event["type"] == "TileStart"
    return Span(
        kind=_STARTS[event["type"]],
        name=str(event.get("tile_id" if tile else "name")),
        item=item,
        depth=depth,
        span_id=_text(event.get("span_id")),
        path=_text(event.get("path")),
        iteration=_count(event.get("iteration")),
        input_bytes=_text(event.get("input_bytes")) or "",
        first_step=clock.step(event) if clock else None,
    )


def _end(span: Span, event: JsonObject) -> None:
    span.is_ended = True
    span.output_bytes = _text(event.get("output_bytes"))
    span.cycles = _count(event.get("cycles"))
    span.proven = {name: event[name] for name in _PROVEN if name in event}
    if event["type"].endswith("Failure"):
        error = event.get("error")
        span.error = error if isinstance(error, dict) else {}
        span.detail = _text(event.get("detail"))


def _count(value: object) -> int | None:
    return value if type(value) is int else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None

"""Native traces for tests: collected in memory, and held to the normative text by plain_native.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import plain_native
import pytest

from proofrail.audit.invariants.check import check_events_alone
from proofrail.tracing import CompletedTrace, Subscriber, Tracer
from proofrail.wire.errors import ProofrailError


class Collected(Subscriber):
    """Everything a subscriber is told."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.lines: list[bytes] = []
        self.completed: CompletedTrace | None = None
        self.abandoned: ProofrailError | None = None

    def on_trace(self, event: dict[str, Any], line: bytes) -> None:
        assert self.completed is None
        assert self.abandoned is None
        self.events.append(event)
        self.lines.append(line)

    def on_complete(self, trace: CompletedTrace) -> None:
        self.completed = trace

    def on_abandon(self, error: ProofrailError) -> None:
        self.abandoned = error


def events_of(
    call: Callable[[], Any],
    *subscribers: Subscriber,
    raises: type[BaseException] | None = None,
    program: Sequence[Any] = (),
    **options: Any,
) -> Collected:
    """The trace of a call, checked."""
    ticks = count(1_700_000_000_000_000_000, 1000)
    collected = Collected()
    tracer = Tracer(collected, *subscribers, program=list(program), clock=lambda: next(ticks), **options)
    if raises is None:
        with tracer:
            call()
    else:
        with pytest.raises(raises), tracer:
            call()
    assert tracer.sealed
    plain_native.check(collected.lines)
    violations, _ = check_events_alone(lambda: collected.lines)
    assert [] == violations
    return collected


def names(events: Sequence[dict[str, Any]]) -> list[str]:
    """Types and names, in order."""
    return [f"{e['type']} {e.get('tile_id', e.get('name', ''))}".strip() for e in events]

"""Native traces: what a traced call costs with each subscriber, beside the bare call and the hashing it takes.

The worst case: tiles that do nothing, so that all that is measured is tracing.
"""

from __future__ import annotations

import hashlib
import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from proofrail.artifacts.cache import cache_dir
from proofrail.messaging.embedded import EmbeddedKafka
from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.topics import ensure_topics
from proofrail.tracing import (
    AuditSubscriber,
    CommitSubscriber,
    JsonSubscriber,
    KafkaSubscriber,
    Subscriber,
    Tracer,
    sequence,
    tile,
)

CALLS = 20_000
REPEATS = 3


def bare(value: int) -> int:
    return value + 1


@tile
def step(value: int) -> int:
    return value + 1


@sequence
def steps(calls: int) -> int:
    value = 0
    for _ in range(calls):
        value = step(value)
    return value


class _Count(Subscriber):
    def __init__(self) -> None:
        self.items = 0
        self.bytes = 0

    def on_trace(self, event: dict[str, Any], line: bytes) -> None:
        self.items += 1
        self.bytes += len(line)


def _best(work: Callable[[], Any]) -> float:
    best = float("inf")
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - started)
    return best


def _traced(*makers: Callable[[], Subscriber]) -> float:
    def work() -> None:
        with Tracer(*(make() for make in makers)):
            steps(CALLS)

    return _best(work)


def main() -> None:
    counted = _Count()
    with Tracer(counted):
        steps(CALLS)
    commit = CommitSubscriber()
    events = io.BytesIO()
    with Tracer(commit, JsonSubscriber(events)):
        steps(CALLS)
    lines = events.getvalue().splitlines()

    def loop_of(function: Callable[[int], int]) -> Callable[[], None]:
        def work() -> None:
            for value in range(CALLS):
                function(value)

        return work

    plain, untraced = _best(loop_of(bare)), _best(loop_of(step))
    hashing = _best(lambda: [hashlib.sha256(line).digest() for line in lines])
    size = counted.bytes / counted.items
    print(
        f"{CALLS:,} calls, {counted.items:,} items of {size:.0f} bytes; a bare call {1e9 * plain / CALLS:.0f} ns, "
        f"decorated and untraced {1e9 * untraced / CALLS:.0f} ns; "
        f"SHA-256 of each item, hashlib: {counted.items / hashing / 1e6:.2f} M items/s"
    )
    _print("no subscriber", _traced(), counted.items)
    _print("JsonSubscriber", _traced(lambda: JsonSubscriber(io.BytesIO())), counted.items)
    _print("CommitSubscriber", _traced(CommitSubscriber), counted.items)
    _print("AuditSubscriber, commitment alone", _traced(lambda: AuditSubscriber(commit.lines)), counted.items)
    _print(
        "AuditSubscriber, with events",
        _traced(lambda: AuditSubscriber(commit.lines, events=lines)),
        counted.items,
    )
    _kafka(counted.items)


def _kafka(items: int) -> None:
    import asyncio

    with tempfile.TemporaryDirectory() as folder, EmbeddedKafka(Path(folder), cache_dir()) as broker:
        kafka = KafkaSettings(bootstrap=broker.bootstrap)
        asyncio.run(ensure_topics(kafka))
        _print("KafkaSubscriber, until all is committed", _traced(lambda: KafkaSubscriber(kafka)), items)


def _print(name: str, seconds: float, items: int) -> None:
    print(f"{name}: {items / seconds / 1e3:.0f} k events/s, {1e6 * seconds / CALLS:.1f} µs a call")


if __name__ == "__main__":
    main()

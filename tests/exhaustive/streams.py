"""Streams of generated items, from a number: trace events with every member there is, and JSON objects of any
shape, in any spelling."""

from __future__ import annotations

import json
import random
from typing import Any

from tests.exhaustive.oracle import DEFINED, INSIDE

SETTINGS = (
    *((1, 1), (1, 7), (3, 256), (5, 4), (8, 8), (13, 100), (16, 256), (16, 1), (17, 33)),
    *((31, 64), (32, 5), (47, 1000), (63, 12), (64, 256), (64, 100_000)),
)
"""Pairs of bits and block_items."""
MOST_ITEMS = 4096

_TEXTS = (
    *("", "a", "main/walk[3]/check_one", "é", "\u2028", "\x00\x1f\x7f", '"\\/\b\f\n\r\t', "\U0001f600"),
    *("\ufffd\uffff", "0x7f", "\ud7ff\ue000", "Ω" * 40, "x" * 300),
)
_NAMES = (
    *"abz",
    "",
    "timestamp",
    "duration_ns",
    "detail",
    "label",
    "é",
    "\ue000",
    "\x07",
    "a b",
    "ab",
    "aB",
    "~/",
)
_EVENT_TYPES = tuple(name for name in DEFINED if not name.startswith(("Input", "Commitment")))


def stream(number: int, items: int | None = None) -> tuple[str, int, int, list[bytes]]:
    """run_id, bits, block_items and the lines of a stream; `items` sets their number, at random otherwise."""
    chosen = random.Random(number)  # noqa: S311 - no secret
    bits, block_items = SETTINGS[number % len(SETTINGS)]
    count = items if items is not None else chosen.choice((0, 1, 2, 3, chosen.randrange(MOST_ITEMS)))
    run_id = chosen.choice(("r", "é" * 256, f"{chosen.getrandbits(128):032x}"))
    make = chosen.choice((_event, _any_object, lambda r: _event(r) if r.random() < 0.5 else _any_object(r)))
    return run_id, bits, block_items, [_spelled(chosen, make(chosen)) for _ in range(count)]


def _event(chosen: random.Random) -> dict[str, Any]:
    kind = chosen.choice(_EVENT_TYPES)
    event: dict[str, Any] = {"v": 1, "type": kind, "run_id": f"{chosen.getrandbits(128):032x}"}
    for name in DEFINED[kind]:
        if name in event or chosen.random() < 0.2:
            continue
        if name in ("timestamp", "duration_ns"):
            event[name] = chosen.getrandbits(chosen.choice((10, 60, 100)))
        elif name in INSIDE:
            event[name] = {inner: f"0x{chosen.getrandbits(250):x}" for inner in INSIDE[name]}
        elif name in ("detail", "label"):
            event[name] = chosen.choice(_TEXTS)
        else:
            event[name] = chosen.choice(
                (chosen.getrandbits(40), f"{chosen.getrandbits(512):0128x}", chosen.choice(_TEXTS))
            )
    if chosen.random() < 0.05:
        event["error"] = {"timestamp": chosen.getrandbits(70), "detail": "within, and committed to"}
    return event


def _any_object(chosen: random.Random, depth: int = 0) -> dict[str, Any]:
    count = chosen.choice((0, 1, 2, 5)) if depth else chosen.randrange(6)
    return {chosen.choice(_NAMES): _any_value(chosen, depth + 1) for _ in range(count)}


def _any_value(chosen: random.Random, depth: int) -> Any:
    how = chosen.randrange(9 if depth < 5 else 6)
    if how == 0:
        return chosen.choice((None, True, False))
    if how <= 2:
        return chosen.choice((0, -1, 2**53 - 1, 1 - 2**53, chosen.getrandbits(52)))
    if how <= 5:
        return chosen.choice(_TEXTS)
    if how == 6:
        return [_any_value(chosen, depth + 1) for _ in range(chosen.randrange(4))]
    return _any_object(chosen, depth)


def _spelled(chosen: random.Random, value: dict[str, Any]) -> bytes:
    """Canonical in half of the cases; else with other order, white space and escapes."""
    if chosen.random() < 0.5:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    names = list(value)
    chosen.shuffle(names)
    separators = chosen.choice(((",", ":"), (", ", ": "), (" ,\t", " :\r")))
    text = json.dumps(
        {name: value[name] for name in names}, separators=separators, ensure_ascii=chosen.random() < 0.5
    )
    return (chosen.choice(("", " ", "\t\r")) + text + chosen.choice(("", " ", "\r"))).encode()

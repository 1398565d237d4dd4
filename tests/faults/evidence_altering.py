"""Bundles of evidence, and every way of altering them that the tests try."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from proofrail.wire.canonical import canonical
from proofrail.wire.signing import sign_message
from tests.unit.evidence_runs import AUDITOR, LyingRun, altered_cell, altered_step, lying, verify

Object = dict[str, Any]

FAULT: Final = "a fault of the tracer, shown without a VM and without trust in anyone"
NAMES: Final = (
    "cell",
    "cycles",
    "identity",
    "in-transit",
    "length",
    "other-output",
    "other-step",
    "output",
    "step",
)
AT_FAULT: Final = ("cell", "identity", "other-step", "step")
"""The bundles whose tracer contradicts itself."""

_USEFUL: Final = frozenset(b'0aA"}, ')
"""Bytes that mean something in JSON or in hex."""

_PARTS: Final[tuple[tuple[str, ...], ...]] = (
    ("run_id",),
    ("run",),
    ("run", "inputs_sha256"),
    ("run", "program"),
    ("inputs",),
    ("first_mismatch",),
    ("shows",),
    ("claimed",),
    ("expected",),
    ("claimed", "checkpoint"),
    ("expected", "checkpoint"),
    ("claimed", "item"),
    ("expected", "item"),
    ("claimed", "item", "proof"),
    ("expected", "item", "proof"),
    ("published",),
    ("fault",),
    ("raw",),
    ("hashes",),
    ("signature",),
)


def in_transit() -> LyingRun:
    """An honest tracer's run, of which one event was altered after it was sealed."""
    run = lying()
    run.events[24] = canonical(json.loads(run.events[24]) | {"output_bytes": "ff" * 32})
    return run


@cache
def bundles() -> dict[str, bytes]:
    """Bundles of two runs of one program, each of another lie, by NAMES."""
    other: Object = {"n": 11}
    runs = {
        "cell": lying(altered_cell(41)),
        "cycles": lying(edit=lambda events: events[24].update(cycles=events[24]["cycles"] + 1)),
        "identity": lying(edit=lambda events: events[0].update(layout="dex")),
        "in-transit": in_transit(),
        "length": lying(edit=lambda events: events.__delitem__(slice(26, None))),
        "other-output": lying(values=other, edit=lambda events: events[24].update(output_bytes="ff" * 32)),
        "other-step": lying(altered_step(12, "ap"), values=other),
        "output": lying(edit=lambda events: events[24].update(output_bytes="ff" * 32)),
        "step": lying(altered_step(12, "ap")),
    }
    return {name: run.evidence().bundle(AUDITOR) for name, run in runs.items()}


@cache
def truths() -> frozenset[str]:
    """Everything that is established by the bundles as they were made."""
    return frozenset(line for bundle in bundles().values() for line in verify(bundle)[0])


def resigned(bundle: Object) -> bytes:
    """What an auditor who alters its own bundle makes of it."""
    return canonical(sign_message(bundle, AUDITOR.key))


def untrue_of_the_tracer(bundle: bytes) -> list[str]:
    """What an accepted bundle establishes of the tracer though it is not so. All else is the auditor's word, which
    it may change."""
    made = json.loads(bundle)
    said, _, result = verify(bundle)
    lies = [line for line in said if "tracer signed" in line or "in the tracer's tree" in line]
    false = [line for line in lies if line not in truths()]
    guilty = {json.loads(bundles()[name])["claimed"]["checkpoint"] for name in AT_FAULT}
    if result == FAULT and made["claimed"]["checkpoint"] not in guilty:
        false.append(str(result))
    return false


def altered_bytes(bundle: bytes) -> Iterator[bytes]:
    """Each byte with each bit flipped, replaced by a useful one, dropped, doubled."""
    for at, byte in enumerate(bundle):
        for other in sorted(({byte ^ 1 << bit for bit in range(8)} | _USEFUL) - {byte}):
            yield bundle[:at] + bytes([other]) + bundle[at + 1 :]
        yield from (bundle[:at] + bundle[at + 1 :], bundle[: at + 1] + bundle[at:])


def altered_values(bundle: bytes, rng: random.Random, most: int | None) -> Iterator[Object]:
    """The bundle with one value altered, left out or emptied; at most so many ways for each value."""
    for path in _paths(json.loads(bundle)):
        others = list(_others(_at(json.loads(bundle), path), rng))
        for other in others if most is None else rng.sample(others, min(most, len(others))):
            made = json.loads(bundle)
            _at(made, path[:-1])[path[-1]] = other
            yield made


def exchanged_parts(rng: random.Random, most: int | None) -> Iterator[Object]:
    """One bundle with any one part of another, or any two; at most so many pairs for each two bundles."""
    for bundle, donor in itertools.permutations(bundles().values(), 2):
        pairs = list(itertools.combinations(_PARTS, 2))
        chosen = pairs if most is None else rng.sample(pairs, most)
        for parts in (*((part,) for part in _PARTS), *chosen):
            made = json.loads(bundle)
            if all([_graft(made, json.loads(donor), part) for part in parts]):  # noqa: C419 - graft each
                yield made


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield (*path, key)
            yield from _paths(inner, (*path, key))


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def _others(value: Any, rng: random.Random) -> Iterator[Any]:
    """Values near to one; of one that holds others, each of them left out."""
    if isinstance(value, str):
        for at in sorted(rng.sample(range(len(value)), min(len(value), 12))):
            yield value[:at] + ("1" if value[at] == "0" else "0") + value[at + 1 :]
        yield from (value[1:], value + "0", "")
    elif isinstance(value, int):
        yield from (value + 1, value - 1, 0, str(value))
    elif isinstance(value, list):
        yield from (value[::-1], value[1:], [*value, *value[-1:]])
    elif isinstance(value, dict):
        yield from ({name: value[name] for name in value if name != left_out} for left_out in value)
        yield {}


def _graft(made: Object, donor: Object, part: tuple[str, ...]) -> bool:
    """Puts the donor's part into a bundle; whether that changed it."""
    before = canonical(made)
    try:
        place, source = _at(made, part[:-1]), _at(donor, part)
    except KeyError:
        return False
    place[part[-1]] = source
    return canonical(made) != before

"""Alterations by somebody who may sign: the tracer itself. It alters what it says of a run and commits to that,
so that blocks, seal and checkpoint are consistent with the altered events and nothing but re-execution tells.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from functools import cache
from typing import Any, Literal

from tests.exhaustive.cases import Case, Family, flipped
from tests.exhaustive.oracle import HEADER, VOLATILE, canonical, item, lines_of
from tests.exhaustive.runs import Run, each, file_of, named, signed
from tests.unit import plain_commitment

Event = dict[str, Any]
FACTS = (*HEADER, "spans", "outcome", "n_steps", "output_count", "output_sha256")


def committed(
    family: Family,
    what: str,
    run: Run,
    events: list[Event],
    changed: tuple[str, int] | None,
    *,
    with_events: bool,
    with_facts: bool = True,
    trace: bytes | None = None,
    memory: bytes | None = None,
) -> Case:
    """The case in which the run's tracer commits to `events` and signs that.

    With facts, the seal says of the run what the altered TraceStart and TraceEnd say.
    """
    true = run.truth.seal
    blocks, core = plain_commitment.commit(events, true["run_id"], true["bits"], true["block_items"])
    seal = {**true, **core}
    if with_facts:
        said = {**events[0], **events[-1]}
        seal |= {name: said[name] for name in FACTS if name in said}
    note = signed(true["run_id"], seal)
    inputs = [json.loads(line) for line in run.commitments.split(b"\n")[: len(run.truth.inputs)]]
    return Case(
        family.name,
        f"{run.name}: {what}",
        run,
        file_of([*inputs, *blocks, seal | {"checkpoint": note}]),
        file_of(events) if with_events else None,
        trace=trace,
        memory=memory,
        note=note,
        changed=changed if with_events or trace is not None else None,
    )


def _other(value: Any) -> Any:
    """A value of the same kind, and as well formed."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, dict):
        name = sorted(value)[0]
        return {**value, name: _other(value[name])}
    if not value:
        return "00"
    return {"own": "all", "all": "own", "completed": "failed", "failed": "completed"}.get(
        value, value[:-1] + ("1" if value[-1] == "0" else "0")
    )


_HOW: dict[str, Callable[[Any], Any]] = {
    "altered": _other,
    "null": lambda _value: None,
    "of another type": lambda value: [value],
    "wrapped": lambda value: {"is": value},
}


class ForgedMembers(Family):
    """Each member of each type of event (in each run the first of its type, the last and one between) altered,
    removed, null, of another type; and members added that version 1 does not define."""

    def __init__(self, run: Run, with_events: bool) -> None:
        self.run, self.with_events = run, with_events
        self.name = "forged and committed: members" + ("" if with_events else ", without events")
        self.places: list[tuple[int, str, str, bool]] = []
        of_type: dict[str, list[int]] = {}
        for index, event in enumerate(run.truth.events):
            of_type.setdefault(event["type"], []).append(index)
        for places in of_type.values():
            for index in sorted({places[0], places[len(places) // 2], places[-1]}):
                for name in [n for n in run.truth.events[index] if n not in VOLATILE]:
                    facts = (True, False) if name in FACTS else (True,)
                    for how in (*_HOW, "removed"):
                        self.places += [(index, name, how, fact) for fact in facts]
                self.places += [(index, "novel", "added", True)]
        self.size = len(self.places)

    def case(self, index: int) -> Case:
        at, name, how, with_facts = self.places[index]
        events = copy.deepcopy(self.run.truth.events)
        if how == "removed":
            del events[at][name]
        elif how == "added":
            events[at][name] = {"x": 1}
        else:
            events[at][name] = _HOW[how](events[at][name])
        return committed(
            self,
            f"{name} of item {at} {how}{'' if with_facts else ', the seal as it was'}",
            self.run,
            events,
            # What the seal says too is found there.
            None if with_facts and name in HEADER else ("events", at),
            with_events=self.with_events,
            with_facts=with_facts,
        )


class ForgedNames(Family):
    """A whole run published under the run_id of another, committed to and signed under it."""

    def __init__(self, run: Run, with_events: bool) -> None:
        self.run, self.with_events = run, with_events
        self.name = "forged and committed: whole runs" + ("" if with_events else ", without events")
        self.others = [other.truth.run_id for other in each() if other is not run]
        self.size = len(self.others)

    def case(self, index: int) -> Case:
        name, truth = {"run_id": self.others[index]}, self.run.truth
        events = [event | name for event in truth.events]
        bits, block_items = truth.seal["bits"], truth.seal["block_items"]
        blocks, core = plain_commitment.commit(events, self.others[index], bits, block_items)
        seal = truth.seal | core
        note = signed(self.others[index], seal)
        inputs = [json.loads(line) | name for line in lines_of(self.run.commitments)[: len(truth.inputs)]]
        return Case(
            self.name,
            f"{self.run.name}: as {index}",
            self.run,
            file_of([*inputs, *blocks, seal | {"checkpoint": note}]),
            file_of(events) if self.with_events else None,
            note=note,
            changed=("commitments", 0),
        )


class ForgedSeals(Family):
    """Each member of the seal altered, removed, null, of another type, and the seal signed again."""

    def __init__(self, run: Run, with_events: bool) -> None:
        self.run, self.with_events = run, with_events
        self.name = "forged and signed: seals" + ("" if with_events else ", without events")
        self.places = [(name, how) for name in run.truth.seal for how in (*_HOW, "removed")]
        self.size = len(self.places)

    def case(self, index: int) -> Case:
        name, how = self.places[index]
        seal = copy.deepcopy(self.run.truth.seal)
        if how == "removed":
            del seal[name]
        else:
            seal[name] = _HOW[how](seal[name])
        signable = {**self.run.truth.seal, **({name: seal[name]} if how == "altered" else {})}
        note = signed(signable["run_id"], signable)
        lines = lines_of(self.run.commitments)[:-1]
        return Case(
            self.name,
            f"{self.run.name}: {name} {how}",
            self.run,
            b"".join(line + b"\n" for line in lines) + file_of([seal | {"checkpoint": note}]),
            self.run.events if self.with_events else None,
            note=note,
            changed=("commitments", len(lines)),
        )


class ForgedOrder(Family):
    """Events dropped, doubled, swapped, cut off, their numbering set right again or left; committed."""

    def __init__(self, run: Run, with_events: bool) -> None:
        self.run, self.with_events = run, with_events
        self.name = "forged and committed: order" + ("" if with_events else ", without events")
        count = len(run.truth.events)
        self.places = [
            (how, at, renumbered)
            for how in ("dropped", "doubled", "swapped", "cut")
            for at in range(1, count - 1)
            for renumbered in (False, True)
        ]
        self.size = len(self.places)

    def case(self, index: int) -> Case:
        how, at, renumbered = self.places[index]
        events = copy.deepcopy(self.run.truth.events)
        if how == "dropped":
            del events[at]
        elif how == "doubled":
            events.insert(at, copy.deepcopy(events[at]))
        elif how == "swapped":
            events[at], events[at + 1] = events[at + 1], events[at]
        else:
            del events[at:]
        if renumbered:
            for seq, event in enumerate(events):
                event["seq"] = seq
        true = [item(event) for event in self.run.truth.events]
        now = [item(event) for event in events]
        shorter = min(len(true), len(now))
        changed = next((n for n in range(shorter) if true[n] != now[n]), shorter)
        return committed(
            self,
            f"{how} at {at}{', renumbered' if renumbered else ''}",
            self.run,
            events,
            ("events", changed),
            with_events=self.with_events,
        )


class ForgedRaw(Family):
    """One register of one step, or one cell, altered in the raw file, and committed to in its block."""

    def __init__(self, run: Run, file: Literal["trace", "memory"], how: str) -> None:
        self.run, self.file, self.how = run, file, how
        self.name = f"forged and committed: {'steps' if file == 'trace' else 'cells'}, {how}"
        self.content = run.truth.trace if file == "trace" else run.truth.memory
        words = len(self.content) // 8
        self.stride = max(1, words // 600)
        self.size = -(-words // self.stride)

    def case(self, index: int) -> Case:
        word = index * self.stride
        content = flipped(self.content, 64 * word + index % 64)
        record, size, kind = (
            (24, 64 * 24, "StepBlock") if self.file == "trace" else (40, 32 * 40, "MemoryBlock")
        )
        position = 8 * word // record
        events = copy.deepcopy(self.run.truth.events)
        for event in events:
            if event["type"] == kind and event["block"] == position // 4096:
                first = position // 4096 * 4096 * record
                part = content[first : first + 4096 * record]
                chunks = [part[at : at + size] for at in range(0, len(part), size)]
                event["root"] = plain_commitment.tree_hash(chunks).hex()
        at_hand = self.how == "raw files at hand"
        item_at = next(
            n for n, e in enumerate(events) if e["type"] == kind and e["block"] == position // 4096
        )
        truth = self.run.truth
        return committed(
            self,
            f"word {word}",
            self.run,
            events,
            (self.file, position) if at_hand else ("events", item_at),
            with_events=True,
            trace=(content if self.file == "trace" else truth.trace) if at_hand else None,
            memory=(content if self.file == "memory" else truth.memory) if at_hand else None,
        )


class ForgedTails(Family):
    """The last items altered so that all packed values are those of the true run: found by trying, which takes
    2^bits tries for each value."""

    def __init__(self, run: Run, tail: int, with_events: bool, number: int) -> None:
        self.run, self.tail, self.with_events = run, tail, with_events
        self.name = "forged tails of equal packed values" + ("" if with_events else ", without events")
        self.size = number

    def case(self, index: int) -> Case:
        events = forged_tail(self.run, self.tail, index)
        made = committed(
            self,
            f"the last {self.tail}, {index}",
            self.run,
            events,
            ("events", len(events) - self.tail),
            with_events=self.with_events,
        )
        packed = [json.loads(line).get("packed") for line in made.commitments.splitlines()]
        assert [block["packed"] for block in self.run.truth.blocks] == [p for p in packed if p is not None]
        return made


@cache
def forged_tail(run: Run, tail: int, number: int) -> list[Event]:
    """The run's events, the last `tail` of them others with the same packed values."""
    seal = run.truth.seal
    bits = seal["bits"]
    events = copy.deepcopy(run.truth.events)
    true = _chain(run, events)
    link = true[len(events) - tail]
    for at in range(len(events) - tail, len(events)):
        wanted = plain_commitment.low_bits(true[at + 1], bits)
        event = events[at]
        name = next(n for n in ("n_steps", "cycles", "cells", "steps", "depth", "seq") if n in event)
        for attempt in range(1 << 24):
            event[name] = 1 + run.truth.events[at][name] + number * (1 << 24) + attempt
            leaf = plain_commitment.h(b"\x00" + item(event))
            found = plain_commitment.h(b"\x02" + link + leaf)
            if plain_commitment.low_bits(found, bits) == wanted:
                link = found
                break
        else:
            raise AssertionError("no forgery was found")
    return events


def _chain(run: Run, events: list[Event]) -> list[bytes]:
    seal = run.truth.seal
    parameters = {name: seal[name] for name in ("bits", "block_items", "run_id")}
    chain = [plain_commitment.h(b"proofrail/commitment/v1\n" + canonical(parameters))]
    for event in events:
        leaf = plain_commitment.h(b"\x00" + item(event))
        chain.append(plain_commitment.h(b"\x02" + chain[-1] + leaf))
    return chain


def families() -> list[Family]:
    """All of them."""
    found: list[Family] = []
    for run in each():
        for with_events in (True, False):
            found += [ForgedMembers(run, with_events), ForgedOrder(run, with_events)]
            found += [ForgedSeals(run, with_events), ForgedNames(run, with_events)]
        if run.truth.trace:
            for file in ("trace", "memory"):
                found.append(ForgedRaw(run, file, "raw files at hand"))
                found.append(ForgedRaw(run, file, "to the block only"))
    for name, tail, number in (
        ("step-limit", 4, 40),
        ("assertion", 3, 40),
        ("risk-batch", 3, 10),
        ("completed", 1, 3),
    ):
        for with_events in (True, False):
            found.append(ForgedTails(named(name), tail, with_events, number))
    return found

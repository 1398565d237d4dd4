"""Families of alterations of published files. A family is a numbered sequence of cases, made when asked for:
millions of them take no memory, and any sample of them is had by its numbers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, overload

from tests.exhaustive.oracle import canonical, lines_of
from tests.exhaustive.runs import Run, each, named, siblings

File = Literal["events", "commitments"]
RAW_IN_FULL = ("completed", "fibonacci")
"""The runs whose steps and cells are flipped bit by bit; of the others, whose padding is longer than they
are, every 61st bit is."""


@dataclass(frozen=True)
class Case:
    """One alteration: the files as they are published now.

    `changed` is where it was made, known from how it was made: the file, and the 0-based line (or step, or
    cell) from which on it is not what it was.
    """

    family: str
    what: str
    run: Run
    commitments: bytes
    events: bytes | None
    trace: bytes | None = None
    memory: bytes | None = None
    note: str | None = None
    changed: tuple[str, int] | None = None
    bit: int | None = None


class Family(Sequence[Case]):
    """Cases of one kind, by number."""

    name: str
    size: int

    def __len__(self) -> int:
        return self.size

    @overload
    def __getitem__(self, index: int) -> Case: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Case]: ...
    def __getitem__(self, index: int | slice) -> Case | Sequence[Case]:
        if isinstance(index, slice):
            return [self.case(i) for i in range(*index.indices(self.size))]
        return self.case(index)

    def case(self, index: int) -> Case:
        raise NotImplementedError


def _altered(
    family: Family, what: str, run: Run, file: File, content: bytes, with_events: bool, **more: object
) -> Case:
    before = lines_of(run.events if file == "events" else run.commitments)
    after = lines_of(content)
    pairs = zip(before, after, strict=False)
    line = next((n for n, (one, other) in enumerate(pairs) if one != other), min(len(before), len(after)))
    return Case(
        family.name,
        f"{run.name}: {what}",
        run,
        content if file == "commitments" else run.commitments,
        (content if file == "events" else run.events) if with_events else None,
        changed=(file, line),
        **more,
    )


def flipped(data: bytes, bit: int) -> bytes:
    raw = bytearray(data)
    raw[bit // 8] ^= 1 << bit % 8
    return bytes(raw)


class Flips(Family):
    """Every bit of a file of lines, their line feeds included."""

    def __init__(self, run: Run, file: File, with_events: bool) -> None:
        self.run, self.file, self.with_events = run, file, with_events
        self.content = run.events if file == "events" else run.commitments
        self.name = f"flipped bits: {file}" + ("" if with_events else ", without events")
        self.size = 8 * len(self.content)

    def case(self, index: int) -> Case:
        content = flipped(self.content, index)
        return _altered(self, f"bit {index}", self.run, self.file, content, self.with_events, bit=index)


class RawFlips(Family):
    """Bits of trace.bin or memory.bin."""

    def __init__(self, run: Run, file: Literal["trace", "memory"]) -> None:
        self.run, self.file = run, file
        self.content = run.truth.trace if file == "trace" else run.truth.memory
        self.name = "flipped bits: steps" if file == "trace" else "flipped bits: cells"
        self.stride = 1 if run.name in RAW_IN_FULL else 61
        self.size = -(-8 * len(self.content) // self.stride)

    def case(self, index: int) -> Case:
        bit = index * self.stride
        content = flipped(self.content, bit)
        return Case(
            self.name,
            f"{self.run.name}: {self.file} bit {bit}",
            self.run,
            self.run.commitments,
            self.run.events,
            trace=content if self.file == "trace" else self.run.truth.trace,
            memory=content if self.file == "memory" else self.run.truth.memory,
            changed=(self.file, bit // 8 // (24 if self.file == "trace" else 40)),
        )


class RawCuts(Family):
    """trace.bin or memory.bin cut or grown, at the borders of records and within them."""

    def __init__(self, run: Run, file: Literal["trace", "memory"]) -> None:
        self.run, self.file = run, file
        self.record = 24 if file == "trace" else 40
        self.content = run.truth.trace if file == "trace" else run.truth.memory
        self.name = "raw files of another length"
        self.size = 3 * (len(self.content) // self.record) + 3

    def case(self, index: int) -> Case:
        position, how = divmod(index, 3)
        size = position * self.record + (0, 1, self.record - 1)[how]
        content = (self.content + bytes(self.record))[:size]
        if size == len(self.content):
            content += bytes(2 * self.record)
        return Case(
            self.name,
            f"{self.run.name}: {self.file} of {size} bytes",
            self.run,
            self.run.commitments,
            self.run.events,
            trace=content if self.file == "trace" else self.run.truth.trace,
            memory=content if self.file == "memory" else self.run.truth.memory,
            changed=(self.file, min(size, len(self.content)) // self.record),
        )


class LineEdits(Family):
    """Lines swapped, dropped, doubled at every place, moved to every place, spelled otherwise, or empty."""

    def __init__(self, run: Run, file: File, how: str, with_events: bool) -> None:
        self.run, self.file, self.how, self.with_events = run, file, how, with_events
        self.lines = lines_of(run.events if file == "events" else run.commitments)
        count = len(self.lines)
        self.places = {
            "swapped": [(i, i + 1) for i in range(count - 1)],
            "dropped": [(i, 0) for i in range(count)],
            "doubled": [(i, j) for i in range(count) for j in range(count + 1)],
            "moved": [(i, j) for i in range(count) for j in range(count) if i != j],
            "spelled otherwise": [(i, 0) for i in range(count)],
            "emptied": [(i, 0) for i in range(count)],
        }[how]
        self.name = f"{how}: {file}" + ("" if with_events else ", without events")
        self.size = len(self.places)

    def case(self, index: int) -> Case:
        i, j = self.places[index]
        lines = list(self.lines)
        if self.how == "swapped":
            lines[i], lines[j] = lines[j], lines[i]
        elif self.how == "doubled":
            lines.insert(j, self.lines[i])
        elif self.how in ("dropped", "moved"):
            line = lines.pop(i)
            if self.how == "moved":
                lines.insert(j, line)
        elif self.how == "emptied":
            lines[i] = b""
        else:
            members = json.loads(lines[i])
            turned = {name: members[name] for name in reversed(members)}
            lines[i] = json.dumps(turned, separators=(" ,\t", ": ")).encode() + b" \r"
        content = b"".join(line + b"\n" for line in lines)
        return _altered(self, f"line {i} ({j})", self.run, self.file, content, self.with_events)


class Cuts(Family):
    """A file that ends too early: at every byte."""

    def __init__(self, run: Run, file: File, with_events: bool) -> None:
        self.run, self.file, self.with_events = run, file, with_events
        self.content = run.events if file == "events" else run.commitments
        self.name = f"cut: {file}" + ("" if with_events else ", without events")
        self.size = len(self.content)

    def case(self, index: int) -> Case:
        return _altered(self, f"at byte {index}", self.run, self.file, self.content[:index], self.with_events)


class Relabelled(Family):
    """One line, or all lines from the first on, with the run_id of another run."""

    def __init__(self, run: Run, file: File, with_events: bool) -> None:
        self.run, self.file, self.with_events = run, file, with_events
        self.lines = lines_of(run.events if file == "events" else run.commitments)
        self.others = [other.truth.run_id for other in each() if other is not run]
        self.name = f"relabelled: {file}" + ("" if with_events else ", without events")
        self.size = 2 * len(self.lines) * len(self.others)

    def case(self, index: int) -> Case:
        rest, how = divmod(index, 2)
        line, other = divmod(rest, len(self.others))
        chosen = range(line + 1) if how else [line]
        lines = [
            canonical(json.loads(text) | {"run_id": self.others[other]}) if n in chosen else text
            for n, text in enumerate(self.lines)
        ]
        content = b"".join(text + b"\n" for text in lines)
        what = f"lines 0 to {line}" if how else f"line {line}"
        return _altered(self, f"{what}, of {other}", self.run, self.file, content, self.with_events)


class Splices(Family):
    """One run up to a place, another from there on."""

    def __init__(self, run: Run, other: Run, file: File, with_events: bool) -> None:
        self.run, self.file, self.with_events = run, file, with_events
        self.lines = lines_of(run.events if file == "events" else run.commitments)
        self.others = lines_of(other.events if file == "events" else other.commitments)
        # Without any line of the first, it would be the other run, whole.
        self.first = 0 if file == "events" else len(run.truth.inputs)
        self.name = f"spliced: {file}" + ("" if with_events else ", without events")
        self.size = max(0, min(len(self.lines), len(self.others)) - self.first)

    def case(self, index: int) -> Case:
        at = self.first + index
        content = b"".join(line + b"\n" for line in self.lines[:at] + self.others[at:])
        return _altered(self, f"from line {at}", self.run, self.file, content, self.with_events)


def families() -> list[Family]:
    """All of them."""
    found: list[Family] = []
    for run in each():
        for file, with_events in (("events", True), ("commitments", True), ("commitments", False)):
            found += [Flips(run, file, with_events), Cuts(run, file, with_events)]
            found.append(Relabelled(run, file, with_events))
            for how in ("swapped", "dropped", "doubled", "moved", "spelled otherwise", "emptied"):
                found.append(LineEdits(run, file, how, with_events))
        if run.truth.trace:
            found += [RawFlips(run, "trace"), RawFlips(run, "memory")]
    found += [RawCuts(named("completed"), "trace"), RawCuts(named("completed"), "memory")]
    for run, other in siblings():
        for file, with_events in (("events", True), ("commitments", True), ("commitments", False)):
            found.append(Splices(run, other, file, with_events))
    return found

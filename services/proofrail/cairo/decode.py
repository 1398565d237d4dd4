"""Names for the felts of a run: arguments and return values by the compiled program's identifiers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from proofrail.wire.canonical import FELT_PRIME
from proofrail.wire.errors import UnusableInputError

FELT_BYTES: Final = 32

OWN_MODULE: Final = "__main__."
"""What the names of a program's own functions lose in spans "own"."""

# Aliases and definitions in a row before they are taken for a circle.
_MAX_HOPS: Final = 64
# Four characters are a small number, which spells something by chance unless it is asked to be a word.
_SHORT_STRING: Final = re.compile(rb"[a-z]{4}|[A-Z]{4}|(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9_.:/ -]{5,31}")


@dataclass(frozen=True)
class Leaf:
    """One felt of a value: its name with the members that lead to it (`p.x`), and its Cairo type."""

    name: str
    type: str

    @property
    def is_address(self) -> bool:
        return self.type.endswith("*")


@dataclass(frozen=True)
class Named:
    """A felt with its name; `value` is None for a cell that was never written."""

    leaf: Leaf
    value: int | None


@dataclass(frozen=True)
class Signature:
    """What a function takes and gives, felt by felt. `entry` is the pc of its first instruction."""

    full_name: str
    entry: int
    implicit: tuple[Leaf, ...]
    arguments: tuple[Leaf, ...]
    returns: tuple[Leaf, ...]


class ProgramNames:
    """The identifiers of a compiled program (cairo-lang's `identifiers`), read once.

    Raises UnusableInputError `program-unusable` where a type is not defined, or by itself.
    """

    PROGRAM_BASE: Final = 1
    """Where the VM puts a program's first word: a pc of the trace is this much above the compiler's."""

    def __init__(self, compiled: bytes) -> None:
        self.program: Mapping[str, Any] = json.loads(compiled)
        self.identifiers: Mapping[str, Mapping[str, Any]] = self.program.get("identifiers", {})
        self._signatures: dict[str, Signature | None] = {}

    def function_of_span(self, name: str, spans: str) -> Signature | None:
        """The function that a span of this name is of, in a run with spans `own` or `all`."""
        return self.function(OWN_MODULE + name if spans == "own" else name)

    def function(self, full_name: str) -> Signature | None:
        """None where the program has no such function."""
        if full_name not in self._signatures:
            found = self.identifiers.get(full_name)
            known = found is not None and found.get("type") == "function" and "pc" in found
            self._signatures[full_name] = self._signature(full_name) if known else None
        return self._signatures[full_name]

    @cached_property
    def functions(self) -> list[Signature]:
        """By ascending entry."""
        names = [name for name, found in self.identifiers.items() if found.get("type") == "function"]
        found = [signature for name in names if (signature := self.function(name)) is not None]
        return sorted(found, key=lambda signature: (signature.entry, signature.full_name))

    def hints(self, pc: int) -> tuple[str, ...]:
        """The code of the hints that run before the instruction at a pc of the trace."""
        found = self.program.get("hints", {}).get(str(pc - self.PROGRAM_BASE), ())
        return tuple(hint["code"] for hint in found)

    def leaves(self, cairo_type: str, name: str) -> tuple[Leaf, ...]:
        """The felts of a type as the compiler writes it: `felt`, `T*`, a struct's full name,
        `(a: felt, b: T)`."""
        return tuple(self._leaves(cairo_type, name, _MAX_HOPS))

    def members(self, struct: str) -> list[tuple[str, str, int]]:
        """Name, type and offset of a struct's members, by offset; none where it is no struct."""
        found = self._resolved(struct, _MAX_HOPS)
        members = found.get("members", {}) if found.get("type") == "struct" else {}
        rows = [(name, member["cairo_type"], member["offset"]) for name, member in members.items()]
        return sorted(rows, key=lambda row: row[2])

    def _signature(self, full_name: str) -> Signature:
        def of(part: str) -> tuple[Leaf, ...]:
            name = f"{full_name}.{part}"
            return self.leaves(name, "") if name in self.identifiers else ()

        entry = self.identifiers[full_name]["pc"] + self.PROGRAM_BASE
        return Signature(full_name, entry, of("ImplicitArgs"), of("Args"), of("Return"))

    def _leaves(self, cairo_type: str, name: str, hops: int) -> list[Leaf]:
        text = cairo_type.strip()
        if text in ("felt", "codeoffset") or text.endswith("*"):
            return [Leaf(name or "value", text)]
        if hops == 0:
            raise UnusableInputError("program-unusable", f"the type {text} is defined by itself")
        found: list[Leaf] = []
        if text.startswith("(") and text.endswith(")"):
            for index, (inner, member) in enumerate(_tuple_members(text[1:-1])):
                found += self._leaves(member, _joined(name, inner or str(index)), hops - 1)
            return found
        resolved = self._resolved(text, hops)
        if "cairo_type" in resolved:
            return self._leaves(resolved["cairo_type"], name, hops - 1)
        for inner, member, _ in self.members(text):
            found += self._leaves(member, _joined(name, inner), hops - 1)
        return found

    def _resolved(self, name: str, hops: int) -> Mapping[str, Any]:
        for _ in range(hops):
            found = self.identifiers.get(name)
            if found is None:
                return {}
            if found.get("type") != "alias":
                return found
            name = found["destination"]
        raise UnusableInputError("program-unusable", f"the type {name} is defined by itself")


def named_felts(data: bytes, leaves: Sequence[Leaf]) -> list[Named]:
    """input_bytes or output_bytes of a Cairo span: 32 bytes big-endian a felt.

    Felts without a name (no program at hand, or more felts than it says) are called by their number. Raises
    ValueError for bytes that are no whole felts.
    """
    if len(data) % FELT_BYTES:
        raise ValueError(f"{len(data)} bytes are no whole felts")
    values = [int.from_bytes(data[at : at + FELT_BYTES], "big") for at in range(0, len(data), FELT_BYTES)]
    return [
        Named(leaves[i] if i < len(leaves) else Leaf(f"[{i}]", "felt"), value)
        for i, value in enumerate(values)
    ]


def short_string(felt: int) -> str | None:
    """The text that a felt spells in ASCII, where it is a word of 4 letters or a name of 5 to 31 characters.

    Any number can spell something: this is for reading, never for deciding.
    """
    data = felt.to_bytes((felt.bit_length() + 7) // 8, "big")
    return data.decode("ascii") if _SHORT_STRING.fullmatch(data) else None


def signed(felt: int) -> int:
    """The number nearest to zero that a felt stands for."""
    return felt - FELT_PRIME if felt > FELT_PRIME // 2 else felt


def _joined(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _tuple_members(inner: str) -> list[tuple[str | None, str]]:
    """Names (where given) and types of a tuple's members; a comma at the end adds none."""
    parts: list[str] = []
    depth = start = 0
    for at, character in enumerate(inner):
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            parts.append(inner[start:at])
            start = at + 1
    parts.append(inner[start:])
    members: list[tuple[str | None, str]] = []
    for part in parts:
        if not part.strip():
            continue
        name, colon, rest = part.partition(":")
        is_named = colon and "(" not in name
        members.append((name.strip(), rest.strip()) if is_named else (None, part.strip()))
    return members

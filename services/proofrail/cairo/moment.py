"""One step of a run, looked at closely: registers, instruction and operands, calls, values in reach.

The trace has the registers before each step; memory is that of the whole run, in which every cell has one value
for ever. Whether a cell had it already at the step is told only for what the running call itself has touched.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from proofrail.cairo.decode import Leaf, Named, ProgramNames, Signature
from proofrail.cairo.instruction import Instruction, decode
from proofrail.cairo.program import CairoProgram, SourceLocation
from proofrail.cairo.references import Place, evaluate
from proofrail.wire.canonical import FELT_PRIME
from proofrail.wire.errors import MalformedError

_WORDS_A_STEP: Final = 3
_WORDS_A_CELL: Final = 5
_COMPILERS_OWN: Final = "__temp"
_AROUND: Final = 4
_CALLERS: Final = frozenset({-2, -1})
"""Relative to fp: the caller's fp and the return address."""


@dataclass(frozen=True)
class Registers:
    """Relocated addresses, as in trace.bin."""

    pc: int
    ap: int
    fp: int


@dataclass(frozen=True)
class Operand:
    """A cell that the instruction refers to; `value` is None where it was never written."""

    name: Literal["dst", "op0", "op1"]
    address: int
    value: int | None


@dataclass(frozen=True)
class Frame:
    """A call that has not returned: its function (None outside of all), where it stands, its fp.

    `pc` is that of the current step in the innermost frame, of the call instruction in the others.
    """

    function: str | None
    pc: int
    fp: int
    location: SourceLocation | None


@dataclass(frozen=True)
class Variable:
    """A name in reach, felt by felt; `is_settled` is False where the call has not touched any of its cells so
    far, so that they may have been written later, or by a hint."""

    name: str
    type: str
    kind: Literal["argument", "implicit", "reference"]
    felts: tuple[Named, ...]
    pointee: tuple[Named, ...] = ()
    is_settled: bool = True


@dataclass(frozen=True)
class Moment:
    """What stands before a step is made. `frames` are innermost first."""

    step: int
    registers: Registers
    location: SourceLocation | None
    word: int | None
    instruction: Instruction | None
    immediate: int | None
    operands: tuple[Operand, ...]
    frames: tuple[Frame, ...]
    variables: tuple[Variable, ...]
    hints: tuple[str, ...]
    """The hints that run before the instruction."""
    cells: tuple[tuple[str, int], ...]
    """Cells around fp and ap, where nothing has a name."""


class Moments:
    """The steps of one run: `trace` and `memory` are trace.bin and memory.bin with cells by ascending address."""

    def __init__(
        self, program: CairoProgram, names: ProgramNames, trace: memoryview, memory: memoryview
    ) -> None:
        self._program = program
        self._names = names
        registers = memoryview(trace).cast("B").cast("Q")
        self._ap, self._fp, self._pc = (registers[at::_WORDS_A_STEP] for at in range(_WORDS_A_STEP))
        self._cells = memoryview(memory).cast("B").cast("Q")
        self._addresses = self._cells[::_WORDS_A_CELL]
        self._entries = [function.entry for function in names.functions]

    def __len__(self) -> int:
        """Steps in the trace."""
        return len(self._pc)

    @property
    def pcs(self) -> memoryview:
        """The pc of each step."""
        return self._pc

    def registers(self, step: int) -> Registers:
        """Before the step of that index; the index after the last one gives what the last one left behind.

        Raises IndexError for any other index, and where a trace without steps leaves nothing behind.
        """
        if 0 <= step < len(self):
            return Registers(self._pc[step], self._ap[step], self._fp[step])
        if step == len(self) > 0:
            return self._after(self.registers(step - 1))
        raise IndexError(step)

    def at(self, step: int) -> Moment:
        """Raises IndexError as `registers` does."""
        now = self.registers(step)
        word = self.read(now.pc)
        instruction = _decoded(word)
        immediate = self.read(now.pc + 1) if instruction is not None and instruction.has_immediate else None
        frames = tuple(self._frames(now))
        variables = tuple(self._variables(step, now, frames[0].function))
        return Moment(
            step=step,
            registers=now,
            location=self._program.location(now.pc),
            word=word,
            instruction=instruction,
            immediate=immediate,
            operands=() if instruction is None else tuple(self._operands(instruction, now)),
            frames=frames,
            variables=variables,
            hints=self._names.hints(now.pc),
            cells=() if variables or frames[0].function is None else tuple(self._cells_around(now)),
        )

    def read(self, address: int) -> int | None:
        """The felt in a cell; None for one that was never written."""
        at = bisect_left(self._addresses, address)
        if at == len(self._addresses) or self._addresses[at] != address:
            return None
        low = at * _WORDS_A_CELL + 1
        return sum(word << 64 * i for i, word in enumerate(self._cells[low : low + _WORDS_A_CELL - 1]))

    def first_use(self, address: int) -> int | None:
        """The first step whose instruction refers to a cell; None where no step does (a builtin's, a hint's)."""
        known: dict[int, Instruction | None] = {}
        for step in range(len(self)):
            pc = self._pc[step]
            if pc not in known:
                known[pc] = _decoded(self.read(pc))
            instruction = known[pc]
            if instruction is not None:
                now = self.registers(step)
                if any(operand.address == address for operand in self._operands(instruction, now)):
                    return step
        return None

    def _after(self, now: Registers) -> Registers:
        instruction = _decoded(self.read(now.pc))
        if instruction is None:
            raise IndexError("the last step is no instruction")
        at = {operand.name: operand.value or 0 for operand in self._operands(instruction, now)}
        op1 = at.get("op1", 0)
        res = {
            "op1": op1,
            "add": at.get("op0", 0) + op1,
            "mul": at.get("op0", 0) * op1,
            "unconstrained": at["dst"],
        }[instruction.res] % FELT_PRIME
        following = now.pc + instruction.size
        pc = {
            "regular": following,
            "jump-abs": res,
            "jump-rel": now.pc + res,
            "jnz": now.pc + op1 if at["dst"] else following,
        }[instruction.pc_update]
        ap = now.ap + {"regular": 0, "add-res": res, "add1": 1, "add2": 2}[instruction.ap_update]
        fp = {"regular": now.fp, "ap+2": now.ap + 2, "dst": at["dst"]}[instruction.fp_update]
        return Registers(pc % FELT_PRIME, ap % FELT_PRIME, fp)

    def _operands(self, instruction: Instruction, now: Registers) -> Iterator[Operand]:
        registers = {"ap": now.ap, "fp": now.fp, "pc": now.pc}
        dst = registers[instruction.dst_register] + instruction.dst_offset
        yield Operand("dst", dst, self.read(dst))
        op0 = registers[instruction.op0_register] + instruction.op0_offset
        value = self.read(op0)
        if instruction.op1_source == "op0" or instruction.res in ("add", "mul"):
            yield Operand("op0", op0, value)
        base = value if instruction.op1_source == "op0" else registers[instruction.op1_source]
        if base is not None:
            op1 = (base + instruction.op1_offset) % FELT_PRIME
            yield Operand("op1", op1, self.read(op1))

    def _frames(self, now: Registers) -> Iterator[Frame]:
        outermost = self._fp[0] if len(self) else now.fp
        pc, fp = now.pc, now.fp
        while True:
            yield Frame(self._function(pc), pc, fp, self._program.location(pc))
            if fp == outermost:
                return
            caller, back = self.read(fp - 2), self.read(fp - 1)
            if caller is None or back is None or caller >= fp:
                return
            pc, fp = self._call_before(back), caller

    def _call_before(self, back: int) -> int:
        longer = _decoded(self.read(back - 2))
        is_longer = longer is not None and longer.opcode == "call" and longer.size == 2
        return back - 2 if is_longer else back - 1

    def _callee(self, fp: int) -> int | None:
        """The pc that a frame was called at: a label's, where it is no function's. None for a call by pointer."""
        back = self.read(fp - 1)
        at = 0 if back is None else self._call_before(back)
        call = _decoded(self.read(at))
        distance = self.read(at + 1)
        if call is None or distance is None or not call.has_immediate or call.pc_update != "jump-rel":
            return None
        return (at + distance) % FELT_PRIME

    def _function(self, pc: int) -> str | None:
        signature = self._signature_around(pc)
        return None if signature is None else signature.full_name

    def _signature_around(self, pc: int) -> Signature | None:
        at = bisect_right(self._entries, pc)
        return self._names.functions[at - 1] if at else None

    def _cells_around(self, now: Registers) -> Iterator[tuple[str, int]]:
        for name, base, offsets in (
            ("fp", now.fp, range(-_AROUND - 2, _AROUND)),
            ("ap", now.ap, range(-_AROUND, 0)),
        ):
            for offset in offsets:
                value = self.read(base + offset)
                if value is not None and (name == "ap" or offset not in _CALLERS):
                    yield f"[{name} {'-' if offset < 0 else '+'} {abs(offset)}]", value

    def _variables(self, step: int, now: Registers, function: str | None) -> Iterator[Variable]:
        signature = self._names.function(function) if function else None
        if signature is None or self._callee(now.fp) not in (None, signature.entry):
            return
        parts: tuple[tuple[Literal["argument", "implicit"], tuple[Leaf, ...], int], ...] = (
            ("argument", signature.arguments, now.fp - 2 - len(signature.arguments)),
            (
                "implicit",
                signature.implicit,
                now.fp - 2 - len(signature.arguments) - len(signature.implicit),
            ),
        )
        for kind, leaves, first in parts:
            for at, leaf in enumerate(leaves):
                felt = Named(leaf, self.read(first + at))
                yield Variable(leaf.name, leaf.type, kind, (felt,), self._pointee(felt))
        given = {leaf.name.split(".")[0] for leaf in (*signature.arguments, *signature.implicit)}
        visits = self._visits(step, now, signature.entry)
        touched = self._touched(visits, now)
        for name, cairo_type, place, defined in self._references(signature.full_name, now, visits):
            if name in given and defined == visits.get(signature.entry):
                continue
            yield self._variable(name, cairo_type, place, now, touched)

    def _variable(
        self, name: str, cairo_type: str, place: Place, now: Registers, touched: set[int]
    ) -> Variable:
        leaves = self._names.leaves(cairo_type, name)
        if place.address is None:
            felts = tuple(Named(leaf, place.value) for leaf in leaves[:1])
            settled = True
        else:
            cells = range(place.address, place.address + len(leaves))
            felts = tuple(Named(leaf, self.read(cell)) for leaf, cell in zip(leaves, cells, strict=True))
            settled = any(cell < now.fp or cell in touched for cell in cells)
        pointee = self._pointee(felts[0]) if len(felts) == 1 else ()
        return Variable(name, cairo_type, "reference", felts, pointee, settled)

    def _pointee(self, felt: Named) -> tuple[Named, ...]:
        """The members of the struct that a felt points to."""
        if felt.value is None or not felt.leaf.is_address:
            return ()
        struct = felt.leaf.type[:-1]
        leaves = self._names.leaves(struct, felt.leaf.name) if self._names.members(struct) else ()
        return tuple(Named(leaf, self.read(felt.value + at)) for at, leaf in enumerate(leaves))

    def _references(
        self, function: str, now: Registers, visits: dict[int, int]
    ) -> Iterator[tuple[str, str, Place, int]]:
        """Name, type, place and the step of the definition of the references that the call has passed.

        A reference holds from the instruction of its pc on, with ap as it was there; of several for one name
        the one passed last holds.
        """
        prefix = f"{function}."
        for full_name, identifier in self._names.identifiers.items():
            name = full_name[len(prefix) :]
            if (
                identifier.get("type") != "reference"
                or not full_name.startswith(prefix)
                or "." in name
                or name.startswith(_COMPILERS_OWN)
            ):
                continue
            passed = [
                (visits[pc], at, reference["value"])
                for at, reference in enumerate(identifier["references"])
                if (pc := reference["pc"] + ProgramNames.PROGRAM_BASE) in visits
            ]
            if not passed:
                continue
            defined, _, expression = max(passed)
            place = evaluate(expression, self.registers(defined).ap, now.fp, self.read)
            if place is not None:
                yield name, identifier["cairo_type"], place, defined

    def _visits(self, step: int, now: Registers, entry: int) -> dict[int, int]:
        """The last step up to this one at each pc that the running call has passed. No two calls have one fp."""
        visits = {now.pc: step}
        for earlier in range(step - 1, -1, -1):
            if self._fp[earlier] != now.fp:
                continue
            pc = self._pc[earlier]
            visits.setdefault(pc, earlier)
            if pc == entry:
                break
        return visits

    def _touched(self, visits: dict[int, int], now: Registers) -> set[int]:
        found: set[int] = set()
        for pc, step in visits.items():
            instruction = _decoded(self.read(pc))
            if instruction is not None and pc != now.pc:
                found.update(operand.address for operand in self._operands(instruction, self.registers(step)))
        return found


def _decoded(word: int | None) -> Instruction | None:
    if word is None:
        return None
    try:
        return decode(word)
    except MalformedError:
        return None

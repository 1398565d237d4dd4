"""Whether one step of a trace may follow another (the Cairo whitepaper, section 4.5, "The state transition
function")."""

from __future__ import annotations

from collections.abc import Callable

from proofrail.audit.raw import Step
from proofrail.cairo.instruction import Instruction, decode
from proofrail.wire.canonical import FELT_PRIME
from proofrail.wire.errors import MalformedError

Read = Callable[[int], int]
"""The value of the memory cell at an address. Raises LookupError for a cell that is not at hand."""


def transition_fault(now: Step, then: Step, read: Read) -> str | None:
    """Why step `then` cannot follow `now` in any run over the memory; None when it can.

    Also None for a word of more than 63 bits at pc: the whitepaper gives it no meaning, newer machines do. Raises
    LookupError for a cell that is not at hand.
    """
    word = read(now.pc)
    if word >> 63:
        return None
    try:
        instruction = decode(word)
    except MalformedError as error:
        return error.message
    dst = read(address_of(instruction.dst_register, instruction.dst_offset, now))
    op0 = read(address_of(instruction.op0_register, instruction.op0_offset, now))
    op1 = read(_op1_address(instruction, op0, now))
    res = _res(instruction, op0, op1)
    if res is None and (instruction.opcode == "assert-eq" or instruction.ap_update == "add-res"):
        return f"{word:#x} is no Cairo instruction: it uses a result that a conditional jump does not have"
    if instruction.opcode == "assert-eq" and res != dst:
        return f"`{instruction}` asserts that {dst:#x} is {res:#x}"
    if instruction.opcode == "call" and (op0, dst) != (now.pc + instruction.size, now.fp):
        return f"`{instruction}` stores {op0:#x} and {dst:#x}, not the return address and fp"
    right = Step(
        ap=(now.ap + {"regular": 0, "add1": 1, "add2": 2}.get(instruction.ap_update, res or 0)) % FELT_PRIME,
        fp={"regular": now.fp, "ap+2": now.ap + 2, "dst": dst}[instruction.fp_update],
        pc=_next_pc(instruction, now, dst, op1, res) % FELT_PRIME,
    )
    return None if right == then else f"`{instruction}` leads to ap {right.ap}, fp {right.fp}, pc {right.pc}"


def address_of(register: str, offset: int, step: Step) -> int:
    """The address that an offset from a register of `step` means."""
    return ({"ap": step.ap, "fp": step.fp, "pc": step.pc}[register] + offset) % FELT_PRIME


def _op1_address(instruction: Instruction, op0: int, now: Step) -> int:
    if instruction.op1_source == "op0":
        return (op0 + instruction.op1_offset) % FELT_PRIME
    return address_of(instruction.op1_source, instruction.op1_offset, now)


def _res(instruction: Instruction, op0: int, op1: int) -> int | None:
    values = {"op1": op1, "add": op0 + op1, "mul": op0 * op1}
    return values[instruction.res] % FELT_PRIME if instruction.res in values else None


def _next_pc(instruction: Instruction, now: Step, dst: int, op1: int, res: int | None) -> int:
    match instruction.pc_update:
        case "jump-abs":
            return res or 0
        case "jump-rel":
            return now.pc + (res or 0)
        case "jnz":
            return now.pc + (op1 if dst else instruction.size)
        case "regular":
            return now.pc + instruction.size

"""Cairo instructions: a word of the program taken apart, and written as Cairo assembly (the Cairo
whitepaper, section 4.5, "Instruction structure").

An instruction is one word of 63 bits, followed in memory by its immediate where it has one:

    bits 0–15   off_dst   16–31  off_op0   32–47  off_op1     each biased by 2^15
    48 dst_reg  49 op0_reg  50–52 op1_src  53–54 res_logic  55–57 pc_update  58–59 ap_update  60–62 opcode
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeVar

from proofrail.wire.canonical import FELT_PRIME
from proofrail.wire.errors import MalformedError

T = TypeVar("T")

Register = Literal["ap", "fp"]
Op1Source = Literal["op0", "pc", "fp", "ap"]
"""What off_op1 is added to: the value of op0, pc (the immediate), fp or ap."""
Res = Literal["op1", "add", "mul", "unconstrained"]
PcUpdate = Literal["regular", "jump-abs", "jump-rel", "jnz"]
ApUpdate = Literal["regular", "add-res", "add1", "add2"]
FpUpdate = Literal["regular", "ap+2", "dst"]
Opcode = Literal["nop", "call", "ret", "assert-eq"]

_OP1: Final[dict[int, Op1Source]] = {0: "op0", 1: "pc", 2: "fp", 4: "ap"}
_RES: Final[dict[int, Res]] = {0: "op1", 1: "add", 2: "mul"}
_PC: Final[dict[int, PcUpdate]] = {0: "regular", 1: "jump-abs", 2: "jump-rel", 4: "jnz"}
_AP: Final[dict[int, ApUpdate]] = {0: "regular", 1: "add-res", 2: "add1"}
_OPCODES: Final[dict[int, Opcode]] = {0: "nop", 1: "call", 2: "ret", 4: "assert-eq"}
_FP: Final[dict[Opcode, FpUpdate]] = {"call": "ap+2", "ret": "dst"}
_BIAS: Final = 1 << 15


@dataclass(frozen=True)
class Instruction:
    """One decoded instruction. Offsets are in −2^15 … 2^15−1.

    dst = [dst_register + dst_offset], op0 = [op0_register + op0_offset],
    op1 = [op1_source + op1_offset]; `res` says what is made of op0 and op1.
    """

    dst_register: Register
    dst_offset: int
    op0_register: Register
    op0_offset: int
    op1_source: Op1Source
    op1_offset: int
    res: Res
    pc_update: PcUpdate
    ap_update: ApUpdate
    fp_update: FpUpdate
    opcode: Opcode

    @property
    def has_immediate(self) -> bool:
        """Whether op1 is the word after the instruction."""
        return self.op1_source == "pc"

    @property
    def size(self) -> Literal[1, 2]:
        """The words it takes: what pc goes on by where it does not jump."""
        return 2 if self.has_immediate else 1

    def text(self, immediate: int | None = None) -> str:
        """As Cairo assembly, such as `[ap] = [fp - 3] + 5, ap++`.

        `immediate` is the word after the instruction, where it is known; felts in the upper half of the
        field are shown as the negative numbers that they stand for. Without it the word is called `imm`.
        """
        op1 = self._op1(immediate)
        dst, op0 = _cell(self.dst_register, self.dst_offset), _cell(self.op0_register, self.op0_offset)
        res = {"op1": op1, "add": f"{op0} + {op1}", "mul": f"{op0} * {op1}", "unconstrained": op1}[self.res]
        how = "abs" if self.pc_update == "jump-abs" else "rel"
        if self.opcode == "call":
            said = f"call {how} {res}"
        elif self.opcode == "ret":
            said = "ret"
        elif self.pc_update == "jnz":
            said = f"jmp rel {op1} if {dst} != 0"
            if self.opcode == "assert-eq":  # no compiler writes it; the VM decodes it, and fails
                said = f"{dst} = res; {said}"
        elif self.opcode == "assert-eq":
            said = f"{dst} = {res}"
            if self.pc_update != "regular":
                said += f"; jmp {how} {res}"
        elif self.pc_update != "regular":
            said = f"jmp {how} {res}"
        elif self.ap_update == "add-res":
            return f"ap += {res}"
        else:
            said = "nop"
        return said + {"add1": ", ap++", "add-res": f", ap += {res}"}.get(self.ap_update, "")

    def __str__(self) -> str:
        return self.text()

    def _op1(self, immediate: int | None) -> str:
        if self.op1_source == "pc":
            return "imm" if immediate is None else str(_signed(immediate))
        if self.op1_source == "op0":
            return _cell(_cell(self.op0_register, self.op0_offset), self.op1_offset)
        return _cell(self.op1_source, self.op1_offset)


def decode(word: int) -> Instruction:
    """Take a word apart. Raises MalformedError (`malformed-instruction`) for one that is no instruction."""
    if not 0 <= word < 1 << 63:
        raise _refused(word, "it has more than 63 bits")
    dst_offset, op0_offset, op1_offset = ((word >> shift & 0xFFFF) - _BIAS for shift in (0, 16, 32))
    flags = word >> 48
    op1_source = _field(word, "op1_src", _OP1, flags >> 2 & 7)
    res = _field(word, "res_logic", _RES, flags >> 5 & 3)
    pc_update = _field(word, "pc_update", _PC, flags >> 7 & 7)
    ap_update = _field(word, "ap_update", _AP, flags >> 10 & 3)
    opcode = _field(word, "opcode", _OPCODES, flags >> 12 & 7)
    if op1_source == "pc" and op1_offset != 1:
        raise _refused(word, "its immediate is not the word after it")
    if pc_update == "jnz":
        if res != "op1":
            raise _refused(word, "a conditional jump computes nothing")
        res = "unconstrained"
    if opcode == "call":
        if ap_update != "regular":
            raise _refused(word, "a call moves ap by itself")
        ap_update = "add2"
    return Instruction(
        dst_register="fp" if flags & 1 else "ap",
        dst_offset=dst_offset,
        op0_register="fp" if flags >> 1 & 1 else "ap",
        op0_offset=op0_offset,
        op1_source=op1_source,
        op1_offset=op1_offset,
        res=res,
        pc_update=pc_update,
        ap_update=ap_update,
        fp_update=_FP.get(opcode, "regular"),
        opcode=opcode,
    )


def _field(word: int, name: str, meanings: dict[int, T], bits: int) -> T:
    if bits not in meanings:
        raise _refused(word, f"the bits {bits:b} in {name} mean nothing")
    return meanings[bits]


def _refused(word: int, why: str) -> MalformedError:
    return MalformedError("malformed-instruction", f"{word:#x} is no Cairo instruction: {why}")


def _cell(base: str, offset: int) -> str:
    if offset == 0:
        return f"[{base}]"
    return f"[{base} {'-' if offset < 0 else '+'} {abs(offset)}]"


def _signed(felt: int) -> int:
    return felt - FELT_PRIME if felt > FELT_PRIME // 2 else felt

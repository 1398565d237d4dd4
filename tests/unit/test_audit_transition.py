"""Valid transitions: of real traces all, and of made-up ones those that two implementations agree on."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from evidence_runs import verifier
from hypothesis import given
from hypothesis import strategies as st
from risk_cases import allocation, protocol

from proofrail.audit.raw import Step, cell_at, step_at
from proofrail.audit.transition import transition_fault
from proofrail.cairo import risk_program
from proofrail.cairo.program import CairoProgram
from proofrail.cairo.risk_builds import FIRST
from proofrail.cairo.vm import run
from proofrail.wire.canonical import FELT_PRIME

NEAR = st.integers(0, 40)
_FIBONACCI = Path(__file__).parents[2] / "cairo" / "artifacts" / "fibonacci.json"


def _both(now: Step, then: Step, memory: dict[int, int]) -> tuple[bool, bool]:
    """Whether the transition is valid, by the audit and by the stand-alone verifier."""
    ours = transition_fault(now, then, memory.__getitem__)
    theirs = verifier().transition(
        (now.ap, now.fp, now.pc), (then.ap, then.fp, then.pc), lambda address: memory[address % FELT_PRIME]
    )
    return ours is None, theirs is None


def _instruction(flags: int, offsets: tuple[int, int, int]) -> int:
    return flags << 48 | sum((offset + 0x8000) << 16 * place for place, offset in enumerate(offsets))


def _one_bits(places: tuple[int, ...]) -> st.SearchStrategy[int]:
    """One of the bits, or none: what most flags are; sometimes more of them."""
    one = st.sampled_from([0, *(1 << place for place in places)])
    return one | one | one | st.tuples(one, one).map(lambda bits: bits[0] | bits[1])


@st.composite
def _worlds(draw: st.DrawFn) -> tuple[Step, dict[int, int]]:
    """Registers and a small memory, with an instruction at pc whose operands are in it."""
    flags = draw(st.integers(0, 3))
    for places in ((2, 3, 4), (5, 6), (7, 8, 9), (10, 11), (12, 13, 14)):
        flags |= draw(_one_bits(places))
    offset = st.integers(-3, 3)
    op1 = st.just(1) if flags & 4 else offset
    word = _instruction(flags, (draw(offset), draw(offset), draw(op1)))
    value = NEAR | st.sampled_from([FELT_PRIME - 1, FELT_PRIME - 20, 2**128])
    memory = {address: draw(NEAR) for address in range(-6, 100)}
    for address in range(-6, 50):
        memory[address] = draw(value) if address % 7 == 0 else memory[address]
    now = Step(ap=draw(NEAR), fp=draw(NEAR), pc=draw(st.integers(50, 60)))
    memory[now.pc] = word
    return now, {address % FELT_PRIME: held for address, held in memory.items()}


def _led_to(now: Step, memory: dict[int, int]) -> Step:
    """Where an instruction leads, taken from what is said of another next step; zeros where it leads nowhere."""
    try:
        said = transition_fault(now, Step(1 << 63, 1 << 63, 1 << 63), memory.__getitem__) or ""
    except KeyError:
        said = ""
    if " leads to " not in said:
        return Step(0, 0, 0)
    ap, fp, pc = (int(part.split()[1]) for part in said.rsplit(" leads to ", 1)[1].split(", "))
    return Step(ap, fp, pc)


@given(_worlds(), NEAR, NEAR, NEAR)
def test_both_implementations_agree(world: tuple[Step, dict[int, int]], ap: int, fp: int, pc: int) -> None:
    """On every instruction, valid or not, for the step it leads to and for others."""
    now, memory = world
    for then in (_led_to(now, memory), Step(ap, fp, pc), now):
        try:
            ours, theirs = _both(now, then, memory)
        except KeyError:
            continue
        assert ours == theirs


@given(_worlds())
def test_an_instruction_leads_to_one_step_only(world: tuple[Step, dict[int, int]]) -> None:
    """The step it leads to is valid; one register off, it is not."""
    now, memory = world
    then = _led_to(now, memory)
    if then == Step(0, 0, 0):
        return
    assert (True, True) == _both(now, then, memory)
    for other in (
        Step(then.ap + 1, then.fp, then.pc),
        Step(then.ap, then.fp + 1, then.pc),
        Step(then.ap, then.fp, then.pc + 1),
    ):
        assert (False, False) == _both(now, other, memory)


def _fibonacci(layout: str) -> Any:
    program = CairoProgram.load(_FIBONACCI)
    return run(program, {"n": 10}, layout, private_input=False)


def _risk_engine() -> Any:
    spec = FIRST.spec()
    forms = [allocation(protocol(risk=30), protocol("ekubo", risk=40))]
    return run(spec.program, risk_program.program_input(forms), spec.layout, private_input=False)


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(lambda: _fibonacci("small"), id="fibonacci"),
        pytest.param(lambda: _fibonacci("recursive"), id="fibonacci-recursive"),
        pytest.param(_risk_engine, id="risk-engine"),
    ],
)
def test_every_transition_of_a_real_trace_is_valid(made: Any) -> None:
    """Padding included, and each cell that a step reads is in the memory: an honest tracer is never convicted."""
    execution = made()
    cells = (cell_at(execution.memory, index) for index in range(len(execution.memory) // 40))
    memory = {cell.address: cell.value for cell in cells if cell is not None}
    steps = [step_at(execution.trace, index) for index in range(len(execution.trace) // 24)]
    wrong = [
        (now, then)
        for now, then in dict.fromkeys(pairwise(steps))
        if now is not None and then is not None and (True, True) != _both(now, then, memory)
    ]
    assert [] == wrong


def test_a_word_of_more_bits_is_not_judged() -> None:
    """What newer machines may mean by it is not known here: no fault by ours, no acceptance by the verifier."""
    now = Step(10, 10, 1)
    assert transition_fault(now, now, {1: 1 << 63}.__getitem__) is None
    with pytest.raises(ValueError, match="not defined"):
        verifier().transition((10, 10, 1), (10, 10, 1), {1: 1 << 63}.__getitem__)

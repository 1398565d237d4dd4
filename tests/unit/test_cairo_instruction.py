"""Instructions taken apart, against words that the compiler wrote and the steps that the VM made of them."""

from __future__ import annotations

import itertools

import pytest
from cairo_runs import program, traced
from hypothesis import given
from hypothesis import strategies as st

from proofrail.cairo.instruction import decode
from proofrail.wire.errors import MalformedError

LOOPS = {"i": 2, "n": 2, "depth": 2, "m": 1}


@pytest.mark.parametrize(
    ("word", "immediate", "text"),
    [
        (0x208B7FFF7FFF7FFE, None, "ret"),
        (0x1104800180018000, 76, "call rel 76"),
        (0x1104800180018000, 2**251 + 17 * 2**192 - 6, "call rel -7"),
        (0x1104800180018000, None, "call rel imm"),
        (0x010780017FFF7FFF, 0, "jmp rel 0"),
        (0x480680017FFF8000, 1, "[ap] = 1, ap++"),
        (0x40780017FFF7FFF, 2, "ap += 2"),
        (0x48307FFE7FFF8000, None, "[ap] = [ap - 1] + [ap - 2], ap++"),
        (0x48507FFF7FFE8000, None, "[ap] = [ap - 2] * [ap - 1], ap++"),
        (0x20680017FFF7FFF, 4, "jmp rel 4 if [ap - 1] != 0"),
        (0x480280007FFD8000, None, "[ap] = [[fp - 3]], ap++"),
        (0x480280017FFD8000, None, "[ap] = [[fp - 3] + 1], ap++"),
    ],
)
def test_instructions_read_as_the_compiler_writes_them(word: int, immediate: int | None, text: str) -> None:
    """Registers, offsets, immediates and the move of ap stand where Cairo assembly has them."""
    assert text == decode(word).text(immediate)


@pytest.mark.parametrize("name", ["failing", "loops", "shapes", "fibonacci", "risk_engine"])
def test_every_word_of_a_program_is_an_instruction_or_its_immediate(name: str) -> None:
    """Decoding from the first word on, by size, comes out at the last word exactly."""
    words = program(name).words
    at = 0
    while at < len(words):
        at += decode(words[at]).size
    assert len(words) == at


def test_every_step_of_a_run_follows_from_its_instruction() -> None:
    """pc and fp of the next step are what the updates of this one say."""
    run = traced("loops", LOOPS)
    words, trace = run.spec.program.words, memoryview(run.execution.trace).cast("Q")
    steps = [tuple(trace[at : at + 3]) for at in range(0, 3 * run.execution.real_steps, 3)]
    for (ap, fp, pc), (next_ap, next_fp, next_pc) in itertools.pairwise(steps):
        instruction = decode(words[pc - 1])
        if instruction.pc_update == "regular":
            assert pc + instruction.size == next_pc
        if instruction.fp_update == "regular":
            assert fp == next_fp
        elif instruction.fp_update == "ap+2":
            assert ap + 2 == next_fp
        moved = {"regular": 0, "add1": 1, "add2": 2}
        if instruction.ap_update in moved:
            assert ap + moved[instruction.ap_update] == next_ap


@given(st.integers(0, 2**64 - 1))
def test_no_word_upsets_the_decoder(word: int) -> None:
    """A word is an instruction with a text, or refused by its code."""
    try:
        text = str(decode(word))
    except MalformedError as error:
        text = error.code
    assert text


@pytest.mark.parametrize(
    "word", [-1, 1 << 63, 0x480680017FFF8000 | 0x18 << 48, 0x480680007FFF8000, 0x208B7FFF7FFF7FFE | 7 << 60]
)
def test_what_is_no_instruction_is_refused(word: int) -> None:
    """Too many bits, contradicting flags, an immediate at another place than after the word."""
    with pytest.raises(MalformedError, match="malformed-instruction"):
        decode(word)

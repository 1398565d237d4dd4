"""Names of felts, references, and what stands at a step."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from cairo_runs import program, traced
from hypothesis import given
from hypothesis import strategies as st

from proofrail.cairo.decode import Leaf, ProgramNames, named_felts, short_string, signed
from proofrail.cairo.moment import Moment, Moments
from proofrail.cairo.references import Place, evaluate
from proofrail.cairo.trace import RunTrace
from proofrail.wire.canonical import FELT_PRIME
from proofrail.wire.errors import UnusableInputError

SHAPES: dict[str, Any] = {"values": [3, 4, 5], "n": 3, "extra": 9, "rows": [[1], [2]]}
LOOPS = {"i": 2, "n": 3, "depth": 3, "m": 1}


@cache
def names(name: str) -> ProgramNames:
    return ProgramNames(program(name).compiled)


@cache
def run_of(name: str) -> RunTrace:
    values: dict[str, Any] = {"loops": LOOPS, "fibonacci": {"n": 9}}.get(name, {"how": 1})
    return traced(name, values)


@cache
def moments(name: str) -> Moments:
    run = run_of(name)
    return Moments(program(name), names(name), run.execution.trace, run.execution.memory)


def felts(leaves: tuple[Leaf, ...]) -> list[str]:
    return [f"{leaf.name}: {leaf.type}" for leaf in leaves]


def test_structs_and_tuples_become_felts_with_names() -> None:
    """Members are joined with dots, members of a tuple without names have numbers, pointers stay one felt."""
    several = names("shapes").function("__main__.several")
    assert several is not None
    assert [
        "point.x: felt",
        "point.y: felt*",
        "pair.0: felt",
        "pair.1.left: felt",
        "pair.1.right: felt",
        "box: __main__.Box*",
    ] == felts(several.arguments)
    assert ["point.x", "point.y", "size", "rest.0", "rest.1"] == [leaf.name for leaf in several.returns]
    double = names("shapes").function("__main__.Geometry.double")
    assert double is not None
    assert ["value: felt"] == felts(double.returns)


def test_names_have_as_many_felts_as_the_native_part_counts() -> None:
    """What is named is what was recorded: for every function of every program the numbers agree."""
    for name in ("shapes", "loops", "failing", "fibonacci", "risk_engine"):
        counted = {row[0]: row[1:4] for row in program(name).native.functions()}
        assert counted
        for full_name, row in counted.items():
            found = names(name).function(full_name)
            assert found is not None
            assert row == (found.entry, len(found.arguments), len(found.returns))


def test_a_span_is_of_a_function_of_the_program_or_of_all() -> None:
    """In spans "own" names lack the module; a name that is no function's has no signature."""
    loops = names("loops")
    assert loops.function_of_span("tile", "own") == loops.function_of_span("__main__.tile", "all") is not None
    assert loops.function_of_span("tile", "all") is None
    assert loops.function("__main__.tile.Args") is None


def test_a_type_that_is_defined_by_itself_is_refused() -> None:
    """Such identifiers come from no compiler; they must not keep the reader for ever."""
    circle = ProgramNames(
        b'{"identifiers":{"m.A":{"type":"alias","destination":"m.B"},"m.B":{"type":"alias","destination":"m.A"},'
        b'"m.T":{"type":"type_definition","cairo_type":"(m.T, m.T)"}}}'
    )
    for text in ("m.A", "m.T"):
        with pytest.raises(UnusableInputError) as error:
            circle.leaves(text, "x")
        assert "program-unusable" == error.value.code


@given(st.lists(st.integers(0, FELT_PRIME - 1), max_size=6), st.integers(0, 6))
def test_bytes_become_felts_whatever_names_there_are(values: list[int], known: int) -> None:
    """Felts beyond the names that are known are called by their number; none is lost."""
    data = b"".join(value.to_bytes(32, "big") for value in values)
    found = named_felts(data, [Leaf(f"n{i}", "felt") for i in range(known)])
    assert values == [felt.value for felt in found]
    assert [f"n{i}" if i < known else f"[{i}]" for i in range(len(values))] == [
        felt.leaf.name for felt in found
    ]


def test_bytes_that_are_no_felts_are_refused() -> None:
    """31 bytes are no felt."""
    with pytest.raises(ValueError, match="31 bytes"):
        named_felts(bytes(31), [])


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("jediswap", True),
        ("a-b_c", True),
        ("abc", False),
        ("even", True),
        ("kJG0", False),
        ("ab", False),
        ("123", False),
        ("a\n12", False),
        ("", False),
    ],
)
def test_short_strings_are_words(text: str, spelled: bool) -> None:
    """Words of four letters, names of five characters; a number that only happens to be printable is none."""
    felt = int.from_bytes(text.encode(), "big")
    assert (text if spelled else None) == short_string(felt)


def test_felts_near_p_are_negative() -> None:
    """A difference below zero is read as one."""
    assert [-1, 0, 5] == [signed(FELT_PRIME - 1), signed(0), signed(5)]


MEMORY = {100: 7, 97: 200, 200: 11, 204: 13}


@pytest.mark.parametrize(
    ("expression", "place"),
    [
        ("[cast(fp + (-3), felt*)]", Place(97, 200)),
        ("cast([fp + (-3)] + 12, felt)", Place(None, 212)),
        ("[cast([fp + (-3)] + 4, felt*)]", Place(204, 13)),
        ("[cast([fp + (-3)], __main__.T**)]", Place(200, 11)),
        ("[cast(ap + (-5), (a: felt, b: (felt, felt*))*)]", Place(100, 7)),
        ("cast(400, felt)", Place(None, 400)),
        ("cast(2 * (3 + 4) - 1, felt)", Place(None, 13)),
        ("cast((-1) * [ap - 5], felt)", Place(None, FELT_PRIME - 7)),
        ("[cast(fp + 9, felt*)]", Place(109, None)),
        ("cast([fp + 9] + 1, felt)", None),
        ("cast(([fp], [fp + 1]), (felt, felt))", None),
        ("[cast(fp, felt*)", None),
        ("cast(", None),
        ("xp + 1", None),
        ("", None),
        ("$", None),
    ],
)
def test_references_are_evaluated(expression: str, place: Place | None) -> None:
    """Every form that the compiler writes has its cell or value; what has neither is left out, never guessed."""
    assert place == evaluate(expression, 105, 100, MEMORY.get)


def all_steps() -> Iterator[tuple[str, int]]:
    for name in ("loops", "fibonacci", "failing"):
        for step in range(0, run_of(name).execution.real_steps, 7):
            yield name, step


def test_what_a_step_leaves_behind_is_what_the_next_one_finds() -> None:
    """The registers after the last step of a cut trace are those that the VM had: the failed step is told so."""
    for name, step in all_steps():
        if step == 0:
            continue
        whole = moments(name)
        execution = run_of(name).execution
        cut = Moments(program(name), names(name), execution.trace[: 24 * step], execution.memory)
        assert whole.registers(step) == cut.registers(len(cut))
    for outside in (-1, len(moments("failing")) + 1):
        with pytest.raises(IndexError):
            moments("failing").registers(outside)


def test_the_calls_at_each_step_are_those_that_were_made() -> None:
    """The frames from memory are the stack of calls and returns, followed from the first step on."""
    for name in ("loops", "failing"):
        found, stack = moments(name), [0]
        for step in range(run_of(name).execution.real_steps):
            moment = found.at(step)
            assert stack == [frame.fp for frame in reversed(moment.frames)] or step == 0
            if step == 0:
                stack = [moment.registers.fp]
            assert moment.instruction is not None
            if moment.instruction.opcode == "call":
                stack.append(moment.registers.ap + 2)
            elif moment.instruction.opcode == "ret":
                stack.pop()


def values_at(moment: Moment) -> dict[str, int | None]:
    return {felt.leaf.name: felt.value for variable in moment.variables for felt in variable.felts}


def test_the_failed_step_shows_why() -> None:
    """`assert i = 0` with i = 1: function, line, instruction, arguments."""
    found = moments("failing")
    last = found.at(len(found))
    assert last.location is not None
    assert ("failing.cairo", 9, "__main__.check") == tuple(last.location)
    assert last.instruction is not None
    assert "[fp - 3] = 0" == last.instruction.text(last.immediate)
    assert {"how": 1, "i": 1} == values_at(last)
    assert ["check", "walk", "walk", "main"] == [str(f.function).rpartition(".")[2] for f in last.frames[:-1]]


def test_references_have_the_value_of_their_last_definition() -> None:
    """In `outer`, a and b are there once they are computed, and are those of this round."""
    found = moments("loops")
    rounds = []
    for step in range(run_of("loops").execution.real_steps):
        moment = found.at(step)
        if moment.location is not None and moment.frames[0].function == "__main__.outer":
            values = values_at(moment)
            assert ("b" in values) <= ("a" in values)
            if "b" in values and moment.instruction is not None and moment.instruction.opcode == "call":
                rounds.append((values["i"], values["a"], values["b"], values["sum"]))
    assert [(2, 6, 36, 0), (1, 6, 36, 36)] == sorted(set(rounds), reverse=True)


def test_locals_that_were_not_touched_are_marked() -> None:
    """Memory is that of the end: a local that the call has not touched so far may hold what comes later."""
    found = moments("loops")
    steps = [s for s in range(40) if found.at(s).frames[0].function == "__main__.main"]
    settled = [{v.name: v.is_settled for v in found.at(s).variables if v.kind == "reference"} for s in steps]
    assert any(not all(marks.values()) for marks in settled if marks)
    assert settled[-1]["i"]


def test_a_call_to_a_label_has_no_arguments() -> None:
    """Its frame is not the function's: nothing at fp − 3 is an argument."""
    run = traced("shapes", SHAPES)
    found = Moments(program("shapes"), names("shapes"), run.execution.trace, run.execution.memory)
    inside = [
        moment
        for step in range(run.execution.real_steps)
        if (moment := found.at(step)).frames[0].function == "__main__.labels"
    ]
    assert inside
    assert {True, False} == {bool(moment.variables) for moment in inside}
    assert all("a" in values_at(moment) for moment in inside if moment.variables)
    assert all(moment.cells for moment in inside if not moment.variables)


def test_the_first_use_of_a_cell_is_found() -> None:
    """The step whose instruction refers to it first; none for a cell that no instruction touches."""
    found = moments("failing")
    last = found.at(len(found))
    assert found.first_use(last.operands[0].address) in range(len(found))
    assert found.first_use(10**6) is None

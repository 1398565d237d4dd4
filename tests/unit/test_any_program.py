"""Programs other than ours: in which layouts they run, and how what is no such program is refused."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from cairo_runs import DATA

from proofrail._native import NativeError
from proofrail._native import Program as NativeProgram
from proofrail.cairo.layouts import BUILTINS, LAYOUTS, cheapest_layout
from proofrail.cairo.program import CairoProgram
from proofrail.cairo.vm import run
from proofrail.proving.errors import PolicyError
from proofrail.proving.provable import check_provable, check_registry
from proofrail.proving.statement import Expected, Segment, TracedRun
from proofrail.proving.stone.layouts import LAYOUTS as STONE_LAYOUTS
from proofrail.wire.errors import PoisonError, UnusableInputError

BUILTIN_PROGRAMS = DATA / "builtins"
NAMES = sorted(path.stem for path in BUILTIN_PROGRAMS.glob("*.json") if path.stem != "unknown_hint")
SIGNATURE = {
    "message": 42,
    "key": "0x2202275e27873286b71dae62930bbf6420d2e933bbc7cb08e09019e7218ad9c",
    "r": "0x2e1891dd881546ca3cadeb8f69392b9355fdf4977af9e8f41ffdef3591cf915",
    "s": "0x374acabaa296876e29bd67f8e32a457ce6c8de83fdd117b09b4720aa5f5481",
}
INPUTS: dict[str, dict[str, Any]] = {"output": {"n": 3, "words": [-1, 2, 3]}, "ecdsa": SIGNATURE}
CHEAPEST = {
    "none": "plain",
    "constant": "small",
    "output": "small",
    "pedersen": "small",
    "range_check": "small",
    "ecdsa": "small",
    "full_small": "small",
    "bitwise": "recursive",
    "full_recursive": "recursive",
    "poseidon": "recursive_with_poseidon",
    "unused": "recursive_with_poseidon",
    "ec_op": "all_solidity",
    "keccak": "starknet_with_keccak",
    "range_check96": "all_cairo_stwo",
    "mod": None,
}


def load(name: str) -> CairoProgram:
    return CairoProgram.load(BUILTIN_PROGRAMS / f"{name}.json")


def refused(compiled: bytes) -> UnusableInputError:
    with pytest.raises(UnusableInputError) as caught:
        CairoProgram(compiled)
    return caught.value


def altered(name: str, **members: Any) -> bytes:
    obj = json.loads((BUILTIN_PROGRAMS / f"{name}.json").read_bytes())
    return json.dumps(obj | members).encode()


@pytest.mark.parametrize("name", NAMES)
def test_each_builtin_runs_where_its_layout_has_it_and_is_named_where_not(name: str) -> None:
    """Program by layout: a run that completes, or an error with the builtin and the layout to choose instead."""
    program = load(name)
    assert CHEAPEST[name] == cheapest_layout(program.builtins)
    for layout, builtins in LAYOUTS.items():
        missing = [builtin for builtin in program.builtins if builtin not in builtins]
        if not missing:
            made = run(program, INPUTS.get(name, {"n": 3}), layout, private_input=False)
            assert "completed" == made.outcome, (layout, made.failure)
            continue
        with pytest.raises(UnusableInputError) as caught:
            run(program, {}, layout)
        assert "layout-unusable" == caught.value.code
        assert all(builtin in caught.value.message for builtin in missing)
        assert CHEAPEST[name] is None or f"--layout {CHEAPEST[name]}" in (caught.value.next_step or "")


def _provable(name: str, layout: str, backend: str, values: dict[str, Any] | None = None) -> str | None:
    """The code with which a run is refused before a prover is spawned; None for one that goes to the prover."""
    program = load(name)
    made = run(program, values or INPUTS.get(name, {"n": 3}), layout, private_input=False)
    traced = TracedRun.of(json.loads(made.public_input()))
    expected = Expected.of(program.words, program.builtins, made.output, traced)
    try:
        assert traced == check_provable(backend, expected, made.real_steps)
    except PoisonError as error:
        return error.code if error.next_step else "nothing to do next"
    return None


NOT_BY_STWO = {
    "none": "program-without-output",
    "ecdsa": "builtin-not-provable",
    "full_small": "builtin-not-provable",
    "ec_op": "builtin-not-provable",
    "keccak": "builtin-not-provable",
}


@pytest.mark.parametrize("name", [name for name in NAMES if CHEAPEST[name]])
def test_each_run_is_provable_or_refused_before_a_prover_is_spawned(name: str) -> None:
    """Program by layout by backend; the cells that are provable were gone through with the real provers."""
    for layout, builtins in LAYOUTS.items():
        if not set(load(name).builtins) <= set(builtins):
            continue
        assert NOT_BY_STWO.get(name) == _provable(name, layout, "stwo"), layout
        short = "run-too-short" if layout == "plain" else None
        by_stone = short if layout in STONE_LAYOUTS else "layout-not-provable"
        assert by_stone == _provable(name, layout, "stone"), layout


def test_plain_is_provable_once_the_run_is_long_enough() -> None:
    """Only there a run is not padded to what Stone takes."""
    assert None is _provable("none", "plain", "stone", {"n": 200})


@pytest.mark.parametrize(
    ("name", "layout", "backend", "said"),
    [
        ("ecdsa", "small", "stwo", "--layout small and prove it with --backend stone"),
        ("keccak", "starknet_with_keccak", "stwo", "do without that builtin"),
        ("keccak", "starknet_with_keccak", "stone", "stwo does not prove"),
        ("ec_op", "all_solidity", "stone", "stwo does not prove"),
        ("range_check96", "all_cairo_stwo", "stone", "--backend stwo"),
        ("bitwise", "starknet", "stone", "--layout recursive"),
        ("none", "small", "stwo", "--backend stone"),
    ],
)
def test_a_refusal_names_a_way_that_is_open(name: str, layout: str, backend: str, said: str) -> None:
    """Another layout, the other backend, or that there is none."""
    program = load(name)
    made = run(program, INPUTS.get(name, {"n": 3}), layout, private_input=False)
    expected = Expected.of(
        program.words, program.builtins, made.output, TracedRun.of(json.loads(made.public_input()))
    )
    with pytest.raises(PoisonError) as caught:
        check_provable(backend, expected, made.real_steps)
    assert said in (caught.value.next_step or "")


def _sized(n_steps: int = 512, layout: str = "small", pedersens: int = 0, words: int = 0) -> Expected:
    segments = (Segment("pedersen", 100, 100 + 3 * pedersens), Segment("execution", 50, 60))
    traced = TracedRun(layout, n_steps, segments, (0, 1))
    return Expected.of([1], ["output", "pedersen"], [0] * words, traced)


@pytest.mark.parametrize(
    ("backend", "expected", "real_steps", "said"),
    [
        ("stone", _sized(n_steps=1 << 21), 100, "2097152 steps"),
        ("stone", _sized(words=(1 << 16) + 1), 100, "65537 output words"),
        ("stwo", _sized(n_steps=1 << 21), (1 << 20) + 1, "1048577 steps"),
        ("stwo", _sized(pedersens=(1 << 14) + 1), 100, "16385 uses of pedersen"),
    ],
)
def test_a_run_beyond_one_proof_is_refused_by_what_is_too_much(
    backend: str, expected: Expected, real_steps: int, said: str
) -> None:
    """Steps, output words and builtins each have their limit."""
    with pytest.raises(PoisonError) as caught:
        check_provable(backend, expected, real_steps)
    assert "run-too-large" == caught.value.code
    assert said in caught.value.message


def test_the_registry_wants_all_builtins_of_a_layout_that_it_knows() -> None:
    """In its strict mode; in the relaxed one only the layout counts."""
    segments = (Segment("pedersen", 100, 100),)
    lacking = Expected.of([1], ["output", "pedersen"], [], TracedRun("recursive", 1 << 14, segments, (0, 1)))
    with pytest.raises(PolicyError) as caught:
        check_registry(lacking, strict=True)
    assert "chain-builtins" == caught.value.code
    assert "range_check and bitwise" in caught.value.message
    assert "%builtins output pedersen range_check bitwise" in (caught.value.next_step or "")
    check_registry(lacking, strict=False)
    with pytest.raises(PolicyError) as caught:
        check_registry(_sized(layout="plain"), strict=False)
    assert "chain-layout" == caught.value.code
    full = Expected.of([1], STONE_LAYOUTS["recursive"].builtins, [], lacking.traced)
    check_registry(full, strict=True)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_layouts_are_those_of_the_vm(layout: str) -> None:
    """A program with all the builtins of a layout starts there in the VM itself, and with one more it does not."""
    builtins = list(LAYOUTS[layout])

    def starts(names: list[str]) -> bool:
        try:
            NativeProgram(altered("none", builtins=names)).run(b'{"n": 1}', layout)
        except NativeError as error:
            return bool(error.args[0] != "layout-unusable")
        return True

    assert starts(builtins)
    for more in set(BUILTINS) - set(builtins):
        assert not starts(sorted([*builtins, more], key=BUILTINS.index))


def test_what_stone_proves_in_is_what_the_vm_runs_in() -> None:
    """Both know the builtins of a layout; they must know the same."""
    assert {name: layout.builtins for name, layout in STONE_LAYOUTS.items()} == {
        name: LAYOUTS[name] for name in STONE_LAYOUTS
    }
    assert list(STONE_LAYOUTS) == list(LAYOUTS)[: len(STONE_LAYOUTS)]


def test_builtins_in_another_order_are_refused_with_the_right_one() -> None:
    """The VM alone says no more than that they are disordered."""
    program = CairoProgram(altered("pedersen", builtins=["pedersen", "output"]))
    with pytest.raises(UnusableInputError) as caught:
        run(program, {"n": 1}, "small")
    assert "builtins-disordered" == caught.value.code
    assert "%builtins output pedersen" in (caught.value.next_step or "")


def test_a_hint_of_another_library_is_named_with_its_line() -> None:
    """A hint is Python text, which is never run: the first line of an unknown one is shown."""
    with pytest.raises(UnusableInputError) as caught:
        run(load("unknown_hint"), {}, "small")
    assert "unknown-hint" == caught.value.code
    assert "unknown_hint.cairo:7" in caught.value.message
    assert "/etc/hostname" in caught.value.message


def test_an_input_that_the_file_lacks_is_named() -> None:
    """A misspelled member is no run that failed, but an input that cannot be used."""
    with pytest.raises(UnusableInputError) as caught:
        run(load("pedersen"), {"m": 1}, "small")
    assert "input-missing" == caught.value.code
    assert '"n"' in caught.value.message


@pytest.mark.parametrize(("count", "words"), [(0, []), (1, [-1]), (5000, [-(2**200)] * 5000)])
def test_outputs_of_any_length_and_sign(count: int, words: list[int]) -> None:
    """No word, negative felts, thousands of words."""
    made = run(load("output"), {"n": count, "words": words}, "small")
    assert [word % (2**251 + 17 * 2**192 + 1) for word in words] == made.output


def test_recursion_is_a_run_like_any_other() -> None:
    """A thousand frames deep."""
    made = run(load("full_recursive"), {"n": 1000}, "recursive")
    assert (1000, "completed") == (made.output[0], made.outcome)


def _pie() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as pie:
        pie.writestr("metadata.json", "{}")
    return made.getvalue()


@pytest.mark.parametrize(
    ("compiled", "code", "said"),
    [
        (_pie(), "program-unusable", "PIE"),
        ((BUILTIN_PROGRAMS / "none.cairo").read_bytes(), "program-unusable", "source"),
        (b"#[executable]\nfn main() -> felt252 { 1 }\n", "program-unusable", "source"),
        (b'{"sierra_program":["0x1"],"abi":[]}', "program-unusable", "Sierra"),
        (b'{"version":1,"program":{"type_declarations":[]}}', "program-unusable", "Sierra"),
        (b'{"prime":"0x1","bytecode":["0x1"],"hints":[]}', "program-unusable", "CASM"),
        (b'{"program":{"bytecode":[]},"entrypoints":[]}', "program-unusable", "CASM"),
        (b'{"program":{},"entry_points_by_type":{}}', "program-unusable", "contract class"),
        (altered("none", identifiers={}), "program-without-main", "main"),
        (altered("none", data=["0x1", 7]), "program-unusable", "compiled Cairo 0 program"),
        (altered("none", data=["0x1", "x"]), "program-unusable", "compiled Cairo 0 program"),
    ],
)
def test_what_is_no_program_is_told_by_its_form(compiled: bytes, code: str, said: str) -> None:
    """Cairo 1, Starknet classes, PIEs, sources and libraries each have their own words, and a way on."""
    error = refused(compiled)
    assert code == error.code
    assert said in error.message
    assert error.next_step


def test_a_program_compiled_without_proof_mode_is_told_from_one_without_main() -> None:
    """Both lack the labels of --proof_mode; only one can be mended by a flag."""
    identifiers = json.loads((BUILTIN_PROGRAMS / "none.json").read_bytes())["identifiers"]
    kept = {name: value for name, value in identifiers.items() if not name.startswith("__main__.__")}
    error = refused(altered("none", identifiers=kept))
    assert "program-not-provable" == error.code
    assert "--proof_mode" in (error.next_step or "")


def test_compiled_programs_name_no_folder_of_the_machine_that_compiled_them() -> None:
    """Debug information records absolute paths unless they are rewritten."""
    for path in BUILTIN_PROGRAMS.glob("*.json"):
        assert str(Path.home()) not in (text := path.read_text())
        assert '"/' not in text.replace('"/etc', ""), path

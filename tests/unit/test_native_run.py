"""Runs in the native VM: files for Stone, inputs, layouts, repeatability."""

import json
import os
import shutil
import struct
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from cairo_runs import DATA, program
from hypothesis import given, settings
from hypothesis import strategies as st

from proofrail import _native
from proofrail.cairo.program import CairoProgram
from proofrail.cairo.vm import Execution, run
from proofrail.wire.canonical import FELT_PRIME
from proofrail.wire.errors import UnusableInputError

SHAPES = {"n": 2, "values": [5, 6], "extra": -4, "rows": [[7, [8, 9]], []]}
LOOPS = {"i": 2, "n": 3, "depth": 2, "m": 2}


def _cells(execution: Execution) -> dict[int, int]:
    return {
        address: int.from_bytes(value, "little")
        for address, value in struct.iter_unpack("<Q32s", execution.memory)
    }


def _arrays(execution: Execution, pointer: int, shape: list[Any]) -> list[Any]:
    cells = _cells(execution)
    return [
        _arrays(execution, cells[pointer + at], item) if isinstance(item, list) else cells[pointer + at]
        for at, item in enumerate(shape)
    ]


def _first_call(execution: Execution, name: str) -> int:
    """fp of the first call of a function of the program `shapes`."""
    entry = {full: pc for full, pc, *_ in program("shapes").native.functions()}[f"__main__.{name}"]
    return next(fp for _, fp, pc in struct.iter_unpack("<QQQ", execution.trace) if pc == entry)


def test_trace_and_memory_have_the_shape_that_stone_reads() -> None:
    """24 bytes a step, 40 bytes a cell by ascending address; the program's words stand at address 1."""
    execution = run(program("loops"), LOOPS, "small")
    public = json.loads(execution.public_input())
    assert 24 * execution.n_steps == len(execution.trace)
    assert execution.n_steps == public["n_steps"]
    addresses = [address for address, _ in struct.iter_unpack("<Q32s", execution.memory)]
    assert sorted(set(addresses)) == addresses
    cells = _cells(execution)
    assert list(program("loops").words) == [cells[1 + at] for at in range(len(program("loops").words))]
    for entry in public["public_memory"]:
        assert int(entry["value"], 16) == cells[entry["address"]]
    output = public["memory_segments"]["output"]
    assert execution.output == [cells[at] for at in range(output["begin_addr"], output["stop_ptr"])]


def test_the_prover_inputs_have_sorted_names_and_the_paths_given() -> None:
    """Public and private input are the same bytes again; the private one names the files."""
    runs = [run(program("loops"), LOOPS, "small") for _ in range(2)]
    assert runs[0].public_input() == runs[1].public_input()
    private = json.loads(runs[0].private_input("/a/trace.bin", "/a/memory.bin"))
    assert ("/a/trace.bin", "/a/memory.bin") == (private["trace_path"], private["memory_path"])
    assert json.dumps(private, sort_keys=True, separators=(",", ":")) == runs[0].private_input(
        "/a/trace.bin", "/a/memory.bin"
    )


@settings(max_examples=30, deadline=None)
@given(st.integers(-(2**300), 2**300), st.booleans())
def test_integers_of_any_size_and_sign_are_taken_mod_p(value: int, as_text: bool) -> None:
    """A bare integer or "0x…" arrives as the felt that it is mod P."""
    given_as: int | str = hex(value % FELT_PRIME) if as_text else value
    execution = run(program("shapes"), {**SHAPES, "extra": given_as}, "small")
    assert value % FELT_PRIME == execution.output[2]


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.recursive(st.integers(0, 99), lambda inner: st.lists(inner, max_size=3), max_leaves=6),
        max_size=4,
    )
)
def test_nested_lists_become_pointers_to_segments(rows: list[Any]) -> None:
    """write_arg lays out lists in lists as Python's does."""
    rows = [[7], *rows]
    execution = run(program("shapes"), {**SHAPES, "rows": rows}, "small")
    cells = _cells(execution)
    # `rows[0]` is dereferenced for the last output, and `rows` lies in a segment of its own.
    pointers = [address for address in cells if _is(execution, address, rows)]
    assert pointers
    assert 7 == execution.output[4]


def _is(execution: Execution, address: int, shape: list[Any]) -> bool:
    try:
        return _arrays(execution, address, shape) == shape
    except KeyError:
        return False


def test_arguments_arrive_where_the_spans_read_them() -> None:
    """The first call of `sum` gets the pointer to the values that were written."""
    execution = run(program("shapes"), SHAPES, "small")
    cells, fp = _cells(execution), _first_call(execution, "sum")
    assert 2 == cells[fp - 3]
    assert [5, 6] == [cells[cells[fp - 4]], cells[cells[fp - 4] + 1]]


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({**SHAPES, "n": "five"}, "input-malformed"),
        ({**SHAPES, "n": None}, "input-malformed"),
        ({**SHAPES, "n": [1]}, "input-type"),
        ({**SHAPES, "values": 1}, "input-type"),
        ({"n": 1}, "input-missing"),
    ],
)
def test_unfit_inputs_are_refused(values: dict[str, Any], code: str) -> None:
    """What is no integer or list, or is missing, is an error with a stable code."""
    with pytest.raises(UnusableInputError) as caught:
        run(program("shapes"), values, "small")
    assert code == caught.value.code


@pytest.mark.parametrize(
    ("layout", "code"),
    [("tiny", "layout-unknown"), ("plain", "layout-unusable"), ("dynamic", "layout-unknown")],
)
def test_unfit_layouts_are_refused(layout: str, code: str) -> None:
    """A layout must exist and have all of the program's builtins."""
    with pytest.raises(UnusableInputError) as caught:
        run(program("loops"), LOOPS, layout)
    assert code == caught.value.code


@pytest.mark.parametrize("compiled", [b"", b"{}", b"[]", b"\xff", b'{"prime":"0x1"}'])
def test_what_is_no_program_is_refused(compiled: bytes) -> None:
    """Anything but a compiled Cairo 0 program is an error, not a crash."""
    with pytest.raises(UnusableInputError) as caught:
        CairoProgram.load(compiled)
    assert "program-unusable" == caught.value.code


def test_a_program_must_be_compiled_for_proofs() -> None:
    """Without the start and end labels of --proof_mode no proof can be made; the error says what to do."""
    compiled = json.loads((DATA / "loops.json").read_bytes())
    del compiled["identifiers"]["__main__.__end__"]
    with pytest.raises(UnusableInputError) as caught:
        CairoProgram.load(json.dumps(compiled).encode())
    assert "program-not-provable" == caught.value.code
    assert "--proof_mode" in str(caught.value)


def test_runs_in_threads_do_not_disturb_each_other() -> None:
    """One program runs in several threads at once, each with its own input."""
    outputs: dict[int, list[int]] = {}

    def work(depth: int) -> None:
        outputs[depth] = run(program("loops"), {**LOOPS, "depth": depth}, "small").output

    threads = [threading.Thread(target=work, args=(depth,)) for depth in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {depth: [72, depth, 0, 5] for depth in range(8)} == outputs


def test_the_bytes_outlive_the_run() -> None:
    """A view of the trace stays valid when nothing else holds the run."""
    view = run(program("loops"), LOOPS, "small").trace
    copy = bytes(view)
    assert view.readonly
    assert copy == bytes(view)


def test_the_private_input_can_be_left_out() -> None:
    """Where no Stone proof is made, it is not kept, and asking for it says so."""
    native = program("loops").native.run(json.dumps(LOOPS).encode(), "small", private_input=False)
    with pytest.raises(_native.NativeError) as caught:
        native.private_input("trace.bin", "memory.bin")
    assert "private-input-not-kept" == caught.value.args[0]


def _cairo_run() -> str | None:
    """The reference runner: PROOFRAIL_CAIRO_RUN, or the one beside the compiler that `make cairo` sets up."""
    beside = Path(__file__).parents[2] / "build" / "cairo-lang" / "bin" / "cairo-run"
    return os.environ.get("PROOFRAIL_CAIRO_RUN") or (
        str(beside) if beside.exists() else shutil.which("cairo-run")
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "values"),
    [("loops", LOOPS), ("shapes", {**SHAPES, "extra": -(2**270)}), ("failing", {"how": 0})],
)
def test_files_equal_those_of_the_reference_runner(name: str, values: dict[str, Any], tmp_path: Path) -> None:
    """trace.bin is equal byte for byte, memory.bin cell for cell, the two inputs as JSON."""
    runner = _cairo_run()
    if runner is None:
        pytest.skip("cairo-run is not installed (make cairo sets it up; or name it in PROOFRAIL_CAIRO_RUN)")
    (tmp_path / "input.json").write_text(json.dumps(values))
    files = {kind: tmp_path / kind for kind in ("trace", "memory", "public", "private")}
    finished = subprocess.run(
        [
            runner,
            f"--program={DATA / name}.json",
            f"--program_input={tmp_path / 'input.json'}",
            "--layout=small",
            "--proof_mode",
            f"--trace_file={files['trace']}",
            f"--memory_file={files['memory']}",
            f"--air_public_input={files['public']}",
            f"--air_private_input={files['private']}",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == finished.returncode, finished.stderr
    execution = run(program(name), values, "small")
    assert files["trace"].read_bytes() == execution.trace
    memory = struct.iter_unpack("<Q32s", files["memory"].read_bytes())
    assert sorted(memory) == list(struct.iter_unpack("<Q32s", execution.memory))
    assert json.loads(files["public"].read_bytes()) == json.loads(execution.public_input())
    theirs = json.loads(files["private"].read_bytes())
    ours = json.loads(execution.private_input(theirs["trace_path"], theirs["memory_path"]))
    assert theirs == ours

"""Runs one program in the original Cairo VM. Called as a program, by the Python of an environment that has
cairo-lang and nothing of ours:

    python reference_runner.py REQUEST.json FOLDER

REQUEST has `program`, `program_input`, `layout` and, if there is a limit, `steps`. Writes to FOLDER trace.bin,
memory.bin, public_input.json (of a completed run) and, last, result.json: `outcome` (completed or failed),
`steps` (completed), and of a failed run `pc` (in the program, from 0; absent where the error is of no
instruction), `message`, and `missing_module` where a hint could not import one.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    request = json.loads(Path(sys.argv[1]).read_bytes())
    folder = Path(sys.argv[2])
    result = _run(request, folder)
    (folder / "result.json").write_text(json.dumps(result))


def _run(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    if request["layout"] not in _module("instances").LAYOUTS:
        sys.exit(f"it has no layout {request['layout']}")
    exceptions = _module("vm.vm_exceptions")
    program = _module("compiler.program").Program.load(data=request["program"])
    runner = _module("vm.cairo_runner").CairoRunner(
        program=program, layout=request["layout"], proof_mode=True, allow_missing_builtins=True
    )
    runner.initialize_segments()
    end = runner.initialize_main_entrypoint()
    runner.initialize_zero_segment()
    runner.initialize_vm(hint_locals={"program_input": request["program_input"]})
    try:
        limit = _module("vm.utils").RunResources(n_steps=request.get("steps"))
        runner.run_until_pc(end, run_resources=limit)
        # The last pc that is executed is __end__, as the proof wants it.
        runner.run_for_steps(1)
        runner.original_steps = runner.vm.current_step
        runner.end_run(disable_trace_padding=False)
        runner.read_return_values()
        runner.finalize_segments()
    except (exceptions.VmExceptionBase, AssertionError) as error:
        return _failed(runner, error, folder)
    runner.relocate()
    _write(runner, program, folder)
    _write_public_input(runner, request["layout"], folder)
    return {"outcome": "completed", "steps": len(runner.relocated_trace)}


def _failed(runner: Any, error: Exception, folder: Path) -> dict[str, Any]:
    # An instruction that could not be completed stands in the VM's trace all the same.
    steps = runner.vm.current_step
    trace = [runner.vm.trace[at] for at in range(steps)]
    result: dict[str, Any] = {"outcome": "failed", "steps": steps, "message": str(error)}
    at = getattr(error, "pc", None)
    if at is not None and getattr(at, "segment_index", None) == runner.program_base.segment_index:
        result["pc"] = at.offset
    cause = getattr(getattr(error, "inner_exc", None), "inner_exc", None)
    if isinstance(cause, ImportError):
        result["missing_module"] = cause.name
    # Program and execution are the first two segments: their addresses do not depend on the others' sizes.
    offsets = {0: 1, 1: 1 + len(runner.program.data)}
    relocated = _module("vm.trace_entry").relocate_trace(trace, offsets, runner.program.prime)
    with (folder / "trace.bin").open("wb") as file:
        _module("vm.cairo_run").write_binary_trace(file, relocated)
    return result


def _write(runner: Any, program: Any, folder: Path) -> None:
    writers = _module("vm.cairo_run")
    with (folder / "trace.bin").open("wb") as trace:
        writers.write_binary_trace(trace, runner.relocated_trace)
    with (folder / "memory.bin").open("wb") as memory:
        writers.write_binary_memory(memory, runner.relocated_memory, -(-program.prime.bit_length() // 8))


def _write_public_input(runner: Any, layout: str, folder: Path) -> None:
    low, high = runner.get_perm_range_check_limits()
    with (folder / "public_input.json").open("w") as file:
        _module("vm.cairo_run").write_air_public_input(
            layout=layout,
            public_input_file=file,
            memory=runner.relocated_memory,
            public_memory_addresses=runner.segments.get_public_memory_addresses(
                segment_offsets=runner.get_segment_offsets()
            ),
            memory_segment_addresses=runner.get_memory_segment_addresses(),
            trace=runner.relocated_trace,
            rc_min=low,
            rc_max=high,
        )


def _module(name: str) -> Any:
    return importlib.import_module(f"starkware.cairo.lang.{name}")


if __name__ == "__main__":
    main()

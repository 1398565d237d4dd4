"""Runs of a program in the original Cairo VM (cairo-lang), as a second opinion on our own.

cairo-lang's hints are Python, executed with all rights of the process. Therefore only hints go there that our VM
has executed in the same run: it knows hints by their text, so none that anybody has made up is among them.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from proofrail.cairo import cairo_lang
from proofrail.cairo.decode import ProgramNames
from proofrail.cairo.program import CairoProgram
from proofrail.wire.canonical import FELT_PRIME
from proofrail.wire.errors import PoisonError

NAME: Final = f"cairo-lang {cairo_lang.VERSION}"

_RUNNER: Final = Path(__file__).with_name("reference_runner.py")
_SAID: Final = 400


@dataclass(frozen=True)
class ReferenceRun:
    """What the reference VM did: `trace` and `memory` are trace.bin and memory.bin as it writes them, cells in the
    order in which they were first touched.

    Of a failed run there are no memory and no public input; `failed_pc` is that of the instruction that failed
    (None where the run failed at no instruction), `message` the VM's own text.
    """

    outcome: str
    steps: int
    trace: bytes
    memory: bytes
    public_input: Mapping[str, Any] | None
    failed_pc: int | None
    message: str | None


class ReferenceVm:
    """The reference VM in an environment that is made on first use: that of the checkout where it is there, else
    one in `cache`. `tell` is called before that takes its time."""

    def __init__(self, cache: Path, tell: Callable[[str], None]) -> None:
        self._cache = cache
        self._tell = tell

    def run(
        self,
        program: CairoProgram,
        program_input: Mapping[str, Any],
        layout: str,
        max_steps: int | None,
        executed: Collection[int],
    ) -> ReferenceRun:
        """Run a program there. `executed` are the pcs at which our VM has executed hints in the same run; all
        other hints are taken out.

        Raises UnusableInputError `compiler-unavailable` where there is no environment, PoisonError
        `reference-hint` where a hint needs a module that the environment does not have, `reference-vm-failed`
        where the VM does not take the program.
        """
        python = self._environment() / "bin" / "python"
        request: dict[str, Any] = {
            "program": _without_hints(program.compiled, executed),
            "program_input": {name: _as_integers(value) for name, value in program_input.items()},
            "layout": layout,
        }
        if max_steps is not None:
            request["steps"] = max_steps
        with tempfile.TemporaryDirectory(prefix="proofrail-reference-") as scratch:
            folder = Path(scratch)
            (folder / "request.json").write_text(json.dumps(request))
            finished = subprocess.run(  # noqa: S603
                [python, "-I", _RUNNER, folder / "request.json", folder],
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
            if finished.returncode != 0:
                raise PoisonError(
                    "reference-vm-failed",
                    f"{NAME} does not run the program: {_last_line(finished.stderr)}",
                    "Compile it with that version, or do without the second opinion",
                )
            return _read(folder)

    def _environment(self) -> Path:
        if cairo_lang.is_ready(cairo_lang.IN_CHECKOUT):
            return cairo_lang.IN_CHECKOUT
        return cairo_lang.environment(self._cache / f"cairo-lang-{cairo_lang.VERSION}", self._tell)


def _last_line(said: str) -> str:
    lines = said.strip().splitlines()
    return lines[-1][:_SAID] if lines else "it gives no reason"


def _read(folder: Path) -> ReferenceRun:
    result = json.loads((folder / "result.json").read_bytes())
    if "missing_module" in result:
        raise PoisonError(
            "reference-hint",
            f"a hint of the program needs the module {result['missing_module']}, which {NAME} lacks here",
            "Do without the second opinion",
        )
    completed = result["outcome"] == "completed"
    pc = result.get("pc")
    return ReferenceRun(
        outcome=result["outcome"],
        steps=result["steps"],
        trace=(folder / "trace.bin").read_bytes(),
        memory=(folder / "memory.bin").read_bytes() if completed else b"",
        public_input=json.loads((folder / "public_input.json").read_bytes()) if completed else None,
        failed_pc=None if pc is None else pc + ProgramNames.PROGRAM_BASE,
        message=result.get("message"),
    )


def _without_hints(compiled: bytes, executed: Collection[int]) -> dict[str, Any]:
    program: dict[str, Any] = json.loads(compiled)
    kept = {str(pc - ProgramNames.PROGRAM_BASE) for pc in executed}
    program["hints"] = {at: hints for at, hints in program.get("hints", {}).items() if at in kept}
    return program


def _as_integers(value: Any) -> Any:
    """A value of the program's input as cairo-lang takes it: integers of 0 … P−1, and lists of them."""
    if isinstance(value, list):
        return [_as_integers(one) for one in value]
    if isinstance(value, str):
        return int(value, 16) % FELT_PRIME
    return value % FELT_PRIME

"""Runs of a program in the Cairo VM."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from proofrail import _native
from proofrail.cairo.errors import translated
from proofrail.cairo.layouts import check_layout
from proofrail.cairo.program import CairoProgram

STEP_LIMIT: Final = "step-limit"
"""The code of the one failure that is not of the program's own making."""


@dataclass(frozen=True)
class Failure:
    """Why a run failed. `message` depends on the program alone; `detail` is the VM's own text."""

    code: str
    message: str
    function: str | None
    location: str
    detail: str


@dataclass(frozen=True)
class Execution:
    """One run in proof mode. `trace`, `memory` and the two inputs are what the Stone prover reads."""

    native: _native.Run

    @property
    def n_steps(self) -> int:
        """Steps in trace.bin: padded to what the layout demands; those completed, for a failed run."""
        return self.native.n_steps

    @property
    def real_steps(self) -> int:
        """Steps before padding."""
        return self.native.real_steps

    @property
    def outcome(self) -> Literal["completed", "failed"]:
        return self.native.outcome

    @property
    def failure(self) -> Failure | None:
        error = self.native.error
        return Failure(**error) if error else None

    @property
    def output(self) -> list[int]:
        """The output felts; none for a failed run."""
        return [int(felt, 16) for felt in self.native.output]

    @property
    def trace(self) -> memoryview:
        """trace.bin, in place: ap, fp, pc as u64 little-endian, 24 bytes a step."""
        return memoryview(self.native.trace)

    @property
    def memory(self) -> memoryview:
        """memory.bin, in place: u64 address, 32-byte value, little-endian, by ascending address."""
        return memoryview(self.native.memory)

    def public_input(self) -> str:
        """public_input.json as one line, names sorted. Raises PoisonError `run-failed`."""
        with translated():
            return self.native.public_input()

    def private_input(self, trace_path: str, memory_path: str) -> str:
        """private_input.json as one line, names sorted, for files at these paths.

        Raises PoisonError `run-failed`, or `private-input-not-kept` if the run was made without it.
        """
        with translated():
            return self.native.private_input(trace_path, memory_path)


def run(
    program: CairoProgram,
    program_input: Mapping[str, Any],
    layout: str,
    max_steps: int | None = None,
    *,
    private_input: bool = True,
) -> Execution:
    """Run `program` in proof mode on `program_input`: integers of any size and sign (taken mod P), "0x…", and
    nested lists of them.

    A VM error, or more than `max_steps` steps, gives an Execution with outcome "failed". Raises
    UnusableInputError (`input-missing`, which names the member, `input-type`, `input-malformed`,
    `unknown-hint`, `layout-unknown`, `layout-unusable`, `builtins-disordered`) and PoisonError
    (`memory-exhausted`, `native-panic`). `private_input=False` saves time and memory where no Stone proof is made.
    """
    check_layout(program.builtins, layout)
    with translated():
        return Execution(
            program.native.run(
                json.dumps(dict(program_input)).encode(), layout, max_steps, private_input=private_input
            )
        )

"""Reads a run's folder back: recomputes it and refuses one whose commitments are not its own."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from proofrail.audit.cairo_subject import CairoSubject, subject_of
from proofrail.audit.run_audit import audit_run
from proofrail.audit.subject import Recomputed
from proofrail.cairo.program import CairoProgram
from proofrail.cli.keys import read_vkeys
from proofrail.cli.output import interruptible
from proofrail.cli.runfolder import COMMITMENTS, PROGRAM, VKEY
from proofrail.proving.statement import Expected
from proofrail.wire.canonical import JsonObject
from proofrail.wire.errors import PoisonError, UnusableInputError
from proofrail.wire.ndjson import MAX_FILE_LINE, iter_lines

_END: Final = 5
"""Where a program compiled in proof mode jumps to itself."""


@dataclass(frozen=True)
class CheckedRun:
    """A completed run whose commitments were found to be those of its inputs."""

    subject: CairoSubject
    recomputed: Recomputed
    inputs: list[JsonObject]

    @property
    def expected(self) -> Expected:
        """What a proof of the run must state."""
        program = self.subject.program
        recomputed = self.recomputed
        return Expected.of(program.words, program.builtins, recomputed.output, recomputed.traced)

    @property
    def real_steps(self) -> int:
        """Steps before padding, which stands still at the end of the program."""
        pcs = memoryview(self.recomputed.trace).cast("B").cast("Q")[2::3]
        return bisect_left(pcs, True, key=lambda pc: pc == _END) + 1


def read_run(folder: Path) -> CheckedRun:
    """The run in a folder that `proofrail trace` wrote.

    Raises UnusableInputError for a folder that is none, PoisonError `run-mismatch` or `run-undecided` when the
    commitments do not hold, `run-failed` for a run that failed in the VM.
    """
    for name in (PROGRAM, COMMITMENTS):
        if not (folder / name).is_file():
            raise UnusableInputError(
                "no-run-folder",
                f"{folder} has no {name}",
                "Name a folder that `proofrail trace --out` wrote.",
            )
    subject = subject_of(CairoProgram.load(folder / PROGRAM))
    vkey = folder / VKEY
    keys = read_vkeys(vkey) if vkey.exists() else []
    with (folder / COMMITMENTS).open("rb") as file:
        lines = (line for _, line in iter_lines(file, MAX_FILE_LINE))
        audit = interruptible(lambda: audit_run(commitments=lines, subject=subject, keys=keys))
    if audit.finding is not None:
        raise PoisonError(
            "run-mismatch",
            f"{folder} is not a run of its own inputs: {audit.finding.message}",
            f"See `proofrail audit {folder}/events.ndjson --commitments {folder}/{COMMITMENTS}`.",
        )
    if audit.verdict != "MATCH" or audit.recomputed is None:
        missing = "; ".join(part.message for part in audit.report.unchecked if part.code != "not-at-hand")
        raise PoisonError("run-undecided", f"the run in {folder} cannot be checked: {missing}")
    if audit.recomputed.outcome != "completed":
        raise PoisonError(
            "run-failed", "the run failed in the VM: there is nothing to prove", "Trace a run that completes."
        )
    return CheckedRun(subject, audit.recomputed, audit.inputs)

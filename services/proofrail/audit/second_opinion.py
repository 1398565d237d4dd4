"""A run in another VM, compared with ours: what both agree on is no fault of one of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from proofrail.audit.findings import INDETERMINATE, MISMATCH, Finding
from proofrail.audit.raw import CELL_BYTES, STEP_BYTES, cell_at, first_difference, sorted_cells, step_at
from proofrail.audit.values import ABSENT, same
from proofrail.cairo.decode import ProgramNames
from proofrail.cairo.moment import Moments
from proofrail.cairo.program import CairoProgram
from proofrail.cairo.reference_vm import NAME, ReferenceRun, ReferenceVm
from proofrail.cairo.vm import Execution
from proofrail.cairo.vm import run as execute
from proofrail.wire.errors import PoisonError, ProofrailError
from proofrail.wire.messages import AuditReport

PART: Final = "reference-vm"
"""The part of a report, and the kind of the mismatch."""

_INDICES: Final = {"memory": "cell"}

Member = Literal["outcome", "failed_pc", "trace", "memory", "public_input"]


@dataclass(frozen=True)
class Disagreement:
    """The first thing in which the reference VM differs from ours. `index` is that of a step or a cell, `pointer`
    leads to a member of the public input; `more` has the registers and the source line of a step."""

    member: Member
    message: str
    ours: Any
    reference: Any
    index: int | None = None
    pointer: str | None = None
    more: dict[str, Any] = field(default_factory=dict)

    def finding(self) -> Finding:
        """As a finding of kind `reference-vm`."""
        index = {} if self.index is None else {_INDICES.get(self.member, "step"): self.index}
        return Finding(
            PART,
            "memory" if self.member == "memory" else "trace",
            self.message,
            member=self.member,
            pointer=self.pointer,
            expected=self.reference,
            claimed=self.ours,
            more=index | self.more,
        )


def second_opinion(
    vm: ReferenceVm,
    program: CairoProgram,
    program_input: Mapping[str, Any],
    layout: str,
    max_steps: int | None,
) -> Disagreement | None:
    """Run a program in both VMs and compare outcome, trace, memory and public input byte for byte; None where
    they agree.

    Of a failed run the completed steps and the place of the failure are compared; the two give other reasons in
    other words, and no memory is committed to. Raises what `ReferenceVm.run` and `cairo.vm.run` raise.
    """
    ours = execute(program, program_input, layout, max_steps, private_input=False)
    names = ProgramNames(program.compiled)
    moments = Moments(program, names, ours.trace, ours.memory)
    reference = vm.run(program, program_input, layout, max_steps, _hinted(moments, ours, names))
    return next(_disagreements(ours, reference, moments, program), None)


def with_opinion(report: AuditReport, opinion: Disagreement | ProofrailError | None) -> AuditReport:
    """A report that says what the reference VM did too: None where it agrees, an error where it could not be asked.

    What was a MATCH becomes MISMATCH where the two VMs disagree (expected is what the reference VM does, claimed
    what was published and ours does), INDETERMINATE where it could not be asked. A signature is dropped.
    """
    members = report.to_object()
    members.pop("signature", None)
    unchecked = members["unchecked"]
    if report.verdict == MISMATCH:
        unchecked.append(
            {"part": PART, "code": "after-mismatch", "message": "the audit ended at the first mismatch"}
        )
    elif opinion is None:
        members["checked"].append(PART)
    elif isinstance(opinion, ProofrailError):
        unchecked.append({"part": PART, "code": opinion.code, "message": opinion.message})
        members["verdict"] = INDETERMINATE
    else:
        members["verdict"] = MISMATCH
        members["first_mismatch"] = opinion.finding().members()
    return AuditReport.model_validate(members)


def not_asked(report: AuditReport) -> AuditReport:
    """A report on a run that could not be executed again: the reference VM had nothing to be compared with."""
    if report.verdict == MISMATCH:
        return with_opinion(report, None)
    members = report.to_object()
    members.pop("signature", None)
    why = "rests on a part that could not be checked"
    members["unchecked"].append({"part": PART, "code": "not-reached", "message": why})
    return AuditReport.model_validate(members)


def _hinted(moments: Moments, run: Execution, names: ProgramNames) -> set[int]:
    """The pcs at which the run has executed hints, all that stand there."""
    passed = {pc for pc in set(moments.pcs) if names.hints(pc)}
    if run.outcome == "failed" and len(moments):
        failed = moments.registers(len(moments)).pc
        if failed not in passed and len(names.hints(failed)) > 1:
            raise PoisonError(
                "reference-hint",
                f"the run fails at an instruction with several hints, of which {NAME} might execute more than ours",
                "Do without the second opinion",
            )
        passed.add(failed)
    return passed


def _disagreements(
    ours: Execution, reference: ReferenceRun, moments: Moments, program: CairoProgram
) -> Iterator[Disagreement]:
    if ours.outcome != reference.outcome:
        why = reference.message or (ours.failure.message if ours.failure else "")
        said = f"the run has {reference.outcome} in {NAME}, {ours.outcome} here: {why:.400}"
        yield Disagreement("outcome", said, ours.outcome, reference.outcome)
    step = first_difference(ours.trace, reference.trace, STEP_BYTES)
    if step is not None:
        yield _step(step, ours, reference, program)
    if ours.outcome != "completed":
        at = moments.registers(len(moments)).pc if len(moments) else None
        after_end = ours.failure is not None and ours.failure.function is None
        if not after_end and reference.failed_pc is not None and at != reference.failed_pc:
            yield Disagreement(
                "failed_pc",
                f"{NAME} fails at another instruction",
                at,
                reference.failed_pc,
                index=len(moments),
            )
        return
    memory = sorted_cells(reference.memory)
    cell = first_difference(ours.memory, memory, CELL_BYTES)
    if cell is not None:
        mine, other = cell_at(ours.memory, cell), cell_at(memory, cell)
        yield Disagreement(
            "memory",
            f"cell {cell} holds something else in {NAME}",
            mine.shown() if mine else ABSENT,
            other.shown() if other else ABSENT,
            index=cell,
        )
    expected = json.loads(ours.public_input())
    yield from _members(expected, dict(reference.public_input or {}), "")


def _step(index: int, ours: Execution, reference: ReferenceRun, program: CairoProgram) -> Disagreement:
    mine, other = step_at(ours.trace, index), step_at(reference.trace, index)
    more: dict[str, Any] = {}
    if mine is not None:
        more = dict(mine.shown())
        if (location := program.location(mine.pc)) is not None:
            more |= {"source": f"{location.file}:{location.line}", "function": location.function}
    return Disagreement(
        "trace",
        f"step {index} is another in {NAME}",
        mine.shown() if mine else ABSENT,
        other.shown() if other else ABSENT,
        index=index,
        more=more,
    )


def _members(ours: Any, theirs: Any, pointer: str) -> Iterator[Disagreement]:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in sorted(ours.keys() | theirs.keys()):
            yield from _members(ours.get(name, ABSENT), theirs.get(name, ABSENT), f"{pointer}/{name}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from _members(mine, other, f"{pointer}/{index}")
    elif not same(ours, theirs):
        what = f"{pointer} of the public input is another in {NAME}"
        yield Disagreement("public_input", what, ours, theirs, pointer=pointer)

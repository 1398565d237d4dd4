"""`proofrail audit --vm reference`: what the original Cairo VM says of the run."""

from __future__ import annotations

from enum import StrEnum

from proofrail.artifacts.cache import cache_dir
from proofrail.audit.cairo_subject import CairoSubject
from proofrail.audit.findings import MISMATCH
from proofrail.audit.run_audit import RunAudit
from proofrail.audit.second_opinion import not_asked, second_opinion, with_opinion
from proofrail.audit.subject import Subject
from proofrail.cairo.reference_vm import ReferenceVm
from proofrail.cli.output import interruptible, note
from proofrail.wire.errors import ProofrailError
from proofrail.wire.messages import AuditReport


class Vm(StrEnum):
    """VMs that can be asked beside our own."""

    REFERENCE = "reference"


def with_vm(report: AuditReport, audited: RunAudit, subject: Subject | None) -> AuditReport:
    """The report of an audit, with what the reference VM does with the same program and inputs.

    Half a minute the first time, to set it up; then a second and the VM's own time, some 10,000 steps a second.
    """
    recomputed = audited.recomputed
    if recomputed is None or report.verdict == MISMATCH or not isinstance(subject, CairoSubject):
        return not_asked(report)
    program, values = subject.program, subject.program_input(audited.inputs)
    # Any other run ends by itself, in the same way in both.
    limit = recomputed.seal["n_steps"] if recomputed.limited else None
    vm = ReferenceVm(cache_dir(), note)
    try:
        opinion = interruptible(lambda: second_opinion(vm, program, values, recomputed.seal["layout"], limit))
    except ProofrailError as error:
        return with_opinion(report, error)
    return with_opinion(report, opinion)

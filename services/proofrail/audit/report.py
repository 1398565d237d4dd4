"""From what an audit found to its report."""

from __future__ import annotations

from typing import Final, Literal

from proofrail.audit.findings import INDETERMINATE, MATCH, MISMATCH, Finding, Notes, Verdict
from proofrail.wire.messages import AuditReport, FirstMismatch, Unchecked

RUN_PARTS: Final = (
    "version",
    "program",
    "layout",
    "inputs",
    "published",
    "execution",
    "events",
    "invariants",
    "trace.bin",
    "memory.bin",
    "blocks",
    "seal",
    "signature",
    "output",
)
"""The parts of a run, in the order in which they are checked."""

PROOF_PARTS: Final = ("message", "blob", "verification", "policy", "statement", "provenance")
"""The parts of a proof, in the order in which they are checked."""

_NOT_GIVEN: Final = {
    "published": "nobody was asked whether the inputs were really proposed",
    "events": "the events are not at hand; the blocks and the root bind them",
    "invariants": "the events are not at hand; of those recomputed they hold",
    "trace.bin": "not at hand; the StepBlocks bind its steps",
    "memory.bin": "not at hand; the MemoryBlocks bind its cells",
    "provenance": "no proof tells its prover's version, method, timings and evidence; nothing rests on them",
    "output": "there is no independent model of this program, or the run failed",
}
_SILENT: Final = frozenset({"trace.bin", "memory.bin"})
"""Not worth a word where everything else was checked."""


def make_report(
    run_id: str,
    subject: Literal["run", "proof"],
    notes: Notes,
    finding: Finding | None,
    parts: tuple[str, ...],
) -> AuditReport:
    """MISMATCH with a finding, INDETERMINATE with open reasons, MATCH otherwise."""
    verdict: Verdict = MISMATCH if finding else INDETERMINATE if notes.reasons else MATCH
    unchecked = [
        Unchecked.model_validate(
            {"part": part, "code": reason.kind, "message": reason.message}
            | {k: v for k, v in reason.members().items() if k not in ("kind", "message")}
        )
        for part, reason in notes.reasons
    ]
    unchecked += [Unchecked(part=part, code="not-at-hand", message=why) for part, why in notes.left]
    named = {part for part, _ in (*notes.reasons, *notes.left)}
    for part in parts:
        if part in notes.checked or part in named or (part in _SILENT and verdict == MATCH):
            continue
        if verdict == MISMATCH:
            code, message = "after-mismatch", "the audit ended at the first mismatch"
        elif part in _NOT_GIVEN:
            code, message = "not-at-hand", _NOT_GIVEN[part]
        else:
            code, message = "not-reached", "rests on a part that could not be checked"
        unchecked.append(Unchecked(part=part, code=code, message=message))
    return AuditReport(
        run_id=run_id,
        subject=subject,
        verdict=verdict,
        first_mismatch=None if finding is None else FirstMismatch.model_validate(finding.members()),
        checked=[part for part in parts if part in notes.checked],
        unchecked=unchecked,
    )

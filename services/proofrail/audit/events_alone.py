"""The audit of trace events without any commitments: what can be known of a run that was never sealed, or whose
seal is not at hand.

With program and inputs the run is executed again and every item compared, as in the audit of a sealed run; a MATCH
then says that these are the run's events, and the report that nobody was seen to have signed them. Without, the
events can only be held against themselves. That one of them cannot be right is a MISMATCH; that all of them can
leaves the verdict open.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from proofrail.audit import header
from proofrail.audit.claimed_events import EventPieces, Events
from proofrail.audit.claims import Claims
from proofrail.audit.consistency import check_invariants, leave_raw, not_executed
from proofrail.audit.events import check_events, claims_step_limit, first_event, last_event
from proofrail.audit.evidence import Evidence
from proofrail.audit.findings import Finding, FoundError, Notes
from proofrail.audit.output import begun_model, check_output
from proofrail.audit.raw import Buffer
from proofrail.audit.rawfiles import RawFiles
from proofrail.audit.report import RUN_PARTS, make_report
from proofrail.audit.run_audit import LIMIT_UNKNOWN, TOO_MANY_STEPS, RunAudit
from proofrail.audit.settings import RunPolicy, resolve
from proofrail.audit.subject import Claim, Recomputed, Subject
from proofrail.audit.unknown import note_unknown_in_events
from proofrail.commitment.runid import inputs_sha256
from proofrail.wire.canonical import JsonObject, canonical

_NO_COMMITMENTS: Final = "no commitments are at hand: nobody was seen to have committed to these events"


@dataclass
class _Case:
    """Events under audit, and what comes of it."""

    events: Events
    start: JsonObject
    policy: RunPolicy
    trace: Buffer | None
    memory: Buffer | None
    notes: Notes = field(default_factory=Notes)
    recomputed: Recomputed | None = None


def audit_events(
    *,
    events: Events,
    subject: Subject | None,
    inputs: Sequence[JsonObject] | None,
    policy: RunPolicy | None = None,
    trace: Buffer | None = None,
    memory: Buffer | None = None,
) -> RunAudit:
    """Audit events. Never raises for what stands in them: the report says it.

    - `events`: opens them anew
    - `subject`, `inputs`: the program the auditor accepts, and what it was asked to do, in normal form; without
      either the events are not recomputed
    - `policy`, `trace`, `memory`: as in `audit_run`

    Raises what executing the program on `inputs` raises, for these are the auditor's own. The evidence of a
    mismatch shows no signature of the tracer, for none is at hand.
    """
    case = _Case(events, first_event(events), policy or RunPolicy(), trace, memory)
    finding: Finding | None = None
    try:
        _check(case, subject, inputs)
    except FoundError as found:
        finding = found.finding
    for part in ("blocks", "seal", "signature"):
        case.notes.leave(part, _NO_COMMITMENTS)
    run_id = case.start.get("run_id")
    name = run_id if isinstance(run_id, str) and 0 < len(run_id) <= 256 else "unknown"
    report = make_report(name, "run", case.notes, finding, RUN_PARTS)
    given = list(inputs or ())
    evidence = None
    if finding is not None:
        evidence = Evidence(name, finding, Claims(), events, given, case.recomputed, (), trace, memory)
    return RunAudit(report, finding, given, case.recomputed, evidence)


def _check(case: _Case, subject: Subject | None, inputs: Sequence[JsonObject] | None) -> None:
    header.check_versions(Claims(), case.start)
    case.notes.done("version")
    if subject is not None:
        header.check_program(subject, None, case.start)
        case.notes.done("program")
    if subject is not None and inputs is not None:
        _check_run(case, subject, inputs)
        return
    case.notes.unsure("execution", not_executed(subject, "event"))
    leave_raw(case.trace, case.memory, case.notes)
    check_invariants(case.events, case.notes)


def _check_run(case: _Case, subject: Subject, inputs: Sequence[JsonObject]) -> None:
    events, start, policy, notes = case.events, case.start, case.policy, case.notes
    digest = inputs_sha256(canonical(value) for value in inputs)
    settings = resolve(
        method_id=subject.method_id,
        artifact_sha256=subject.artifact_sha256,
        inputs_sha256=digest,
        seal={},
        start=start,
        lines=(),
        policy=policy,
    )
    header.check_layout(settings, policy, None, start)
    notes.done("layout")
    header.check_inputs_said(inputs, digest, start)
    notes.done("inputs")
    claim = Claim(
        frozenset(),
        partial(_ends, events),
        partial(claims_step_limit, events),
        events if isinstance(events, EventPieces) else None,
    )
    with begun_model(subject, inputs) as model:
        case.recomputed = recomputed = subject.recompute(settings, inputs, claim, policy.max_steps)
        if recomputed.cut_short:
            notes.unsure("execution", TOO_MANY_STEPS)
            leave_raw(case.trace, case.memory, notes)
            return
        notes.done("execution")
        if recomputed.limited and policy.max_steps is None:
            notes.leave("limit", LIMIT_UNKNOWN)
        raw = RawFiles(subject, recomputed, case.trace, case.memory)
        result = check_events(events, recomputed, settings, raw, notes)
        raw.check(notes)
        check_output(model, recomputed, notes)
    note_unknown_in_events(result.unknown, notes)


def _ends(events: Events) -> Iterator[JsonObject]:
    yield last_event(events)

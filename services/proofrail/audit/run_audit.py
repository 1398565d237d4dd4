"""The audit of a run: everything the tracer published about it, against what the auditor recomputes from
the inputs.

The order of the checks is that of design section 5, "First mismatch": the header claims (version, program,
layout, inputs), then the items by position, then blocks, seal and signature. The first mismatch ends the
audit; the parts that come after it are reported as unchecked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from proofrail.audit import header
from proofrail.audit.arithmetic import check_arithmetic
from proofrail.audit.blocks import UnknownMembers, check_blocks, check_seal
from proofrail.audit.claimed_events import EventPieces, Events
from proofrail.audit.claims import ClaimedLine, Claims, read_claims
from proofrail.audit.consistency import check_invariants, leave_raw, not_executed
from proofrail.audit.events import (
    EventsResult,
    check_events,
    claims_step_limit,
    first_event,
    last_event,
    path_at,
)
from proofrail.audit.evidence import Evidence
from proofrail.audit.findings import Finding, FoundError, Notes, Verdict
from proofrail.audit.output import ModelOutput, begun_model, check_output
from proofrail.audit.raw import Buffer
from proofrail.audit.rawfiles import RawFiles
from proofrail.audit.recommit import Recommitted
from proofrail.audit.report import RUN_PARTS, make_report
from proofrail.audit.settings import RunPolicy, Settings, resolve
from proofrail.audit.signature import check_signature
from proofrail.audit.subject import Claim, Recomputed, Subject
from proofrail.audit.unknown import note_unknown_in_events, note_unknown_in_lines
from proofrail.audit.vocabulary import INPUT_MEMBERS
from proofrail.commitment.runid import inputs_sha256
from proofrail.wire.canonical import JsonObject, canonical
from proofrail.wire.errors import ProofrailError
from proofrail.wire.messages import AuditReport

TOO_MANY_STEPS: Final = Finding(
    "too-many-steps",
    "seal",
    "the run is claimed to take more steps than are executed without a limit of the auditor's own",
)
LIMIT_UNKNOWN: Final = (
    "the step limit ended the run, and no limit was given to hold it to: that the run got so far is certain, "
    "that the tracer had to stop there is its word alone"
)

Published = Callable[[str], bool | None]
"""Whether a proposal with this digest was published; None: it cannot be known yet, or any more."""


@dataclass(frozen=True)
class RunAudit:
    """A report, and what the audit found out on the way to it.

    `evidence` is there with a MISMATCH: what a bundle for a third party is made of.
    """

    report: AuditReport
    finding: Finding | None
    inputs: list[JsonObject]
    recomputed: Recomputed | None
    evidence: Evidence | None

    @property
    def verdict(self) -> Verdict:
        return self.report.verdict


@dataclass
class _Case:
    """One run under audit, filled in as the audit proceeds."""

    claims: Claims
    events: Events | None
    start: JsonObject
    inputs: list[JsonObject] = field(default_factory=list)
    recomputed: Recomputed | None = None
    unknown: UnknownMembers = field(default_factory=UnknownMembers)


@dataclass(frozen=True)
class _Terms:
    """What the auditor accepts and knows."""

    subject: Subject | None
    keys: Sequence[str]
    policy: RunPolicy
    published: Published | None
    asked: Sequence[JsonObject] | None
    trace: Buffer | None
    memory: Buffer | None
    with_model: bool
    run_id: str | None


def audit_run(
    *,
    commitments: Iterable[bytes],
    events: Events | None = None,
    subject: Subject | None,
    keys: Sequence[str],
    policy: RunPolicy | None = None,
    published: Published | None = None,
    asked: Sequence[JsonObject] | None = None,
    trace: Buffer | None = None,
    memory: Buffer | None = None,
    with_model: bool = True,
    run_id: str | None = None,
) -> RunAudit:
    """Audit one run. Never raises for what was published, however broken: the report says it.

    - `commitments`: the run's Input lines, blocks and seal as published, without line feeds
    - `events`: opens its trace events; without them the commitments alone are checked, which bind the events
    - `subject`: the program the auditor accepts; None leaves the execution unchecked
    - `keys`: accepted checkpoint keys (C2SP vkeys); none leaves the signature unchecked
    - `policy`: the settings the auditor accepts
    - `published`: whether an input was really proposed; None: not asked
    - `asked`: what the run had to take, all of it and in order, in normal form; None: not known
    - `trace`, `memory`: the claimed trace.bin and memory.bin, where they can be had
    - `with_model`: whether the independent model is asked too. It takes as much work as the run itself, and a
      prover, which only wants to know whether a run is its seal's, has no use for it.
    - `run_id`: under which everything was published, as the key of its records; the report is about that
      run. None takes it from the lines.

    Raises CheckpointError (`key-malformed`) for a malformed accepted key: a fault of the auditor's
    configuration.
    """
    case = _Case(read_claims(commitments), events, first_event(events))
    terms = _Terms(subject, keys, policy or RunPolicy(), published, asked, trace, memory, with_model, run_id)
    notes = Notes()
    finding: Finding | None = None
    try:
        _check(case, terms, notes)
    except FoundError as found:
        finding = found.finding
    report = make_report(run_id or _run_id(case), "run", notes, finding, RUN_PARTS)
    evidence = None if finding is None else _evidence(report.run_id, finding, case, terms)
    return RunAudit(report, finding, case.inputs, case.recomputed, evidence)


def _evidence(name: str, finding: Finding, case: _Case, terms: _Terms) -> Evidence:
    return Evidence(
        run_id=name,
        finding=finding,
        claims=case.claims,
        events=case.events,
        inputs=case.inputs,
        recomputed=case.recomputed,
        keys=terms.keys,
        trace=terms.trace,
        memory=terms.memory,
    )


def _check(case: _Case, terms: _Terms, notes: Notes) -> None:
    header.check_lines(case.claims)
    header.check_versions(case.claims, case.start)
    notes.done("version")
    seal = case.claims.seal
    if seal is None:
        why = "the run has no seal: it has not ended, or its end has not arrived"
        notes.unsure("seal", Finding("not-sealed", "seal", why))
        leave_raw(terms.trace, terms.memory, notes)
        if case.events is not None and case.start.get("type") == "TraceStart":
            check_invariants(case.events, notes)
        return
    case.inputs = header.input_objects(case.claims)
    for line in case.claims.inputs:
        case.unknown.add(line, "input", [f"/{name}" for name in line.members if name not in INPUT_MEMBERS])
    subject = terms.subject
    if subject is None or not (case.inputs or "inputs_count" in seal.members):
        notes.unsure("execution", not_executed(subject, "seal"))
        leave_raw(terms.trace, terms.memory, notes)
        check_arithmetic(case.claims, seal, case.inputs, case.events, terms.keys, notes)
        return
    _check_run(case, seal, subject, terms, notes)


def _check_run(case: _Case, seal: ClaimedLine, subject: Subject, terms: _Terms, notes: Notes) -> None:
    digest = inputs_sha256(canonical(value) for value in case.inputs)
    settings = resolve(
        method_id=subject.method_id,
        artifact_sha256=subject.artifact_sha256,
        inputs_sha256=digest,
        seal=seal.members,
        start=case.start,
        lines=[line.members for line in case.claims.blocks],
        policy=terms.policy,
    )
    header.check_program(subject, seal, case.start)
    notes.done("program")
    header.check_layout(settings, terms.policy, seal, case.start)
    notes.done("layout")
    header.check_input_lines(case.claims, case.inputs, subject)
    if terms.asked is not None:
        header.check_asked(case.claims, case.inputs, terms.asked, notes)
    if terms.published is not None:
        header.check_published(case.claims, case.inputs, terms.published, notes)
    header.check_inputs(case.claims, digest, settings, seal, case.start)
    notes.done("inputs")
    with begun_model(subject, case.inputs) if terms.with_model else nullcontext() as model:
        _check_execution(case, seal, subject, settings, model, terms, notes)


def _check_execution(
    case: _Case,
    seal: ClaimedLine,
    subject: Subject,
    settings: Settings,
    model: ModelOutput | None,
    terms: _Terms,
    notes: Notes,
) -> None:
    recomputed = case.recomputed = _execute(case, seal, subject, settings, terms.policy)
    if recomputed.cut_short:
        notes.unsure("execution", TOO_MANY_STEPS)
        leave_raw(terms.trace, terms.memory, notes)
        return
    notes.done("execution")
    if recomputed.limited and terms.policy.max_steps is None:
        notes.leave("limit", LIMIT_UNKNOWN)
    header.check_run_ids(recomputed.run_id, case.claims, terms.run_id)
    raw = RawFiles(subject, recomputed, terms.trace, terms.memory)
    result = EventsResult()
    if case.events is not None:
        result = check_events(case.events, recomputed, settings, raw, notes)
    raw.check(notes)
    core = _check_commitments(case, seal, recomputed, result)
    notes.done("blocks")
    notes.done("seal")
    check_signature(seal, core, terms.keys, notes)
    if model is not None:
        check_output(model, recomputed, notes)
    note_unknown_in_events(result.unknown, notes)
    note_unknown_in_lines(case.unknown, notes)


def _execute(
    case: _Case, seal: ClaimedLine, subject: Subject, settings: Settings, policy: RunPolicy
) -> Recomputed:
    blocks = case.claims.blocks
    commits = [seal.members.get("root"), seal.members.get("chain")]
    commits += [block.members.get("chain") for block in blocks[-1:]]
    claim = Claim(
        frozenset(value for value in commits if isinstance(value, str)),
        partial(_ends, seal, case.events),
        partial(claims_step_limit, case.events),
        case.events if isinstance(case.events, EventPieces) else None,
    )
    try:
        return subject.recompute(settings, case.inputs, claim, policy.max_steps)
    except ProofrailError as error:
        raise FoundError(
            Finding(
                subject.input_fault,
                "input",
                f"the program cannot be run on these inputs: {error.message}",
                member="input",
                more={"code": error.code},
            )
        ) from error


def _ends(seal: ClaimedLine, events: Events | None) -> Iterator[JsonObject]:
    yield seal.members
    if events is not None:
        yield last_event(events)


def _check_commitments(
    case: _Case, seal: ClaimedLine, recomputed: Recomputed, result: EventsResult
) -> JsonObject:
    # A newer tracer commits to members this version does not know: its own arithmetic must hold all the same.
    newer = _newer(seal, result)
    blocks, core = recomputed.blocks, recomputed.seal
    if newer is not None:
        blocks, core = newer.blocks, recomputed.seal | (newer.core or {})

    check_blocks(blocks, case.claims.blocks, case.unknown, partial(path_at, recomputed))
    check_seal(core, seal, case.unknown)
    return core


def _newer(seal: ClaimedLine, result: EventsResult) -> Recommitted | None:
    own = result.own
    if not result.unknown.count or own is None or own.core is None:
        return None
    return own if own.core["root"] == seal.members.get("root") else None


def _run_id(case: _Case) -> str:
    lines = [line.members for line in case.claims.in_order()]
    claimed = Counter(
        name
        for line in (*lines, case.start)
        if isinstance(name := line.get("run_id"), str) and 0 < len(name) <= 256
    )
    return claimed.most_common(1)[0][0] if claimed else "unknown"

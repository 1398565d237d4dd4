"""One case: what the audit reports, beside what the oracle says it has to report."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from proofrail.audit.claimed_events import Events, EventValues
from proofrail.audit.events_alone import audit_events
from proofrail.audit.run_audit import audit_run
from proofrail.wire.canonical import parse_object
from proofrail.wire.messages import to_line
from tests.exhaustive import oracle
from tests.exhaustive.cases import Case
from tests.exhaustive.runs import VKEY

_PLACES = ("item", "block", "member", "step", "cell")
_VOLATILE_VALUE = re.compile(rb'"(?:timestamp|duration_ns|detail|label)":("(?:[^"\\]|\\.)*"|\d+)')


def tried(case: Case, *, twice: bool = False) -> str:
    """The class of a case whose report is right. Raises AssertionError for one whose report is not.

    With `twice` the run is audited a second time as the command line does it, nothing remembered, and the events
    compared while the program is executed: the reports must be equal. Where the commitments are as they were, the
    events are audited without them too, and the same must be found.
    """
    run = case.run
    expected = oracle.judge(
        run.truth,
        case.commitments,
        case.events,
        trace=case.trace,
        memory=case.memory,
        note=case.note,
        is_input=run.is_input if run.proposed is not None else None,
    )
    # The model has nothing to say of alterations, and a thread for it would cost more than all the rest.
    report = _audit(case, as_commands_do=False, with_model=twice)
    wrong = _wrong(case, expected, report)
    assert not wrong, f"{case.family}: {case.what}: {wrong}\n  oracle {expected}\n  report {report}"
    if twice:
        assert report == _audit(case, as_commands_do=True, with_model=True), (
            f"{case.family}: {case.what}: another report"
        )
        if case.events is not None and case.commitments == case.run.commitments:
            alone = _audit_alone(case, case.events)
            # Without a single event nothing says how the run was made, hence how many items it has.
            members = ("verdict", "first_mismatch") if case.events else ("verdict",)
            same = [alone.get(name) == report.get(name) for name in members]
            assert all(same), f"{case.family}: {case.what}: events alone: {alone}\n  report {report}"
    return _class(case, expected)


def _audit(case: Case, *, as_commands_do: bool, with_model: bool) -> dict[str, Any]:
    run = case.run
    events: Events | None = None
    if case.events is not None:
        lines = oracle.lines_of(case.events)
        events = EventValues([case.events]) if as_commands_do else lambda: iter(lines)
    report = audit_run(
        commitments=oracle.lines_of(case.commitments),
        events=events,
        subject=run.subject.forgetful if as_commands_do else run.subject,
        keys=(VKEY,),
        policy=run.policy,
        published=None if run.proposed is None else _published(run),
        trace=case.trace,
        memory=case.memory,
        with_model=with_model,
    ).report
    return parse_object(to_line(report))


def _audit_alone(case: Case, events: bytes) -> dict[str, Any]:
    run = case.run
    report = audit_events(
        events=EventValues([events]),
        subject=run.subject.forgetful,
        inputs=run.truth.inputs,
        policy=run.policy,
        trace=case.trace,
        memory=case.memory,
    ).report
    return parse_object(to_line(report))


def _published(run: Any) -> Any:
    digests = {hashlib.sha256(value).hexdigest() for value in run.proposed}
    return digests.__contains__


def _wrong(case: Case, expected: oracle.Verdict, report: dict[str, Any]) -> str | None:
    if expected.verdict != report["verdict"]:
        return f"the verdict is {report['verdict']}"
    if _is_volatile(case) and expected.verdict != "MATCH" and expected.found["kind"] != "malformed":
        return "a bit of a volatile value was flipped, and it is no MATCH"
    if expected.verdict == "MATCH":
        return _harmless(case)
    if expected.verdict == "INDETERMINATE":
        found = report["unchecked"][0]
    else:
        found = report["first_mismatch"]
        for name in _PLACES:
            if name in found and expected.found.get(name, oracle.ABSENT) is oracle.ABSENT:
                return f"{name} is {found[name]!r}, and must not be there"
    for name, value in expected.found.items():
        if value is oracle.ABSENT:
            if name in found:
                return f"{name} is {found[name]!r}, and must not be there"
        elif not _is(value, found.get(name, oracle.ABSENT), found):
            return f"{name} is {found.get(name)!r}, not {value!r}"
    return _misplaced(case, found)


def _is(value: Any, said: Any, found: dict[str, Any]) -> bool:
    if said is oracle.ABSENT:
        return False
    if found.get("truncated"):
        whole = value if isinstance(value, str) else oracle.canonical(value).decode()
        start = found["excerpt_from"]
        if isinstance(said, str) and whole[start : start + 1024] == said:
            return True
    return oracle.canonical(value) == oracle.canonical(said)


def _misplaced(case: Case, found: dict[str, Any]) -> str | None:
    """By the place at which the change was made, whatever the oracle says."""
    if case.changed is None:
        return None
    file, place = case.changed
    name = {"events": "item", "commitments": "line", "trace": "step", "memory": "cell"}[file]
    if file == "commitments":
        # A lacking line has no number, and what a run says of itself as a whole comes first.
        whole = ("inputs_sha256", "inputs_count", *(["program"] if case.family.startswith("spliced") else []))
        if name not in found or found.get("member") in whole:
            return None
        place += 1
    return None if found.get(name) == place else f"{name} is {found.get(name)}; it was changed at {place}"


def _harmless(case: Case) -> str | None:
    """Why nothing was to be found: the lines mean the same, or differ in volatile values alone."""
    if case.trace not in (None, case.run.truth.trace) or case.memory not in (None, case.run.truth.memory):
        return "the raw files differ, and it is a MATCH"
    if _meaning(case.commitments) != _meaning(case.run.commitments):
        return "the commitments say something else, and it is a MATCH"
    if case.events is None or _meaning(case.events) == _meaning(case.run.events):
        return None
    if not _is_volatile(case):
        return "the events say something else, and it is a MATCH"
    return None


def _meaning(file: bytes) -> list[bytes]:
    return [oracle.canonical(oracle.read(line)) for line in oracle.lines_of(file)]


def _is_volatile(case: Case) -> bool:
    """Whether the bit that was flipped is one of the value of a volatile member."""
    if case.bit is None or case.changed is None or case.changed[0] != "events":
        return False
    file, byte = case.run.events, case.bit // 8
    start = file.rfind(b"\n", 0, byte) + 1
    line = file[start : file.index(b"\n", byte)]
    return any(match.start(1) <= byte - start < match.end(1) for match in _VOLATILE_VALUE.finditer(line))


def _class(case: Case, expected: oracle.Verdict) -> str:
    if expected.verdict == "MISMATCH":
        return "malformed" if expected.found["kind"] == "malformed" else "mismatch"
    if expected.verdict == "INDETERMINATE":
        return str(expected.found["code"])
    same = case.events is None or _meaning(case.events) == _meaning(case.run.events)
    return "same meaning" if same else "volatile value"

"""A run's commitments out of the records they travel in: nothing that was published of it gets lost."""

from __future__ import annotations

from typing import Any

import pytest
from cairo_runs import published, traced
from synthetic_run import VKEY

from proofrail.audit.cairo_subject import CairoSubject
from proofrail.audit.run_audit import audit_run
from proofrail.auditor.cases import CaseFile
from proofrail.messaging.records import Record
from proofrail.wire import topics
from proofrail.wire.canonical import canonical, parse_object
from proofrail.wire.ndjson import join
from proofrail.wire.runs import CommittedRun, RunAssembler

RUN = published(traced("loops", {"i": 1, "n": 1, "depth": 1, "m": 1}))
RUN_ID = parse_object(RUN.commitments[-1])["run_id"]


def _filed(values: list[bytes]) -> CommittedRun:
    """What an auditor holds of a run whose records have these values."""
    cases = CaseFile()
    for offset, value in enumerate(values):
        cases.take(Record(topics.COMMITMENTS, 0, offset, RUN_ID.encode(), value, {}, 0), 0.0)
    (case,) = cases
    assert case.committed is not None
    return case.committed


def _report(values: list[bytes]) -> dict[str, Any]:
    audit = audit_run(
        commitments=_filed(values).read(),
        events=lambda: iter(RUN.events),
        subject=CairoSubject(RUN.program),
        keys=[VKEY],
    )
    return audit.report.to_object()


def test_a_run_in_any_number_of_records_is_the_same_run() -> None:
    """Lines joined in order of offset are the run's lines."""
    for at_once in range(1, len(RUN.commitments) + 1):
        starts = range(0, len(RUN.commitments), at_once)
        values = [join(RUN.commitments[at : at + at_once]) for at in starts]
        assert RUN.commitments == list(_filed(values).read())
        assert "MATCH" == _report(values)["verdict"]


@pytest.mark.parametrize("where", ["the seal's record", "the next record"])
@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (RUN.commitments[0], "length"),
        (RUN.commitments[-1], "length"),
        (canonical({**parse_object(RUN.commitments[-1]), "root": "0" * 64}), "length"),
        (b'{"v":1,"type":"Novel"}', "type"),
        (b"nothing", "malformed"),
        (b" " * 70_000, "malformed"),
    ],
)
def test_lines_behind_the_seal_are_found(line: bytes, kind: str, where: str) -> None:
    """Another seal, an Input or garbage, in the seal's record or a later one: no MATCH, and the line is named."""
    lines = [*RUN.commitments, line]
    values = [b"\n".join(lines)] if where == "the seal's record" else [join(lines[:-1]), line]
    found = _report(values)["first_mismatch"]
    # A value that cannot be told apart into lines says nothing of any of them.
    unframed = len(line) > 65_536 and where == "the seal's record"
    assert (kind, 1 if unframed else len(lines)) == (found["kind"], found["line"])


def test_the_assembler_gives_a_run_when_its_seal_has_come() -> None:
    """Before, its lines are unfinished; a line that cannot be read ends the waiting."""
    assembler = RunAssembler()
    assert [] == list(assembler.feed("r", join(RUN.commitments[:-1])))
    assert RUN.commitments[:-1] == assembler.unfinished("r")
    (whole,) = assembler.feed("r", join(RUN.commitments[-1:]))
    assert RUN.commitments == list(whole.read())
    (broken,) = assembler.feed("r", b"{\n")
    assert broken.fault is not None


def test_what_was_left_of_an_unsealed_run_is_forgotten_when_its_case_is_closed() -> None:
    """The whole run that comes under the same id later is its own lines alone, as after a restart."""
    cases = CaseFile()
    stale, *whole = (
        Record(topics.COMMITMENTS, 0, offset, RUN_ID.encode(), value, {}, 0)
        for offset, value in enumerate([join(RUN.commitments[:1]), join(RUN.commitments)])
    )
    cases.take(stale, 0.0)
    cases.close(RUN_ID)
    assert [] == cases.unfinished(RUN_ID)
    for record in whole:
        cases.take(record, 0.0)
    (case,) = cases
    assert case.committed is not None
    assert RUN.commitments == list(case.committed.read())


def test_a_run_that_was_forgotten_begins_anew() -> None:
    """Of lines without a seal that nobody waits for any more, nothing comes back in a later run of that id."""
    assembler = RunAssembler()
    assert [] == list(assembler.feed(RUN_ID, join(RUN.commitments[:1])))
    assembler.forget(RUN_ID)
    assembler.forget("another")
    assert [] == assembler.unfinished(RUN_ID)
    (run,) = assembler.feed(RUN_ID, join(RUN.commitments))
    assert RUN.commitments == list(run.read())

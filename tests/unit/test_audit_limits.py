"""What a tracer's word about the number of steps can make an auditor do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from proofrail.audit import cairo_subject
from proofrail.audit.cairo_subject import CairoSubject
from proofrail.audit.run_audit import RunAudit, audit_run
from proofrail.audit.settings import RunPolicy
from proofrail.cairo.program import CairoProgram
from proofrail.cairo.trace import RunSpec, trace_run
from proofrail.wire.canonical import canonical

FIBONACCI = Path(__file__).parents[2] / "cairo" / "artifacts" / "fibonacci.json"
MOST = 1000


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cairo_subject, "MOST_STEPS", MOST)


def _audit(n: int, **claimed: Any) -> RunAudit:
    """Of fibonacci(n), with members of the seal as claimed; the policy sets no limit."""
    program = CairoProgram.load(FIBONACCI)
    made = trace_run(RunSpec(program), [{"n": n}], {"n": n}, clock=lambda: 0)
    blocks = [line for chunk in made.stream() for line in chunk.blocks]
    seal = canonical(made.seal | claimed)
    return audit_run(commitments=[*made.input_lines, *blocks, seal], subject=CairoSubject(program), keys=())


def test_a_claim_of_endless_steps_does_not_keep_the_auditor_busy():
    """Beyond MOST_STEPS nothing is executed on a tracer's word: undecided, until the auditor says how many are
    allowed."""
    audit = _audit(2000)
    codes = [part.code for part in audit.report.unchecked if part.part == "execution"]
    assert ("INDETERMINATE", ["too-many-steps"]) == (audit.verdict, codes)
    assert "execution" not in audit.report.checked


def test_a_short_run_that_is_claimed_to_be_endless_is_a_mismatch():
    """It ended, whatever is said of it."""
    audit = _audit(60, n_steps=1 << 50)
    found = audit.report.first_mismatch
    assert found is not None
    assert ("MISMATCH", "n_steps", 512) == (audit.verdict, found.member, found.expected)


def test_a_long_run_within_the_auditors_own_limit_is_decided():
    """The policy's limit goes before MOST_STEPS."""
    program = CairoProgram.load(FIBONACCI)
    made = trace_run(RunSpec(program, max_steps=1 << 20), [{"n": 2000}], {"n": 2000}, clock=lambda: 0)
    blocks = [line for chunk in made.stream() for line in chunk.blocks]
    lines = [*made.input_lines, *blocks, canonical(made.seal)]
    audit = audit_run(
        commitments=lines, subject=CairoSubject(program), keys=(), policy=RunPolicy(max_steps=1 << 20)
    )
    assert "execution" in audit.report.checked
    assert audit.finding is not None
    assert "signature" == audit.finding.kind
    assert audit.recomputed is not None
    assert made.seal["root"] == audit.recomputed.seal["root"]

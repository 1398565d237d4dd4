"""Program and model agree over the whole domain."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from risk_cases import allocation, allocations, execute, expected, metrics, protocol

from proofrail.cairo import risk_model
from proofrail.cairo.risk_program import decode_output
from proofrail.wire.canonical import canonical
from proofrail.wire.proposals import parse_proposal


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(allocations(), min_size=1, max_size=3))
def test_program_and_model_agree(forms: list[dict[str, Any]]) -> None:
    """Any batch of valid proposals gives the output that the model expects."""
    execution = execute(*forms)
    assert (None, expected(*forms)) == (execution.failure, execution.output)


@settings(max_examples=50, deadline=None)
@given(allocations())
def test_decoding_gives_what_was_decided(form: dict[str, Any]) -> None:
    """A decoded row has the model's decision, and approves exactly when the verdict is 0."""
    decision = risk_model.decide(form)
    (row,) = decode_output(expected(form))
    assert (decision.id, decision.inputs_hash, decision.verdict) == (row.id, row.inputs_hash, row.verdict)
    assert (decision.risks, decision.recommended_bps, decision.proposed_bps) == (
        row.risks,
        row.recommended_bps,
        row.proposed_bps,
    )
    assert (row.verdict == 0) == row.approved == decision.approved == (not decision.reasons)


@settings(max_examples=50, deadline=None)
@given(allocations())
def test_cases_are_normal_forms_of_valid_proposals(form: dict[str, Any]) -> None:
    """What these tests draw is what the wire accepts, unchanged."""
    assert form == parse_proposal(canonical(form)).normal_form()


def test_every_step_of_the_risk_formula() -> None:
    """Around each point where a division, a table or the clamp changes its value, one metric at a time."""
    plain = (0, 10_000, 0, 100, 730)
    measured = [
        *((u + d, 10_000, 0, 100, 730) for u in range(0, 10_001, 400) for d in (-1, 0, 1)),
        *((0, v + d, 3, 100, 730) for v in range(0, 10_001, 250) for d in (-1, 0, 1)),
        *((5000, 5000, liquidity, audit, 730) for liquidity in range(4) for audit in range(101)),
        *((5000, 5000, 1, 90, age) for age in (*range(740), 36_499, 36_500)),
        *(
            (u * 400, v * 250, liquidity, 100, 730)
            for u in (0, 25)
            for v in range(41)
            for liquidity in range(4)
        ),
    ]
    measured = [values for values in measured if 0 <= min(values) and max(values[:2]) <= 10_000]
    measured += [plain] * (-len(measured) % 8)
    forms = [
        allocation(*(protocol(f"p{j}", 1, 1250, measured[i + j]) for j in range(8)))
        for i in range(0, len(measured), 8)
    ]
    risks = [risk for row in decode_output(execute(*forms).output) for risk in row.risks]
    assert [risk_model.computed_risk(metrics(*values)) for values in measured] == risks

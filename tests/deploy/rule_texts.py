"""What alerts say that ask Prometheus for more than their own value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.deploy.rule_cases import NEVER, STALLING, Case, always, growing, of, until


@dataclass(frozen=True)
class Said:
    """What an alert says at a time in seconds, besides what is the same each time."""

    alert: str
    series: Mapping[str, str]
    at: int
    labels: Mapping[str, str]
    summary: str
    description: str

    def to_group(self, rule: Mapping[str, Any]) -> dict[str, Any]:
        """As a test group of promtool's, for this alert by its rule."""
        group = Case(self.alert, self.series, {self.at: ()}).to_group({})
        del group["promql_expr_test"]
        said = {"summary": self.summary, "description": self.description}
        group["alert_rule_test"] = [
            {
                "eval_time": f"{self.at}s",
                "alertname": self.alert,
                "exp_alerts": [
                    {
                        "exp_labels": {"severity": rule["labels"]["severity"], **self.labels},
                        "exp_annotations": {**rule["annotations"], **said},
                    }
                ],
            }
        ]
        return group


SAID: Final = (
    Said(
        "ProofrailProverUnreachable",
        {of("prover", "up"): until(30, 1, 0), of("tracer", "proofrail_in_flight"): always(7)},
        60,
        {},
        "No prover can prove",
        "No prover answers, or none has a backend that works. Sealed runs wait for it and nothing is given up; 7 are "
        "in flight.",
    ),
    Said(
        "ProofrailServiceNotReady",
        {
            of("auditor", "proofrail_serving"): until(30, 1, 0),
            of("auditor", "proofrail_ready", check="broker"): until(30, 1, 0),
        },
        120,
        {"job": "auditor"},
        "The auditor runs and takes no work",
        "Its readiness has failed for a minute. Checks that fail: broker.",
    ),
    Said(
        "ProofrailNoProgress",
        {
            **STALLING,
            of("tracer", "proofrail_in_flight"): always(2),
            of("prover", "proofrail_in_flight"): always(1),
            of("prover", "proofrail_retries_total", code="store-unreachable"): growing(1 / 30),
        },
        340,
        {},
        "Work waits, and nothing has been finished for 5m 40s",
        "Far longer than the proof under way should take. In flight: tracer 2 prover 1. Tried again in the last 10 "
        "minutes: prover for store-unreachable.",
    ),
    Said(
        "ProofrailDeadLetters",
        {
            of("tracer", "proofrail_last_dead_letter_timestamp_seconds"): until(60, NEVER, 60),
            of("tracer", "proofrail_dead_letters_total", code="proposal-shares-sum"): always(3),
        },
        70,
        {},
        "Proposals were refused",
        "In the last 10 minutes; this ends 10 minutes after the last one. All since the tracer's start, by code: "
        "proposal-shares-sum (3).",
    ),
    Said(
        "ProofrailMismatch",
        {
            of("auditor", "proofrail_last_mismatch_timestamp_seconds", subject="run"): until(60, NEVER, 60),
            of("auditor", "proofrail_mismatches_total", subject="run", kind="value"): until(60, 0, 2),
            of("auditor", "proofrail_mismatches_total", subject="proof", kind="artifact-altered"): always(1),
        },
        70,
        {},
        "The auditor found a mismatch",
        "Something that was published is not what comes out when it is computed again. Reports in the last day: run "
        "value (2) proof artifact-altered (1). This ends a day after the last one, mended or not.",
    ),
    Said(
        "ProofrailRegistrarStuck",
        {
            of("registrar", "proofrail_stalled_seconds"): growing(1),
            of("registrar", "proofrail_in_flight"): always(4),
            of("registrar", "proofrail_retries_total", code="account-balance"): growing(1 / 30),
        },
        640,
        {},
        "The registrar records nothing",
        "Its ledger answers, and no attestation has been recorded for more than 10 minutes. Waiting: 4. Tried again in "
        "the last 10 minutes: for account-balance.",
    ),
)

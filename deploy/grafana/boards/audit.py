"""What the auditor found, how late it is, and what became of what it attested."""

from __future__ import annotations

from typing import Final

from boards.board import Row, board
from boards.panels import CHOSEN, Column, figure, graph, per_minute, quantiles, rows

_VERDICTS: Final = Row(
    "Verdicts",
    [
        figure(
            "Mismatches",
            "Since the auditor's start. Each needs a person.",
            "none",
            [('sum(proofrail_reports_total{verdict="MISMATCH"})', "mismatches")],
            red=1,
            empty="no auditor is watched",
            see="/runs?verdict=MISMATCH",
            width=4,
        ),
        figure(
            "Last mismatch",
            "How long ago, of a run or of a proof, since the auditor's start.",
            "s",
            [("time() - max by (subject) (proofrail_last_mismatch_timestamp_seconds > 0)", "{{subject}}")],
            red=0,
            empty="none",
            see="/runs?verdict=MISMATCH",
            width=4,
        ),
        graph(
            "Reports",
            "A minute, by what was audited and the verdict.",
            "cpm",
            per_minute("proofrail_reports_total", "subject, verdict", CHOSEN),
            judged=True,
            see="/runs",
            height=6,
        ),
        rows(
            "First mismatches by kind",
            "Since the auditor's start; `proofrail explain KIND` says what each means.",
            {"subject": "of a", "kind": "kind"},
            [Column("reports", "sum by (subject, kind) (proofrail_mismatches_total)", red=1)],
            empty="none",
            see="/runs?verdict=MISMATCH",
        ),
    ],
)

_DELAY: Final = Row(
    "Delay",
    [
        graph(
            "Audit delay",
            "From the seal (or the proof's record) to its report, by the records' timestamps.",
            "s",
            quantiles("proofrail_audit_delay_seconds", "subject", CHOSEN),
            empty="no audit in this time",
        ),
        graph(
            "Work of an audit",
            "Recomputing and comparing.",
            "s",
            quantiles("proofrail_audit_seconds", "subject", CHOSEN),
            empty="no audit in this time",
        ),
        graph(
            "Runs in hand",
            "Read and not settled; most wait for their proof.",
            "none",
            [('sum(proofrail_in_flight{job="auditor"})', "runs")],
            see="/runs",
        ),
    ],
)

_ATTESTATIONS: Final = Row(
    "Attestations",
    [
        graph(
            "Decisions",
            "Attestations a minute, approved (true) or not (false).",
            "cpm",
            per_minute("proofrail_attestations_total", "approved", CHOSEN),
            judged=True,
            see="/allocations",
        ),
        graph(
            "From proposal to attestation",
            "By the records' timestamps.",
            "s",
            quantiles("proofrail_attestation_seconds", only=CHOSEN),
            empty="none in this time",
        ),
        figure(
            "Days until a key is changed",
            "The day is PROOFRAIL_KEY_UNTIL; below 0 it has passed.",
            "none",
            [
                (
                    "round((min by (key) (proofrail_key_change_timestamp_seconds) - time()) / 86400, 0.1)",
                    "{{key}}",
                )
            ],
            empty="no day is set",
            height=7,
        ),
    ],
)

_REGISTRAR: Final = Row(
    "Registrar",
    [
        graph(
            "Registrations",
            "A minute: recorded, or the code of the refusal.",
            "cpm",
            per_minute("proofrail_registrations_total", "outcome", CHOSEN),
            judged=True,
            empty="none yet",
            see="/allocations?state=refused",
        ),
        graph(
            "From attestation to registration",
            "On chain, mostly the chain's.",
            "s",
            quantiles("proofrail_registration_seconds", only=CHOSEN),
            empty="none in this time",
        ),
        graph(
            "Waiting",
            "Attestations read and neither recorded nor refused.",
            "none",
            [('sum(proofrail_in_flight{job="registrar"})', "attestations")],
            empty="no registrar is watched",
            see="/allocations?state=attested",
            width=4,
        ),
        graph(
            "None recorded for",
            "While some wait.",
            "s",
            [('max(proofrail_stalled_seconds{job="registrar"})', "nothing recorded")],
            empty="no registrar is watched",
            width=4,
        ),
        graph(
            "Transactions on chain",
            "Since the registrar's start, by outcome.",
            "none",
            [(f"sum by (outcome) (proofrail_ledger_transactions_total{CHOSEN})", "{{outcome}}")],
            judged=True,
            empty="no registrar is watched",
        ),
        graph(
            "Gas",
            "Estimated before sending, since the registrar's start.",
            "short",
            [(f"sum by (resource) (proofrail_ledger_gas_total{CHOSEN})", "{{resource}}")],
            empty="no registrar is watched",
        ),
        graph(
            "Fees in STRK",
            "Estimated before sending, since the registrar's start.",
            "short",
            [(f"sum(proofrail_ledger_fee_fri_total{CHOSEN}) / 1e18", "STRK")],
            empty="no registrar is watched",
        ),
    ],
)

BOARD: Final = board(
    "proofrail-audit",
    "Proofrail: audit and registration",
    "What the auditor found, how late it is, and what became of what it attested.",
    [_VERDICTS, _DELAY, _ATTESTATIONS, _REGISTRAR],
    jobs="auditor|registrar",
)

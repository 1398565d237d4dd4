"""What is stuck, and why; then how the pipeline flows, what went wrong, and how hosts and Kafka fare."""

from __future__ import annotations

from typing import Final

from boards.board import Row, board
from boards.panels import CHOSEN, SERVICES, Column, figure, graph, per_minute, quantiles, rows


def _state(job: str) -> str:
    """0 when no instance answers, 1 when one does, 2 when one is ready; each service alone keeps its place."""
    up, serving = f'max by (job) (up{{job="{job}"}})', f'max by (job) (proofrail_serving{{job="{job}"}})'
    return f"({up} + on (job) {serving}) or {up}"


_STATES: Final = {0: ("down", "red"), 1: ("not ready", "orange"), 2: ("ready", "green")}

_PERSON: Final = Row(
    "Is a person needed?",
    [
        figure(
            "Services",
            "Of any instance of each: ready when every check of /readyz passes. A service that is down loses nothing.",
            "none",
            [(_state(job), job) for job in SERVICES.split("|")],
            names=_STATES,
            empty="no service is watched",
            see="/",
            width=24,
            height=4,
        ),
        rows(
            "Alerts",
            "What fires, since when. Each alert's own text says what, why and what to do; deploy/alerts.md says more.",
            {"severity": "severity", "alertname": "alert", "job": "service"},
            [
                Column(
                    "since",
                    "1000 * max by (severity, alertname, job) (ALERTS_FOR_STATE and ignoring (alertstate) "
                    'ALERTS{alertstate="firing", alertname=~"Proofrail.*"})',
                    "dateTimeFromNow",
                ),
            ],
            empty="no alert fires",
            sort="since",
            width=10,
            height=7,
        ),
        rows(
            "What waits, and where",
            "It is stuck where work is in flight, nothing is finished, and something is tried again.",
            {"job": "service"},
            [
                Column("in flight", "max by (job) (proofrail_in_flight)"),
                Column("oldest", "max by (job) (proofrail_oldest_in_flight_seconds)", "s"),
                Column("nothing finished for", "max by (job) (proofrail_stalled_seconds)", "s", red=600),
                Column("records unread", "sum by (job) (proofrail_consumer_lag_records)"),
                Column("unread for", "max by (job) (proofrail_consumer_lag_seconds)", "s", red=600),
                Column(
                    "retries in 10 min",
                    "round(sum by (job) (increase(proofrail_retries_total[10m])) "
                    "or 0 * max by (job) (proofrail_serving))",
                    red=1,
                ),
            ],
            empty="no service is watched",
            sort="nothing finished for",
            see="/runs?state=sealed",
            width=14,
            height=7,
        ),
        rows(
            "Failing checks",
            "Conditions of readiness that fail, and on how many instances.",
            {"job": "service", "check": "check"},
            [Column("instances", "count by (job, check) (proofrail_ready == 0)")],
            empty="every check passes",
        ),
        rows(
            "Last errors",
            "When each code was last seen. `proofrail explain CODE` says what it means.",
            {"job": "service", "code": "code"},
            [
                Column(
                    "last",
                    "1000 * max by (job, code) (proofrail_last_error_timestamp_seconds > 0)",
                    "dateTimeFromNow",
                )
            ],
            empty="none since the services' start",
            sort="last",
        ),
        rows(
            "Keys: days left",
            "Until the day set with PROOFRAIL_KEY_UNTIL; below 0 it has passed.",
            {"key": "key of the"},
            [
                Column(
                    "days",
                    "round((min by (key) (proofrail_key_change_timestamp_seconds) - time()) / 86400, 0.1)",
                )
            ],
            empty="no day is set",
        ),
    ],
)

_PIPELINE: Final = Row(
    "Pipeline",
    [
        graph(
            "Flow",
            "Proposals taken in, runs sealed, proofs, attestations and registrations a minute.",
            "cpm",
            [
                ("60 * sum(rate(proofrail_proposals_total[$__rate_interval]))", "proposals"),
                ("60 * sum(rate(proofrail_runs_total[$__rate_interval]))", "runs"),
                ('60 * sum(rate(proofrail_proofs_total{outcome="proof"}[$__rate_interval]))', "proofs"),
                ("60 * sum(rate(proofrail_attestations_total[$__rate_interval]))", "attestations"),
                (
                    '60 * sum(rate(proofrail_registrations_total{outcome="recorded"}[$__rate_interval]))',
                    "recorded",
                ),
            ],
            see="/allocations",
        ),
        graph(
            "In flight",
            "Runs (the registrar's: attestations) taken up and not finished. The tracer's are all without a proof.",
            "none",
            [("max by (job) (proofrail_in_flight)", "{{job}}")],
            see="/runs?state=sealed",
        ),
        graph(
            "Oldest in flight",
            "Age of the oldest piece of work. It falls whenever that is finished.",
            "s",
            [("max by (job) (proofrail_oldest_in_flight_seconds)", "{{job}}")],
        ),
        graph(
            "Lag in records",
            "Waiting to be read. Proposals may wait while the window of runs is full.",
            "none",
            [("sum by (job, topic) (proofrail_consumer_lag_records)", "{{job}}: {{topic}}")],
        ),
        graph(
            "Lag in seconds",
            "For how long the next record has been waiting. Steadily growing: add provers.",
            "s",
            [("max by (job, topic) (proofrail_consumer_lag_seconds)", "{{job}}: {{topic}}")],
        ),
        graph(
            "Nothing finished for",
            "While something is in flight. Compare with the proof's expected time.",
            "s",
            [
                ("max by (job) (proofrail_stalled_seconds)", "{{job}}"),
                ("max(proofrail_proof_expected_seconds)", "expected proof"),
            ],
        ),
        graph(
            "From proposal to attestation",
            "What the allocator waits for, by the records' timestamps.",
            "s",
            quantiles("proofrail_attestation_seconds"),
            empty="none in this time",
        ),
        graph(
            "Wait in the queue",
            "Age of the oldest record when it is taken, by topic (95 %).",
            "s",
            [quantiles("proofrail_record_age_seconds", "topic")[1]],
            empty="none in this time",
        ),
        graph(
            "Batch size",
            "Allocations in a run: 1 when idle, hundreds when busy.",
            "none",
            quantiles("proofrail_run_allocations"),
            empty="no run in this time",
        ),
    ],
)

_WRONG: Final = Row(
    "What went wrong",
    [
        graph(
            "Verdicts",
            "Audit reports a minute. Any MISMATCH is for a person.",
            "cpm",
            per_minute("proofrail_reports_total", "verdict"),
            judged=True,
            see="/runs?verdict=MISMATCH",
        ),
        graph(
            "Dead letters by code",
            "Refused proposals since the tracer's start.",
            "none",
            [("sum by (code) (proofrail_dead_letters_total)", "{{code}}")],
            empty="none was refused",
            see="/dead-letters",
        ),
        graph(
            "Retries by code",
            "Work tried again a minute.",
            "cpm",
            per_minute("proofrail_retries_total", "job, code"),
            empty="nothing was tried again",
        ),
    ],
)

_HOSTS: Final = Row(
    "Hosts and Kafka",
    [
        graph(
            "Event-loop lag",
            "How late timers fire (99 %). Above the dashed line a service reacts late.",
            "s",
            [
                (
                    "histogram_quantile(0.99, sum by (job, le) "
                    f"(rate(proofrail_event_loop_lag_seconds_bucket{CHOSEN}[$__rate_interval])))",
                    "{{job}}",
                )
            ],
            line=0.5,
        ),
        graph(
            "CPU",
            "Cores that each service uses. Prover programs are processes of their own, not counted here.",
            "none",
            [
                (
                    "sum by (job) (rate(process_cpu_seconds_total"
                    f'{{instance=~"$instance", job=~"{SERVICES}"}}[$__rate_interval]))',
                    "{{job}}",
                )
            ],
        ),
        graph(
            "Memory",
            "Resident memory of each instance.",
            "bytes",
            [
                (
                    f'process_resident_memory_bytes{{instance=~"$instance", job=~"{SERVICES}"}}',
                    "{{job}} {{instance}}",
                )
            ],
        ),
        graph(
            "Kafka transactions",
            "A minute, by outcome. Aborted ones are tried again.",
            "cpm",
            per_minute("proofrail_transactions_total", "outcome", CHOSEN),
            judged=True,
        ),
        graph(
            "Time of a transaction",
            "From begin to commit.",
            "s",
            quantiles("proofrail_transaction_seconds", only=CHOSEN),
            empty="none in this time",
        ),
        graph(
            "Rebalances",
            "Assignments in 5 minutes. A steady group has none.",
            "none",
            [("sum by (job) (increase(proofrail_rebalances_total[5m]))", "{{job}}")],
        ),
        graph(
            "Records committed",
            "A minute, by topic.",
            "cpm",
            per_minute("proofrail_records_produced_total", "topic", CHOSEN),
        ),
        graph(
            "Bytes committed",
            "A second, by topic: what retention has to hold.",
            "Bps",
            [
                (
                    f"sum by (topic) (rate(proofrail_bytes_produced_total{CHOSEN}[$__rate_interval]))",
                    "{{topic}}",
                )
            ],
        ),
        graph(
            "Records read",
            "A minute, by topic.",
            "cpm",
            per_minute("proofrail_records_consumed_total", "topic", CHOSEN),
        ),
    ],
)

BOARD: Final = board(
    "proofrail-overview",
    "Proofrail: overview",
    "What is stuck, and why. The first row is of all instances, whatever is chosen.",
    [_PERSON, _PIPELINE, _WRONG, _HOSTS],
)

"""Write the dashboards beside this file: what each panel asks and means stands here, where it can be read.

    python deploy/grafana/make_dashboards.py [--check]

`--check` writes nothing and exits with status 1 when a file differs.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# fmt: off

FOLDER = Path(__file__).parent / "dashboards"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH = 24


@dataclass(frozen=True)
class Panel:
    """`queries`: expression and legend. `kind`: Grafana's type. `red`: from this value on it is red."""

    title: str
    description: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    kind: str = "timeseries"
    width: int = 8
    height: int = 7
    red: float | None = None
    names: tuple[tuple[str, str], ...] = ()
    stacked: bool = False


@dataclass(frozen=True)
class Row:
    title: str
    panels: tuple[Panel, ...]


def quantiles(metric: str, by: str = "", only: str = "") -> tuple[tuple[str, str], ...]:
    """The median and the slowest twentieth of a histogram."""
    keep = f"le, {by}" if by else "le"
    name = f" {{{{{by}}}}}" if by else ""
    return tuple(
        (
            f"histogram_quantile({q}, sum by ({keep}) (rate({metric}_bucket{only}[$__rate_interval])))",
            f"{said}{name}",
        )
        for q, said in ((0.5, "median"), (0.95, "95 %"))
    )


def rate(metric: str, by: str, only: str = "") -> tuple[tuple[str, str], ...]:
    """Per minute, as these are rare events."""
    return ((f"60 * sum by ({by}) (rate({metric}{only}[$__rate_interval]))", f"{{{{{by}}}}}"),)


UP = (("0", "down"), ("1", "up"))
READY = (("0", "not ready"), ("1", "ready"))

OVERVIEW = (
    Row(
        "Is a person needed?",
        (
            Panel(
                "Alerts", "How many alerts fire, of either severity. 0 is well; each says what to do in its runbook.",
                "none", (('count(ALERTS{alertstate="firing"}) or vector(0)', "firing"),), "stat", 4, 5, red=1,
            ),
            Panel(
                "Services", "Whether Prometheus reaches any instance. A service that is down loses nothing.",
                "none", (("max by (job) (up{job=~\"tracer|prover|auditor|registrar|explorer\"})", "{{job}}"),),
                "stat", 10, 5, names=UP,
            ),
            Panel(
                "Ready", "Whether any instance takes work: every check of /readyz passes.",
                "none", (("max by (job) (proofrail_serving)", "{{job}}"),), "stat", 10, 5, names=READY,
            ),
            Panel(
                "Failing checks", "Conditions of readiness that fail on some instance; empty is well.",
                "none", (("count by (job, check) (proofrail_ready == 0)", "{{job}}: {{check}}"),), "table", 8, 6,
            ),
            Panel(
                "Last errors", "When each code was last seen. proofrail explain CODE says what it means.",
                "dateTimeFromNow",
                (("1000 * max by (job, code) (proofrail_last_error_timestamp_seconds)", "{{job}}: {{code}}"),),
                "table", 8, 6,
            ),
            Panel(
                "Keys: days left", "Until the day set with PROOFRAIL_KEY_UNTIL; empty when none is set.",
                "d", (("(min by (key) (proofrail_key_change_timestamp_seconds) - time()) / 86400", "{{key}}"),),
                "table", 8, 6,
            ),
        ),
    ),
    Row(
        "Pipeline",
        (
            Panel(
                "Flow", "Proposals taken in, runs sealed, proofs, attestations and registrations a minute.",
                "cpm",
                (
                    ("60 * sum(rate(proofrail_proposals_total[$__rate_interval]))", "proposals"),
                    ("60 * sum(rate(proofrail_runs_total[$__rate_interval]))", "runs"),
                    ('60 * sum(rate(proofrail_proofs_total{outcome="proof"}[$__rate_interval]))', "proofs"),
                    ("60 * sum(rate(proofrail_attestations_total[$__rate_interval]))", "attestations"),
                    ('60 * sum(rate(proofrail_registrations_total{outcome="recorded"}[$__rate_interval]))', "recorded"),
                ),
            ),
            Panel(
                "In flight",
                "Runs (the registrar's: attestations) taken up and not finished. The tracer's are all without a proof.",
                "none", (("max by (job) (proofrail_in_flight)", "{{job}}"),),
            ),
            Panel(
                "Oldest in flight", "Age of the oldest piece of work. It falls whenever that is finished.",
                "s", (("max by (job) (proofrail_oldest_in_flight_seconds)", "{{job}}"),),
            ),
            Panel(
                "Lag in records", "Waiting to be read. Proposals may wait while the window of runs is full.",
                "none", (("sum by (job, topic) (proofrail_consumer_lag_records)", "{{job}}: {{topic}}"),),
            ),
            Panel(
                "Lag in seconds", "For how long the next record has been waiting. Steadily growing: add provers.",
                "s", (("max by (job, topic) (proofrail_consumer_lag_seconds)", "{{job}}: {{topic}}"),),
            ),
            Panel(
                "Nothing finished for", "While something is in flight. Compare with the proof's expected time.",
                "s", (
                    ("max by (job) (proofrail_stalled_seconds)", "{{job}}"),
                    ("max(proofrail_proof_expected_seconds)", "expected proof"),
                ),
            ),
            Panel(
                "From proposal to attestation", "What the allocator waits for, by the records' timestamps.",
                "s", quantiles("proofrail_attestation_seconds"),
            ),
            Panel(
                "Wait in the queue", "Age of the oldest record when it is taken, by topic (95 %).",
                "s", (quantiles("proofrail_record_age_seconds", "topic")[1],),
            ),
            Panel(
                "Batch size", "Allocations in a run: 1 when idle, hundreds when busy.",
                "none", quantiles("proofrail_run_allocations"),
            ),
        ),
    ),
    Row(
        "What went wrong",
        (
            Panel(
                "Verdicts", "Audit reports a minute. Any MISMATCH is for a person.",
                "cpm", rate("proofrail_reports_total", "verdict"), stacked=True,
            ),
            Panel(
                "Dead letters by code", "Refused proposals since the tracer's start.",
                "none", (("sum by (code) (proofrail_dead_letters_total)", "{{code}}"),),
            ),
            Panel("Retries by code", "Work tried again a minute.", "cpm", rate("proofrail_retries_total", "code")),
        ),
    ),
    Row(
        "Hosts and Kafka",
        (
            Panel(
                "Event-loop lag", "How late timers fire (99 %). Above half a second a service reacts late.",
                "s",
                (
                    (
                        "histogram_quantile(0.99, sum by (job, le) "
                        "(rate(proofrail_event_loop_lag_seconds_bucket[$__rate_interval])))",
                        "{{job}}",
                    ),
                ),
                red=0.5,
            ),
            Panel(
                "CPU", "Cores that each service uses. Prover programs are processes of their own, not counted here.",
                "none", (("sum by (job) (rate(process_cpu_seconds_total[$__rate_interval]))", "{{job}}"),),
            ),
            Panel(
                "Memory", "Resident memory of each instance.",
                "bytes", (("process_resident_memory_bytes", "{{job}} {{instance}}"),),
            ),
            Panel(
                "Kafka transactions", "A minute, by outcome. Aborted ones are tried again.",
                "cpm", rate("proofrail_transactions_total", "outcome"),
            ),
            Panel("Time of a transaction", "From begin to commit.", "s", quantiles("proofrail_transaction_seconds")),
            Panel(
                "Rebalances", "Assignments in 5 minutes. A steady group has none.",
                "none", (("sum by (job) (increase(proofrail_rebalances_total[5m]))", "{{job}}"),),
            ),
            Panel(
                "Records committed", "A minute, by topic.", "cpm", rate("proofrail_records_produced_total", "topic"),
            ),
            Panel(
                "Bytes committed", "A second, by topic: what retention has to hold.",
                "Bps", (("sum by (topic) (rate(proofrail_bytes_produced_total[$__rate_interval]))", "{{topic}}"),),
            ),
            Panel(
                "Records read", "A minute, by topic.", "cpm", rate("proofrail_records_consumed_total", "topic"),
            ),
        ),
    ),
)

PROVER = (
    Row(
        "Now",
        (
            Panel(
                "Progress", "Time taken over time expected of the proof under way; above 1 it is late.",
                "percentunit",
                (
                    (
                        "max by (instance, backend) "
                        "(proofrail_proof_elapsed_seconds / (proofrail_proof_expected_seconds > 0))",
                        "{{instance}} {{backend}}",
                    ),
                ),
                "bargauge", 8, 6, red=3,
            ),
            Panel(
                "Elapsed and expected", "Of the proof under way; 0 without one.",
                "s",
                (
                    ("max by (backend) (proofrail_proof_elapsed_seconds)", "{{backend}} elapsed"),
                    ("max by (backend) (proofrail_proof_expected_seconds)", "{{backend}} expected"),
                ),
                "stat", 8, 6,
            ),
            Panel(
                "Proofs under way", "Each prover makes one at a time.",
                "none", (("sum by (backend) (proofrail_proving)", "{{backend}}"),), "stat", 4, 6,
            ),
            Panel(
                "Runs waiting", "Sealed and without a proof, of all provers.",
                "none", (('max(proofrail_in_flight{job="tracer"})', "in flight"),), "stat", 4, 6,
            ),
        ),
    ),
    Row(
        "Proofs",
        (
            Panel(
                "Time of a proof", "From the checked run to the proof in hand.",
                "s", quantiles("proofrail_proof_seconds", "backend"),
            ),
            Panel(
                "Predicted against real", "Time taken over time predicted; 1 is right. Far off: proofrail calibrate.",
                "none", quantiles("proofrail_proof_time_ratio", "backend"),
            ),
            Panel(
                "Stages", "Where a run's time at the prover goes (95 %).",
                "s", (quantiles("proofrail_proof_stage_seconds", "stage")[1],),
            ),
            Panel(
                "Terminal records", "Proofs, and failures by code, a minute.",
                "cpm", rate("proofrail_proofs_total", "outcome"), stacked=True,
            ),
            Panel("Size of a proof", "Bytes as stored, by backend.", "bytes", quantiles("proofrail_proof_bytes", "backend")),
            Panel(
                "Retries by code", "The prover's, a minute.",
                "cpm", rate("proofrail_retries_total", "code", '{job="prover"}'),
            ),
        ),
    ),
    Row(
        "Runs",
        (
            Panel("Steps of a run", "What its proof costs goes by it.", "none", quantiles("proofrail_run_steps")),
            Panel("Trace events of a run", "What its topics hold.", "none", quantiles("proofrail_run_items")),
            Panel("Time of a run", "Executing and committing, at the tracer.", "s", quantiles("proofrail_run_seconds")),
            Panel(
                "Runs sealed", "A minute, by how the program ended.", "cpm", rate("proofrail_runs_total", "outcome"),
            ),
            Panel(
                "Proposals", "A minute, by what became of them.",
                "cpm", rate("proofrail_proposals_total", "outcome"), stacked=True,
            ),
            Panel(
                "Lag of commitments", "Records that provers have not read.",
                "none", (('sum(proofrail_consumer_lag_records{job="prover"})', "records"),),
            ),
        ),
    ),
    Row(
        "Artifact store",
        (
            Panel(
                "Bytes", "Read and written a second, by service.",
                "Bps",
                (
                    (
                        "sum by (job, direction) (rate(proofrail_store_bytes_total[$__rate_interval]))",
                        "{{job}} {{direction}}",
                    ),
                ),
            ),
            Panel(
                "Operations", "A minute, by outcome; failed and altered need a person.",
                "cpm", rate("proofrail_store_operations_total", "outcome"), stacked=True,
            ),
            Panel(
                "Time of an operation", "Seconds mean a slow disk or network.",
                "s", quantiles("proofrail_store_seconds", "operation"),
            ),
        ),
    ),
)

AUDIT = (
    Row(
        "Verdicts",
        (
            Panel(
                "Mismatches", "Since the auditor's start. Each needs a person.",
                "none", (('sum(proofrail_reports_total{verdict="MISMATCH"})', "mismatches"),), "stat", 4, 6, red=1,
            ),
            Panel(
                "Last mismatch", "How long ago, of a run or of a proof; nothing is well.",
                "s",
                (
                    (
                        "time() - max by (subject) (proofrail_last_mismatch_timestamp_seconds > 0)",
                        "{{subject}}",
                    ),
                ),
                "stat", 4, 6,
            ),
            Panel(
                "Reports", "A minute, by what was audited and the verdict.",
                "cpm",
                (
                    (
                        "60 * sum by (subject, verdict) (rate(proofrail_reports_total[$__rate_interval]))",
                        "{{subject}} {{verdict}}",
                    ),
                ),
                width=8, height=6, stacked=True,
            ),
            Panel(
                "First mismatches by kind", "Since the auditor's start; proofrail explain KIND.",
                "none", (("sum by (subject, kind) (proofrail_mismatches_total)", "{{subject}}: {{kind}}"),),
                "table", 8, 6,
            ),
        ),
    ),
    Row(
        "Delay",
        (
            Panel(
                "Audit delay", "From the seal (or the proof's record) to its report, by the records' timestamps.",
                "s", quantiles("proofrail_audit_delay_seconds", "subject"),
            ),
            Panel(
                "Work of an audit", "Recomputing and comparing.",
                "s", quantiles("proofrail_audit_seconds", "subject"),
            ),
            Panel(
                "Runs in hand", "Read and not settled; most wait for their proof.",
                "none", (('sum(proofrail_in_flight{job="auditor"})', "runs"),),
            ),
        ),
    ),
    Row(
        "Attestations",
        (
            Panel(
                "Decisions", "Attestations a minute, approved or not.",
                "cpm", rate("proofrail_attestations_total", "approved"), stacked=True,
            ),
            Panel(
                "From proposal to attestation", "By the records' timestamps.",
                "s", quantiles("proofrail_attestation_seconds"),
            ),
            Panel(
                "Days until a key is changed", "The day is PROOFRAIL_KEY_UNTIL.",
                "d", (("(min by (key) (proofrail_key_change_timestamp_seconds) - time()) / 86400", "{{key}}"),), "stat",
            ),
        ),
    ),
    Row(
        "Registrar",
        (
            Panel(
                "Registrations", "A minute: recorded, or the code of the refusal.",
                "cpm", rate("proofrail_registrations_total", "outcome"), stacked=True,
            ),
            Panel(
                "From attestation to registration", "On chain, mostly the chain's.",
                "s", quantiles("proofrail_registration_seconds"),
            ),
            Panel(
                "Waiting", "Attestations read and neither recorded nor refused, and for how long none was.",
                "none",
                (
                    ('sum(proofrail_in_flight{job="registrar"})', "attestations"),
                    ('max(proofrail_stalled_seconds{job="registrar"})', "seconds"),
                ),
            ),
            Panel(
                "Transactions on chain", "Since the registrar's start, by outcome.",
                "none", (("sum by (outcome) (proofrail_ledger_transactions_total)", "{{outcome}}"),),
            ),
            Panel(
                "Gas", "Estimated before sending, since the registrar's start.",
                "none", (("sum by (resource) (proofrail_ledger_gas_total)", "{{resource}}"),),
            ),
            Panel(
                "Fees in STRK", "Estimated before sending, since the registrar's start.",
                "none", (("sum(proofrail_ledger_fee_fri_total) / 1e18", "STRK"),),
            ),
        ),
    ),
)


def dashboard(uid: str, title: str, rows: tuple[Row, ...]) -> dict[str, Any]:
    """A dashboard as Grafana's provisioning takes it."""
    panels: list[dict[str, Any]] = []
    y = 0
    for row in rows:
        place = {"h": 1, "w": WIDTH, "x": 0, "y": y}
        panels.append(
            {
                "id": len(panels) + 1, "type": "row", "title": row.title,
                "collapsed": False, "panels": [], "gridPos": place,
            }
        )
        y, x, height = y + 1, 0, 0
        for panel in row.panels:
            if x + panel.width > WIDTH:
                y, x, height = y + height, 0, 0
            place = {"h": panel.height, "w": panel.width, "x": x, "y": y}
            panels.append(_panel(len(panels) + 1, panel, place))
            x, height = x + panel.width, max(height, panel.height)
        y += height
    return {
        "uid": uid,
        "title": title,
        "tags": ["proofrail"],
        "editable": False,
        "graphTooltip": 1,
        "refresh": "10s",
        "schemaVersion": 39,
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "links": [
            {"type": "dashboards", "tags": ["proofrail"], "title": "Proofrail", "asDropdown": False, "keepTime": True}
        ],
        "templating": {
            "list": [
                {
                    "name": "datasource",
                    "label": "Prometheus",
                    "type": "datasource",
                    "query": "prometheus",
                    "refresh": 1,
                    "hide": 0,
                }
            ]
        },
        "annotations": {"list": []},
        "panels": panels,
    }


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    at_once = panel.kind != "timeseries"
    thresholds: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.red is not None:
        thresholds.append({"color": "red", "value": panel.red})
    defaults: dict[str, Any] = {
        "unit": panel.unit,
        "min": 0,
        "thresholds": {"mode": "absolute", "steps": thresholds},
        "custom": {"stacking": {"mode": "normal"}, "fillOpacity": 20} if panel.stacked else {},
    }
    if panel.names:
        colors = {"0": "red", "1": "green"}
        defaults["mappings"] = [
            {"type": "value", "options": {value: {"text": text, "color": colors[value]} for value, text in panel.names}}
        ]
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _options(panel),
        "targets": [
            {
                "refId": chr(ord("A") + at),
                "datasource": SOURCE,
                "expr": expression,
                "legendFormat": legend,
                "instant": at_once,
                "range": not at_once,
                "format": "table" if panel.kind == "table" else "time_series",
            }
            for at, (expression, legend) in enumerate(panel.queries)
        ],
    }


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind == "timeseries":
        return {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}
    if panel.kind == "table":
        return {"showHeader": True}
    return {"reduceOptions": {"calcs": ["lastNotNull"]}, "textMode": "value_and_name", "orientation": "auto"}


DASHBOARDS = {
    "overview.json": dashboard("proofrail-overview", "Proofrail: overview", OVERVIEW),
    "prover.json": dashboard("proofrail-prover", "Proofrail: prover", PROVER),
    "audit.json": dashboard("proofrail-audit", "Proofrail: audit and registration", AUDIT),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    wrong = 0
    for name, content in DASHBOARDS.items():
        file, text = FOLDER / name, json.dumps(content, indent=1) + "\n"
        if not given.check:
            file.write_text(text)
        elif not file.is_file() or file.read_text() != text:
            print(f"{file} is not up to date; run python {__file__}", file=sys.stderr)
            wrong = 1
    return wrong


if __name__ == "__main__":
    sys.exit(main())

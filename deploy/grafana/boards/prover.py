"""Whether proofs are made, how long they take against what was expected, and what they are made of."""

from __future__ import annotations

from typing import Final

from boards.board import Row, board
from boards.panels import CHOSEN, bars, figure, graph, per_minute, quantiles

_NOW: Final = Row(
    "Now",
    [
        bars(
            "Progress",
            "Time taken over time expected of the proof under way: above 100 % it is late, above 300 % an alert.",
            "percentunit",
            [
                (
                    f"max by (instance, backend) (proofrail_proof_elapsed_seconds{CHOSEN} "
                    f"/ (proofrail_proof_expected_seconds{CHOSEN} > 0))",
                    "{{instance}} {{backend}}",
                )
            ],
            full=1,
            red=3,
            empty="no proof under way of which the time is known",
        ),
        figure(
            "Elapsed and expected",
            "Of the proof under way that has taken longest; 0 without one.",
            "s",
            [
                (f"max by (backend) (proofrail_proof_elapsed_seconds{CHOSEN})", "{{backend}} elapsed"),
                (f"max by (backend) (proofrail_proof_expected_seconds{CHOSEN})", "{{backend}} expected"),
            ],
            empty="no prover is watched",
        ),
        figure(
            "Proofs under way",
            "Each prover makes one at a time.",
            "none",
            [(f"sum by (backend) (proofrail_proving{CHOSEN})", "{{backend}}")],
            empty="no prover is watched",
            see="/runs?state=sealed",
            width=4,
        ),
        figure(
            "Runs waiting",
            "Sealed and without a proof, of all provers.",
            "none",
            [('max(proofrail_in_flight{job="tracer"})', "in flight")],
            empty="no tracer is watched",
            see="/runs?state=sealed",
            width=4,
        ),
    ],
)

_PROOFS: Final = Row(
    "Proofs",
    [
        graph(
            "Time of a proof",
            "From the checked run to the proof in hand.",
            "s",
            quantiles("proofrail_proof_seconds", "backend", CHOSEN),
            empty="no proof in this time",
        ),
        graph(
            "Predicted against real",
            "Time taken over time predicted; 1 is right. Far off for all: `proofrail calibrate`.",
            "none",
            quantiles("proofrail_proof_time_ratio", "backend", CHOSEN),
            line=3,
            empty="no proof in this time",
        ),
        graph(
            "Stages",
            "Where a run's time at the prover goes (95 %).",
            "s",
            [quantiles("proofrail_proof_stage_seconds", "stage", CHOSEN)[1]],
            empty="no run in this time",
        ),
        graph(
            "Terminal records",
            "Proofs, and failures by code, a minute.",
            "cpm",
            per_minute("proofrail_proofs_total", "outcome", CHOSEN),
            judged=True,
            see="/runs",
        ),
        graph(
            "Size of a proof",
            "Bytes as stored, by backend.",
            "bytes",
            quantiles("proofrail_proof_bytes", "backend", CHOSEN),
            empty="no proof in this time",
        ),
        graph(
            "Retries by code",
            "The prover's, a minute.",
            "cpm",
            per_minute("proofrail_retries_total", "code", '{job="prover", instance=~"$instance"}'),
            empty="nothing was tried again",
        ),
    ],
)

_RUNS: Final = Row(
    "Runs, of all tracers",
    [
        graph(
            "Steps of a run",
            "What its proof costs goes by it.",
            "short",
            quantiles("proofrail_run_steps"),
            empty="no run in this time",
        ),
        graph(
            "Trace events of a run",
            "What its topics hold.",
            "short",
            quantiles("proofrail_run_items"),
            empty="no run in this time",
        ),
        graph(
            "Time of a run",
            "Executing and committing, at the tracer.",
            "s",
            quantiles("proofrail_run_seconds"),
            empty="no run in this time",
        ),
        graph(
            "Runs sealed",
            "A minute, by how the program ended.",
            "cpm",
            per_minute("proofrail_runs_total", "outcome"),
            judged=True,
            see="/runs",
        ),
        graph(
            "Proposals",
            "A minute, by what became of them.",
            "cpm",
            per_minute("proofrail_proposals_total", "outcome"),
            judged=True,
            see="/allocations",
        ),
        graph(
            "Lag of commitments",
            "Records that provers have not read.",
            "none",
            [('sum(proofrail_consumer_lag_records{job="prover"})', "records")],
        ),
    ],
)

_STORE: Final = Row(
    "Artifact store, of all services",
    [
        graph(
            "Bytes",
            "Read and written a second, by service.",
            "Bps",
            [
                (
                    "sum by (job, direction) (rate(proofrail_store_bytes_total[$__rate_interval]))",
                    "{{job}} {{direction}}",
                )
            ],
        ),
        graph(
            "Operations",
            "A minute, by outcome; failed and altered need a person.",
            "cpm",
            per_minute("proofrail_store_operations_total", "outcome"),
            judged=True,
        ),
        graph(
            "Time of an operation",
            "Seconds mean a slow disk or network.",
            "s",
            quantiles("proofrail_store_seconds", "operation"),
            empty="none in this time",
        ),
    ],
)

BOARD: Final = board(
    "proofrail-prover",
    "Proofrail: prover",
    "Whether proofs are made, and how long they take against what was expected.",
    [_NOW, _PROOFS, _RUNS, _STORE],
    jobs="prover",
)

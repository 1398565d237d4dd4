"""What the rules are tried on: a system's series, and which alerts fire when, all of them and no other.

Series are in promtool's notation, a sample every `Case.step_s`; the clock of its tests begins at 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

STEP_S: Final = 5
_LONG: Final = 900
DAY_S: Final = 86_400
NEVER: Final = -100_000
"""A time long before the beginning of the clock."""


def always(value: float) -> str:
    return f"{value}x{_LONG}"


def until(seconds: int, before: float, after: float | str) -> str:
    """`before` until then, `after` from then on."""
    first = f"{before}x{seconds // STEP_S - 1}"
    return f"{first} stale" if isinstance(after, str) else f"{first} {after}x{_LONG}"


def growing(per_s: float, start: float = 0) -> str:
    return f"{start}+{per_s * STEP_S}x{_LONG}"


HEALTHY: Final[Mapping[str, str]] = {
    **{
        f'up{{job="{job}",instance="{job}-0"}}': always(1)
        for job in ("tracer", "prover", "auditor", "registrar")
    },
    **{
        f'proofrail_serving{{job="{job}",instance="{job}-0"}}': always(1)
        for job in ("tracer", "prover", "auditor", "registrar")
    },
    **{
        f'proofrail_ready{{job="{job}",instance="{job}-0",check="broker"}}': always(1)
        for job in ("tracer", "prover", "auditor", "registrar")
    },
    'proofrail_ready{job="prover",instance="prover-0",check="backends"}': always(1),
    'proofrail_ready{job="registrar",instance="registrar-0",check="ledger"}': always(1),
    'proofrail_last_dead_letter_timestamp_seconds{job="tracer",instance="tracer-0"}': always(NEVER),
    'proofrail_last_mismatch_timestamp_seconds{job="auditor",instance="auditor-0",subject="run"}': always(
        NEVER
    ),
    **{
        f'proofrail_stalled_seconds{{job="{job}",instance="{job}-0"}}': always(0)
        for job in ("tracer", "prover", "auditor", "registrar")
    },
}


@dataclass(frozen=True)
class Case:
    """`firing`: at a time in seconds, the alerts that fire, each with its labels besides the severity. `near`: the
    alert that this comes close to and does not raise."""

    name: str
    series: Mapping[str, str]
    firing: Mapping[int, Sequence[tuple[str, Mapping[str, str]]]]
    near: str = ""
    without: Sequence[str] = field(default=())
    step_s: int = STEP_S
    """Between two samples and two evaluations; longer than Prometheus has it only where days pass."""

    def to_group(self, severities: Mapping[str, str]) -> dict[str, Any]:
        """As a test group of promtool's."""
        series = {**HEALTHY, **self.series}
        # No longer than is looked at: promtool keeps every sample.
        samples = f"x{max(self.firing) // self.step_s + 1}"
        kept = {
            name: values for name, values in series.items() if not any(one in name for one in self.without)
        }
        return {
            "name": self.name,
            "interval": f"{self.step_s}s",
            "input_series": [
                {"series": name, "values": values.replace(f"x{_LONG}", samples)}
                for name, values in kept.items()
            ],
            "promql_expr_test": [
                {
                    "expr": 'ALERTS{alertstate="firing"}',
                    "eval_time": f"{at}s",
                    "exp_samples": [
                        {"labels": _alert(name, severities[name], labels), "value": 1}
                        for name, labels in firing
                    ],
                }
                for at, firing in self.firing.items()
            ],
        }


def _alert(name: str, severity: str, labels: Mapping[str, str]) -> str:
    said = {"alertname": name, "alertstate": "firing", "severity": severity, **labels}
    return "ALERTS{" + ",".join(f'{key}="{value}"' for key, value in sorted(said.items())) + "}"


def of(job: str, name: str, instance: int = 0, **labels: str) -> str:
    """A series of one instance of a service."""
    said = {"job": job, "instance": f"{job}-{instance}", **labels}
    return name + "{" + ",".join(f'{key}="{value}"' for key, value in said.items()) + "}"


STALLING: Final = {
    of(job, "proofrail_stalled_seconds"): growing(1) for job in ("tracer", "prover", "auditor")
}
_BUCKET: Final = "proofrail_event_loop_lag_seconds_bucket"
_OPERATIONS: Final = "proofrail_store_operations_total"
_LAG: Final = {"topic": "allocation.proposals.v1", "partition": "0"}

CASES: Final = (
    Case("a healthy system", {}, {60: (), 900: ()}),
    Case("a healthy system in which nothing is proposed for days", {}, {2 * DAY_S: ()}, step_s=240),
    Case(
        "a system that takes a minute and a half to start",
        {
            of(job, name): f"{before}x17 1x{_LONG}"
            for job in ("tracer", "prover", "auditor", "registrar")
            for name, before in (("up", "0"), ("proofrail_serving", "_"))
        },
        {10: (), 20: (), 60: (), 95: (), 120: ()},
        "ProofrailServiceDown",
    ),
    Case(
        "a system of which two services never come",
        {of("prover", "up"): always(0), of("auditor", "up"): always(0)},
        {
            60: (),
            120: (),
            135: [("ProofrailServiceDown", {"job": "auditor"}), ("ProofrailProverUnreachable", {})],
        },
    ),
    Case(
        "the auditor dies seconds after each start",
        {
            of("auditor", "up"): " ".join(["1x1 0x1"] * 80),
            of("auditor", "process_start_time_seconds"): " ".join(f"{20 * at}x1 _x2" for at in range(80)),
        },
        {45: (), 180: [("ProofrailServiceRestarting", {"job": "auditor"})]},
        "ProofrailServiceDown",
    ),
    Case(
        "the auditor is started anew twice",
        {of("auditor", "process_start_time_seconds"): f"1x10 60x10 120x{_LONG}"},
        {120: (), 600: ()},
        "ProofrailServiceRestarting",
    ),
    Case("a system without registrar", {}, {120: ()}, "ProofrailServiceDown", without=('job="registrar"',)),
    *(
        Case(
            f"the {job} is killed",
            {of(job, "up"): until(30, 1, 0)},
            {
                25: (),
                35: (),
                40: [("ProofrailServiceDown", {"job": job})],
                600: [("ProofrailServiceDown", {"job": job})],
            },
        )
        for job in ("tracer", "auditor", "registrar")
    ),
    Case(
        "the auditor is gone from the discovery of targets",
        {of("auditor", "up"): until(30, 1, "stale")},
        {40: [("ProofrailServiceDown", {"job": "auditor"})]},
    ),
    Case(
        "a target is missed once",
        {of("tracer", "up"): f"1x5 0 1x{_LONG}"},
        {30: (), 40: (), 60: ()},
        "ProofrailServiceDown",
    ),
    Case(
        "one of two tracers is down",
        {of("tracer", "up", 1): until(30, 1, 0)},
        {40: (), 50: [("ProofrailInstancesDown", {"job": "tracer"})]},
        "ProofrailServiceDown",
    ),
    Case("both tracers run", {of("tracer", "up", 1): always(1)}, {120: ()}, "ProofrailInstancesDown"),
    Case(
        "the prover is killed while many runs are in flight",
        {
            of("prover", "up"): until(30, 1, 0),
            of("prover", "proofrail_stalled_seconds"): until(30, 0, "stale"),
            of("prover", "proofrail_serving"): until(30, 1, "stale"),
            of("prover", "proofrail_ready", check="backends"): until(30, 1, "stale"),
            of("prover", "proofrail_ready", check="broker"): until(30, 1, "stale"),
            **{of(job, "proofrail_stalled_seconds"): growing(1) for job in ("tracer", "auditor")},
            of("tracer", "proofrail_consumer_lag_seconds", **_LAG): growing(1),
            of("tracer", "proofrail_consumer_lag_records", **_LAG): growing(10),
        },
        {35: (), 40: [("ProofrailProverUnreachable", {})], 900: [("ProofrailProverUnreachable", {})]},
        "ProofrailNoProgress",
    ),
    Case(
        "all of two provers are killed",
        {of("prover", "up"): until(30, 1, 0), of("prover", "up", 1): until(30, 1, 0)},
        {40: [("ProofrailProverUnreachable", {})]},
        "ProofrailInstancesDown",
    ),
    Case(
        "both provers lack their backend",
        {
            of("prover", "proofrail_ready", check="backends"): until(30, 1, 0),
            of("prover", "proofrail_ready", 1, check="backends"): until(30, 1, 0),
            of("prover", "proofrail_serving"): until(30, 1, 0),
            of("prover", "proofrail_serving", 1): until(30, 1, 0),
        },
        {35: (), 40: [("ProofrailProverUnreachable", {})], 300: [("ProofrailProverUnreachable", {})]},
        "ProofrailServiceNotReady",
    ),
    Case(
        "one of two provers lacks its backend",
        {of("prover", "proofrail_ready", 1, check="backends"): always(0), of("prover", "up", 1): always(1)},
        {300: ()},
        "ProofrailProverUnreachable",
    ),
    Case(
        "the broker is away",
        {
            **{
                of(job, "proofrail_ready", check="broker"): until(30, 1, 0)
                for job in ("tracer", "prover", "auditor", "registrar")
            },
            **{
                of(job, "proofrail_serving"): until(30, 1, 0)
                for job in ("tracer", "prover", "auditor", "registrar")
            },
            **STALLING,
        },
        {35: (), 40: [("ProofrailKafkaUnreachable", {})], 600: [("ProofrailKafkaUnreachable", {})]},
        "ProofrailServiceNotReady",
    ),
    Case(
        "the auditor alone does not reach the broker",
        {
            of("auditor", "proofrail_ready", check="broker"): until(30, 1, 0),
            of("auditor", "proofrail_serving"): until(30, 1, 0),
        },
        {60: (), 90: [("ProofrailServiceNotReady", {"job": "auditor"})]},
        "ProofrailKafkaUnreachable",
    ),
    Case(
        "the tracer takes half a minute to start",
        {of("tracer", "proofrail_serving"): f"0x6 1x{_LONG}"},
        {30: (), 60: (), 120: ()},
        "ProofrailServiceNotReady",
    ),
    Case(
        "the tracer's loop is late by more than half a second once in ten times",
        {
            of("tracer", _BUCKET, le="0.5"): growing(3.6),
            of("tracer", _BUCKET, le="1.0"): growing(4),
            of("tracer", _BUCKET, le="+Inf"): growing(4),
        },
        {120: [("ProofrailEventLoopLag", {"job": "tracer"})]},
    ),
    Case(
        "the tracer's loop is late once in a thousand times",
        {
            of("tracer", _BUCKET, le="0.5"): growing(3.996),
            of("tracer", _BUCKET, le="1.0"): growing(4),
            of("tracer", _BUCKET, le="+Inf"): growing(4),
        },
        {120: ()},
        "ProofrailEventLoopLag",
    ),
    Case(
        "an assignment every ten seconds",
        {of("tracer", "proofrail_rebalances_total"): growing(0.1)},
        {600: [("ProofrailRebalancing", {"job": "tracer"})]},
    ),
    Case(
        "an assignment a minute",
        {of("tracer", "proofrail_rebalances_total"): growing(1 / 60)},
        {600: ()},
        "ProofrailRebalancing",
    ),
    Case(
        "a store without space",
        {of("prover", _OPERATIONS, operation="put", outcome="failed"): growing(1 / 30)},
        {120: (), 240: [("ProofrailStoreFailing", {"job": "prover"})]},
    ),
    Case(
        "a store that is away for a quarter of an hour while runs wait for it",
        {
            **STALLING,
            of("prover", _OPERATIONS, operation="put", outcome="failed"): growing(1 / 30),
            of("registrar", "proofrail_stalled_seconds"): growing(1),
            of("registrar", _OPERATIONS, operation="get", outcome="failed"): growing(1 / 30),
        },
        {
            at: [("ProofrailStoreFailing", {"job": job}) for job in ("prover", "registrar")]
            for at in (330, 900)
        },
        "ProofrailNoProgress",
    ),
    Case(
        "an operation of the store fails and its repetition does not",
        {of("prover", _OPERATIONS, operation="put", outcome="failed"): until(60, 0, 1)},
        {65: (), 120: (), 180: (), 200: (), 400: ()},
        "ProofrailStoreFailing",
    ),
    Case(
        "an artifact that was changed, seen by the registrar",
        {of("registrar", _OPERATIONS, operation="get", outcome="altered"): until(60, 0, 1)},
        {55: (), 65: [("ProofrailArtifactAltered", {"job": "registrar"})]},
    ),
    Case(
        "an artifact that was changed, seen by the auditor, which reports a mismatch",
        {
            of("auditor", _OPERATIONS, operation="get", outcome="altered"): until(60, 0, 1),
            of("auditor", "proofrail_last_mismatch_timestamp_seconds", subject="proof"): until(60, 0, 60),
        },
        {65: [("ProofrailMismatch", {})]},
        "ProofrailArtifactAltered",
    ),
    Case(
        "an artifact that has not arrived",
        {of("auditor", _OPERATIONS, operation="get", outcome="missing"): growing(1)},
        {120: ()},
        "ProofrailStoreFailing",
    ),
    Case(
        "a key to be changed in thirteen days",
        {of("tracer", "proofrail_key_change_timestamp_seconds", key="tracer"): always(13 * DAY_S)},
        {60: [("ProofrailKeyAboutToChange", {"job": "tracer", "key": "tracer"})]},
    ),
    Case(
        "a key to be changed in fifteen days",
        {of("tracer", "proofrail_key_change_timestamp_seconds", key="tracer"): always(15 * DAY_S)},
        {60: ()},
        "ProofrailKeyAboutToChange",
    ),
    Case(
        "a key that was to be changed yesterday",
        {of("auditor", "proofrail_key_change_timestamp_seconds", key="auditor"): always(-DAY_S)},
        {60: [("ProofrailKeyAboutToChange", {"job": "auditor", "key": "auditor"})]},
    ),
    Case("nothing is finished for long", STALLING, {300: (), 320: [("ProofrailNoProgress", {})]}),
    Case(
        "a proof of ten minutes holds everything up, as it should",
        {
            **STALLING,
            of("prover", "proofrail_proof_expected_seconds", backend="stone"): always(600),
            of("prover", "proofrail_proof_elapsed_seconds", backend="stone"): growing(1),
        },
        {600: ()},
        "ProofrailNoProgress",
    ),
    Case(
        "a lone proof of an hour, then two minutes until it is verified and stored",
        {
            **{
                of(job, name): f"0+60x62 0x{_LONG}"
                for job in ("tracer", "prover", "auditor")
                for name in ("proofrail_stalled_seconds", "proofrail_oldest_in_flight_seconds")
            },
            of("prover", "proofrail_proof_expected_seconds", backend="stone"): f"3500x59 0x{_LONG}",
            of("prover", "proofrail_proof_elapsed_seconds", backend="stone"): f"0+60x59 0x{_LONG}",
        },
        dict.fromkeys((600, 1800, 3540, 3600, 3660, 3720, 3780, 4200), ()),
        "ProofrailNoProgress",
        step_s=60,
    ),
    Case(
        "a lone proof of an hour that nobody could predict",
        {
            **{of(job, "proofrail_stalled_seconds"): f"0+60x{_LONG}" for job in ("tracer", "prover")},
            of("prover", "proofrail_proof_expected_seconds", backend="stwo"): always(0),
            of("prover", "proofrail_proof_elapsed_seconds", backend="stwo"): f"0+60x{_LONG}",
        },
        {420: (), 3600: ()},
        "ProofrailNoProgress",
        step_s=60,
    ),
    Case(
        "the tracer reads no proposal, with nothing in flight",
        {
            of("tracer", "proofrail_in_flight"): always(0),
            of("tracer", "proofrail_consumer_lag_seconds", **_LAG): growing(1),
            of("tracer", "proofrail_consumer_lag_records", **_LAG): always(1),
        },
        {300: (), 320: [("ProofrailNoProgress", {})]},
    ),
    Case(
        "proposals wait for half an hour while the window is full and runs are finished",
        {
            of("tracer", "proofrail_in_flight"): always(2),
            of("tracer", "proofrail_stalled_seconds"): f"0+5x10 {' '.join(['0+5x11'] * 75)}",
            of("tracer", "proofrail_consumer_lag_seconds", **_LAG): always(1800),
            of("tracer", "proofrail_consumer_lag_records", **_LAG): always(5000),
        },
        {300: (), 900: ()},
        "ProofrailNoProgress",
    ),
    Case(
        "a proof takes more than three times what was expected",
        {
            of("prover", "proofrail_proof_expected_seconds", backend="stwo"): always(20),
            of("prover", "proofrail_proof_elapsed_seconds", backend="stwo"): growing(1),
        },
        {120: (), 140: [("ProofrailProofOverdue", {"backend": "stwo"})]},
    ),
    Case(
        "one of two provers is overdue while the other proves something long",
        {
            of("prover", "proofrail_proof_expected_seconds", backend="stone"): always(3600),
            of("prover", "proofrail_proof_elapsed_seconds", backend="stone"): growing(1),
            of("prover", "proofrail_proof_expected_seconds", 1, backend="stone"): always(20),
            of("prover", "proofrail_proof_elapsed_seconds", 1, backend="stone"): growing(1),
        },
        {120: (), 140: [("ProofrailProofOverdue", {"backend": "stone"})]},
    ),
    Case(
        "a proof of which nobody knows how long it takes",
        {
            of("prover", "proofrail_proof_expected_seconds", backend="stwo"): always(0),
            of("prover", "proofrail_proof_elapsed_seconds", backend="stwo"): growing(1),
        },
        {600: ()},
        "ProofrailProofOverdue",
    ),
    Case(
        "proposals come faster than they are taken",
        {
            of("tracer", "proofrail_consumer_lag_seconds", **_LAG): growing(1),
            of("tracer", "proofrail_consumer_lag_records", **_LAG): growing(10),
        },
        {120: (), 150: [("ProofrailLagGrowing", {"job": "tracer", "topic": "allocation.proposals.v1"})]},
    ),
    Case(
        "a lag that is sometimes more and sometimes less than a minute ago",
        {
            of("tracer", "proofrail_in_flight"): always(2),
            of("tracer", "proofrail_consumer_lag_seconds", **_LAG): growing(1),
            of("tracer", "proofrail_consumer_lag_records", **_LAG): " ".join(["10+10x17 100-10x5"] * 30),
        },
        {
            at: [("ProofrailLagGrowing", {"job": "tracer", "topic": _LAG["topic"]})]
            for at in (200, 300, 400, 500)
        },
    ),
    Case(
        "proposals wait, and no more come",
        {
            of("tracer", "proofrail_in_flight"): always(2),
            of("tracer", "proofrail_consumer_lag_seconds", **_LAG): growing(1),
            of("tracer", "proofrail_consumer_lag_records", **_LAG): always(10),
        },
        {600: ()},
        "ProofrailLagGrowing",
    ),
    Case(
        "a proposal is refused",
        {of("tracer", "proofrail_last_dead_letter_timestamp_seconds"): until(60, NEVER, 60)},
        {55: (), 60: [("ProofrailDeadLetters", {})], 640: [("ProofrailDeadLetters", {})], 665: ()},
        "ProofrailDeadLetters",
    ),
    Case(
        "a mismatch, and the auditor is restarted after it",
        {
            of(
                "auditor", "proofrail_last_mismatch_timestamp_seconds", subject="run"
            ): f"{NEVER}x11 60x24 {NEVER}x{_LONG}",
        },
        {
            55: (),
            60: [("ProofrailMismatch", {})],
            1800: [("ProofrailMismatch", {})],
        },
    ),
    Case(
        "an altered run, of which the run and the proof are reported",
        {
            of("auditor", "proofrail_last_mismatch_timestamp_seconds", subject="run"): until(60, NEVER, 60),
            of("auditor", "proofrail_last_mismatch_timestamp_seconds", subject="proof"): until(75, NEVER, 75),
        },
        {60: [("ProofrailMismatch", {})], 90: [("ProofrailMismatch", {})]},
    ),
    Case(
        "two mismatches twelve hours apart are one alert, which ends a day after the second",
        {
            of(
                "auditor", "proofrail_last_mismatch_timestamp_seconds", subject="run"
            ): f"{NEVER}x1 480x177 43200x{_LONG}",
        },
        {
            240: (),
            480: [("ProofrailMismatch", {})],
            43_200: [("ProofrailMismatch", {})],
            43_200 + DAY_S - 240: [("ProofrailMismatch", {})],
            43_200 + DAY_S: (),
        },
        "ProofrailMismatch",
        step_s=240,
    ),
    Case(
        "the ledger does not answer",
        {
            of("registrar", "proofrail_ready", check="ledger"): until(30, 1, 0),
            of("registrar", "proofrail_serving"): until(30, 1, 0),
        },
        {40: (), 45: [("ProofrailRegistrarStuck", {})], 300: [("ProofrailRegistrarStuck", {})]},
        "ProofrailServiceNotReady",
    ),
    Case(
        "attestations wait for ten minutes",
        {of("registrar", "proofrail_stalled_seconds"): growing(1)},
        {600: (), 620: [("ProofrailRegistrarStuck", {})]},
        "ProofrailNoProgress",
    ),
    Case(
        "attestations wait for a block",
        {of("registrar", "proofrail_stalled_seconds"): always(90)},
        {600: ()},
        "ProofrailRegistrarStuck",
    ),
    Case(
        "the chain takes transactions back, and nothing more",
        {of("registrar", "proofrail_ledger_transactions_total", outcome="taken-back"): until(60, 0, 2)},
        {
            55: (),
            65: [("ProofrailTransactionsTakenBack", {})],
            655: [("ProofrailTransactionsTakenBack", {})],
            700: (),
        },
    ),
    Case(
        "a registrar that was away finds transactions taken back",
        {of("registrar", "proofrail_ledger_transactions_total", outcome="taken-back"): "_x12 2x900"},
        {55: (), 65: [("ProofrailTransactionsTakenBack", {})], 700: ()},
    ),
    Case(
        "transactions are reverted",
        {of("registrar", "proofrail_ledger_transactions_total", outcome="reverted"): growing(1 / 30)},
        {120: ()},
        "ProofrailTransactionsTakenBack",
    ),
)

"""The metrics of all services, defined once so that names, units and labels agree.

Labels are bounded by design (design section 7, rule 7): topics, partitions, codes, backends, verdicts; never
a run_id or an allocation_id.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, Histogram, ProcessCollector

LABELS: Final = frozenset(
    {"topic", "partition", "outcome", "code", "reason", "backend", "subject", "verdict", "approved", "check"}
)
"""Every label name in use; each has few values."""

_FAST: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SLOW: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)
_COUNTS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_SIZES: Final = (1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9)
_RATIOS: Final = (0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)


@dataclass(frozen=True)
class Metrics:
    """One process's metrics, on a registry of its own. Times are in seconds, sizes in bytes."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    records_consumed: Counter = field(init=False)
    records_produced: Counter = field(init=False)
    bytes_produced: Counter = field(init=False)
    transactions: Counter = field(init=False)
    transaction_seconds: Histogram = field(init=False)
    rebalances: Counter = field(init=False)
    consumer_lag: Gauge = field(init=False)
    last_poll_age: Gauge = field(init=False)
    retries: Counter = field(init=False)
    dead_letters: Counter = field(init=False)
    event_loop_lag: Histogram = field(init=False)
    ready: Gauge = field(init=False)

    proposals: Counter = field(init=False)
    runs: Counter = field(init=False)
    run_seconds: Histogram = field(init=False)
    run_allocations: Histogram = field(init=False)
    run_items: Histogram = field(init=False)
    run_steps: Histogram = field(init=False)
    window_runs: Gauge = field(init=False)

    proofs: Counter = field(init=False)
    proof_seconds: Histogram = field(init=False)
    proof_bytes: Histogram = field(init=False)
    proving: Gauge = field(init=False)
    proof_elapsed: Gauge = field(init=False)
    proof_expected: Gauge = field(init=False)
    proof_time_ratio: Histogram = field(init=False)

    reports: Counter = field(init=False)
    audit_seconds: Histogram = field(init=False)
    attestations: Counter = field(init=False)
    attestation_seconds: Histogram = field(init=False)
    registrations: Counter = field(init=False)
    registration_seconds: Histogram = field(init=False)
    unregistered: Gauge = field(init=False)

    def __post_init__(self) -> None:
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)

        counter = {
            "records_consumed": ("Records read", ("topic",)),
            "records_produced": ("Records committed", ("topic",)),
            "bytes_produced": ("Bytes of committed values", ("topic",)),
            "transactions": ("Kafka transactions: committed, aborted", ("outcome",)),
            "rebalances": ("Assignments received from the consumer group", ()),
            "retries": ("Work tried again, by the code of the error", ("reason",)),
            "dead_letters": ("Dead letters written, by code", ("code",)),
            "proposals": ("Proposals taken in: accepted, duplicate, refused", ("outcome",)),
            "runs": ("Runs sealed: completed, failed", ("outcome",)),
            "proofs": ("Terminal records written: proof or the code of the failure", ("backend", "outcome")),
            "reports": ("Audit reports written", ("subject", "verdict")),
            "attestations": ("Attestations written", ("approved",)),
            "registrations": ("Registrations written: recorded, or the code of the refusal", ("outcome",)),
        }
        gauge = {
            "consumer_lag": ("Records between the position and the end", ("topic", "partition")),
            "last_poll_age": ("Seconds since the service last asked Kafka for records", ()),
            "ready": ("1 when the check passes", ("check",)),
            "window_runs": ("Sealed runs without a terminal record", ()),
            "unregistered": ("Attestations read, and neither recorded nor refused yet", ()),
            "proving": ("Proofs under way", ("backend",)),
            "proof_elapsed": ("Time that the proof under way has taken; 0 without one", ("backend",)),
            "proof_expected": ("Time that the proof under way is expected to take in all", ("backend",)),
        }
        histogram: dict[str, tuple[str, tuple[str, ...], tuple[float, ...]]] = {
            "transaction_seconds": ("From begin to commit", (), _FAST),
            "event_loop_lag": ("How late a timer of the event loop fired", (), _FAST),
            "run_seconds": ("One run, from its proposals to its commit", (), _FAST),
            "run_allocations": ("Allocations in a run", (), _COUNTS),
            "run_items": ("Trace events in a run", (), _SIZES),
            "run_steps": ("VM steps in a run", (), _SIZES),
            "proof_seconds": ("One proof, from the sealed run to its commit", ("backend",), _SLOW),
            "proof_bytes": ("Size of a proof", ("backend",), _SIZES),
            "proof_time_ratio": ("Time that a proof took over the time expected", ("backend",), _RATIOS),
            "audit_seconds": ("One audit", ("subject",), _FAST),
            "attestation_seconds": ("From a proposal's timestamp to its attestation", (), _SLOW),
            "registration_seconds": ("From an attestation's timestamp to its registration", (), _SLOW),
        }
        units = {
            "last_poll_age": "_seconds",
            "event_loop_lag": "_seconds",
            "consumer_lag": "_records",
            "proof_elapsed": "_seconds",
            "proof_expected": "_seconds",
        }
        for name, (text, labels) in counter.items():
            self._set(name, Counter(f"proofrail_{name}", text, labels, registry=self.registry))
        for name, (text, labels) in gauge.items():
            full = f"proofrail_{name}{units.get(name, '')}"
            self._set(name, Gauge(full, text, labels, registry=self.registry))
        for name, (text, labels, buckets) in histogram.items():
            full = f"proofrail_{name}{units.get(name, '')}"
            self._set(name, Histogram(full, text, labels, buckets=buckets, registry=self.registry))

    def _set(self, name: str, metric: Counter | Gauge | Histogram) -> None:
        object.__setattr__(self, name, metric)

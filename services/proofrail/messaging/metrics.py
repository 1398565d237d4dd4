"""The metrics of one process, made from the names in `metric_names` and from nothing else."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Collection
from importlib.metadata import version
from typing import Final, TypeVar

from aiokafka.errors import KafkaError
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from proofrail.messaging import metric_names as names
from proofrail.messaging.metric_names import CounterName, GaugeName, HistogramName, MetricName

_OTHER: Final = "other"
_KAFKA: Final = "kafka"
_WELL_FORMED: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_LONGEST_CODE: Final = 64

# A gauge beside every counter and histogram, with its birth: twice the series, and Prometheus needs none.
disable_created_metrics()  # type: ignore[no-untyped-call]

_Metric = TypeVar("_Metric", Counter, Gauge, Histogram)


class Metrics:
    """One process's metrics, on a registry of its own. What is another service's is counted and not shown; a process
    that is none of the services shows all.

    `codes`: those that a label may have; any that is well-formed, when None. Codes also come with records that others
    wrote, so they are no bound by themselves.
    """

    def __init__(self, service: str | None = None, codes: Collection[str] | None = None) -> None:
        self.registry = CollectorRegistry()
        self._service = service
        self._codes = codes
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)

        self.info = self._gauge(names.INFO)
        self.serving = self._gauge(names.SERVING)
        self.ready = self._gauge(names.READY)
        self.last_poll_age = self._gauge(names.LAST_POLL_AGE)
        self.event_loop_lag = self._histogram(names.EVENT_LOOP_LAG)
        self.retries = self._counter(names.RETRIES)
        self.last_error = self._gauge(names.LAST_ERROR)
        self.key_change = self._gauge(names.KEY_CHANGE)

        self.in_flight = self._gauge(names.IN_FLIGHT)
        self.oldest_in_flight = self._gauge(names.OLDEST_IN_FLIGHT)
        self.stalled = self._gauge(names.STALLED)

        self.records_consumed = self._counter(names.RECORDS_CONSUMED)
        self.records_produced = self._counter(names.RECORDS_PRODUCED)
        self.bytes_produced = self._counter(names.BYTES_PRODUCED)
        self.transactions = self._counter(names.TRANSACTIONS)
        self.transaction_seconds = self._histogram(names.TRANSACTION_SECONDS)
        self.rebalances = self._counter(names.REBALANCES)
        self.consumer_lag = self._gauge(names.CONSUMER_LAG)
        self.consumer_lag_seconds = self._gauge(names.CONSUMER_LAG_SECONDS)
        self.record_age = self._histogram(names.RECORD_AGE)

        self.proposals = self._counter(names.PROPOSALS)
        self.dead_letters = self._counter(names.DEAD_LETTERS)
        self.last_dead_letter = self._gauge(names.LAST_DEAD_LETTER)
        self.runs = self._counter(names.RUNS)
        self.run_seconds = self._histogram(names.RUN_SECONDS)
        self.run_allocations = self._histogram(names.RUN_ALLOCATIONS)
        self.run_items = self._histogram(names.RUN_ITEMS)
        self.run_steps = self._histogram(names.RUN_STEPS)

        self.proofs = self._counter(names.PROOFS)
        self.proof_seconds = self._histogram(names.PROOF_SECONDS)
        self.proof_stage_seconds = self._histogram(names.PROOF_STAGE_SECONDS)
        self.proof_bytes = self._histogram(names.PROOF_BYTES)
        self.proving = self._gauge(names.PROVING)
        self.proof_elapsed = self._gauge(names.PROOF_ELAPSED)
        self.proof_expected = self._gauge(names.PROOF_EXPECTED)
        self.proof_time_ratio = self._histogram(names.PROOF_TIME_RATIO)

        self.store_operations = self._counter(names.STORE_OPERATIONS)
        self.store_bytes = self._counter(names.STORE_BYTES)
        self.store_seconds = self._histogram(names.STORE_SECONDS)

        self.reports = self._counter(names.REPORTS)
        self.mismatches = self._counter(names.MISMATCHES)
        self.last_mismatch = self._gauge(names.LAST_MISMATCH)
        self.audit_seconds = self._histogram(names.AUDIT_SECONDS)
        self.audit_delay = self._histogram(names.AUDIT_DELAY)
        self.attestations = self._counter(names.ATTESTATIONS)
        self.attestation_seconds = self._histogram(names.ATTESTATION_SECONDS)

        self.registrations = self._counter(names.REGISTRATIONS)
        self.registration_seconds = self._histogram(names.REGISTRATION_SECONDS)
        self.ledger_transactions = self._counter(names.LEDGER_TRANSACTIONS)
        self.ledger_gas = self._counter(names.LEDGER_GAS)
        self.ledger_fees = self._counter(names.LEDGER_FEES)

        self.info.labels(version=version("proofrail")).set(1)

    def code(self, code: str) -> str:
        """The code as a label's value: itself when it is known, else `other`."""
        known = _is_well_formed(code) if self._codes is None else code in self._codes
        return code if known else _OTHER

    def retried(self, error: BaseException) -> None:
        """Work is to be tried again because of `error`."""
        code = self._code_of(error)
        self.retries.labels(code=code).inc()
        self.last_error.labels(code=code).set(time.time())

    def dead_lettered(self, code: str) -> None:
        """A dead letter was written."""
        self.dead_letters.labels(code=self.code(code)).inc()
        self.last_dead_letter.set(time.time())

    def mismatched(self, subject: str, kind: str) -> None:
        """A mismatch was reported, the first one of this kind."""
        self.mismatches.labels(subject=subject, kind=kind).inc()
        self.last_mismatch.labels(subject=subject).set(time.time())

    def failed(self, error: BaseException) -> None:
        """`error` has ended a piece of work, or the service."""
        self.last_error.labels(code=self._code_of(error)).set(time.time())

    def _code_of(self, error: BaseException) -> str:
        if isinstance(error, KafkaError):
            return _KAFKA
        return self.code(str(getattr(error, "code", "")))

    def _counter(self, name: CounterName) -> Counter:
        return self._with_known_labels(
            name, Counter(name.name, name.means, _labels(name), registry=self._registry_for(name))
        )

    def _gauge(self, name: GaugeName) -> Gauge:
        return self._with_known_labels(
            name, Gauge(name.name, name.means, _labels(name), registry=self._registry_for(name))
        )

    def _histogram(self, name: HistogramName) -> Histogram:
        metric = Histogram(
            name.name, name.means, _labels(name), buckets=name.buckets, registry=self._registry_for(name)
        )
        return self._with_known_labels(name, metric)

    def _registry_for(self, name: MetricName) -> CollectorRegistry | None:
        own = self._service not in names.ALL or self._service in name.services
        return self.registry if own else None

    @staticmethod
    def _with_known_labels(name: MetricName, metric: _Metric) -> _Metric:
        if name.labels and all(label.values for label in name.labels):
            for values in itertools.product(*(label.values for label in name.labels)):
                metric.labels(*values)
        return metric


def _labels(name: MetricName) -> tuple[str, ...]:
    return tuple(label.name for label in name.labels)


def _is_well_formed(code: str) -> bool:
    return len(code) <= _LONGEST_CODE and _WELL_FORMED.fullmatch(code) is not None

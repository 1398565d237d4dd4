"""Every metric that a Proofrail service shows, by name: what it means, and what to do about it.

Nothing else makes a metric: `metrics.Metrics` makes these, `python -m proofrail.messaging.metric_table` writes them
down (deploy/metrics.md), and the dashboards and rules under deploy/ are held against them. Times are seconds, sizes
bytes.

Labels are bounded (design section 7, rule 7): each names its values or says what bounds them; never a run_id or an
allocation_id. Where all values are known, the series stand at 0 from the start, so that the first event is an increase.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final


@dataclass(frozen=True)
class Label:
    """A label's name, and its values, or in words what bounds them."""

    name: str
    bound: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class MetricName:
    """One metric: `name` as Prometheus has it (without the `_total` of a counter), `unit` in words, `means` and `act`
    for a person, and the services that show it."""

    name: str
    unit: str
    means: str
    act: str
    labels: tuple[Label, ...] = ()
    services: tuple[str, ...] = ()

    kind: ClassVar[str]

    @property
    def exposed(self) -> str:
        """The name that queries use; a histogram's has `_bucket`, `_sum` and `_count` behind it."""
        return self.name


@dataclass(frozen=True)
class CounterName(MetricName):
    kind: ClassVar[str] = "counter"

    @property
    def exposed(self) -> str:
        return f"{self.name}_total"


@dataclass(frozen=True)
class GaugeName(MetricName):
    kind: ClassVar[str] = "gauge"


@dataclass(frozen=True)
class HistogramName(MetricName):
    buckets: tuple[float, ...] = ()

    kind: ClassVar[str] = "histogram"


ALL: Final = ("tracer", "prover", "auditor", "registrar", "explorer")
"""The services, by the name that is also their job's in Prometheus."""

_TRACER: Final = ("tracer",)
_PROVER: Final = ("prover",)
_AUDITOR: Final = ("auditor",)
_REGISTRAR: Final = ("registrar",)
_PIPELINES: Final = ("tracer", "prover", "auditor")
_STORE: Final = ("prover", "auditor", "registrar")
_KEYS: Final = ("tracer", "auditor")

_FAST: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_MEDIUM: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0)
_SLOW: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)
_COUNTS: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0)
_SIZES: Final = (1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9)
_RATIOS: Final = (0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)

TOPIC: Final = Label("topic", "the topics of this system")
PARTITION: Final = Label("partition", "the partitions of a topic")
CODE: Final = Label("code", "the codes of `proofrail explain`; any other is `other`, one of Kafka's `kafka`")
CHECK: Final = Label("check", "the service's conditions of readiness")
BACKEND: Final = Label("backend", "stwo, stone")
SUBJECT: Final = Label("subject", "what is audited", ("run", "proof"))
VERDICT: Final = Label("verdict", "the auditor's word", ("MATCH", "MISMATCH", "INDETERMINATE"))
APPROVED: Final = Label("approved", "the decision", ("true", "false"))
MISMATCH_KIND: Final = Label("kind", "the kinds of a first mismatch (schemas/trace-v1.md)")
TRANSACTION: Final = Label("outcome", "Kafka's answer", ("committed", "aborted"))
INTAKE: Final = Label("outcome", "what became of it", ("accepted", "duplicate", "refused"))
RUN: Final = Label("outcome", "how the program ended", ("completed", "failed"))
TERMINAL: Final = Label("outcome", "`proof`, or the code of the failure")
STAGE: Final = Label("stage", "stages of the prover's work", ("check", "prove", "verify", "store"))
OPERATION: Final = Label("operation", "of the store", ("put", "get"))
STORED: Final = Label("outcome", "of the operation", ("ok", "missing", "altered", "failed"))
DIRECTION: Final = Label("direction", "seen from the service", ("read", "written"))
REGISTERED: Final = Label("outcome", "`recorded`, or the code of the refusal")
ON_CHAIN: Final = Label("outcome", "a transaction's", ("succeeded", "reverted", "never", "taken-back"))
RESOURCE: Final = Label("resource", "what a transaction takes", ("l1_gas", "l1_data_gas", "l2_gas"))
VERSION: Final = Label("version", "the version installed")
KEY: Final = Label("key", "the service whose key it is")

# --- how a service is -------------------------------------------------------------------------------------

INFO: Final = GaugeName(
    "proofrail_service_info", "none", "Always 1; the label says which version runs.",
    "Different versions side by side are fine during a roll-out only.", (VERSION,), ALL,
)  # fmt: skip
SERVING: Final = GaugeName(
    "proofrail_serving", "0 or 1", "1 while every check of readiness passes, as /readyz says.",
    "Ask /readyz or proofrail_ready which check fails.", (), ALL,
)  # fmt: skip
READY: Final = GaugeName(
    "proofrail_ready", "0 or 1", "1 while this check of readiness passes: the broker answers, a prover is there.",
    "Mend what the check names; the service goes on by itself.", (CHECK,), ALL,
)  # fmt: skip
LAST_POLL_AGE: Final = GaugeName(
    "proofrail_last_poll_age_seconds", "seconds", "Since the service last asked Kafka for records.",
    "Above 15 s it is not ready, above 120 s not alive: restart it, and keep its log.", (), ALL,
)  # fmt: skip
EVENT_LOOP_LAG: Final = HistogramName(
    "proofrail_event_loop_lag_seconds", "seconds", "How late a timer of the event loop fired.",
    "Something blocks the loop, or the host lacks CPU: see CPU first, then the log at debug level.", (), ALL, _FAST,
)  # fmt: skip
RETRIES: Final = CounterName(
    "proofrail_retries", "attempts", "Work tried again, by the code of the error.",
    "`proofrail explain CODE`; a code that goes on for minutes needs a person.", (CODE,), ALL,
)  # fmt: skip
LAST_ERROR: Final = GaugeName(
    "proofrail_last_error_timestamp_seconds", "Unix time", "When an error of this code was last seen.",
    "`proofrail explain CODE`, and the log of that moment.", (CODE,), ALL,
)  # fmt: skip
KEY_CHANGE: Final = GaugeName(
    "proofrail_key_change_timestamp_seconds", "Unix time",
    "When the service's signing key is to be changed (PROOFRAIL_KEY_UNTIL); absent when no day is set.",
    "Announce the new public key to everybody who accepts the old one, and only then use it.", (KEY,), _KEYS,
)  # fmt: skip

# --- work in hand -----------------------------------------------------------------------------------------

IN_FLIGHT: Final = GaugeName(
    "proofrail_in_flight", "runs; attestations for the registrar",
    "Taken up and not finished. The tracer's are all runs without a terminal record, so each instance counts the same.",
    "A number that stays while others are at 0 shows where work waits.", (), ALL[:4],
)  # fmt: skip
OLDEST_IN_FLIGHT: Final = GaugeName(
    "proofrail_oldest_in_flight_seconds", "seconds",
    "Since the oldest piece of work in flight was taken up, by this process; 0 without any.",
    "`proofrail status` names it.", (), ALL[:4],
)  # fmt: skip
STALLED: Final = GaugeName(
    "proofrail_stalled_seconds", "seconds",
    "Since anything in flight was finished, while something is in flight; 0 otherwise.",
    "Compare with proofrail_proof_expected_seconds: a long proof stalls all behind it, rightly.", (), ALL[:4],
)  # fmt: skip

# --- Kafka ------------------------------------------------------------------------------------------------

RECORDS_CONSUMED: Final = CounterName(
    "proofrail_records_consumed", "records", "Records read by the service's consumer group.",
    "Compare with what is produced to see who is behind.", (TOPIC,), _PIPELINES,
)  # fmt: skip
RECORDS_PRODUCED: Final = CounterName(
    "proofrail_records_produced", "records", "Records committed.", "None for long while work waits: see stalled.",
    (TOPIC,), _PIPELINES,
)  # fmt: skip
BYTES_PRODUCED: Final = CounterName(
    "proofrail_bytes_produced", "bytes", "Bytes of committed values.", "Size retention and disks by it.",
    (TOPIC,), _PIPELINES,
)  # fmt: skip
TRANSACTIONS: Final = CounterName(
    "proofrail_transactions", "transactions", "Kafka transactions, by their outcome.",
    "Aborted ones are tried again; many mean an unsteady broker or group.", (TRANSACTION,), _PIPELINES,
)  # fmt: skip
TRANSACTION_SECONDS: Final = HistogramName(
    "proofrail_transaction_seconds", "seconds", "From begin to commit of a transaction.",
    "Seconds mean a slow broker: its disks and replication.", (), _PIPELINES, _FAST,
)  # fmt: skip
REBALANCES: Final = CounterName(
    "proofrail_rebalances", "assignments", "Assignments received from the consumer group.",
    "A steady group has none; several a minute mean members that come and go.", (), _PIPELINES,
)  # fmt: skip
CONSUMER_LAG: Final = GaugeName(
    "proofrail_consumer_lag_records", "records", "Between the position and the end that can be read.",
    "It may stand while the window is full; growing with no end, add provers.", (TOPIC, PARTITION), ALL,
)  # fmt: skip
CONSUMER_LAG_SECONDS: Final = GaugeName(
    "proofrail_consumer_lag_seconds", "seconds",
    "For how long the record at the position has been there unread, as far as this process has seen; 0 without lag.",
    "Add provers, or see what holds this service up (stalled, retries).", (TOPIC, PARTITION), ALL,
)  # fmt: skip
RECORD_AGE: Final = HistogramName(
    "proofrail_record_age_seconds", "seconds",
    "Age of the oldest record of a poll by its own timestamp: the wait in the queue, if clocks agree.",
    "Ages that do not fit the lag point to a clock that is wrong.", (TOPIC,), _PIPELINES, _MEDIUM,
)  # fmt: skip

# --- tracer -----------------------------------------------------------------------------------------------

PROPOSALS: Final = CounterName(
    "proofrail_proposals", "proposals", "Proposals taken in, by what became of them.",
    "Many refused: the allocator publishes something it should not; see the dead letters.", (INTAKE,), _TRACER,
)  # fmt: skip
DEAD_LETTERS: Final = CounterName(
    "proofrail_dead_letters", "letters", "Dead letters written, by code.",
    "`proofrail explain CODE` says what was wrong with the proposals; their author has to correct them.",
    (CODE,), _TRACER,
)  # fmt: skip
LAST_DEAD_LETTER: Final = GaugeName(
    "proofrail_last_dead_letter_timestamp_seconds", "Unix time", "When a dead letter was last written; 0 for never.",
    "See proofrail_dead_letters_total for the code.", (), _TRACER,
)  # fmt: skip
RUNS: Final = CounterName(
    "proofrail_runs", "runs", "Runs sealed, by how the program ended.",
    "A failed run is the program's: its dead letter says why.", (RUN,), _TRACER,
)  # fmt: skip
RUN_SECONDS: Final = HistogramName(
    "proofrail_run_seconds", "seconds", "Executing and committing to one run.",
    "Grows with the batch; far more than usual means a host without CPU.", (), _TRACER, _FAST,
)  # fmt: skip
RUN_ALLOCATIONS: Final = HistogramName(
    "proofrail_run_allocations", "allocations", "Batch size: allocations in a run.",
    "1 when idle, hundreds when busy; always at the limit means too few provers.", (), _TRACER, _COUNTS,
)  # fmt: skip
RUN_ITEMS: Final = HistogramName(
    "proofrail_run_items", "trace events", "Trace events in a run.", "Size retention by it.", (), _TRACER, _SIZES,
)  # fmt: skip
RUN_STEPS: Final = HistogramName(
    "proofrail_run_steps", "VM steps", "VM steps in a run.", "The cost of its proof goes by it.", (), _TRACER, _SIZES,
)  # fmt: skip

# --- prover -----------------------------------------------------------------------------------------------

PROOFS: Final = CounterName(
    "proofrail_proofs", "terminal records", "Terminal records written, by backend.",
    "`proofrail explain CODE` for outcomes that are no proof.", (BACKEND, TERMINAL), _PROVER,
)  # fmt: skip
PROOF_SECONDS: Final = HistogramName(
    "proofrail_proof_seconds", "seconds", "One proof, from the checked run to the proof in hand.",
    "See proofrail_proof_time_ratio for whether that was to be expected.", (BACKEND,), _PROVER, _SLOW,
)  # fmt: skip
PROOF_STAGE_SECONDS: Final = HistogramName(
    "proofrail_proof_stage_seconds", "seconds",
    "Stages of a run at the prover: executed again and compared, proven, the proof verified, stored.",
    "All but `prove` take little; a slow `store` points to the artifact store.", (STAGE,), _PROVER, _MEDIUM,
)  # fmt: skip
PROOF_BYTES: Final = HistogramName(
    "proofrail_proof_bytes", "bytes", "Size of a proof.", "Size the store by it.", (BACKEND,), _PROVER, _SIZES,
)  # fmt: skip
PROVING: Final = GaugeName(
    "proofrail_proving", "proofs", "Proofs under way.", "0 while runs wait: see ready and retries.",
    (BACKEND,), _PROVER,
)  # fmt: skip
PROOF_ELAPSED: Final = GaugeName(
    "proofrail_proof_elapsed_seconds", "seconds", "Time that the proof under way has taken; 0 without one.",
    "Over the time expected it is the proof's progress.", (BACKEND,), _PROVER,
)  # fmt: skip
PROOF_EXPECTED: Final = GaugeName(
    "proofrail_proof_expected_seconds", "seconds",
    "Time that the proof under way is expected to take in all; 0 without one, or when it is not known.",
    "`proofrail params` shows what it comes from.", (BACKEND,), _PROVER,
)  # fmt: skip
PROOF_TIME_RATIO: Final = HistogramName(
    "proofrail_proof_time_ratio", "ratio", "Time that a proof took over the time predicted.",
    "Far from 1 for all: `proofrail calibrate` on this host.", (BACKEND,), _PROVER, _RATIOS,
)  # fmt: skip

# --- artifact store ---------------------------------------------------------------------------------------

STORE_OPERATIONS: Final = CounterName(
    "proofrail_store_operations", "operations", "Operations of the artifact store, by their outcome.",
    "failed: the store's URL, space and permissions. altered: somebody changed a proof; find out who.",
    (OPERATION, STORED), _STORE,
)  # fmt: skip
STORE_BYTES: Final = CounterName(
    "proofrail_store_bytes", "bytes", "Bytes of artifacts read and written.", "Size the store by it.",
    (DIRECTION,), _STORE,
)  # fmt: skip
STORE_SECONDS: Final = HistogramName(
    "proofrail_store_seconds", "seconds", "One operation of the artifact store.",
    "Seconds mean a slow disk or network.", (OPERATION,), _STORE, _FAST,
)  # fmt: skip

# --- auditor ----------------------------------------------------------------------------------------------

REPORTS: Final = CounterName(
    "proofrail_reports", "reports", "Audit reports written, by verdict.",
    "A MISMATCH is for a person, always: `proofrail explain KIND`, and the report's evidence.",
    (SUBJECT, VERDICT), _AUDITOR,
)  # fmt: skip
MISMATCHES: Final = CounterName(
    "proofrail_mismatches", "reports", "Reports of a mismatch, by the kind of the first one.",
    "`proofrail explain KIND`.", (SUBJECT, MISMATCH_KIND), _AUDITOR,
)  # fmt: skip
LAST_MISMATCH: Final = GaugeName(
    "proofrail_last_mismatch_timestamp_seconds", "Unix time", "When a mismatch was last reported; 0 for never.",
    "As for proofrail_mismatches_total.", (SUBJECT,), _AUDITOR,
)  # fmt: skip
AUDIT_SECONDS: Final = HistogramName(
    "proofrail_audit_seconds", "seconds", "The work of one audit.", "Grows with the run.", (SUBJECT,), _AUDITOR, _FAST,
)  # fmt: skip
AUDIT_DELAY: Final = HistogramName(
    "proofrail_audit_delay_seconds", "seconds",
    "From the seal's (for a proof, its record's) timestamp to the report's commit, if clocks agree.",
    "The promise is under 1 s for a run; more means lag or a busy host.", (SUBJECT,), _AUDITOR, _MEDIUM,
)  # fmt: skip
ATTESTATIONS: Final = CounterName(
    "proofrail_attestations", "attestations", "Attestations written, by the decision.",
    "None while proposals come: follow the runs with `proofrail status`.", (APPROVED,), _AUDITOR,
)  # fmt: skip
ATTESTATION_SECONDS: Final = HistogramName(
    "proofrail_attestation_seconds", "seconds",
    "From a proposal's record timestamp to its attestation's, if clocks agree: what the allocator waits for.",
    "Mostly the proof; see the waits before it.", (), _AUDITOR, _SLOW,
)  # fmt: skip

# --- registrar --------------------------------------------------------------------------------------------

REGISTRATIONS: Final = CounterName(
    "proofrail_registrations", "registrations", "Registrations written, by their outcome.",
    "`proofrail explain CODE` for refusals.", (REGISTERED,), _REGISTRAR,
)  # fmt: skip
REGISTRATION_SECONDS: Final = HistogramName(
    "proofrail_registration_seconds", "seconds", "From an attestation's timestamp to its registration.",
    "On chain, mostly the chain's.", (), _REGISTRAR, _SLOW,
)  # fmt: skip
LEDGER_TRANSACTIONS: Final = CounterName(
    "proofrail_ledger_transactions", "transactions",
    "Transactions on chain that have their outcome; `never` was not taken by the chain, `taken-back` had succeeded, "
    "and its block is gone.",
    "Reverted ones cost fees: the log has the reason. Those taken back are sent again, or what was in them is recorded "
    "anew: compare with proofrail_in_flight.", (ON_CHAIN,), _REGISTRAR,
)  # fmt: skip
LEDGER_GAS: Final = CounterName(
    "proofrail_ledger_gas", "gas", "Gas of transactions sent, as the node estimated it before.",
    "The real amounts are in the receipts on chain.", (RESOURCE,), _REGISTRAR,
)  # fmt: skip
LEDGER_FEES: Final = CounterName(
    "proofrail_ledger_fee_fri", "fri", "Fees of transactions sent, as the node estimated them before.",
    "Keep the accounts funded by it.", (), _REGISTRAR,
)  # fmt: skip


def registry() -> Iterator[MetricName]:
    """Every metric of this file, in its order."""
    for value in list(globals().values()):
        if isinstance(value, MetricName):
            yield value


LABELS: Final = frozenset(label.name for name in registry() for label in name.labels)
"""Every label name in use."""

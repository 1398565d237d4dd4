"""What a pipeline counts."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from proofrail.messaging.metrics import Metrics
from proofrail.messaging.records import Message, Record


class PipelineMetrics:
    """Counts for one pipeline; nothing where there are no metrics."""

    def __init__(self, metrics: Metrics | None, topics: Iterable[str], outputs: Iterable[str]) -> None:
        self._metrics = metrics
        if metrics is None:
            return
        # At 0 from the start: a series that appears with the first record would hide it from every rate.
        for topic in topics:
            metrics.records_consumed.labels(topic=topic)
            metrics.record_age.labels(topic=topic)
        for topic in outputs:
            metrics.records_produced.labels(topic=topic)
            metrics.bytes_produced.labels(topic=topic)

    def taken(self, records: Sequence[Record]) -> None:
        """Records were handed out."""
        metrics = self._metrics
        if metrics is None:
            return
        now = time.time()
        for topic in {record.topic for record in records}:
            stamps = [record.timestamp / 1000 for record in records if record.topic == topic]
            metrics.records_consumed.labels(topic=topic).inc(len(stamps))
            metrics.record_age.labels(topic=topic).observe(max(0.0, now - min(stamps)))

    def aborted(self) -> None:
        if self._metrics is not None:
            self._metrics.transactions.labels(outcome="aborted").inc()

    def committed(self, seconds: float, messages: Iterable[Message]) -> None:
        """A transaction of so many seconds, with what it published as far as that is at hand."""
        metrics = self._metrics
        if metrics is None:
            return
        metrics.transactions.labels(outcome="committed").inc()
        metrics.transaction_seconds.observe(seconds)
        for message in messages:
            metrics.records_produced.labels(topic=message.topic).inc()
            metrics.bytes_produced.labels(topic=message.topic).inc(len(message.value or b""))

    def assigned(self) -> None:
        if self._metrics is not None:
            self._metrics.rebalances.inc()

"""The artifact store with its bytes, times and failures counted."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Protocol

from prometheus_client import Counter, Histogram

from proofrail.artifacts.errors import AlteredArtifact, MissingArtifact
from proofrail.artifacts.reference import Ref
from proofrail.artifacts.store import ArtifactStore


class StoreMetrics(Protocol):
    """Where it is counted: a service's metrics have these."""

    store_bytes: Counter
    """By `direction`: written, read."""
    store_operations: Counter
    """By `operation` and `outcome`: ok, missing, altered, failed."""
    store_seconds: Histogram
    """By `operation`: put, get."""


class MeasuredStore(ArtifactStore):
    """See ArtifactStore."""

    def __init__(self, url: str, metrics: StoreMetrics) -> None:
        super().__init__(url)
        self._metrics = metrics

    def put(self, data: bytes) -> Ref:
        with self._counted("put"):
            ref = super().put(data)
        self._metrics.store_bytes.labels(direction="written").inc(len(data))
        return ref

    def get(self, digest: str, size: int | None = None) -> bytes:
        with self._counted("get"):
            data = super().get(digest, size)
        self._metrics.store_bytes.labels(direction="read").inc(len(data))
        return data

    @contextlib.contextmanager
    def _counted(self, operation: str) -> Iterator[None]:
        outcome, begun = "failed", time.perf_counter()
        try:
            yield
            outcome = "ok"
        except MissingArtifact:
            outcome = "missing"
            raise
        except AlteredArtifact:
            outcome = "altered"
            raise
        finally:
            self._metrics.store_operations.labels(operation=operation, outcome=outcome).inc()
            self._metrics.store_seconds.labels(operation=operation).observe(time.perf_counter() - begun)

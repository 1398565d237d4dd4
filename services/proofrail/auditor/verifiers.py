"""Whether this host can verify the proofs that the settings accept."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog

from proofrail.messaging.metrics import Metrics
from proofrail.proving.backend import Backend
from proofrail.wire.errors import TransientError

_PATIENCE_S: Final = 1.0

_log = structlog.get_logger(__name__)


class Verifiers:
    """The verifiers of some backends, by their names; what is wrong with one is told when it begins."""

    def __init__(self, backends: Mapping[str, Backend], metrics: Metrics) -> None:
        self._backends = dict(backends)
        self._metrics = metrics
        self._faults: dict[str, TransientError] = {}
        self._looking: asyncio.Task[None] | None = None

    async def missing(self) -> str | None:
        """What is wrong with one of them, for readiness: by a new look, or the last one while that takes long."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        await asyncio.wait({self._looking}, timeout=_PATIENCE_S)
        return next((str(fault) for fault in self._faults.values()), None)

    def work(self, name: str) -> bool:
        """Whether the verifier of this backend works on a proof that is known to hold; where it does not, this may take
        minutes."""
        return self._fault(name) is None

    async def _look(self) -> None:
        for name in self._backends:
            fault = await asyncio.to_thread(self._fault, name)
            before = self._faults.pop(name, None)
            if fault is None:
                continue
            self._faults[name] = fault
            if before is None or before.code != fault.code:
                self._metrics.failed(fault)
                _log.warning(
                    "backend-unusable",
                    backend=name,
                    code=fault.code,
                    message=fault.message,
                    next_step=fault.next_step,
                )

    def _fault(self, name: str) -> TransientError | None:
        try:
            self._backends[name].preflight_verifier()
        except TransientError as error:
            return error
        return None

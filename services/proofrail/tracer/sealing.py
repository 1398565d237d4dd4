"""From a batch to a sealed run: execute, trace, commit, sign, and put all of it into records.

No Kafka and no clock of its own in here: what comes out is what one transaction publishes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from proofrail.cairo.risk_program import program_input
from proofrail.cairo.trace import RunSpec, trace_run
from proofrail.commitment.checkpoint import Signer, sign_checkpoint
from proofrail.messaging.records import Message
from proofrail.tracer.window import OpenRun
from proofrail.wire import topics
from proofrail.wire.canonical import canonical
from proofrail.wire.errors import PoisonError
from proofrail.wire.headers import record_headers
from proofrail.wire.ndjson import batches

SOURCE = "/proofrail/tracer"
_RECORD_BYTES = 256 * 1024


@dataclass(frozen=True)
class SealedRun:
    """A run ready to be published."""

    run: OpenRun
    seal: dict[str, Any]
    messages: list[Message]


class Sealer:
    """Turns batches of normal forms into sealed runs. `clock` gives nanoseconds since the Unix epoch."""

    def __init__(self, spec: RunSpec, signer: Signer, clock: Callable[[], int]) -> None:
        self._spec = spec
        self._signer = signer
        self._clock = clock

    def seal(self, forms: Sequence[dict[str, Any]], traceparent: str | None) -> SealedRun:
        """Run the risk engine over the batch; takes milliseconds to seconds, so call it off the event loop.

        Raises PoisonError when the program does not take the batch: the batch is then tried in halves.
        """
        trace = trace_run(
            self._spec, forms, program_input(list(forms)), clock=self._clock, private_input=False
        )
        failure = trace.execution.failure
        if failure is not None:
            raise PoisonError(
                "run-failed",
                f"the risk engine failed on this input: {failure.message}",
                "Report this proposal: valid proposals must not fail in the program.",
            )
        messages: list[Message] = []

        def add(topic: str, value: bytes) -> None:
            headers = record_headers(topic, value, source=SOURCE, traceparent=traceparent)
            messages.append(Message(topic, trace.run_id.encode(), value, headers))

        blocks: list[bytes] = []
        for chunk in trace.stream():
            add(topics.EVENTS, chunk.lines)
            blocks.extend(chunk.blocks)
        seal = dict(trace.seal)
        seal["checkpoint"] = sign_checkpoint(
            trace.run_id, seal["items"], bytes.fromhex(seal["root"]), self._signer
        )
        lines: Iterable[bytes] = [*trace.input_lines, *blocks, canonical(seal)]
        for value in batches(lines, _RECORD_BYTES):
            add(topics.COMMITMENTS, value)
        return SealedRun(OpenRun(trace.run_id, tuple(forms), traceparent), seal, messages)

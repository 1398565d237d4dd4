"""From a batch to a sealed run: execute, trace, commit, sign, and put all of it into records.

No Kafka and no clock of its own in here: what comes out is what one transaction publishes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from proofrail.cairo.risk_program import program_input
from proofrail.cairo.trace import RunSpec, trace_run
from proofrail.commitment.checkpoint import Signer, sign_checkpoint
from proofrail.commitment.runid import inputs_sha256, packings, run_ids
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

    def seal(
        self,
        forms: Sequence[dict[str, Any]],
        traceparent: str | None,
        taken: Callable[[str], bool] | None = None,
    ) -> SealedRun:
        """Run the risk engine over the batch; takes milliseconds to seconds, so call it off the event loop.

        A run that is made again must have another id than those before: with `taken`, which tells whether a run_id was
        used, it is packed in the first way that gives it one of its own. Raises PoisonError when the program does not
        take the batch, which is then tried in halves, and `requeued-too-often` when all ids are taken.
        """
        spec = self._spec if taken is None else self._spec_of_another(forms, taken)
        trace = trace_run(spec, forms, program_input(list(forms)), clock=self._clock, private_input=False)
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

    def _spec_of_another(self, forms: Sequence[dict[str, Any]], taken: Callable[[str], bool]) -> RunSpec:
        spec = self._spec
        found = run_ids(
            artifact_sha256=spec.program.artifact_sha256,
            method_id=spec.program.method_id,
            layout=spec.layout,
            spans=spec.spans,
            inputs_sha256=inputs_sha256(map(canonical, forms)),
            packings=packings(spec.bits, spec.block_items),
        )
        for _, block_items, run_id in found:
            if not taken(run_id):
                return replace(spec, block_items=block_items)
        raise PoisonError(
            "requeued-too-often",
            "runs over these proposals were tried as often as they can be, and none could be proven",
            "Publish them under other allocation_ids, if there is anything to expect of it.",
        )

"""KafkaSubscriber: a trace on its way to trace.events.v1 and trace.commitments.v1 while the program runs.

A thread of its own talks to the broker; the traced program only puts lines into a bounded queue. They leave in
batches, a transaction each, the last one together with Input lines, blocks and seal: whoever sees the seal can see all
of the run. A run that is abandoned leaves events without a seal, which no auditor accepts.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from typing import Any, Final

from proofrail.commitment.checkpoint import Signer
from proofrail.messaging.backoff import retry_transient
from proofrail.messaging.publisher import TransactionalPublisher
from proofrail.messaging.records import Message
from proofrail.messaging.settings import KafkaSettings
from proofrail.tracing.errors import TracingError
from proofrail.tracing.subscribers import Sealing, sealed_lines
from proofrail.tracing.tracer import CompletedTrace, Subscriber
from proofrail.wire import topics
from proofrail.wire.errors import ProofrailError, TransientError
from proofrail.wire.headers import child_traceparent, record_headers
from proofrail.wire.ndjson import batches

SOURCE: Final = "/proofrail/tracing"

_RECORD_BYTES: Final = 256 * 1024
_BATCH_BYTES: Final = 4 * 1024 * 1024
_ABANDON_SECONDS: Final = 10.0

_Entry = tuple[dict[str, Any], bytes] | CompletedTrace


class KafkaSubscriber(Subscriber):
    """Publishes events, Input lines, blocks and seal, with the headers of schemas/trace-v1.md section 1.

    - `signer` signs the seal's checkpoint
    - `events_topic`, `commitments_topic`: other topics than the house's
    - `transactional_id`: one tracer at a time may use it. By default it is the run's own, so that two processes
      tracing the same run do not publish it interleaved: the later one fences off the other.
    - `traceparent`: the trace that the run belongs to; without it the run begins one
    - `queue_lines`: how far the broker may fall behind; `wait_seconds`: how long the program waits when it has
      fallen behind that far, before the trace is given up (TracingError `queue-full`). In an async program its event
      loop waits with it: prefer a longer queue to a longer wait.
    - `linger_seconds`: how long events wait for company
    - `patience_seconds`: how long a broker that does not answer is asked again, and how long `Tracer.close` waits
      until everything is committed (`not-published`)

    Prover and auditor accept the risk engine's runs alone: on the house's topics they report others as of another
    program. Where that is not wanted, give a native run topics, or a broker, of its own.

    What goes wrong ends the trace and is raised by `Tracer.close`: also PoisonError `record-refused`,
    RestartRequiredError `producer-fenced`, OutcomeUnknownError.
    """

    def __init__(
        self,
        kafka: KafkaSettings | None = None,
        *,
        signer: Signer | None = None,
        events_topic: str = topics.EVENTS,
        commitments_topic: str = topics.COMMITMENTS,
        transactional_id: str | None = None,
        traceparent: str | None = None,
        queue_lines: int = 16_384,
        wait_seconds: float = 5.0,
        linger_seconds: float = 0.1,
        patience_seconds: float = 30.0,
    ) -> None:
        self._kafka = kafka if kafka is not None else KafkaSettings()
        self._signer = signer
        self._events_topic = events_topic
        self._commitments_topic = commitments_topic
        self._transactional_id = transactional_id
        self._traceparent = traceparent
        self._wait = wait_seconds
        self._linger = linger_seconds
        self._patience = patience_seconds
        self._queue: queue.Queue[_Entry] = queue.Queue(queue_lines)
        self._sealing = Sealing()
        self._thread: threading.Thread | None = None
        self._given_up = threading.Event()
        self._error: Exception | None = None
        self._run_id = ""
        self._published = False

    def on_trace(self, event: dict[str, Any], line: bytes) -> None:
        if self._thread is None:
            self._begin(event["run_id"])
        self._put((event, line))

    def on_complete(self, trace: CompletedTrace) -> None:
        self._put(trace)
        if self._thread is not None:
            self._thread.join(self._patience)
        self._raise_error()
        if not self._published:
            self._given_up.set()
            raise TracingError(
                "not-published",
                f"{self._kafka.bootstrap} did not confirm the end of the run within {self._patience:g} s",
                "Check the broker; the run's seal may or may not be on the topic",
            )

    def on_abandon(self, error: ProofrailError) -> None:
        self._given_up.set()
        if self._thread is not None:
            self._thread.join(_ABANDON_SECONDS)

    # The traced program's side

    def _begin(self, run_id: str) -> None:
        self._run_id = run_id
        if self._traceparent is None:
            self._traceparent = child_traceparent(None, run_id.encode())
        # A daemon: a broker that hangs must not keep the program from ending.
        self._thread = threading.Thread(target=self._work, name=f"proofrail-kafka-{run_id[:8]}", daemon=True)
        self._thread.start()

    def _put(self, entry: _Entry) -> None:
        self._raise_error()
        try:
            self._queue.put(entry, timeout=self._wait)
        except queue.Full:
            self._raise_error()
            raise TracingError(
                "queue-full",
                f"{self._queue.maxsize} events wait for {self._kafka.bootstrap}, for more than {self._wait:g} s",
                "Check the broker, or allow more with queue_lines and wait_seconds",
            ) from None

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    # The broker's side

    def _work(self) -> None:
        try:
            asyncio.run(self._publish_all())
        except Exception as error:
            self._error = error

    async def _publish_all(self) -> None:
        name = self._transactional_id or f"proofrail-tracing-{self._run_id}"
        async with TransactionalPublisher(self._kafka, name) as publisher:
            completed: CompletedTrace | None = None
            while completed is None and not self._given_up.is_set():
                # In a thread of its own: the producer's heartbeats and acknowledgements need the event loop.
                lines, completed = await asyncio.to_thread(self._next_batch)
                messages = self._messages(self._events_topic, lines)
                if completed is not None:
                    commitment = sealed_lines(self._sealing, completed, self._signer)
                    messages += self._messages(self._commitments_topic, commitment)
                if messages:
                    await self._publish(publisher, messages)
            self._published = completed is not None

    async def _publish(self, publisher: TransactionalPublisher, messages: list[Message]) -> None:
        enough = asyncio.Event()
        timer = asyncio.get_running_loop().call_later(self._patience, enough.set)
        try:
            await retry_transient(lambda: publisher.publish(messages), stop=enough)
        except TransientError as error:
            raise TracingError(
                "not-published", f"{len(messages)} records were not published: {error}", "Check the broker"
            ) from error
        finally:
            timer.cancel()

    def _next_batch(self) -> tuple[list[bytes], CompletedTrace | None]:
        """What is in the queue by the time that something has waited long enough or is much."""
        lines: list[bytes] = []
        size = 0
        deadline = time.monotonic() + self._linger
        while size < _BATCH_BYTES:
            try:
                entry = self._queue.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                break
            if isinstance(entry, CompletedTrace):
                return lines, entry
            event, line = entry
            self._sealing.take(event, line)
            lines.append(line)
            size += len(line)
        return lines, None

    def _messages(self, topic: str, lines: list[bytes]) -> list[Message]:
        key = self._run_id.encode()
        return [
            Message(
                topic, key, value, record_headers(topic, value, source=SOURCE, traceparent=self._traceparent)
            )
            for value in batches(lines, _RECORD_BYTES)
        ]

"""From a program and its inputs to a run's Input lines, trace events, blocks and seal (design section 5)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from proofrail import _native
from proofrail.cairo.errors import translated
from proofrail.cairo.program import CairoProgram
from proofrail.cairo.vm import Execution, run
from proofrail.commitment.runid import inputs_sha256, run_id
from proofrail.wire.canonical import canonical, felt_hex, sha256_hex
from proofrail.wire.errors import PoisonError

DEFAULT_CHUNK_BYTES: Final = 384 * 1024
"""Leaves room for the key and headers in a record of 512 KiB."""


@dataclass(frozen=True)
class RunSpec:
    """Everything about a run but its inputs. `max_steps` and `label` are no part of its identity."""

    program: CairoProgram
    layout: str = "small"
    spans: Literal["own", "all"] = "own"
    bits: int = 16
    block_items: int = 256
    label: str | None = None
    max_steps: int | None = None


class Chunk(NamedTuple):
    """Trace events that travel together (NDJSON), and the lines of the CommitmentBlocks they complete."""

    lines: bytes
    blocks: list[bytes]


class RunTrace:
    """A run that has been made, and its events as they are asked for.

    `stream` gives the events; `seal` is known when it is exhausted.
    """

    def __init__(
        self, spec: RunSpec, inputs: Sequence[bytes], execution: Execution, started_ns: int, finished_ns: int
    ) -> None:
        program = spec.program
        self.spec = spec
        self.execution = execution
        self.started_ns = started_ns
        self.finished_ns = finished_ns
        self.inputs_sha256 = inputs_sha256(inputs)
        self.run_id = run_id(
            artifact_sha256=program.artifact_sha256,
            method_id=program.method_id,
            layout=spec.layout,
            spans=spec.spans,
            inputs_sha256=self.inputs_sha256,
            bits=spec.bits,
            block_items=spec.block_items,
        )
        self.input_lines = [self._input_line(index, line) for index, line in enumerate(inputs)]
        self.n_steps = execution.n_steps
        self.outcome = execution.outcome
        self.output = execution.output
        self._seal: dict[str, Any] | None = None

    @property
    def seal(self) -> dict[str, Any]:
        """The run's CommitmentSeal without its checkpoint. Raises PoisonError `stream-unfinished` before a
        stream has been read to its end."""
        if self._seal is None:
            raise PoisonError("stream-unfinished", "the seal is known when all events have been read")
        return dict(self._seal)

    def stream(self, chunk_bytes: int = DEFAULT_CHUNK_BYTES) -> Iterator[Chunk]:
        """The run's trace events from TraceStart to TraceEnd, in pieces of at most `chunk_bytes` (more than
        64 KiB).

        An event at step s has the timestamp started + s·duration/n_steps. Raises PoisonError:
        `line-too-long` (a function takes or returns more than a line can hold), `call-stack-broken`.
        """
        events = self._events(chunk_bytes)
        while (chunk := _next(events)) is not None:
            yield chunk
        self._seal = {**json.loads(events.seal), **self._facts()}

    def against(self, claimed: Iterable[bytes]) -> tuple[list[bytes], bool]:
        """The lines of the run's CommitmentBlocks, and whether `claimed`, NDJSON cut anywhere, holds the same
        items in any spelling, no more and no fewer.

        `seal` is known afterwards. Raises what `stream` raises, and what `claimed` does.
        """
        events = self._events(DEFAULT_CHUNK_BYTES)
        blocks: list[bytes] = []
        with translated():
            for piece in claimed:
                blocks += events.against(piece)
                if not events.equal:
                    break
            blocks += events.against(None)
            for chunk in events:
                blocks += chunk[1]
        self._seal = {**json.loads(events.seal), **self._facts()}
        return blocks, events.equal

    def _events(self, chunk_bytes: int) -> _native.EventStream:
        spec = self.spec
        with translated():
            return self.execution.native.events(
                canonical(self._start()),
                self.run_id,
                spec.spans,
                spec.program.method_id,
                spec.bits,
                spec.block_items,
                self.started_ns,
                self.finished_ns,
                chunk_bytes,
            )

    def _facts(self) -> dict[str, Any]:
        output = canonical([felt_hex(felt) for felt in self.output])
        return {
            "program": self._program(),
            "layout": self.spec.layout,
            "spans": self.spec.spans,
            "inputs_count": len(self.input_lines),
            "inputs_sha256": self.inputs_sha256,
            "outcome": self.outcome,
            "n_steps": self.n_steps,
            "output_count": len(self.output),
            "output_sha256": sha256_hex(output),
        }

    def _start(self) -> dict[str, Any]:
        start: dict[str, Any] = {
            "v": 1,
            "type": "TraceStart",
            "run_id": self.run_id,
            "seq": 0,
            "timestamp": self.started_ns,
            "program": self._program(),
            "layout": self.spec.layout,
            "spans": self.spec.spans,
            "inputs_count": len(self.input_lines),
            "inputs_sha256": self.inputs_sha256,
            "commitment": {"bits": self.spec.bits, "block_items": self.spec.block_items},
        }
        if self.spec.label is not None:
            start["label"] = self.spec.label
        return start

    def _program(self) -> dict[str, str]:
        program = self.spec.program
        return {
            "backend": "cairo",
            "method_id": program.method_id,
            "artifact_sha256": program.artifact_sha256,
        }

    def _input_line(self, index: int, line: bytes) -> bytes:
        # Canonical around canonical: "index" < "input" < "run_id" < "type" < "v".
        return b'{"index":%d,"input":%s,"run_id":"%s","type":"Input","v":1}' % (
            index,
            line,
            self.run_id.encode(),
        )


def trace_run(
    spec: RunSpec,
    inputs: Sequence[Mapping[str, Any]],
    program_input: Mapping[str, Any],
    *,
    clock: Callable[[], int],
    private_input: bool = True,
) -> RunTrace:
    """Run the program on `program_input`, which is what `inputs` (in normal form) mean to it.

    `clock` gives nanoseconds since 1970; it is read before and after the run. A run that fails by a VM error
    or the step limit is a RunTrace with outcome "failed". Raises what `vm.run` raises, MalformedError for
    inputs without canonical form.
    """
    lines = [canonical(dict(one)) for one in inputs]
    started_ns = clock()
    execution = run(spec.program, program_input, spec.layout, spec.max_steps, private_input=private_input)
    return RunTrace(spec, lines, execution, started_ns, clock())


def _next(events: _native.EventStream) -> Chunk | None:
    with translated():
        found = next(events, None)
    return Chunk(*found) if found else None

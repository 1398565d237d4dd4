"""Subscribers that write a trace down: JsonSubscriber its events, CommitSubscriber its commitment."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

from proofrail._native import Committer
from proofrail.artifacts.files import write_atomically
from proofrail.commitment.checkpoint import Signer, sign_checkpoint
from proofrail.tracing.tracer import CompletedTrace, Subscriber
from proofrail.wire.canonical import JsonObject, canonical, parse_object
from proofrail.wire.ndjson import MAX_FILE_LINE, join

_BATCH_BYTES = 1 << 16


class JsonSubscriber(Subscriber):
    """Writes the events as NDJSON, each line as it comes: to a binary file that is open, or to a new one at a path.

    A trace that was not sealed has no TraceEnd in the file. A file that was opened here is on disk when the tracer
    has closed; another is flushed.
    """

    def __init__(self, target: BinaryIO | Path | str) -> None:
        self._own = isinstance(target, Path | str)
        self._file: BinaryIO
        if isinstance(target, Path | str):
            self._file = Path(target).open("wb")  # noqa: SIM115 - closed with the trace
        else:
            self._file = target

    def on_trace(self, event: dict[str, Any], line: bytes) -> None:
        self._file.write(line + b"\n")

    def on_complete(self, trace: CompletedTrace) -> None:
        self._finish()

    def on_abandon(self, error: Exception) -> None:
        self._finish()

    def _finish(self) -> None:
        self._file.flush()
        if self._own:
            self._file.close()


class Sealing:
    """Blocks and seal of a trace as it is made. `blocks` are the lines of those complete so far."""

    def __init__(self) -> None:
        self.blocks: list[bytes] = []
        self._committer: Committer | None = None
        self._batch = bytearray()
        self._held = 0
        self._block_items = 1

    def take(self, event: dict[str, Any], line: bytes) -> list[bytes]:
        """The next event; the lines of the blocks it completes."""
        if event["type"] == "TraceStart":
            parameters = event["commitment"]
            self._block_items = parameters["block_items"]
            self._committer = Committer(event["run_id"], parameters["bits"], self._block_items)
        self._batch += line
        self._batch += b"\n"
        self._held += 1
        if self._held % self._block_items and len(self._batch) < _BATCH_BYTES:
            return []
        return self._feed()

    def finish(self) -> tuple[list[bytes], JsonObject]:
        """The lines of the last blocks, and the core of the seal."""
        new = self._feed()
        *last, core = self._running.finish()
        self.blocks += last
        return new + last, parse_object(core)

    @property
    def _running(self) -> Committer:
        if self._committer is None:
            raise RuntimeError("no TraceStart was taken")
        return self._committer

    def _feed(self) -> list[bytes]:
        new = self._running.feed(bytes(self._batch))
        self._batch.clear()
        self.blocks += new
        return new


def sealed_lines(sealing: Sealing, trace: CompletedTrace, signer: Signer | None) -> list[bytes]:
    """The run's commitment as it travels: Input lines, blocks, seal; with a checkpoint when there is a signer."""
    _, core = sealing.finish()
    seal = core | trace.facts
    if signer is not None:
        seal["checkpoint"] = sign_checkpoint(trace.run_id, seal["items"], bytes.fromhex(seal["root"]), signer)
    return [*trace.input_lines, *sealing.blocks, canonical(seal)]


class CommitSubscriber(Subscriber):
    """Commits to the trace, and writes Input lines, blocks and seal to `path` when it is complete: whole or not at
    all. With a `signer`, the seal has a checkpoint.

    `lines` are the same lines, and `seal` the seal, once the tracer has closed.
    """

    def __init__(self, path: Path | str | None = None, *, signer: Signer | None = None) -> None:
        self._path = None if path is None else Path(path)
        self._signer = signer
        self._sealing = Sealing()
        self.lines: list[bytes] = []
        self.seal: JsonObject | None = None

    def on_trace(self, event: dict[str, Any], line: bytes) -> None:
        self._sealing.take(event, line)

    def on_complete(self, trace: CompletedTrace) -> None:
        lines = sealed_lines(self._sealing, trace, self._signer)
        if self._path is not None:
            write_atomically(self._path, join(lines, MAX_FILE_LINE))
        self.lines = lines
        self.seal = parse_object(lines[-1])

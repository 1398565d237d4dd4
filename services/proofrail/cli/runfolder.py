"""A run as a folder of files: what `proofrail trace` writes and `audit`, `prove` and `verify` read.

events.ndjson        trace events
commitments.ndjson   inputs, blocks, seal; written last, so a folder that has it is whole
program.json         the compiled program, byte for byte
tracer.vkey          the public key that the checkpoint verifies with
trace.bin  memory.bin  public_input.json  private_input.json     what Stone reads; not of a failed run
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

EVENTS: Final = "events.ndjson"
COMMITMENTS: Final = "commitments.ndjson"
PROGRAM: Final = "program.json"
VKEY: Final = "tracer.vkey"
TRACE: Final = "trace.bin"
MEMORY: Final = "memory.bin"
PUBLIC_INPUT: Final = "public_input.json"
PRIVATE_INPUT: Final = "private_input.json"
PROOF: Final = "proof.bin"
PROOF_MESSAGE: Final = "proof.json"

_RUN_FILES: Final = (EVENTS, PROGRAM, VKEY, TRACE, MEMORY, PUBLIC_INPUT, PRIVATE_INPUT, COMMITMENTS)


class RunFolderWriter:
    """Writes a run's files beside their place and moves them there together: readers never see half a run.

    Files of an earlier run in the folder that the new run does not have are removed, so that a folder never
    mixes two runs; other files are left alone.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._staging: Path | None = None

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._staging = Path(tempfile.mkdtemp(prefix=".partial-", dir=self.folder))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        staging = self._staged
        try:
            if error is None:
                self._publish(staging)
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def write(self, name: str, data: bytes | memoryview) -> None:
        with self.open(name) as file:
            file.write(data)

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """A file of the run, opened for writing; it is on disk when the context ends."""
        with (self._staged / name).open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())

    @property
    def _staged(self) -> Path:
        if self._staging is None:
            raise RuntimeError("the folder is not being written")
        return self._staging

    def _publish(self, staging: Path) -> None:
        # The commitments go first and come last: without them a folder is no run.
        (self.folder / COMMITMENTS).unlink(missing_ok=True)
        for name in _RUN_FILES:
            if (staging / name).exists():
                (staging / name).replace(self.folder / name)
            else:
                (self.folder / name).unlink(missing_ok=True)

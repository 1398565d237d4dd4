"""Where claimed trace events are read from: line by line to find a difference, in large pieces to find that
there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from proofrail.wire.errors import MalformedError
from proofrail.wire.ndjson import iter_lines
from proofrail.wire.topics import MAX_LINE

_PIECE: Final = 1 << 18
"""Bytes handed over at once: enough to make the call's own cost vanish."""

Events = Callable[[], Iterator[bytes]]
"""Opens claimed events anew, as NDJSON lines. The iterator may raise MalformedError (`line-too-long`)."""


@runtime_checkable
class EventPieces(Protocol):
    """Events that can also be had as NDJSON in large pieces, cut anywhere."""

    def __call__(self) -> Iterator[bytes]: ...

    def pieces(self) -> Iterator[bytes]:
        """The same events, whole lines or not; a line may be of any length."""


class EventFile:
    """The events in an NDJSON file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            for _, line in iter_lines(file):
                yield line

    def pieces(self) -> Iterator[bytes]:
        with self._path.open("rb", buffering=0) as file:
            while piece := file.read(_PIECE):
                yield piece


class EventValues:
    """The events in consecutive NDJSON values, such as the records of a run on trace.events.v1."""

    def __init__(self, values: Sequence[bytes]) -> None:
        self._values = values

    def __call__(self) -> Iterator[bytes]:
        for value in self._values:
            for line in value.removesuffix(b"\n").split(b"\n") if value else ():
                if len(line) > MAX_LINE:
                    raise MalformedError("line-too-long", f"a line has more than {MAX_LINE} bytes")
                yield line

    def pieces(self) -> Iterator[bytes]:
        for value in self._values:
            yield value
            if value and not value.endswith(b"\n"):  # a line ends with its value
                yield b"\n"


def pieces_of(events: Callable[[], Iterable[bytes]]) -> Iterator[bytes]:
    """Events as NDJSON in large pieces. Raises what their iterator raises."""
    return events.pieces() if isinstance(events, EventPieces) else _joined(events())


def _joined(lines: Iterable[bytes]) -> Iterator[bytes]:
    batch = bytearray()
    for line in lines:
        batch += line
        batch += b"\n"
        if len(batch) >= _PIECE:
            yield bytes(batch)
            batch.clear()
    if batch:
        yield bytes(batch)

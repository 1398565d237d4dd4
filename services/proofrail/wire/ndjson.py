"""NDJSON framing: lines end at 0x0A only; the last line feed is optional (design section 5).

A carriage return is white space of JSON, not an end of line. An empty line is a line, and no JSON object:
it is kept here and refused by whoever parses it, so that line numbers stay true.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

from proofrail.wire.errors import MalformedError
from proofrail.wire.topics import MAX_LINE

MAX_FILE_LINE: Final = 64 * 1024 * 1024
"""Most bytes of a commitment line in a file, where no broker sets a limit: a program's one input can be
large, and so can a block of many items."""


def split(value: bytes, max_line: int = MAX_LINE) -> list[bytes]:
    """The lines of a value, without their line feeds; no lines for an empty value.

    Raises MalformedError (`line-too-long`, with the 1-based `line`) for a line of more than `max_line` bytes.
    """
    if not value:
        return []
    lines = value.removesuffix(b"\n").split(b"\n")
    for number, line in enumerate(lines, 1):
        if len(line) > max_line:
            _refuse_length(number, max_line)
    return lines


def join(lines: Iterable[bytes], max_line: int = MAX_LINE) -> bytes:
    """The lines as one value, each with its line feed.

    Raises MalformedError: `line-too-long` as `split` does, `malformed-json` for a line that holds a line
    feed.
    """
    value = bytearray()
    for number, line in enumerate(lines, 1):
        if len(line) > max_line:
            _refuse_length(number, max_line)
        if b"\n" in line:
            raise MalformedError("malformed-json", f"line {number} holds a line feed", line=number)
        value += line
        value += b"\n"
    return bytes(value)


def iter_lines(file: BinaryIO, max_line: int = MAX_LINE) -> Iterator[tuple[int, bytes]]:
    """Line numbers, from 1, and lines without their line feeds, of a binary file or pipe.

    Memory is bounded by `max_line`. Raises MalformedError (`line-too-long`) when it reaches a longer line.
    """
    number = 0
    while line := file.readline(max_line + 1):
        number += 1
        if line.endswith(b"\n"):
            line = line[:-1]
        elif len(line) > max_line:
            _refuse_length(number, max_line)
        yield number, line


def _refuse_length(number: int, max_line: int) -> None:
    raise MalformedError(
        "line-too-long",
        f"line {number} is longer than {max_line} bytes, the most a line may have",
        line=number,
    )


def batches(lines: Iterable[bytes], max_bytes: int) -> Iterator[bytes]:
    """The lines as values of at most `max_bytes` each (or one line, where that alone is longer), in order."""
    held: list[bytes] = []
    size = 0
    for line in lines:
        if held and size + len(line) + 1 > max_bytes:
            yield join(held)
            held, size = [], 0
        held.append(line)
        size += len(line) + 1
    if held:
        yield join(held)

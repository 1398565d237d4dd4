"""`proofrail commit`: blocks and seal of any event stream, by the normative text alone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, BinaryIO, Final

import typer

from proofrail._native import Committer, NativeError
from proofrail.cli.options import BitsOption, BlockItemsOption
from proofrail.cli.output import Exit, command, fail
from proofrail.commitment.blocks import DEFAULT_BITS, DEFAULT_BLOCK_ITEMS
from proofrail.wire.errors import UnusableInputError

_PIECE: Final = 1 << 18


def commit(
    events: Annotated[str, typer.Argument(metavar="EVENTS|-", help="NDJSON file, or - for stdin.")],
    run_id: Annotated[str, typer.Option(help="The run's id: it goes into the commitment.", metavar="ID")],
    bits: BitsOption = DEFAULT_BITS,
    block_items: BlockItemsOption = DEFAULT_BLOCK_ITEMS,
) -> None:
    """Commit to an event stream: its blocks and seal go to stdout.

    Any JSON objects are accepted as events, one on a line; nothing but the normative text
    (schemas/trace-v1.md, section 6) is applied to them, so this checks anybody's arithmetic. Memory does
    not grow with the input, and each block is written as soon as its last event has been read.

    A line that breaks the wire format ends the command with status 2: its number and a code go to stderr,
    and what is on stdout by then is complete blocks, never a seal.

    \b
    Examples:
      proofrail commit run/events.ndjson --run-id 0f3c…
      zcat events.ndjson.gz | proofrail commit - --run-id my-run --bits 8
    """
    with command():
        if not 1 <= len(run_id) <= 256:
            raise UnusableInputError("run-id-length", "a run_id has 1 to 256 characters", "Give --run-id ID.")
        if events == "-":
            _commit(sys.stdin.buffer, Committer(run_id, bits, block_items))
        else:
            with Path(events).open("rb") as file:
                _commit(file, Committer(run_id, bits, block_items))


def _commit(source: BinaryIO, committer: Committer) -> None:
    out = sys.stdout.buffer
    read = getattr(source, "read1", source.read)  # a pipe's blocks are not held back until a piece is full
    try:
        while piece := read(_PIECE):
            for block in committer.feed(piece):
                out.write(block + b"\n")
            out.flush()
        lines = committer.finish()
    except NativeError as error:
        code, message = error.args[0], error.args[1]
        out.flush()
        fail(
            UnusableInputError(
                code, message, "Correct that line: one JSON object a line, no floats, no name twice."
            ),
            Exit.UNUSABLE,
        )
    for line in lines:
        out.write(line + b"\n")
    out.flush()

"""The commitment of claimed events, by the normative text alone: they need not be a run that anybody can
repeat.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from proofrail._native import Committer, NativeError
from proofrail.wire.canonical import JsonObject, parse_object
from proofrail.wire.errors import MalformedError

_BATCH: Final = 1 << 18
"""Bytes handed over at once: enough to make the call's own cost vanish."""


@dataclass
class Recommitted:
    """Blocks and seal core of the events read; `core` is None when a malformed line ended the reading
    early.
    """

    blocks: list[JsonObject] = field(default_factory=list)
    core: JsonObject | None = None


def recommit(lines: Iterator[bytes], run_id: str, bits: int, block_items: int) -> Recommitted:
    """Commit to NDJSON lines. Never raises for their content."""
    committer = Committer(run_id, bits, block_items)
    result = Recommitted()
    try:
        for batch in _batches(lines):
            result.blocks.extend(parse_object(block) for block in committer.feed(batch))
        *last, core = committer.finish()
    except (NativeError, MalformedError):
        return result
    result.blocks.extend(parse_object(block) for block in last)
    result.core = parse_object(core)
    return result


def _batches(lines: Iterator[bytes]) -> Iterator[bytes]:
    batch = bytearray()
    for line in lines:
        batch += line
        batch += b"\n"
        if len(batch) >= _BATCH:
            yield bytes(batch)
            batch.clear()
    if batch:
        yield bytes(batch)

"""The commitment of claimed events, by the normative text alone: they need not be a run that anybody can
repeat.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from proofrail._native import Committer, NativeError
from proofrail.wire.canonical import JsonObject, parse_object
from proofrail.wire.errors import MalformedError


@dataclass
class Recommitted:
    """Blocks and seal core of the events read; `core` is None when a malformed line ended the reading
    early.
    """

    blocks: list[JsonObject] = field(default_factory=list)
    core: JsonObject | None = None


def recommit(pieces: Iterable[bytes], run_id: str, bits: int, block_items: int) -> Recommitted:
    """Commit to NDJSON in pieces, cut anywhere. Never raises for its content."""
    committer = Committer(run_id, bits, block_items)
    result = Recommitted()
    try:
        for piece in pieces:
            result.blocks.extend(parse_object(block) for block in committer.feed(piece))
        *last, core = committer.finish()
    except (NativeError, MalformedError):
        return result
    result.blocks.extend(parse_object(block) for block in last)
    result.core = parse_object(core)
    return result

"""The trees of a mismatch: the one the tracer signed, the one the auditor computed, and items shown to be in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from proofrail.audit.claims import Claims
from proofrail.commitment.checkpoint import (
    ORIGIN_PREFIX,
    Checkpoint,
    CheckpointError,
    read_checkpoint,
    verify_checkpoint,
)
from proofrail.commitment.items import item_bytes, leaf_hash
from proofrail.commitment.tree import Tree
from proofrail.wire.canonical import parse_object
from proofrail.wire.errors import MalformedError

MAX_NOTE: Final = 2048
"""Bytes of a checkpoint that fits into a bundle: more would be a note made to be too long."""


@dataclass(frozen=True)
class LoggedTree:
    """The items of one stream of events as a tree; `lines` opens the stream anew."""

    tree: Tree
    lines: Callable[[], Iterator[bytes]]

    @classmethod
    def of(cls, lines: Callable[[], Iterator[bytes]]) -> LoggedTree | None:
        """None for a stream that breaks the wire format: it has no items."""
        try:
            return cls(Tree([leaf_hash(item_bytes(parse_object(line))) for line in lines()]), lines)
        except MalformedError:
            return None

    def item(self, index: int) -> bytes:
        """The item at `index`."""
        return item_bytes(parse_object(next(islice(self.lines(), index, None))))

    def is_under(self, head: Checkpoint) -> bool:
        """Whether this is the tree that a checkpoint states."""
        return (self.tree.size, self.tree.root()) == (head.size, head.root)


@dataclass(frozen=True)
class Heads:
    """What each side stands for: the tracer by its signature, the auditor by what it recomputed.

    `note` is the seal's checkpoint and `head` what it says, both None when it does not stand for this run.
    """

    note: str | None
    head: Checkpoint | None
    tracer: LoggedTree | None
    """The tree under the tracer's checkpoint, where its items are at hand."""
    auditor: LoggedTree | None


def heads_of(
    run_id: str,
    claims: Claims,
    events: Callable[[], Iterator[bytes]] | None,
    recomputed: Callable[[], Iterator[bytes]] | None,
    keys: Sequence[str],
) -> Heads:
    """The two sides of a run. A checkpoint that none of the accepted keys signed is none; without accepted keys
    it is taken as it stands, for whoever reads the bundle to verify."""
    note, head = _head(run_id, claims, keys)
    ours = LoggedTree.of(recomputed) if recomputed is not None else None
    if head is None:
        return Heads(None, None, None, ours)
    if ours is not None and ours.is_under(head):
        return Heads(note, head, ours, ours)
    theirs = LoggedTree.of(events) if events is not None else None
    return Heads(note, head, theirs if theirs is not None and theirs.is_under(head) else None, ours)


def _head(run_id: str, claims: Claims, keys: Sequence[str]) -> tuple[str | None, Checkpoint | None]:
    note: Any = claims.seal.members.get("checkpoint") if claims.seal is not None else None
    if not isinstance(note, str) or len(note.encode(errors="surrogatepass")) > MAX_NOTE:
        return None, None
    try:
        head = verify_checkpoint(note, keys) if keys else read_checkpoint(note)
    except CheckpointError:
        return None, None
    return (note, head) if head.origin == ORIGIN_PREFIX + run_id else (None, None)


class Hashes:
    """The hashes of a bundle's proofs, each once: proofs are lists of positions in it."""

    def __init__(self) -> None:
        self.listed: list[str] = []
        self._positions: dict[str, int] = {}

    def proof(self, path: Sequence[bytes]) -> list[int]:
        """The positions of a path's hashes."""
        return [self._position(node.hex()) for node in path]

    def _position(self, node: str) -> int:
        if node not in self._positions:
            self._positions[node] = len(self.listed)
            self.listed.append(node)
        return self._positions[node]

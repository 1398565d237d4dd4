"""The trees of a mismatch: the one the tracer signed, the one the auditor computed, and items shown to be in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from proofrail.audit.claims import Claims
from proofrail.audit.subject import Recomputed
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

Lines = Callable[[], Iterator[bytes]]
"""Opens a stream of events anew, as lines without their line feeds."""

MAX_NOTE: Final = 2048
"""Bytes of a checkpoint that fits into a bundle: more would be a note made to be too long."""

_TIMES: Final = re.compile(rb'"(?:duration_ns|timestamp)":[0-9]+,')
"""Volatile members of a line in canonical form, where they never stand last."""


@dataclass(frozen=True)
class LoggedTree:
    """The items of one stream of events as a tree; `lines` opens the stream anew."""

    tree: Tree
    lines: Lines

    @classmethod
    def under(cls, size: int, root: bytes, lines: Lines) -> LoggedTree | None:
        """The tree of the stream's items; None when it is another than that of `size` items under `root`, or the
        stream breaks the wire format."""
        for leaf in (_quick_leaf, _leaf):
            try:
                made = cls(Tree([leaf(line) for line in lines()]), lines)
            except MalformedError:
                continue
            if (made.tree.size, made.tree.root()) == (size, root):
                return made
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
    events: Lines | None,
    recomputed: Recomputed | None,
    keys: Sequence[str],
) -> Heads:
    """The two sides of a run. A checkpoint that none of the accepted keys signed is none; without accepted keys
    it is taken as it stands, for whoever reads the bundle to verify."""
    note, head = _head(run_id, claims, keys)
    ours = None
    if recomputed is not None:
        ours = LoggedTree.under(recomputed.items, bytes.fromhex(recomputed.seal["root"]), recomputed.lines)
    if head is None:
        return Heads(None, None, None, ours)
    if ours is not None and ours.is_under(head):
        return Heads(note, head, ours, ours)
    theirs = LoggedTree.under(head.size, head.root, events) if events is not None else None
    return Heads(note, head, theirs, ours)


def _head(run_id: str, claims: Claims, keys: Sequence[str]) -> tuple[str | None, Checkpoint | None]:
    note: Any = claims.seal.members.get("checkpoint") if claims.seal is not None else None
    if not isinstance(note, str) or len(note.encode(errors="surrogatepass")) > MAX_NOTE:
        return None, None
    try:
        head = verify_checkpoint(note, keys) if keys else read_checkpoint(note)
    except CheckpointError:
        return None, None
    return (note, head) if head.origin == ORIGIN_PREFIX + run_id else (None, None)


def _leaf(line: bytes) -> bytes:
    return leaf_hash(item_bytes(parse_object(line)))


def _quick_leaf(line: bytes) -> bytes:
    """The leaf of a line in canonical form. Of any other it may be wrong: the root shows it."""
    if b'"label"' in line or b'"detail"' in line:
        return _leaf(line)
    return leaf_hash(_TIMES.sub(b"", line))


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

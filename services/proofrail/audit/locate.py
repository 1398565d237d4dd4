"""Finds the first of many blocks that differs, with a number of comparisons that is logarithmic in theirs.

Bisection needs a property that stays once it holds: "the first k+1 blocks are equal" is one, "block k is equal"
is not. Which values tell the first from a single comparison depends on who made them:

- Two commitments that the auditor computed himself, such as his own run's and that of the claimed events, are
  consistent: each block's full chain value binds all items before it (design section 5), so chains that are equal
  at k are equal before k, and chains that differ at k differ from there on. Bisecting the chains is exact.
- The block lines that somebody published need not come from any stream. One line altered, the chains behind it
  are equal again, and a bisection that looks at one of those first never sees it. So these lines are not
  bisected by what they claim, but by digests that the auditor makes of them while he reads them: digest k is over
  the lines 0 … k with all their members, so it has the property whatever the lines say, and the verdict that all
  are equal is one comparison of the last ones.

Truncated values, which `packed` holds, are never bisected: two of them are equal by chance, or by 2^bits tries,
with streams that differ. Inside the block that is found they point at an item, which its full chain then binds.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from proofrail.audit.values import ABSENT
from proofrail.wire.canonical import JsonObject


def first_unequal(ours: Sequence[bytes], theirs: Sequence[bytes]) -> int:
    """The first position where prefix digests differ; the shorter length where none does.

    Takes ⌈log2(length + 1)⌉ comparisons.
    """
    shorter = min(len(ours), len(theirs))
    return bisect_left(range(shorter), True, key=lambda at: ours[at] != theirs[at])


def first_other_chain(ours: Sequence[JsonObject], theirs: Sequence[JsonObject]) -> int:
    """The first block whose items differ, of two lists of blocks that were both computed from items; the shorter
    length where none does. Takes ⌈log2(length + 1)⌉ comparisons of full chain values.
    """
    shorter = min(len(ours), len(theirs))
    return bisect_left(range(shorter), True, key=lambda at: ours[at]["chain"] != theirs[at]["chain"])


def prefix_digests(lines: Iterable[Mapping[str, Any]], names: Iterable[str]) -> list[bytes]:
    """SHA-256 over the members `names` of all lines up to each one, in order.

    The members of a line are written as Python writes their values: that tells apart whatever JSON tells apart
    (true from 1, absent from null) and is several times as fast as the canonical form. Members of the lines that
    are objects are told apart also by the order of their names; no block has any.
    """
    order = tuple(names)
    running = hashlib.sha256()
    digests = []
    for line in lines:
        running.update(repr([line.get(name, ABSENT) for name in order]).encode("utf-8", "surrogatepass"))
        digests.append(running.digest())
    return digests

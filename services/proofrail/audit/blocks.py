"""Compares claimed commitment blocks and seal with expected ones (design section 5, Commitment).

Packed values locate, chains and roots bind: a block is accepted only when its full chain value is equal too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from proofrail.audit.claims import ClaimedLine
from proofrail.audit.compare import Difference, compare_objects
from proofrail.audit.findings import RECOMPUTED, Finding, FoundError, Where, from_difference
from proofrail.audit.locate import first_unequal, prefix_digests
from proofrail.audit.values import ABSENT, same
from proofrail.audit.vocabulary import BLOCK_MEMBERS, SEAL_MEMBERS
from proofrail.commitment.blocks import unpack
from proofrail.wire.canonical import JsonObject

PathOf = Callable[[int], str | None]
"""The path of the expected item of that index, where it has one."""

_COUNTS: Final = {"items": "length", "blocks": "length"}
_BLOCK_LAST: Final = ("packed", "chain")
_SEAL_LAST: Final = ("chain", "root")


@dataclass
class UnknownMembers:
    """Members of commitment lines that this version does not define."""

    found: list[tuple[ClaimedLine, Where, str]] = field(default_factory=list)

    def add(self, line: ClaimedLine, where: Where, pointers: Sequence[str]) -> None:
        self.found.extend((line, where, pointer) for pointer in pointers)


def check_blocks(
    expected: Sequence[JsonObject],
    claimed: Sequence[ClaimedLine],
    unknown: UnknownMembers,
    path_of: PathOf,
    *,
    truth: str = RECOMPUTED,
) -> None:
    """Raises FoundError at the first block that differs; `truth` names what the expected ones were made from."""
    mine = prefix_digests(expected, BLOCK_MEMBERS)
    published = prefix_digests((line.members for line in claimed), BLOCK_MEMBERS)
    at = first_unequal(mine, published)
    if at < len(expected) and at < len(claimed):
        _check_block(expected[at], claimed[at], path_of, truth)
    if at < len(expected):
        raise FoundError(_missing(expected[at], len(expected), len(claimed)))
    if at < len(claimed):
        raise FoundError(
            Finding(
                "length",
                "block",
                f"the run has {len(expected)} blocks; another one was published",
                block=at,
                line=claimed[at].number,
                claimed=len(claimed),
                expected=len(expected),
            )
        )
    for line in claimed:
        unknown.add(line, "block", [f"/{name}" for name in line.members if name not in BLOCK_MEMBERS])


def check_seal(
    expected: JsonObject, claimed: ClaimedLine, unknown: UnknownMembers, *, truth: str = RECOMPUTED
) -> None:
    """Every member but `checkpoint`. Raises FoundError at the first that differs."""
    comparison = compare_objects(
        expected,
        claimed.members,
        SEAL_MEMBERS,
        kinds=_COUNTS,
        skip=frozenset((*_SEAL_LAST, "checkpoint")),
    )
    unknown.add(claimed, "seal", comparison.unknown)
    difference = comparison.difference or _last(expected, claimed.members, _SEAL_LAST)
    if difference is not None:
        raise FoundError(from_difference(difference, "seal", "the seal", line=claimed.number, truth=truth))


def _check_block(expected: JsonObject, claimed: ClaimedLine, path_of: PathOf, truth: str) -> NoReturn:
    number = expected["block"]
    comparison = compare_objects(
        expected, claimed.members, BLOCK_MEMBERS, kinds=_COUNTS, skip=frozenset(_BLOCK_LAST)
    )
    difference = comparison.difference or _last(expected, claimed.members, _BLOCK_LAST)
    if difference is None:  # pragma: no cover - the digests of two equal lines are equal
        raise AssertionError(claimed)
    item: int | None = None
    more: dict[str, Any] = {}
    if difference.kind == "packed":
        item, more = _first_value(expected, difference.claimed)
    raise FoundError(
        from_difference(
            difference,
            "block",
            f"block {number}",
            item=item,
            block=number,
            line=claimed.number,
            path=None if item is None else path_of(item),
            more=more,
            truth=truth,
        )
    )


def _last(expected: JsonObject, claimed: JsonObject, names: Sequence[str]) -> Difference | None:
    for name in names:
        ours, theirs = expected.get(name, ABSENT), claimed.get(name, ABSENT)
        if not same(ours, theirs):
            return Difference(name, name, f"/{name}", ours, theirs)
    return None


def _first_value(expected: JsonObject, packed: Any) -> tuple[int | None, dict[str, Any]]:
    """The first item whose packed value differs, with the two values where both can be read.

    A digit that is no lower-case hex makes the values it holds a part of unreadable, and so does its lack.
    """
    if not isinstance(packed, str):
        return None, {"because": "it is no text"}
    bits, items, first = expected["bits"], expected["items"], expected["first_item"]
    ours: str = expected["packed"]
    at = _first_bit(ours, packed)
    if at is None:
        return None, {"because": f"it goes on after the block's {items} values"}
    position = at // bits
    if position >= items:
        return None, {"because": "a padding bit is set"}
    try:
        theirs = unpack(bytes.fromhex(packed), bits, items)[position] if packed == packed.lower() else None
    except ValueError:
        theirs = None
    if theirs is None:
        return first + position, {"because": "it is not lower-case hex of the block's values"}
    mine, width = unpack(bytes.fromhex(ours), bits, items)[position], (bits + 3) // 4
    values = {"value_expected": f"{mine:0{width}x}", "value_claimed": f"{theirs:0{width}x}"}
    return first + position, values


def _first_bit(ours: str, theirs: str) -> int | None:
    """The first bit of the bit string in which two hex texts differ; None where all of ours is in theirs."""
    for byte in range(0, len(ours), 2):
        if ours[byte : byte + 2] == theirs[byte : byte + 2]:
            continue
        differing = [
            4 * (byte + half) + bit
            for half in (0, 1)  # the second digit holds the lower four bits
            for bit in _bits(ours[byte + 1 - half], theirs[byte + 1 - half : byte + 2 - half])
        ]
        return min(differing)
    return None


def _bits(ours: str, theirs: str) -> list[int]:
    if ours == theirs:
        return []
    if theirs == "" or theirs not in "0123456789abcdef":
        return [0]
    return [bit for bit in range(4) if (int(ours, 16) ^ int(theirs, 16)) >> bit & 1]


def _missing(expected: JsonObject, total: int, published: int) -> Finding:
    return Finding(
        "length",
        "block",
        f"the run has {total} blocks; only {published} were published",
        item=expected["first_item"],
        block=expected["block"],
        expected=total,
        claimed=published,
    )

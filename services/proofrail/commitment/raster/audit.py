"""Audits a stream of items against a commitment file of the Raster tool, and finds the first item that differs.

The file is a bare bit string, so what it can show has limits, and every limit is decided against equality:

- Values are compared item by item, then lengths byte by byte, then what the padding must be. The tool compares whole
  words, and so ignores up to 7 bytes at the end and takes for equal what differs in padding alone.
- A set bit after the last item's value means that the file commits to more items, or that its padding was altered:
  which of them, the file does not say. It is reported as `past-the-end`, at the value it belongs to.
- The file does not say how many items it commits to. A trace of n items and one of n+1 whose last value happens to be
  zero (one in 2^B) have the same file as long as both need the same number of words. That is a match for both, because
  nothing differs; `least_items` and `most_items` of the result say for how many items the file could stand, and a
  caller who knows the number gives it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from proofrail.commitment.raster.encoding import Encoding
from proofrail.commitment.raster.item import Item, item_object
from proofrail.commitment.raster.packing import WORD, RasterCommitter, file_size
from proofrail.commitment.raster.tree import Frontier
from proofrail.wire.canonical import canonical

Reason = Literal["value", "length", "past-the-end"]
"""`value`: the file has another value for the item. `length`: one of the two ends first. `past-the-end`: the trace has
ended, and bits are set in the file where its padding should be."""

_DECIMAL: Final = [str(byte) for byte in range(256)]


@dataclass(frozen=True)
class Difference:
    """The first difference.

    `index` is the first item, from 0, that differs or that only one side has; at `past-the-end`, the first value with a
    bit set. `expected` is the file's value, `computed` the trace's; None where that side has none, or not whole.
    `frontier` is the tree before item `window_start`, where the window begins.
    """

    index: int
    reason: Reason
    message: str
    expected: int | None
    computed: int | None
    window_start: int
    frontier: Frontier


@dataclass(frozen=True)
class AuditResult:
    """What came of an audit. `window` are the last two items up to and including the difference, as far as the trace
    has them."""

    encoding: Encoding
    bits: int
    items: int
    commitment: bytes
    difference: Difference | None
    window: list[Item] = field(default_factory=list)

    @property
    def computed_size(self) -> int:
        """Bytes of the commitment file that the trace has."""
        return file_size(self.items, self.bits)

    @property
    def possible_items(self) -> tuple[int, int] | None:
        """Least and greatest number of items for which the file can stand; None when no trace has such a file."""
        if len(self.commitment) % WORD:
            return None
        bits = 8 * len(self.commitment)
        last_word = int.from_bytes(self.commitment[-WORD:], "little")
        least = 0
        if bits:
            shorter = (bits - 64) // self.bits
            least = max(shorter + 1, -(-(bits - 64 + last_word.bit_length()) // self.bits))
        most = bits // self.bits
        return (least, most) if least <= most else None

    def to_line(self, **more: Any) -> bytes:
        """The tool's AuditResult as one line of JSON, with members of ours and `more`.

        `diff.fingerprint` is the whole file, as the tool gives it; it is written piece by piece, for a list of its
        numbers would take a hundred times the file.
        """
        base64_data = self.encoding is Encoding.BINCODE
        members = {
            "success": canonical(self.difference is None),
            "diff": b"null" if self.difference is None else self._diff_json(self.difference),
            "trace_window": canonical([item_object(item, base64_data=base64_data) for item in self.window]),
            "items": canonical(self.items),
            "encoding": canonical(str(self.encoding)),
            "bits_per_item": canonical(self.bits),
            "commitment_bytes": canonical(len(self.commitment)),
            "computed_bytes": canonical(self.computed_size),
        }
        possible = self.possible_items
        if possible is not None:
            members |= {"least_items": canonical(possible[0]), "most_items": canonical(possible[1])}
        return _json_object(members | {name: canonical(value) for name, value in more.items()})

    def _diff_json(self, found: Difference) -> bytes:
        members = {
            "index": canonical(found.index),
            "frontier": canonical(list(found.frontier.to_bytes())),
            "fingerprint": f"[{','.join(map(_DECIMAL.__getitem__, self.commitment))}]".encode(),
            "bits_per_item": canonical(self.bits),
            "window_start_position": canonical(found.window_start),
            "reason": canonical(found.reason),
            "message": canonical(found.message),
        }
        for name, value in (("expected", found.expected), ("computed", found.computed)):
            if value is not None:
                members[name] = canonical(value_hex(value))
        return _json_object(members)


def value_hex(value: int) -> str:
    """A packed value as the tool prints it: 16 hex digits, whatever its width."""
    return f"0x{value:016x}"


def audit_items(
    items: Iterable[Item], commitment: bytes, encoding: Encoding, bits: int, known_items: int | None = None
) -> AuditResult:
    """Compare a trace with a commitment file. `known_items` is the number of items the file is known to commit to.

    After the first difference the rest of the items is read, so that a broken stream is found, but not hashed. Memory
    holds two items and the file.
    """
    comparison = _Comparison(commitment, encoding, bits, known_items)
    for item in items:
        comparison.add(item)
    return comparison.finish()


class _Comparison:
    def __init__(self, commitment: bytes, encoding: Encoding, bits: int, known_items: int | None) -> None:
        self._commitment = commitment
        self._encoding = encoding
        self._bits = bits
        self._known_items = known_items
        self._committer = RasterCommitter(encoding, bits)
        self._items = 0
        self._last: list[
            tuple[Frontier, Item]
        ] = []  # of the last two items: the tree before it, and the item
        self._found: Difference | None = None

    def add(self, item: Item) -> None:
        index = self._items
        self._items += 1
        if self._found is not None:
            return
        self._last = [*self._last[-1:], (self._committer.frontier(), item)]
        computed = self._committer.append(item)
        expected = self._value(index)
        if self._known_items == index:
            self._differ(
                index, "length", "the commitment is to fewer items than the trace has", None, computed
            )
        elif expected is None:
            self._differ(index, "length", "the file ends before the value of this item does", None, computed)
        elif expected != computed:
            self._differ(index, "value", "the file has another value for this item", expected, computed)

    def finish(self) -> AuditResult:
        if self._found is None:
            self._check_end()
        window = [] if self._found is None else [item for _, item in self._last]
        return AuditResult(self._encoding, self._bits, self._items, self._commitment, self._found, window)

    def _check_end(self) -> None:
        count, size = self._items, len(self._commitment)
        wanted = file_size(count, self._bits)
        ahead = self._value(count)
        if self._known_items is not None and count < self._known_items:
            self._differ(count, "length", "the trace ends before this item", ahead, None)
        elif size > wanted:
            why = f"the trace ends before this item; the file has {_bytes(size - wanted)} more than it should"
            self._differ(count, "length", why, ahead, None)
        elif size < wanted:
            why = f"every item's value is there, but the padding after them lacks {_bytes(wanted - size)}"
            self._differ(count, "length", why, None, None)
        elif (first := self._first_set_bit(count * self._bits)) is not None:
            index = first // self._bits
            why = (
                f"the trace has ended, but bit {first % 8} of byte {first // 8} of the file is set: "
                "it commits to more items, or its padding was altered"
            )
            self._differ(index, "past-the-end", why, self._value(index), None)

    def _differ(
        self, index: int, reason: Reason, message: str, expected: int | None, computed: int | None
    ) -> None:
        start = min(max(index - 1, 0), self._items)
        self._last = self._last[start - self._items :] if start < self._items else []
        frontier = self._last[0][0] if self._last else self._committer.frontier()
        self._found = Difference(index, reason, message, expected, computed, start, frontier)

    def _value(self, index: int) -> int | None:
        """The file's value at this place; None when it does not lie in the file as a whole."""
        first, end = index * self._bits, (index + 1) * self._bits
        if end > 8 * len(self._commitment):
            return None
        window = int.from_bytes(self._commitment[first // 8 : -(-end // 8)], "little")
        return window >> first % 8 & (1 << self._bits) - 1

    def _first_set_bit(self, start: int) -> int | None:
        rest = int.from_bytes(self._commitment[start // 8 :], "little") >> start % 8
        return start + (rest & -rest).bit_length() - 1 if rest else None


def _json_object(members: dict[str, bytes]) -> bytes:
    return b"{%s}" % b",".join(b'"%s":%s' % (name.encode(), members[name]) for name in sorted(members))


def _bytes(count: int) -> str:
    return "1 byte" if count == 1 else f"{count} bytes"

"""Items into packed blocks and a seal (design section 5, Commitment; schemas/trace-v1.md section 6).

This is the reference: plain, and what the native twin (`proofrail._native.Committer`) must equal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Final

from proofrail.commitment.items import leaf_hash
from proofrail.commitment.tree import TreeHasher, merkle_root
from proofrail.wire.canonical import canonical

DEFAULT_BITS: Final = 16
DEFAULT_BLOCK_ITEMS: Final = 256
MAX_BITS: Final = 64

_CHAIN_TAG: Final = b"proofrail/commitment/v1\n"


class Committer:
    """Commits to a run's items one by one, in memory that does not grow with their number.

    `bits`, 1 … 64, is the width of a packed value, `block_items`, at least 1, the number of items in a full
    block.
    """

    def __init__(self, run_id: str, bits: int = DEFAULT_BITS, block_items: int = DEFAULT_BLOCK_ITEMS) -> None:
        _check_bits(bits)
        if block_items < 1:
            raise ValueError(f"a block holds at least 1 item, not {block_items}")
        self._run_id = run_id
        self._bits = bits
        self._block_items = block_items
        self._chain = chain_start(run_id, bits, block_items)
        self._tree = TreeHasher()
        self._blocks = 0
        self._packer = Packer(bits)

    def append(self, item: bytes) -> dict[str, Any] | None:
        """Append an item (see `items.item_bytes`); the CommitmentBlock that it completes, if it does."""
        leaf = leaf_hash(item)
        self._tree.append(leaf)
        self._chain = chain_next(self._chain, leaf)
        self._packer.append(chain_value(self._chain, self._bits))
        return self._close_block() if self._packer.count == self._block_items else None

    def finish(self) -> tuple[dict[str, Any] | None, dict[str, Any]]:
        """The last block, when it is not a full one, and the core of the CommitmentSeal."""
        last = self._close_block() if self._packer.count else None
        seal = {
            "v": 1,
            "type": "CommitmentSeal",
            "run_id": self._run_id,
            "items": self._tree.size,
            "blocks": self._blocks,
            "bits": self._bits,
            "block_items": self._block_items,
            "chain": self._chain.hex(),
            "root": self._tree.root().hex(),
        }
        return last, seal

    def _close_block(self) -> dict[str, Any]:
        items = self._packer.count
        block = {
            "v": 1,
            "type": "CommitmentBlock",
            "run_id": self._run_id,
            "block": self._blocks,
            "first_item": self._tree.size - items,
            "items": items,
            "bits": self._bits,
            "packed": self._packer.finish().hex(),
            "chain": self._chain.hex(),
        }
        self._blocks += 1
        self._packer = Packer(self._bits)
        return block


def chain_start(run_id: str, bits: int, block_items: int) -> bytes:
    """`chain_-1`: binds the run and how it is packed."""
    parameters = canonical({"bits": bits, "block_items": block_items, "run_id": run_id})
    return hashlib.sha256(_CHAIN_TAG + parameters).digest()


def chain_next(chain: bytes, leaf: bytes) -> bytes:
    """`chain_i = H(0x02 ‖ chain_{i-1} ‖ leaf_i)`."""
    return hashlib.sha256(b"\x02" + chain + leaf).digest()


def chain_value(chain: bytes, bits: int) -> int:
    """The low `bits` bits of a chain value, its bytes read little-endian."""
    return int.from_bytes(chain[:8], "little") & ((1 << bits) - 1)


class Packer:
    """Packs values of `bits` bits, least significant bit first, into bytes."""

    def __init__(self, bits: int) -> None:
        _check_bits(bits)
        self.count = 0
        """Values appended so far."""
        self._bits = bits
        self._bytes = bytearray()
        self._rest = 0
        self._rest_bits = 0

    def append(self, value: int) -> None:
        """Append a value. Raises ValueError when it does not fit."""
        if not 0 <= value < 1 << self._bits:
            raise ValueError(f"{value} does not fit {self._bits} bits")
        self._rest |= value << self._rest_bits
        self._rest_bits += self._bits
        whole, self._rest_bits = divmod(self._rest_bits, 8)
        self._bytes += (self._rest & ((1 << 8 * whole) - 1)).to_bytes(whole, "little")
        self._rest >>= 8 * whole
        self.count += 1

    def finish(self) -> bytes:
        """All values as bytes, the last byte filled up with zero bits."""
        return bytes(self._bytes) + (bytes([self._rest]) if self._rest_bits else b"")


def pack(values: Iterable[int], bits: int) -> bytes:
    """Values of `bits` bits as a block's `packed` bytes: value j fills bits [j·bits, (j+1)·bits), where bit
    b is bit b mod 8 of byte b div 8; padded with zero bits to a byte."""
    packer = Packer(bits)
    for value in values:
        packer.append(value)
    return packer.finish()


def unpack(data: bytes, bits: int, count: int) -> list[int]:
    """The `count` values in a block's packed bytes.

    Raises ValueError when the length is not exactly that of `count` values, or a padding bit is set.
    """
    _check_bits(bits)
    if count < 0 or len(data) != (count * bits + 7) // 8:
        raise ValueError(f"{len(data)} bytes do not hold {count} values of {bits} bits")
    if count * bits % 8 and data[-1] >> count * bits % 8:
        raise ValueError("a padding bit is set")
    mask = (1 << bits) - 1
    values = []
    for position in range(0, count * bits, bits):
        window = int.from_bytes(data[position // 8 : (position + bits + 7) // 8], "little")
        values.append(window >> position % 8 & mask)
    return values


def chunk_root(data: bytes, chunk_size: int) -> bytes:
    """The RFC 6962 root over consecutive chunks of `chunk_size` bytes, the last one shorter where it must be.

    This is the root of a StepBlock (chunks of 64 steps, 24 bytes each) and of a MemoryBlock (32 cells of 40
    bytes).
    """
    if chunk_size < 1:
        raise ValueError(f"a chunk has at least 1 byte, not {chunk_size}")
    return merkle_root(
        leaf_hash(data[start : start + chunk_size]) for start in range(0, len(data), chunk_size)
    )


def _check_bits(bits: int) -> None:
    if not 1 <= bits <= MAX_BITS:
        raise ValueError(f"a packed value has 1 to {MAX_BITS} bits, not {bits}")

"""Holds a run's blocks and seal against themselves, where neither its events nor its program are at hand.

They say little of the run: that the blocks are numbered, hold as many values as the seal says, end in the seal's
chain, and that each block's last packed value is the low bits of its chain.
"""

from __future__ import annotations

import re
from typing import Any, Final

from proofrail.audit.blocks import UnknownMembers, check_blocks
from proofrail.audit.claims import ClaimedLine, Claims
from proofrail.audit.findings import Finding, FoundError
from proofrail.audit.values import ABSENT
from proofrail.commitment.blocks import chain_start, chain_value, unpack
from proofrail.wire.canonical import JsonObject

_HASH: Final = re.compile("[0-9a-f]{64}")
_SEAL: Final = "the seal"


def check_blocks_alone(
    claims: Claims, seal: ClaimedLine, run_id: str, bits: int, block_items: int, unknown: UnknownMembers
) -> None:
    """Raises FoundError at the first block that the seal contradicts, or that contradicts itself."""
    items = seal.members.get("items", ABSENT)
    if type(items) is not int or items < 0:
        raise FoundError(
            _of_seal(seal, "items", ABSENT, "the seal does not say how many items there are", items)
        )
    count = -(-items // block_items)
    if len(claims.blocks) != count or seal.members.get("blocks") != count:
        claimed = len(claims.blocks) if len(claims.blocks) != count else seal.members.get("blocks", ABSENT)
        raise FoundError(_of_seal(seal, "blocks", count, f"{items} items make {count} blocks", claimed))
    expected: list[JsonObject] = [
        {
            "v": 1,
            "type": "CommitmentBlock",
            "run_id": run_id,
            "block": number,
            "first_item": number * block_items,
            "items": min(block_items, items - number * block_items),
            "bits": bits,
            **{name: line.members[name] for name in ("packed", "chain") if name in line.members},
        }
        for number, line in enumerate(claims.blocks)
    ]
    check_blocks(expected, claims.blocks, unknown, lambda _item: None, truth=_SEAL)
    chain = chain_start(run_id, bits, block_items).hex()
    for block, line in zip(expected, claims.blocks, strict=True):
        chain = _check_block(block, line)
    if seal.members.get("chain") != chain:
        why = "the seal's chain is not that of its last block"
        raise FoundError(_of_seal(seal, "chain", chain, why, seal.members.get("chain", ABSENT), kind="chain"))


def _check_block(block: JsonObject, line: ClaimedLine) -> str:
    """The block's chain."""
    number, bits, items = block["block"], block["bits"], block["items"]
    chain, packed = block.get("chain", ABSENT), block.get("packed", ABSENT)
    if not isinstance(chain, str) or not _HASH.fullmatch(chain):
        raise FoundError(_of_block(line, number, "chain", chain, "is no chain value"))
    try:
        last = unpack(bytes.fromhex(packed), bits, items)[-1] if packed == packed.lower() else None
    except (AttributeError, TypeError, ValueError):
        last = None
    if last is None:
        raise FoundError(
            _of_block(line, number, "packed", packed, f"does not hold {items} values of {bits} bits")
        )
    value = chain_value(bytes.fromhex(chain), bits)
    if last != value:
        width = (bits + 3) // 4
        more = {"value_expected": f"{value:0{width}x}", "value_claimed": f"{last:0{width}x}"}
        why = "does not end in the low bits of the block's chain"
        item = block["first_item"] + items - 1
        raise FoundError(_of_block(line, number, "packed", packed, why, item=item, more=more))
    return chain


def _of_block(
    line: ClaimedLine,
    number: int,
    name: str,
    claimed: Any,
    why: str,
    *,
    item: int | None = None,
    more: dict[str, Any] | None = None,
) -> Finding:
    return Finding(
        name,
        "block",
        f"the {name} of block {number} {why}",
        item=item,
        block=number,
        line=line.number,
        member=name,
        pointer=f"/{name}",
        claimed=claimed,
        more=more or {},
    )


def _of_seal(
    seal: ClaimedLine, member: str, expected: Any, why: str, claimed: Any = ABSENT, *, kind: str | None = None
) -> Finding:
    return Finding(
        kind or "length",
        "seal",
        why,
        line=seal.number,
        member=member,
        pointer=f"/{member}",
        expected=expected,
        claimed=claimed,
    )

"""The commitment a second time: one file, standard library only, nothing shared with services/.

It takes every formula of schemas/trace-v1.md section 6 literally, keeps everything in memory and computes
each part
from scratch, so that it can be read beside the text.
"""

import hashlib
import json

VOLATILE = ["timestamp", "duration_ns", "detail", "label"]


def h(data):
    return hashlib.sha256(data).digest()


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def item(event):
    return canonical({name: event[name] for name in event if name not in VOLATILE})


def tree_hash(entries):
    """MTH of RFC 6962 section 2.1, as it is written there."""
    if not entries:
        return h(b"")
    if len(entries) == 1:
        return h(b"\x00" + entries[0])
    k = 1
    while k * 2 < len(entries):
        k *= 2
    return h(b"\x01" + tree_hash(entries[:k]) + tree_hash(entries[k:]))


def low_bits(digest, bits):
    """The low bits of the digest, as a string of 0 and 1, least significant first."""
    return "".join(str(byte >> position & 1) for byte in digest for position in range(8))[:bits]


def packed(bit_string):
    while len(bit_string) % 8:
        bit_string += "0"
    chunks = [bit_string[start : start + 8] for start in range(0, len(bit_string), 8)]
    return bytes(int(chunk[::-1], 2) for chunk in chunks)


def commit(events, run_id, bits, block_items):
    """All blocks and the seal's core, as objects."""
    items = [item(event) for event in events]
    parameters = {"bits": bits, "block_items": block_items, "run_id": run_id}
    start = h(b"proofrail/commitment/v1\n" + canonical(parameters))
    chain = [start]
    for entry in items:
        chain.append(h(b"\x02" + chain[-1] + h(b"\x00" + entry)))
    blocks = []
    for first in range(0, len(items), block_items):
        last = min(first + block_items, len(items))
        blocks.append(
            {
                "v": 1,
                "type": "CommitmentBlock",
                "run_id": run_id,
                "block": len(blocks),
                "first_item": first,
                "items": last - first,
                "bits": bits,
                "packed": packed("".join(low_bits(link, bits) for link in chain[first + 1 : last + 1])).hex(),
                "chain": chain[last].hex(),
            }
        )
    seal = {
        "v": 1,
        "type": "CommitmentSeal",
        "run_id": run_id,
        "items": len(items),
        "blocks": len(blocks),
        "bits": bits,
        "block_items": block_items,
        "chain": chain[-1].hex(),
        "root": tree_hash(items).hex(),
    }
    return blocks, seal

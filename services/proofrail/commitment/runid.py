"""A run's identity: the hash of its inputs, and of all that determines what the run does (design section
5); and that of its spans."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Final

from proofrail.wire.canonical import canonical, sha256_hex

_TAG: Final = b"proofrail/run/v1\n"

MOST_REQUEUES: Final = 64
"""How often the same inputs may be made into another run after one that could not be proven."""


def inputs_sha256(inputs: Iterable[bytes]) -> str:
    """SHA-256 over the inputs' canonical forms, each followed by 0x0A, in order; as hex."""
    digest = hashlib.sha256()
    for line in inputs:
        digest.update(line + b"\n")
    return digest.hexdigest()


def run_id(
    *,
    artifact_sha256: str,
    method_id: str,
    layout: str,
    spans: str,
    inputs_sha256: str,
    bits: int,
    block_items: int,
) -> str:
    """The run's id, 32 hex characters: equal for equal programs, inputs, layout, spans and packing."""
    identity = _identity(artifact_sha256, method_id, layout, spans, inputs_sha256)
    return sha256_hex(_TAG + canonical(identity | _packing(bits, block_items)))[:32]


def run_ids(
    *,
    artifact_sha256: str,
    method_id: str,
    layout: str,
    spans: str,
    inputs_sha256: str,
    packings: Iterable[tuple[int, int]],
) -> Iterator[tuple[int, int, str]]:
    """bits, block_items and the `run_id` with them, for many of them: several times as fast as one by one."""
    identity = _identity(artifact_sha256, method_id, layout, spans, inputs_sha256)
    head, _, tail = canonical(identity | {"commitment": 0}).partition(b'"commitment":0')
    begun = hashlib.sha256(_TAG + head)
    for bits, block_items in packings:
        digest = begun.copy()
        digest.update(b'"commitment":{"bits":%d,"block_items":%d}' % (bits, block_items) + tail)
        yield bits, block_items, digest.hexdigest()[:32]


def packings(bits: int, block_items: int) -> Iterator[tuple[int, int]]:
    """The packings of runs over the same inputs, in the order in which they are used: bits and block_items. The first
    is the usual one; each further one stands for a run that is made again, whose id must be another."""
    return ((bits, block_items + again) for again in range(MOST_REQUEUES + 1))


def _identity(
    artifact_sha256: str, method_id: str, layout: str, spans: str, inputs_sha256: str
) -> dict[str, object]:
    return {
        "artifact": artifact_sha256,
        "program": method_id,
        "layout": layout,
        "spans": spans,
        "inputs_sha256": inputs_sha256,
    }


def _packing(bits: int, block_items: int) -> dict[str, object]:
    return {"commitment": {"bits": bits, "block_items": block_items}}


def span_id(run_id: str, seq: int) -> str:
    """The id of the span whose Start is event `seq` of the run, 16 hex characters."""
    return sha256_hex(f"proofrail/span/v1\n{run_id}:{seq}".encode())[:16]

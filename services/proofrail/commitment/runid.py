"""A run's identity: the hash of its inputs, and of all that determines what the run does (design section
5); and that of its spans."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from proofrail.wire.canonical import canonical, sha256_hex


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
    identity = {
        "artifact": artifact_sha256,
        "program": method_id,
        "layout": layout,
        "spans": spans,
        "inputs_sha256": inputs_sha256,
        "commitment": {"bits": bits, "block_items": block_items},
    }
    return sha256_hex(b"proofrail/run/v1\n" + canonical(identity))[:32]


def span_id(run_id: str, seq: int) -> str:
    """The id of the span whose Start is event `seq` of the run, 16 hex characters."""
    return sha256_hex(f"proofrail/span/v1\n{run_id}:{seq}".encode())[:16]

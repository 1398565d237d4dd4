"""Keys of the command line."""

from __future__ import annotations

import os
from pathlib import Path

from proofrail.commitment.checkpoint import (
    TRACER_KEY_NAME,
    CheckpointError,
    Signer,
    generate_key,
    parse_vkey,
)
from proofrail.wire.errors import UnusableInputError

_MOST_BYTES = 64 * 1024
_VKEY_NEXT = "Name a file with the tracer's public key (tracer.vkey), `proofrail-tracer+…+…` on a line."


def ephemeral_signer() -> Signer:
    """A key that is forgotten when the command ends: it says only that one process made the run."""
    private, _ = generate_key(TRACER_KEY_NAME, os.urandom(32))
    return Signer.parse(private)


def read_vkeys(path: Path) -> list[str]:
    """The public keys in a file, one a line. Raises UnusableInputError (`key-malformed`)."""
    lines = path.read_text(encoding="utf-8", errors="replace")[:_MOST_BYTES].splitlines()
    keys = [line.strip() for line in lines if line.strip()]
    if not keys:
        raise UnusableInputError("key-malformed", f"{path} holds no key", _VKEY_NEXT)
    for key in keys:
        try:
            parse_vkey(key)
        except CheckpointError as error:
            raise UnusableInputError(error.code, f"{path}: {error.message}", _VKEY_NEXT) from error
    return keys

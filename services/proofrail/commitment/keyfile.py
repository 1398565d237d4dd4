"""Signing keys in files: made on first use, readable by their owner only."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from proofrail.commitment.checkpoint import Signer, generate_key
from proofrail.wire.errors import UnusableInputError


def load_or_make_signer(path: Path, name: str, entropy: Callable[[int], bytes]) -> Signer:
    """The signer whose private key lies at `path`; made there from 32 bytes of `entropy` when absent, with its
    vkey beside it (suffix `.vkey`).

    Raises UnusableInputError `key-file` when others may read the key or it cannot be read or written,
    CheckpointError `key-malformed` when the file holds none.
    """
    try:
        if not path.exists():
            _make(path, *generate_key(name, entropy(32)))
        if not is_private(path.stat()):
            raise UnusableInputError(
                "key-file",
                f"others can read the private key {path}",
                f"Run `chmod 600 {path}`; if others may have read it, delete it and a new one is made.",
            )
        return Signer.parse(path.read_text())
    except OSError as error:
        raise UnusableInputError(
            "key-file",
            f"cannot read or write the key {path}: {error.strerror}",
            "Check path and permissions.",
        ) from error


def is_private(status: os.stat_result) -> bool:
    """Whether a file of this status is its owner's alone, or (as container platforms mount secrets) root's and beside
    root readable by a group of this process only."""
    if not status.st_mode & 0o077:
        return True
    mounted = status.st_uid == 0 != os.geteuid() and status.st_gid in {os.getegid(), *os.getgroups()}
    return mounted and not status.st_mode & 0o037


def _make(path: Path, private: str, vkey: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    # Private from the first moment, and whole before it is seen: nobody reads it between writing and chmod.
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(private + "\n")
        file.flush()
        os.fsync(file.fileno())
    path.with_suffix(".vkey").write_text(vkey + "\n")
    scratch.rename(path)

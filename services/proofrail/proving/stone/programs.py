"""Where Stone's two programs lie: they are external, and never part of Proofrail."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from proofrail.wire.errors import TransientError

PROVER: Final = "cpu_air_prover"
VERIFIER: Final = "cpu_air_verifier"
_ENVIRONMENT: Final = {PROVER: "PROOFRAIL_STONE_PROVER", VERIFIER: "PROOFRAIL_STONE_VERIFIER"}


def find(name: str) -> Path | None:
    """The program PROVER or VERIFIER: the one that its environment variable names, else the one on PATH."""
    named = os.environ.get(_ENVIRONMENT[name]) or shutil.which(name)
    path = Path(named).absolute() if named else None
    return path if path is not None and os.access(path, os.X_OK) and path.is_file() else None


def required(name: str) -> Path:
    """As `find`. Raises TransientError `prover-missing` or `verifier-missing`."""
    path = find(name)
    if path is not None:
        return path
    named = os.environ.get(_ENVIRONMENT[name])
    where = f"{named}, which {_ENVIRONMENT[name]} names, is no program" if named else "it is not on PATH"
    raise TransientError(
        "prover-missing" if name == PROVER else "verifier-missing",
        f"Stone's {name} was not found: {where}",
        f"Install it, and name it in {_ENVIRONMENT[name]} or put it on PATH.",
    )


@dataclass(frozen=True)
class Installed:
    """PROVER or VERIFIER as it lies on disk: another file under the same path is another program."""

    name: str
    path: Path
    modified_ns: int
    size: int

    @classmethod
    def at(cls, name: str, path: Path) -> Installed:
        """Raises TransientError `prover-missing`, `verifier-missing` for a file that cannot be read."""
        try:
            status = path.stat()
        except OSError as error:
            raise TransientError(
                "prover-missing" if name == PROVER else "verifier-missing",
                f"{path} cannot be read: {error.strerror}",
            ) from error
        return cls(name, path, status.st_mtime_ns, status.st_size)

    def described(self, version: str) -> str:
        """Its name, the version that was found for it, and the beginning of its SHA-256."""
        return f"{self.name} {version} sha256:{_sha256(self)[:16]}"


@lru_cache(maxsize=16)
def _sha256(program: Installed) -> str:
    return hashlib.sha256(program.path.read_bytes()).hexdigest()

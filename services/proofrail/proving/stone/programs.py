"""Where Stone's two programs lie: they are external, and never part of Proofrail."""

from __future__ import annotations

import os
import shutil
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

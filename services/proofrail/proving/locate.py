"""Where the stwo prover program lies. Plain standard library: the build step uses it before anything is
installed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

PROGRAM = "proofrail-stwo-prover"
ENVIRONMENT = "PROOFRAIL_STWO_PROVER"


def checkout() -> Path | None:
    """The root of the checkout this package runs from; None when it was installed elsewhere."""
    root = Path(__file__).resolve().parents[3]
    return root if (root / "services" / "native" / "prover" / "Cargo.toml").is_file() else None


def installed_at() -> Path | None:
    """Where the build step puts the program; None outside a checkout."""
    root = checkout()
    return root / "build" / "bin" / PROGRAM if root else None


def find() -> Path | None:
    """The program to use: the environment variable, else the checkout's own build, else PATH."""
    named = os.environ.get(ENVIRONMENT)
    if named:
        return Path(named)
    built = installed_at()
    if built is not None and built.is_file():
        return built
    on_path = shutil.which(PROGRAM)
    return Path(on_path) if on_path else None

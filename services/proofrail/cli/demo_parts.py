"""What `proofrail demo --chain` needs beside Proofrail, looked for before anything is started."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from proofrail.proving.stone import programs
from proofrail.proving.stone.presets import Preset, preset_named
from proofrail.proving.stone.version import self_test
from proofrail.wire.errors import TransientError, UnusableInputError

if TYPE_CHECKING:
    from proofrail.registrar.starknet.integrity import IntegrityClasses

PRESET: Final[Preset] = preset_named("recursive/blake2s_248_lsb/stone6/strict")
"""The registry's settings for the demo's proofs: the one hash function with 96 bits that one transaction verifies."""

_DEVNET: Final = "starknet-devnet"
_INSTALL: Final = {
    "the Python package starknet-py": "pip install 'proofrail[chain]'",
    _DEVNET: "cargo install starknet-devnet --version 0.10.1 --locked",
    f"Stone's {programs.PROVER}": "build Stone v3, and name the program in PROOFRAIL_STONE_PROVER or put it on PATH",
    f"Stone's {programs.VERIFIER}": "likewise, in PROOFRAIL_STONE_VERIFIER",
}


@dataclass(frozen=True)
class Parts:
    """`integrity`: the classes of the verifier on chain; None for the stand-in, which verifies nothing."""

    devnet: Path
    integrity: IntegrityClasses | None


def find_parts(integrity: Path | None) -> Parts:
    """Raises UnusableInputError `demo-parts-missing`, which names every part that is missing and how to get it, and
    `stone-version-unfit`, `class-unusable`, or what Stone's self-test finds; OSError for a folder that cannot be read.
    """
    devnet, prover, verifier = (
        shutil.which(_DEVNET),
        *map(programs.find, (programs.PROVER, programs.VERIFIER)),
    )
    there = (find_spec("starknet_py"), devnet, prover, verifier)
    missing = [name for name, found in zip(_INSTALL, there, strict=True) if found is None]
    if missing or devnet is None or prover is None or verifier is None:
        raise UnusableInputError(
            "demo-parts-missing",
            f"the demo on chain needs what is not here: {', '.join(missing)}",
            "; ".join(f"{name}: {_INSTALL[name]}" for name in missing),
        )
    try:
        version = self_test(prover, verifier)
    except TransientError as error:
        raise UnusableInputError(error.code, error.message, error.next_step) from error
    if version != PRESET.stone_version:
        raise UnusableInputError(
            "stone-version-unfit",
            f"{prover} is {version}, whose proofs for the registry on chain stay under 96 bits",
            "Name builds of Stone v3 in PROOFRAIL_STONE_PROVER and PROOFRAIL_STONE_VERIFIER.",
        )
    return Parts(Path(devnet), None if integrity is None else _classes(integrity))


def _classes(folder: Path) -> IntegrityClasses:
    from proofrail.registrar.starknet.integrity import IntegrityClasses

    return IntegrityClasses(folder, PRESET)

"""The Rust toolchain of this host, and a stamp of all that a build depends on. Plain standard library."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

MIN_CARGO = (1, 88)


class BuildError(Exception):
    """The prover cannot be built: `code`, what and why, what to do next."""

    def __init__(self, code: str, message: str, next_step: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.next_step = next_step

    def __str__(self) -> str:
        return f"[{self.code}] {self.message}. {self.next_step}"


@dataclass(frozen=True)
class Toolchain:
    cargo: str
    rustc_version: str
    cpu_features: str


def find(target_cpu: str) -> Toolchain:
    """The toolchain on PATH, and the CPU features it would build for.

    Raises BuildError `cargo-missing`, `cargo-too-old`, `toolchain-broken`.
    """
    cargo = shutil.which("cargo")
    rustc = shutil.which("rustc")
    if cargo is None or rustc is None:
        raise BuildError(
            "cargo-missing",
            "cargo and rustc were not found, and the prover is built from source",
            "Install a stable Rust toolchain and put its bin folder on PATH",
        )
    version = _output([cargo, "--version"])
    found = re.search(r"(\d+)\.(\d+)", version)
    if found is None or (int(found[1]), int(found[2])) < MIN_CARGO:
        raise BuildError(
            "cargo-too-old",
            f"the prover needs cargo {MIN_CARGO[0]}.{MIN_CARGO[1]} or newer, this is {version.strip()!r}",
            "Update the Rust toolchain",
        )
    return Toolchain(
        cargo=cargo,
        rustc_version=_output([rustc, "-vV"]),
        cpu_features=_output([rustc, "--print", "cfg", "-C", f"target-cpu={target_cpu}"]),
    )


def stamp(toolchain: Toolchain, sources: Iterable[Path], settings: Iterable[str]) -> str:
    """A digest of sources, compiler, CPU features and settings: equal means nothing to do."""
    digest = hashlib.sha256()
    for text in (toolchain.rustc_version, toolchain.cpu_features, *settings):
        digest.update(text.encode() + b"\0")
    for path in sorted(sources):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)  # noqa: S603
    except (OSError, subprocess.SubprocessError) as error:
        raise BuildError(
            "toolchain-broken",
            f"{' '.join(command)} does not work: {error}",
            "Check the Rust toolchain",
        ) from error
    return done.stdout

"""Changes to crates of the registry without which the prover does not build on a stable compiler.

The patched copies are made from cargo's own cache at build time and are never committed. Plain standard
library.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Patch:
    """Exactly one occurrence of `old` in `file` of one release of a crate becomes `new`."""

    crate: str
    version: str
    file: str
    old: str
    new: str
    why: str

    @property
    def folder(self) -> str:
        return f"{self.crate}-{self.version}"


PATCHES = (
    Patch(
        crate="stwo-cairo-common",
        version="1.3.0",
        file="src/prover_types/simd.rs",
        old=".to_int()",
        new=".to_simd()",
        why="the method of the standard library was renamed after the compiler that the crate was made for",
    ),
)


class PatchError(Exception):
    """The crate's source is not what the patch was made for."""


def apply(patch: Patch, source: Path, destination: Path) -> Path:
    """Makes `destination/<crate>-<version>` from the crate's `source` folder; returns its path.

    Raises PatchError when the text to replace is not there exactly once.
    """
    original = source / patch.file
    try:
        text = original.read_text(encoding="utf-8")
    except OSError as error:
        raise PatchError(f"{patch.crate} {patch.version} has no file {patch.file}: {error}") from error
    count = text.count(patch.old)
    if count != 1:
        raise PatchError(
            f"{patch.crate} {patch.version}: {patch.old!r} stands {count} times in {patch.file}, not once"
        )
    target = destination / patch.folder
    patched = text.replace(patch.old, patch.new)
    if _is_current(target, patch, patched):
        return target
    scratch = destination / f".{patch.folder}.part"
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(source, scratch)
    (scratch / patch.file).write_text(patched, encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    scratch.rename(target)
    return target


def _is_current(target: Path, patch: Patch, patched: str) -> bool:
    """Leaving an unchanged copy alone keeps cargo from compiling it again."""
    file = target / patch.file
    return file.is_file() and file.read_text(encoding="utf-8") == patched

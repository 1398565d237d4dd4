"""Compiled programs that are committed beside a manifest with their digests and those of their sources, so that a
forgotten recompilation is noticed also where the compiler cannot be had.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from proofrail.wire.canonical import sha256_hex
from proofrail.wire.errors import ProofrailError, UnusableInputError

_MANIFEST: Final = "MANIFEST.json"


@dataclass(frozen=True)
class Compiled:
    """A compiled program: the artifact's bytes, the sources (by path in the checkout) it comes from, and hashes that
    others know it by, as the manifest names them."""

    artifact: bytes
    sources: tuple[str, ...]
    hashes: Mapping[str, str] = field(default_factory=dict)


Compile = Callable[[str], Compiled]
"""Compiles what has this name. Raises UnusableInputError `compilation-failed`."""

Hashes = Callable[[bytes], Mapping[str, str]]
"""The hashes that follow from an artifact alone. Raises UnusableInputError where they cannot be computed."""


@dataclass(frozen=True)
class Artifacts:
    """The artifacts of `names` in `folder`, a path in the checkout, made by `compiler` (its name and version)."""

    folder: str
    names: tuple[str, ...]
    compiler: str
    hashes: Hashes | None = None

    def stale(self, checkout: Path) -> list[str]:
        """What differs between the manifest and the files it speaks of, in words; empty if nothing does."""
        try:
            manifest = json.loads((checkout / self.folder / _MANIFEST).read_bytes())
        except (OSError, ValueError) as error:
            return [f"{self.folder}/{_MANIFEST} cannot be read: {error}"]
        stale = []
        if manifest["compiler"] != self.compiler:
            stale.append(f"the artifacts come from {manifest['compiler']}, not from {self.compiler}")
        for name in self.names:
            recorded = manifest["programs"].get(name)
            if recorded is None:
                stale.append(f"{name} was never compiled")
                continue
            if _sha256_of(checkout / self._path(name)) != recorded["artifact_sha256"]:
                stale.append(f"{self._path(name)} is not what was compiled")
            stale += [
                f"{source} has changed since {name} was compiled"
                for source, digest in recorded["sources"].items()
                if _sha256_of(checkout / source) != digest
            ]
        return stale

    def write(self, checkout: Path, compile_one: Compile) -> None:
        """Compile all and write them with their manifest."""
        (checkout / self.folder).mkdir(exist_ok=True)
        programs: dict[str, Any] = {}
        for name in self.names:
            compiled = compile_one(name)
            (checkout / self._path(name)).write_bytes(compiled.artifact)
            programs[name] = {
                "artifact_sha256": sha256_hex(compiled.artifact),
                "sources": {source: _sha256_of(checkout / source) for source in compiled.sources},
                **compiled.hashes,
            }
            print(f"{self._path(name)}: {len(compiled.artifact):,} bytes")
        manifest = {"compiler": self.compiler, "programs": programs}
        text = json.dumps(manifest, indent=2, sort_keys=True) + "\n"
        (checkout / self.folder / _MANIFEST).write_text(text)

    def differing(self, checkout: Path, compile_one: Compile) -> list[str]:
        """The artifacts that are not what their sources compile to, and the hashes that are not theirs, in words."""
        differing = []
        for name in self.names:
            compiled = compile_one(name)
            if compiled.artifact != (checkout / self._path(name)).read_bytes():
                differing.append(f"{self._path(name)} is not what {name}.cairo compiles to")
            else:
                differing += self._other_hashes(checkout, name, compiled.hashes)
        return differing

    def other_hashes(self, checkout: Path) -> list[str]:
        """The hashes in the manifest that are not the artifacts', in words, as far as that takes no compiler. Raises
        UnusableInputError where they cannot be computed."""
        if self.hashes is None:
            return []
        return [
            difference
            for name in self.names
            for difference in self._other_hashes(
                checkout, name, self.hashes((checkout / self._path(name)).read_bytes())
            )
        ]

    def _other_hashes(self, checkout: Path, name: str, hashes: Mapping[str, str]) -> list[str]:
        manifest = json.loads((checkout / self.folder / _MANIFEST).read_bytes())
        recorded = manifest["programs"][name]
        return [
            f"the manifest says that {what} of {name} is {recorded.get(what)}, and it is {hash_}"
            for what, hash_ in hashes.items()
            if recorded.get(what) != hash_
        ]

    def _path(self, name: str) -> str:
        return f"{self.folder}/{name}.json"


def run(
    artifacts: Artifacts,
    checkout: Path,
    compiler: Callable[[], Compile],
    module: str,
    description: str | None,
    arguments: Iterable[str] | None,
) -> int:
    """The command line of a compiler, `python -m MODULE [--check [--digests]]`. `compiler` raises UnusableInputError
    `compiler-unavailable`.

    Exit status 0: written or up to date; 1: out of date; 2: no compiler, or it refused a source.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("--check", action="store_true", help="only say whether the artifacts are up to date")
    parser.add_argument(
        "--digests", action="store_true", help="with --check: compare digests, do not recompile"
    )
    options = parser.parse_args(None if arguments is None else list(arguments))
    try:
        if not options.check:
            artifacts.write(checkout, compiler())
            return 0
        stale = artifacts.stale(checkout)
        if not stale and not options.digests:
            stale = _differing(artifacts, checkout, compiler)
    except ProofrailError as error:
        print(error, file=sys.stderr)
        return 2
    for difference in stale:
        print(difference, file=sys.stderr)
    if stale:
        print(f"run `python -m {module}` and commit what it writes", file=sys.stderr)
        return 1
    print(f"{artifacts.folder} is up to date")
    return 0


def _differing(artifacts: Artifacts, checkout: Path, compiler: Callable[[], Compile]) -> list[str]:
    """What a recompilation shows; without a compiler, what the artifacts show, and on stderr what they do not."""
    try:
        compile_one = compiler()
    except UnusableInputError as error:
        print(f"nothing was recompiled, for the compiler cannot be had: {error}", file=sys.stderr)
    else:
        return artifacts.differing(checkout, compile_one)
    try:
        return artifacts.other_hashes(checkout)
    except UnusableInputError as error:
        print(f"compared by digests alone: {error}", file=sys.stderr)
        return []


def _sha256_of(path: Path) -> str | None:
    return sha256_hex(path.read_bytes()) if path.is_file() else None

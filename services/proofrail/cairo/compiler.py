"""Compiles the Cairo programs of the checkout: `python -m proofrail.cairo.compiler [--check]`.

The compiler (cairo-lang) lives in an environment of its own under build/cairo-lang; PROOFRAIL_CAIRO_COMPILE
names another cairo-compile of the same version. Artifacts are the same bytes wherever they are compiled: paths in
the debug information are rewritten, members sorted.

cairo/artifacts/MANIFEST.json records the digests of each artifact and of the sources it comes from, so that
a forgotten recompilation is noticed where the compiler cannot be had.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from proofrail.cairo import cairo_lang
from proofrail.wire.errors import ProofrailError, UnusableInputError

PROGRAMS: Final = ("risk_engine", "risk_engine_chain", "fibonacci")

_IMPORTED_PROGRAMS: Final = {"risk_engine_chain": "risk_engine"}
"""Programs whose functions another one imports. The compiler allows one %builtins line in all of the sources, so
that it is given a copy of the imported one without."""

_CHECKOUT: Final = Path(__file__).parents[3]
_CAIRO: Final = _CHECKOUT / "cairo"
_MANIFEST: Final = "MANIFEST.json"


@dataclass(frozen=True)
class Compiled:
    """A compiled program: the artifact's bytes and the sources (by path in the checkout) it comes from."""

    artifact: bytes
    sources: tuple[str, ...]


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0: written or up to date; 1: out of date; 2: no compiler, or it refused a source."""
    parser = argparse.ArgumentParser(prog="python -m proofrail.cairo.compiler", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether the artifacts are up to date")
    parser.add_argument(
        "--digests", action="store_true", help="with --check: compare digests, do not recompile"
    )
    options = parser.parse_args(arguments)
    try:
        return _check(recompile=not options.digests) if options.check else _compile_all()
    except ProofrailError as error:
        print(error, file=sys.stderr)
        return 2


def stale_digests(cairo: Path = _CAIRO) -> list[str]:
    """What differs between the manifest and the files it speaks of, in words; empty if nothing does."""
    folder = cairo / "artifacts"
    try:
        manifest = json.loads((folder / _MANIFEST).read_bytes())
    except (OSError, ValueError) as error:
        return [f"cairo/artifacts/{_MANIFEST} cannot be read: {error}"]
    stale = []
    if manifest["compiler"] != _compiler_name():
        stale.append(f"the artifacts come from {manifest['compiler']}, not from {_compiler_name()}")
    for name in PROGRAMS:
        recorded = manifest["programs"].get(name)
        if recorded is None:
            stale.append(f"{name} was never compiled")
            continue
        if _sha256_of(folder / f"{name}.json") != recorded["artifact_sha256"]:
            stale.append(f"cairo/artifacts/{name}.json is not what was compiled")
        stale += [
            f"{source} has changed since {name} was compiled"
            for source, digest in recorded["sources"].items()
            if _sha256_of(cairo.parent / source) != digest
        ]
    return stale


def compile_program(name: str, compiler: Path) -> Compiled:
    """Compile cairo/<name>.cairo in proof mode. Raises UnusableInputError `compilation-failed`."""
    with tempfile.TemporaryDirectory(prefix="proofrail-cairo-") as scratch:
        output = Path(scratch) / f"{name}.json"
        if imported := _IMPORTED_PROGRAMS.get(name):
            _write_importable(f"{imported}.cairo", Path(scratch))
        path = f"{scratch}:cairo"
        finished = subprocess.run(  # noqa: S603
            [compiler, "--proof_mode", f"cairo/{name}.cairo", "--cairo_path", path, "--output", output],
            cwd=_CHECKOUT,
            capture_output=True,
            text=True,
            check=False,
        )
        if finished.returncode != 0:
            raise UnusableInputError(
                "compilation-failed", f"cairo/{name}.cairo: {finished.stderr.strip() or finished.stdout}"
            )
        program = json.loads(output.read_bytes())
    if program["compiler_version"] != cairo_lang.VERSION:
        raise UnusableInputError(
            "compilation-failed",
            f"{compiler} is version {program['compiler_version']}",
            f"Name a cairo-compile of version {cairo_lang.VERSION} in PROOFRAIL_CAIRO_COMPILE",
        )
    for location in program["debug_info"]["instruction_locations"].values():
        # Only a debugger wants it, and it is three quarters of the file.
        location["flow_tracking_data"] = None
    sources: set[str] = set()
    program = _with_portable_paths(program, Path(scratch), sources)
    return Compiled(
        json.dumps(program, sort_keys=True, separators=(",", ":")).encode() + b"\n",
        tuple(sorted(path for path in sources if path.startswith("cairo/"))),
    )


def find_compiler() -> Path:
    """cairo-compile: PROOFRAIL_CAIRO_COMPILE, or the one in build/cairo-lang, which is set up if need be.

    Raises UnusableInputError `compiler-unavailable`.
    """
    if configured := os.environ.get("PROOFRAIL_CAIRO_COMPILE"):
        return Path(configured)
    folder = cairo_lang.environment(cairo_lang.IN_CHECKOUT, lambda said: print(said, file=sys.stderr))
    return folder / "bin" / "cairo-compile"


def _compile_all() -> int:
    compiler = find_compiler()
    folder = _CAIRO / "artifacts"
    folder.mkdir(exist_ok=True)
    programs: dict[str, Any] = {}
    for name in PROGRAMS:
        compiled = compile_program(name, compiler)
        (folder / f"{name}.json").write_bytes(compiled.artifact)
        programs[name] = {
            "artifact_sha256": hashlib.sha256(compiled.artifact).hexdigest(),
            "sources": {source: _sha256_of(_CHECKOUT / source) for source in compiled.sources},
        }
        print(f"cairo/artifacts/{name}.json: {len(compiled.artifact):,} bytes")
    manifest = {"compiler": _compiler_name(), "programs": programs}
    (folder / _MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")
    return 0


def _check(*, recompile: bool) -> int:
    stale = stale_digests()
    if not stale and recompile:
        try:
            compiler = find_compiler()
        except UnusableInputError as error:
            print(f"compared by digests alone, for the compiler cannot be had: {error}", file=sys.stderr)
        else:
            stale = [
                f"cairo/artifacts/{name}.json is not what cairo/{name}.cairo compiles to"
                for name in PROGRAMS
                if compile_program(name, compiler).artifact
                != (_CAIRO / f"artifacts/{name}.json").read_bytes()
            ]
    for difference in stale:
        print(difference, file=sys.stderr)
    if stale:
        print("run `make cairo` and commit what it writes", file=sys.stderr)
        return 1
    print("the compiled Cairo programs are up to date")
    return 0


def _write_importable(name: str, folder: Path) -> None:
    lines = (_CAIRO / name).read_text().splitlines(keepends=True)
    # An empty line in its place: the debug information counts lines.
    kept = ["\n" if line.startswith("%builtins") else line for line in lines]
    (folder / name).write_text("".join(kept))


def _with_portable_paths(node: Any, scratch: Path, seen: set[str]) -> Any:
    if isinstance(node, list):
        return [_with_portable_paths(item, scratch, seen) for item in node]
    if not isinstance(node, dict):
        return node
    portable = {name: _with_portable_paths(member, scratch, seen) for name, member in node.items()}
    if isinstance(portable.get("filename"), str):
        portable["filename"] = _portable(portable["filename"], scratch)
        seen.add(portable["filename"])
    return portable


def _portable(filename: str, scratch: Path) -> str:
    path = Path(filename)
    if not path.is_absolute():
        return path.as_posix()
    for folder in (_CAIRO, scratch):
        if path.is_relative_to(folder):
            return (Path("cairo") / path.relative_to(folder)).as_posix()
    if "starkware" in path.parts:
        return Path(*path.parts[path.parts.index("starkware") :]).as_posix()
    raise UnusableInputError(
        "compilation-failed", f"{filename} lies neither in cairo/ nor in the compiler's library"
    )


def _compiler_name() -> str:
    return f"cairo-lang {cairo_lang.VERSION}"


def _sha256_of(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


if __name__ == "__main__":
    sys.exit(main())

"""Compiles the Cairo programs of the checkout: `python -m proofrail.cairo.compiler [--check]`.

The compiler (cairo-lang) lives in an environment of its own under build/cairo-lang; PROOFRAIL_CAIRO_COMPILE
names another cairo-compile of the same version. Artifacts are the same bytes wherever they are compiled: paths in
the debug information are rewritten, members sorted.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from proofrail.cairo import cairo_lang
from proofrail.cairo.compiled import Artifacts, Compile, Compiled, run
from proofrail.wire.errors import UnusableInputError

PROGRAMS: Final = ("risk_engine", "risk_engine_chain", "fibonacci")

_IMPORTED_PROGRAMS: Final = {"risk_engine_chain": "risk_engine"}
"""Programs whose functions another one imports. The compiler allows one %builtins line in all of the sources, so
that it is given a copy of the imported one without."""

_CHECKOUT: Final = Path(__file__).parents[3]
_CAIRO: Final = _CHECKOUT / "cairo"


_ARTIFACTS: Final = Artifacts("cairo/artifacts", PROGRAMS, f"cairo-lang {cairo_lang.VERSION}")


def main(arguments: list[str] | None = None) -> int:
    """The exit status is that of `compiled.run`."""
    return run(_ARTIFACTS, _CHECKOUT, _compiler, "proofrail.cairo.compiler", __doc__, arguments)


def stale_digests(checkout: Path = _CHECKOUT) -> list[str]:
    """What differs between the manifest and the files it speaks of, in words; empty if nothing does."""
    return _ARTIFACTS.stale(checkout)


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


def _compiler() -> Compile:
    compiler = find_compiler()
    return lambda name: compile_program(name, compiler)


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


if __name__ == "__main__":
    sys.exit(main())

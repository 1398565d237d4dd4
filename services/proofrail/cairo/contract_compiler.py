"""Compiles the contracts of the checkout to Sierra: `python -m proofrail.cairo.contract_compiler [--check]`.

The compiler is Cairo 2.1.0 with its core library: static programs for Linux on x86-64 in the package cairo-lang 0.12.3.
The file on the package index is taken by its digest and only unpacked: its Python is not needed. The manifest carries
both hashes of each class, so that declaring one takes no compiler.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

from proofrail.cairo.class_hashes import compiled_class_hash, of_class
from proofrail.cairo.compiled import Artifacts, Compile, Compiled, run
from proofrail.wire.canonical import sha256_hex
from proofrail.wire.errors import UnusableInputError

CONTRACTS: Final = ("decision_registry",)

PACKAGE: Final = "0.12.3"
PACKAGE_SHA256: Final = "651abdaa5f911d1d8f5605749e3540e7fc4efb7fb625925e5a499c4ca04fcc85"

_CHECKOUT: Final = Path(__file__).parents[3]
_IN_PACKAGE: Final = f"cairo-lang-{PACKAGE}/starkware/starknet/compiler/v1/sierra-compiler-major-1/"
_IN_CHECKOUT: Final = _CHECKOUT / "build" / "cairo-2.1"


def main(arguments: list[str] | None = None) -> int:
    """The exit status is that of `compiled.run`."""
    return compile_all(_ARTIFACTS, "cairo/contracts", "proofrail.cairo.contract_compiler", __doc__, arguments)


def artifacts_of(folder: str, names: tuple[str, ...]) -> Artifacts:
    """The classes of these contracts in `folder`, a path in the checkout."""
    return Artifacts(folder, names, f"Cairo 2.1.0 (cairo-lang {PACKAGE})", of_class)


def compile_all(
    artifacts: Artifacts, sources: str, module: str, description: str | None, arguments: list[str] | None
) -> int:
    """The command line for the contracts in the folder `sources`, a path in the checkout: see `compiled.run`."""
    return run(artifacts, _CHECKOUT, lambda: _compiler(sources), module, description, arguments)


_ARTIFACTS: Final = artifacts_of("cairo/contracts/artifacts", CONTRACTS)


def stale_digests(checkout: Path = _CHECKOUT) -> list[str]:
    """What differs between the manifest and the files it speaks of, in words; empty if nothing does."""
    return _ARTIFACTS.stale(checkout)


def compile_contract(source: Path, compiler: Path) -> bytes:
    """The Sierra class of a contract in one file. Raises UnusableInputError `compilation-failed`."""
    finished = subprocess.run(  # noqa: S603
        [compiler, "--single-file", source], capture_output=True, text=True, check=False
    )
    if finished.returncode != 0:
        said = finished.stderr.strip() or finished.stdout
        raise UnusableInputError("compilation-failed", f"{source}: {said}")
    return json.dumps(json.loads(finished.stdout), separators=(",", ":")).encode() + b"\n"


def _compiled_class_hash(sierra: bytes, compiler: Path) -> str:
    program = compiler.with_name("starknet-sierra-compile")
    program.chmod(0o755)
    with tempfile.TemporaryDirectory(prefix="cairo-2.1-") as scratch:
        source = Path(scratch) / "class.json"
        source.write_bytes(sierra)
        finished = subprocess.run([program, source], capture_output=True, check=False)  # noqa: S603
    if finished.returncode != 0:
        raise UnusableInputError("compilation-failed", finished.stderr.decode(errors="replace").strip())
    return compiled_class_hash(finished.stdout)


def find_compiler() -> Path:
    """starknet-compile in build/cairo-2.1, unpacked from the package if need be.

    Raises UnusableInputError `compiler-unavailable`.
    """
    compiler = _IN_CHECKOUT / _IN_PACKAGE / "bin" / "starknet-compile"
    if compiler.exists():
        return compiler
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise _unavailable("its programs run on Linux on x86-64 alone")
    _IN_CHECKOUT.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="cairo-2.1-", dir=_IN_CHECKOUT.parent) as scratch:
        package, unpacked = _downloaded(Path(scratch)), Path(scratch) / "unpacked"
        with zipfile.ZipFile(package) as archive:
            archive.extractall(
                unpacked, [name for name in archive.namelist() if name.startswith(_IN_PACKAGE)]
            )
        (unpacked / _IN_PACKAGE / "bin" / "starknet-compile").chmod(0o755)
        # At once and last: the folder is there whole, or not at all.
        unpacked.rename(_IN_CHECKOUT)
    return compiler


def _downloaded(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    finished = subprocess.run(  # noqa: S603
        [*command, f"cairo-lang=={PACKAGE}"], capture_output=True, text=True, check=False
    )
    found = list(folder.glob("cairo-lang-*.zip"))
    if finished.returncode != 0 or not found:
        raise _unavailable(f"pip could not get it: {finished.stderr.strip()[-400:]}")
    if (digest := sha256_hex(found[0].read_bytes())) != PACKAGE_SHA256:
        raise _unavailable(f"the package has the digest {digest}, not {PACKAGE_SHA256}")
    return found[0]


def _unavailable(why: str) -> UnusableInputError:
    return UnusableInputError(
        "compiler-unavailable",
        f"the compiler of cairo-lang {PACKAGE} cannot be had: {why}",
        "Give pip a package index; the digests can be compared without a compiler",
    )


def _compiler(sources: str) -> Compile:
    compiler = find_compiler()

    def compile_named(name: str) -> Compiled:
        source = f"{sources}/{name}.cairo"
        sierra = compile_contract(_CHECKOUT / source, compiler)
        hashes = {**of_class(sierra), "compiled_class_hash": _compiled_class_hash(sierra, compiler)}
        return Compiled(sierra, (source,), hashes)

    return compile_named


if __name__ == "__main__":
    sys.exit(main())

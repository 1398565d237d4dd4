"""Compiles the contracts of the checkout to Sierra: `python -m proofrail.cairo.contract_compiler [--check]`.

The compiler is Cairo 2.1.0 with its core library: static programs for Linux on x86-64 in the package cairo-lang 0.12.3.
The file on the package index is taken by its digest and only unpacked: its Python is not needed.

cairo/contracts/artifacts/MANIFEST.json records the digests of each artifact and of its source.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

from proofrail.wire.canonical import sha256_hex
from proofrail.wire.errors import ProofrailError, UnusableInputError

CONTRACTS: Final = ("decision_registry",)

PACKAGE: Final = "0.12.3"
PACKAGE_SHA256: Final = "651abdaa5f911d1d8f5605749e3540e7fc4efb7fb625925e5a499c4ca04fcc85"

_COMPILER: Final = f"Cairo 2.1.0 (cairo-lang {PACKAGE})"
_CHECKOUT: Final = Path(__file__).parents[3]
_CONTRACTS: Final = _CHECKOUT / "cairo" / "contracts"
_MANIFEST: Final = "MANIFEST.json"
_IN_PACKAGE: Final = f"cairo-lang-{PACKAGE}/starkware/starknet/compiler/v1/sierra-compiler-major-1/"
_IN_CHECKOUT: Final = _CHECKOUT / "build" / "cairo-2.1"


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0: written or up to date; 1: out of date; 2: no compiler, or it refused a source."""
    parser = argparse.ArgumentParser(prog="python -m proofrail.cairo.contract_compiler", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether the artifacts are up to date")
    parser.add_argument("sources", nargs="*", type=Path, help="compile these, each to a .json beside it")
    options = parser.parse_args(arguments)
    try:
        if options.check:
            return _check()
        compiler = find_compiler()
        if not options.sources:
            return _compile_all(compiler)
        for source in options.sources:
            source.with_suffix(".json").write_bytes(compile_contract(source, compiler))
    except ProofrailError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def stale_digests(contracts: Path = _CONTRACTS) -> list[str]:
    """What differs between the manifest and the files it speaks of, in words; empty if nothing does."""
    folder = contracts / "artifacts"
    try:
        manifest = json.loads((folder / _MANIFEST).read_bytes())
    except (OSError, ValueError) as error:
        return [f"cairo/contracts/artifacts/{_MANIFEST} cannot be read: {error}"]
    if manifest["compiler"] != _COMPILER:
        return [f"the contracts come from {manifest['compiler']}, not from {_COMPILER}"]
    stale = []
    for name in CONTRACTS:
        recorded = manifest["contracts"].get(name)
        if recorded is None:
            stale.append(f"{name} was never compiled")
            continue
        if _sha256_of(folder / f"{name}.json") != recorded["artifact_sha256"]:
            stale.append(f"cairo/contracts/artifacts/{name}.json is not what was compiled")
        if _sha256_of(contracts / f"{name}.cairo") != recorded["source_sha256"]:
            stale.append(f"cairo/contracts/{name}.cairo has changed since it was compiled")
    return stale


def compile_contract(source: Path, compiler: Path) -> bytes:
    """The Sierra class of a contract in one file. Raises UnusableInputError `compilation-failed`."""
    finished = subprocess.run(  # noqa: S603
        [compiler, "--single-file", source], capture_output=True, text=True, check=False
    )
    if finished.returncode != 0:
        said = finished.stderr.strip() or finished.stdout
        raise UnusableInputError("compilation-failed", f"{source}: {said}")
    return json.dumps(json.loads(finished.stdout), separators=(",", ":")).encode() + b"\n"


def find_compiler() -> Path:
    """starknet-compile in build/cairo-2.1, unpacked from the package if need be.

    Raises UnusableInputError `compiler-unavailable`.
    """
    compiler = _IN_CHECKOUT / _IN_PACKAGE / "bin" / "starknet-compile"
    if compiler.exists():
        return compiler
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise _unavailable("its programs run on Linux on x86-64 alone")
    with tempfile.TemporaryDirectory(prefix="proofrail-cairo-") as scratch:
        package = _downloaded(Path(scratch))
        with zipfile.ZipFile(package) as archive:
            archive.extractall(
                _IN_CHECKOUT, [name for name in archive.namelist() if name.startswith(_IN_PACKAGE)]
            )
    # Last, for its presence says that all of it is there.
    part = compiler.with_suffix(".part")
    compiler.rename(part)
    part.chmod(0o755)
    part.rename(compiler)
    return compiler


def _downloaded(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    finished = subprocess.run(  # noqa: S603
        [*command, f"cairo-lang=={PACKAGE}"], capture_output=True, text=True, check=False
    )
    found = list(folder.glob("cairo-lang-*.zip"))
    if finished.returncode != 0 or not found:
        raise _unavailable(f"pip could not get it: {finished.stderr.strip()[-400:]}")
    if (digest := _sha256_of(found[0])) != PACKAGE_SHA256:
        raise _unavailable(f"the package has the digest {digest}, not {PACKAGE_SHA256}")
    return found[0]


def _unavailable(why: str) -> UnusableInputError:
    return UnusableInputError(
        "compiler-unavailable",
        f"the compiler of cairo-lang {PACKAGE} cannot be had: {why}",
        "Give pip a package index; the digests can be compared without a compiler",
    )


def _compile_all(compiler: Path) -> int:
    folder = _CONTRACTS / "artifacts"
    folder.mkdir(exist_ok=True)
    contracts = {}
    for name in CONTRACTS:
        source = _CONTRACTS / f"{name}.cairo"
        artifact = compile_contract(source, compiler)
        (folder / f"{name}.json").write_bytes(artifact)
        contracts[name] = {
            "artifact_sha256": sha256_hex(artifact),
            "source_sha256": sha256_hex(source.read_bytes()),
        }
        print(f"cairo/contracts/artifacts/{name}.json: {len(artifact):,} bytes")
    manifest = {"compiler": _COMPILER, "contracts": contracts}
    (folder / _MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")
    return 0


def _check() -> int:
    stale = stale_digests()
    if not stale:
        try:
            compiler = find_compiler()
        except UnusableInputError as error:
            print(f"compared by digests alone, for the compiler cannot be had: {error}", file=sys.stderr)
        else:
            stale = [
                f"cairo/contracts/artifacts/{name}.json is not what cairo/contracts/{name}.cairo compiles to"
                for name in CONTRACTS
                if compile_contract(_CONTRACTS / f"{name}.cairo", compiler)
                != (_CONTRACTS / "artifacts" / f"{name}.json").read_bytes()
            ]
    for difference in stale:
        print(difference, file=sys.stderr)
    if stale:
        print("run `python -m proofrail.cairo.contract_compiler` and commit what it writes", file=sys.stderr)
        return 1
    print("the compiled contracts are up to date")
    return 0


def _sha256_of(path: Path) -> str | None:
    return sha256_hex(path.read_bytes()) if path.is_file() else None


if __name__ == "__main__":
    sys.exit(main())

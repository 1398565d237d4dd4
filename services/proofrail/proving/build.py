"""Builds the stwo prover program for this host: `python -m proofrail.proving.build`; with `--test`, runs its own tests.

Plain standard library, so that it can run before anything is installed. A first build takes about six
minutes on two cores; a further call without changes returns at once.
"""

from __future__ import annotations

import argparse
import errno
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from proofrail.proving import locate, patches, toolchain
from proofrail.proving.toolchain import BuildError, Toolchain

# The crates that use unstable features; for all others the stable compiler stays as strict as it is.
_UNSTABLE_CRATES = "stwo,stwo_cairo_common,stwo_cairo_prover,stwo_air_utils,stwo_constraint_framework"
# A compiler process of the largest crate takes more than 2 GiB.
_GIB_PER_JOB = 3
_NOISY_SECONDS = 15.0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Build the stwo prover program for this host.")
    parser.add_argument(
        "--target-cpu",
        default="native",
        help="what rustc builds for; x86-64-v3 for a portable program (about half as fast)",
    )
    parser.add_argument("--force", action="store_true", help="build even if nothing changed")
    parser.add_argument("--test", action="store_true", help="run the tests of its own code instead")
    options = parser.parse_args(arguments)
    try:
        if options.test:
            return run_tests(options.target_cpu)
        build(options.target_cpu, force=options.force)
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def build(target_cpu: str = "native", *, force: bool = False) -> Path:
    """Builds the program if sources, compiler or CPU changed, and returns its path.

    Raises BuildError: `no-checkout`, `cargo-…`, `toolchain-broken`, `no-network`, `disk-full`,
    `patch-does-not-apply`, `build-failed`, `prover-does-not-run`.
    """
    root, program = _checkout()
    tools = toolchain.find(target_cpu)
    wanted = toolchain.stamp(tools, _sources(root), [target_cpu, repr(patches.PATCHES)])
    if not force and _is_current(program, wanted):
        print(f"stwo prover: up to date ({program.relative_to(root)})")
        return program
    program.parent.mkdir(parents=True, exist_ok=True)
    with _alone(program.parent / ".build.lock"):
        if force or not _is_current(program, wanted):
            _build(root, tools, target_cpu, program)
            _stamp_file(program).write_text(wanted + "\n", encoding="ascii")
    return program


def run_tests(target_cpu: str = "native") -> int:
    """Runs the tests of the program's own code with what `build` compiled; returns cargo's exit status. Raises
    BuildError as `build` does."""
    root, program = _checkout()
    tools = toolchain.find(target_cpu)
    program.parent.mkdir(parents=True, exist_ok=True)
    with _alone(program.parent / ".build.lock"):
        options, environment, _ = _prepared(root, tools, target_cpu)
        return subprocess.run([tools.cargo, "test", *options], env=environment).returncode  # noqa: S603


def _checkout() -> tuple[Path, Path]:
    """Where the sources are, and where the program belongs."""
    root, program = locate.checkout(), locate.installed_at()
    if root is None or program is None:
        raise BuildError(
            "no-checkout",
            "the sources of the prover are not beside this package",
            f"Build it in a checkout, and name the program in {locate.ENVIRONMENT}",
        )
    return root, program


def _build(root: Path, tools: Toolchain, target_cpu: str, program: Path) -> None:
    begin = time.monotonic()
    options, environment, crates = _prepared(root, tools, target_cpu)
    print(f"stwo prover: building for {target_cpu} (about six minutes the first time)", flush=True)
    executable = _compile(tools, ["build", *options], environment, total=crates)
    _install(executable, program)
    print(f"stwo prover: built in {time.monotonic() - begin:.0f} s ({program.relative_to(root)})")


def _prepared(root: Path, tools: Toolchain, target_cpu: str) -> tuple[list[str], dict[str, str], int]:
    """Fetches and patches what the program is made of; returns cargo's options, its environment, and how many crates
    there are."""
    manifest = root / "services" / "native" / "prover" / "Cargo.toml"
    # Also set by the Makefile, for the extension: the two must not share a folder.
    environment = os.environ | {"CARGO_TARGET_DIR": str(root / "build" / "cargo-prover")}
    print("stwo prover: fetching crates", flush=True)
    _cargo(tools, ["fetch", "--manifest-path", str(manifest)], environment)
    metadata = _metadata(tools, manifest, environment)
    config = _patch_config(metadata, root / "build" / "patched")
    environment |= {
        "RUSTC_BOOTSTRAP": _UNSTABLE_CRATES,
        "RUSTFLAGS": f"-C target-cpu={target_cpu}",
        "CARGO_BUILD_JOBS": os.environ.get("CARGO_BUILD_JOBS", str(_jobs())),
    }
    crates = len(metadata["resolve"]["nodes"])
    return ["--release", "--manifest-path", str(manifest), *config], environment, crates


def _sources(root: Path) -> list[Path]:
    native = root / "services" / "native"
    return [
        path
        for crate in ("hints", "prover")
        for path in (native / crate / "Cargo.toml", *(native / crate / "src").rglob("*.rs"))
    ]


def _is_current(program: Path, wanted: str) -> bool:
    stamp = _stamp_file(program)
    return program.is_file() and stamp.is_file() and stamp.read_text(encoding="ascii").strip() == wanted


def _stamp_file(program: Path) -> Path:
    return program.with_name(program.name + ".stamp")


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Two builds at once would undo each other's work."""
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("stwo prover: waiting for another build", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _jobs() -> int:
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        memory = 2 * _GIB_PER_JOB << 30
    return max(1, min(os.cpu_count() or 1, (memory >> 30) // _GIB_PER_JOB))


def _metadata(tools: Toolchain, manifest: Path, environment: dict[str, str]) -> dict[str, Any]:
    text = _cargo(tools, ["metadata", "--format-version", "1", "--manifest-path", str(manifest)], environment)
    metadata: dict[str, Any] = json.loads(text)
    return metadata


def _patch_config(metadata: dict[str, Any], destination: Path) -> list[str]:
    """Makes the patched copies and returns the options that make cargo use them."""
    destination.mkdir(parents=True, exist_ok=True)
    options = []
    for patch in patches.PATCHES:
        manifests = [
            Path(package["manifest_path"])
            for package in metadata["packages"]
            if (package["name"], package["version"]) == (patch.crate, patch.version)
        ]
        if not manifests:
            raise BuildError(
                "patch-does-not-apply",
                f"{patch.crate} {patch.version} is not among the dependencies",
                "Adapt services/proofrail/proving/patches.py to the new version",
            )
        try:
            folder = patches.apply(patch, manifests[0].parent, destination)
        except patches.PatchError as error:
            raise BuildError(
                "patch-does-not-apply",
                str(error),
                "Delete cargo's cached copy of the crate, or adapt services/proofrail/proving/patches.py",
            ) from error
        except OSError as error:
            raise _os_error(error) from error
        options += ["--config", f"patch.crates-io.{patch.crate}.path={json.dumps(str(folder))}"]
    return options


def _cargo(tools: Toolchain, arguments: list[str], environment: dict[str, str]) -> str:
    with tempfile.TemporaryFile("w+") as errors:
        done = subprocess.run(  # noqa: S603
            [tools.cargo, *arguments], env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        errors.seek(0)
        said = errors.read()
    if done.returncode != 0:
        raise _classified(said.splitlines())
    return done.stdout


def _compile(tools: Toolchain, arguments: list[str], environment: dict[str, str], *, total: int) -> Path:
    command = [tools.cargo, *arguments, "--message-format=json-render-diagnostics"]
    tail: deque[str] = deque(maxlen=60)
    executable: Path | None = None
    progress = _Progress(total)
    with tempfile.TemporaryFile("w+") as errors:
        with subprocess.Popen(  # noqa: S603
            command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as cargo:
            try:
                executable = _follow(_lines(cargo), progress)
            except BaseException:
                cargo.send_signal(signal.SIGINT)
                raise
        progress.done()
        errors.seek(0)
        tail.extend(errors.read().splitlines())
    if cargo.returncode != 0 or executable is None:
        raise _classified(list(tail))
    return executable


def _lines(cargo: subprocess.Popen[str]) -> IO[str]:
    if cargo.stdout is None:
        raise RuntimeError("cargo's output was asked for and is not there")
    return cargo.stdout


def _follow(lines: IO[str], progress: _Progress) -> Path | None:
    """Reads cargo's messages; returns the executable that it names."""
    executable: Path | None = None
    for line in lines:
        message = json.loads(line)
        if message.get("reason") != "compiler-artifact":
            continue
        progress.compiled(message["package_id"], message["target"]["name"])
        if message.get("executable") and message["target"]["name"] == locate.PROGRAM:
            executable = Path(message["executable"])
    return executable


class _Progress:
    """One moving line on a terminal, a line every quarter of a minute elsewhere."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._packages: set[str] = set()
        self._begin = time.monotonic()
        self._last = 0.0
        self._terminal = sys.stdout.isatty()

    def compiled(self, package: str, name: str) -> None:
        self._packages.add(package)
        now = time.monotonic() - self._begin
        if self._terminal:
            print(f"\r\x1b[K  {self._state(now)}  {name}", end="", flush=True)
        elif now - self._last >= _NOISY_SECONDS:
            self._last = now
            print(f"  {self._state(now)}", flush=True)

    def _state(self, seconds: float) -> str:
        # Packages for other platforms are in the total too: the count ends somewhat below it.
        return f"{len(self._packages)} of about {self._total} crates, {seconds:.0f} s"

    def done(self) -> None:
        if self._terminal and self._packages:
            print("\r\x1b[K", end="", flush=True)


def _install(executable: Path, program: Path) -> None:
    scratch = program.with_name(f".{program.name}.part")
    try:
        shutil.copy2(executable, scratch)
        check(scratch)
        scratch.replace(program)
    except OSError as error:
        raise _os_error(error) from error
    finally:
        scratch.unlink(missing_ok=True)


def check(program: Path) -> dict[str, Any]:
    """Runs `program version`; returns what it says. Raises BuildError `prover-does-not-run`."""
    try:
        done = subprocess.run(  # noqa: S603
            [str(program), "version"], capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise BuildError(
            "prover-does-not-run", f"{program.name}: {error}", "Build it again: make prover"
        ) from error
    if done.returncode == -signal.SIGILL:
        raise BuildError(
            "prover-does-not-run",
            "the prover was built for another CPU: it uses an instruction that this one lacks",
            "Build it on this host (make prover), or portably: "
            "python -m proofrail.proving.build --target-cpu x86-64-v3",
        )
    if done.returncode != 0:
        raise BuildError(
            "prover-does-not-run",
            f"{program.name} version ended with {done.returncode}: {done.stderr.strip()[-300:]}",
            "Build it again: make prover",
        )
    try:
        said: dict[str, Any] = dict(json.loads(done.stdout))
    except (ValueError, TypeError) as error:
        raise BuildError(
            "prover-does-not-run",
            f"{program} is no prover of ours: its version is {done.stdout.strip()[:60]!r}",
            "Build it (make prover), or name the right one in PROOFRAIL_STWO_PROVER",
        ) from error
    return said


def _classified(lines: list[str]) -> BuildError:
    said = "\n".join(lines)
    lower = said.lower()
    if "no space left" in lower:
        return _disk_full()
    network = ("could not resolve host", "failed to download", "network failure", "download of", "timed out")
    if any(sign in lower for sign in network):
        return BuildError(
            "no-network",
            f"cargo could not fetch crates:\n{_tail(lines)}",
            "Check the network or cargo's registry configuration, and try again",
        )
    if "signal: 9" in lower or "sigkill" in lower:
        return BuildError(
            "build-failed",
            f"the compiler was killed, probably for lack of memory:\n{_tail(lines)}",
            "Try again with CARGO_BUILD_JOBS=1",
        )
    return BuildError("build-failed", f"cargo said:\n{_tail(lines)}", "See the lines above")


def _tail(lines: list[str]) -> str:
    return "\n".join(f"    {line}" for line in lines[-25:])


def _os_error(error: OSError) -> BuildError:
    if error.errno == errno.ENOSPC:
        return _disk_full()
    return BuildError("build-failed", f"a file could not be written: {error}", "See the message above")


def _disk_full() -> BuildError:
    return BuildError(
        "disk-full",
        "there is no space left for the build, which takes about 2 GiB",
        "Free some space and try again; what was compiled so far is kept",
    )


if __name__ == "__main__":
    sys.exit(main())

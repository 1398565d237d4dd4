"""What a host needs to run Proofrail, each part looked at on its own: programs, keys, room."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal

from proofrail.artifacts.cache import cache_dir
from proofrail.cli.home import Home
from proofrail.commitment.keyfile import is_private
from proofrail.proving import build, locate, toolchain
from proofrail.proving.cost import machine_memory
from proofrail.wire.errors import ProofrailError

State = Literal["ok", "warning", "broken", "absent"]

_GIB: Final = 1 << 30
_HOME_FREE: Final = 1 * _GIB
_SCRATCH_FREE: Final = 1 * _GIB
_MEMORY: Final = 4 * _GIB
"""What stwo takes for a run of some hundred allocations (README, Performance), with room for the services."""


@dataclass(frozen=True)
class Found:
    """What was found of one part. `absent`: not there, and not needed; `warning`: it works, and may not for long."""

    part: str
    state: State
    says: str
    fix: str = ""

    def to_object(self) -> dict[str, Any]:
        found = {"v": 1, "type": "Check", "part": self.part, "state": self.state, "says": self.says}
        return found | ({"fix": self.fix} if self.fix else {})


Check = Callable[[Home], Found]


def native_part(home: Home) -> Found:
    """The extension in Rust, which runs programs and recomputes commitments."""
    del home
    try:
        from proofrail import _native
    except ImportError as error:
        return Found("native part", "broken", str(error), "Build it: make setup")
    return Found("native part", "ok", Path(str(_native.__file__)).name)


def java(home: Home) -> Found:
    """The runtime of the embedded broker."""
    del home
    from proofrail.messaging.java import find_java

    try:
        found = find_java()
    except ProofrailError as error:
        return _failed("java", error, needed=not _broker_named())
    return Found("java", "ok", f"Java {found.version}: {found.path}")


def jars(home: Home) -> Found:
    """Apache Kafka's own files, which the embedded broker is made of."""
    del home
    from proofrail.messaging.jars import FOLDER_VARIABLE, kafka_jars, pinned

    folder = os.environ.get(FOLDER_VARIABLE)
    if folder is None:
        there = {path.name for path in (cache_dir() / "jars").glob("*.jar")}
        wanted = {f"{artifact}-{version}.jar" for _, artifact, version in (at.split(":") for at in pinned())}
        if missing := wanted - there:
            says = f"{len(missing)} of {len(wanted)} are not in {cache_dir() / 'jars'}"
            fix = "They are fetched at the first start; without a network name a folder in PROOFRAIL_KAFKA_JARS."
            return Found("kafka jars", "absent" if _broker_named() else "warning", says, fix)
    try:
        found = kafka_jars(cache_dir())
    except ProofrailError as error:
        return _failed("kafka jars", error, needed=not _broker_named())
    return Found("kafka jars", "ok", f"{len(found)} files, intact")


def prover(home: Home) -> Found:
    """The stwo prover program, and that it runs on this processor."""
    del home
    program = locate.find()
    if program is None and _broker_named():
        fix = f"Only a prover needs it: make prover, or name it in {locate.ENVIRONMENT}."
        return Found("stwo prover", "absent", "it is not on this host", fix)
    if program is None or not program.is_file():
        where = f"{program} is not there" if program else "it was not built here"
        return Found(
            "stwo prover", "broken", where, f"Build it: make prover, or name it in {locate.ENVIRONMENT}"
        )
    try:
        said = build.check(program)
    except toolchain.BuildError as error:
        return Found("stwo prover", "broken", error.message, error.next_step)
    versions = ", ".join(f"{name} {value}" for name, value in said.items() if name != "name")
    return Found("stwo prover", "ok", f"{versions}: {program}")


def cargo(home: Home) -> Found:
    """The toolchain that builds the native parts."""
    del home
    try:
        found = toolchain.find("native")
    except toolchain.BuildError as error:
        needed = locate.find() is None and not _broker_named()
        return Found("cargo", "broken" if needed else "absent", error.message, error.next_step)
    return Found("cargo", "ok", found.rustc_version.splitlines()[0])


def processor(home: Home) -> Found:
    """Cores, and the wide instructions that the prover is fast with."""
    del home
    try:
        flags = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        flags = set()
    wide = [name for name in ("avx2", "avx512f", "neon", "asimd") if name in flags]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    says = f"{cores} cores, {', '.join(wide) or 'no wide instructions'}"
    if not wide:
        return Found("processor", "warning", says, "Proofs take many times as long here.")
    return Found("processor", "ok", says)


def memory(home: Home) -> Found:
    """What a proof may take."""
    del home
    found = machine_memory()
    says = f"{found / _GIB:.1f} GiB"
    if found < _MEMORY:
        fix = (
            "Large batches are split until they fit; PROOFRAIL_PROOF_MEMORY_LIMIT sets what a proof may take."
        )
        return Found("memory", "warning", says, fix)
    return Found("memory", "ok", says)


def home_disk(home: Home) -> Found:
    """Room where the data lies. In a container the home is read-only, and folders in it are volumes."""
    part = "disk of the home"
    if _broker_named() and home.root.is_dir() and not os.access(home.root, os.W_OK):
        volumes = [
            folder for folder in sorted(home.root.iterdir()) if folder.is_dir() and os.access(folder, os.W_OK)
        ]
        if not volumes:
            fix = "A service needs folders in it that it may write to."
            return Found(part, "absent", f"{home.root} is read-only, with all in it", fix)
        return next(
            (found for at in volumes if (found := _room(part, at, _HOME_FREE)).state != "ok"),
            _room(part, volumes[0], _HOME_FREE),
        )
    return _room(part, home.root, _HOME_FREE)


def scratch_disk(home: Home) -> Found:
    """Room where proofs under way lie."""
    del home
    place = Path(os.environ.get("PROOFRAIL_SCRATCH_DIR") or tempfile.gettempdir())
    return _room("disk of proofs under way", place, _SCRATCH_FREE)


def keys(home: Home) -> Found:
    """Tracer's and auditor's keys, readable by their owner only, and the auditor's among those that are accepted."""
    files = {
        Path(os.environ.get(variable) or default)
        for variable, default in (
            ("PROOFRAIL_TRACER_KEY_FILE", home.tracer_key),
            ("PROOFRAIL_AUDITOR_KEY_FILE", home.auditor_key),
        )
    }
    there = sorted(path for path in files if path.exists())
    open_to_all = [path for path in there if not is_private(path.stat())]
    if open_to_all:
        says = f"others can read {', '.join(map(str, open_to_all))}"
        return Found(
            "keys", "broken", says, f"chmod 600 {' '.join(map(str, open_to_all))}, or make new ones."
        )
    lonely = [path for path in there if not path.with_suffix(".vkey").exists()]
    if lonely:
        names = ", ".join(str(path) for path in lonely)
        return Found(
            "keys", "warning", f"{names} has no public key beside it", "proofrail keys make … --out FILE"
        )
    if len(there) < len(files):
        return Found(
            "keys", "absent", f"{len(there)} of 2 are there", "Services make them at their first start."
        )
    return _trusted(home)


def _trusted(home: Home) -> Found:
    for variable, private in (
        ("PROOFRAIL_AUDITOR_KEYS", home.auditor_key),
        ("PROOFRAIL_CHECKPOINT_KEYS", home.tracer_key),
    ):
        accepted = os.environ.get(variable)
        own = private.with_suffix(".vkey")
        if accepted is not None and own.exists() and own.read_text().strip() not in accepted.split():
            says = f"{variable} does not hold the key in {own}"
            return Found("keys", "warning", says, f"If that key signs here: add it to {variable}.")
    return Found("keys", "ok", "both are there, private, and accepted")


def stone(home: Home) -> Found:
    """Stone's programs, where they are to be used: which version they are, by a proof of their own."""
    del home
    from proofrail.proving.stone.programs import PROVER, VERIFIER, find
    from proofrail.proving.stone.version import self_test

    configured = "stone" in os.environ.get("PROOFRAIL_PROVER_BACKENDS", "")
    programs = find(PROVER), find(VERIFIER)
    if programs[0] is None or programs[1] is None:
        missing = " and ".join(
            name for name, at in zip((PROVER, VERIFIER), programs, strict=True) if at is None
        )
        fix = "Name them in PROOFRAIL_STONE_PROVER and PROOFRAIL_STONE_VERIFIER."
        return Found("stone", "broken" if configured else "absent", f"{missing} not found", fix)
    try:
        version = self_test(programs[0], programs[1])
    except ProofrailError as error:
        return _failed("stone", error, needed=configured)
    return Found("stone", "ok", f"{version}, proven and verified here")


def chain(home: Home) -> Found:
    """What the registrar needs to record on a chain, and tests need to make one."""
    del home
    needed = os.environ.get("PROOFRAIL_REGISTRAR_LEDGER") == "starknet"
    if find_spec("starknet_py") is None:
        fix = "Install it: pip install 'proofrail[chain]'"
        return Found("chain", "broken" if needed else "absent", "the extra `chain` is not installed", fix)
    devnet = shutil.which("starknet-devnet")
    if devnet is None:
        return Found(
            "chain", "ok", "the extra `chain` is there; no starknet-devnet on PATH, which tests alone need"
        )
    return Found("chain", "ok", f"the extra `chain`, and {devnet}")


CHECKS: Final[tuple[Check, ...]] = (
    native_part,
    prover,
    cargo,
    processor,
    memory,
    home_disk,
    scratch_disk,
    java,
    jars,
    keys,
    stone,
    chain,
)
"""Those that need no broker, in the order in which they are told."""


def _broker_named() -> bool:
    return bool(os.environ.get("PROOFRAIL_KAFKA_BOOTSTRAP"))


def _failed(part: str, error: ProofrailError, *, needed: bool) -> Found:
    return Found(
        part, "broken" if needed else "absent", f"[{error.code}] {error.message}", error.next_step or ""
    )


def _room(part: str, place: Path, wanted: int) -> Found:
    there = next(folder for folder in (place, *place.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    says = f"{free / _GIB:.1f} GiB free at {there}"
    if not there.is_dir():
        return Found(part, "broken", f"{there} is no folder", "Name another, or move the file away.")
    if not os.access(there, os.W_OK):
        return Found(
            part, "broken", f"{there} cannot be written to", "Give this user the permission, or name another."
        )
    if free < wanted:
        return Found(part, "broken", says, f"Make room: {wanted / _GIB:.0f} GiB at least.")
    return Found(part, "ok", says)

"""How this machine differs from the one of the cost models, as `proofrail calibrate` has measured it.

Kept in the cache folder, for it can be measured again. What was measured on another machine or with another prover
program does not count. The choice of parameters depends on the relation of the two speeds only.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from proofrail.artifacts.cache import cache_dir
from proofrail.artifacts.files import write_atomically
from proofrail.proving import locate
from proofrail.proving.stone import programs

_FILE: Final = "calibration.json"
_VERSION: Final = 1
_CPU_INFO: Final = Path("/proc/cpuinfo")
_PROGRAMS: Final = {"stone": lambda: programs.find(programs.PROVER), "stwo": locate.find}
BACKENDS: Final = tuple(_PROGRAMS)


@dataclass(frozen=True)
class Speeds:
    """How many times as fast as in the cost model a backend's prover is here, and how fast its proof of work; `cores`:
    how many it keeps busy, None where that was not measured."""

    proving: float = 1.0
    work: float = 1.0
    cores: float | None = None

    def busy(self, share: float) -> float:
        """Cores that are kept busy: as measured, else this share of the machine's."""
        return self.cores or share * _cpus()


@dataclass(frozen=True)
class Host:
    """What the measured times depend on: the machine and the prover program (its SHA-256)."""

    cpus: int
    cpu: str
    program: str

    @classmethod
    def of(cls, backend: str) -> Host | None:
        """Of this machine; None without the backend's prover program."""
        path = _PROGRAMS[backend]()
        if path is None or not path.is_file():
            return None
        status = path.stat()
        return cls(_cpus(), _cpu(), _digest(path, status.st_mtime_ns, status.st_size))


def path() -> Path:
    """Where the calibration lies."""
    return cache_dir() / _FILE


def speeds(backend: str) -> Speeds:
    """As calibrated for this machine and this prover program; all 1.0 when they never were."""
    return _stored()[backend][1] if is_calibrated(backend) else Speeds()


def is_calibrated(backend: str) -> bool:
    """Whether `speeds` were measured here."""
    known = _stored().get(backend)
    return known is not None and known[0] == Host.of(backend)


def stale(backend: str) -> str | None:
    """Why a calibration that there is does not count; None for one that does, or none."""
    known, now = _stored().get(backend), Host.of(backend)
    if known is None or known[0] == now:
        return None
    if now is None:
        return "the prover program is gone"
    return (
        "calibrated with another prover program"
        if known[0].program != now.program
        else "calibrated on another machine"
    )


def store(backend: str, found: Speeds) -> None:
    """Keeps what was measured with the backend's prover program as it is now. Raises OSError."""
    host = Host.of(backend)
    if host is None:
        raise FileNotFoundError(f"the prover program of {backend} is gone")
    kept = {name: _to_json(*one) for name, one in {**_stored(), backend: (host, found)}.items()}
    text = json.dumps({"v": _VERSION, "backends": kept}, indent=1, sort_keys=True)
    write_atomically(path(), text.encode() + b"\n")


def fitted(predicted: Sequence[float], measured: Sequence[float]) -> float:
    """The one factor that brings predictions and measurements together: the geometric mean of their ratios."""
    ratios = [math.log(one / other) for one, other in zip(predicted, measured, strict=True)]
    return math.exp(sum(ratios) / len(ratios))


def _to_json(host: Host, found: Speeds) -> dict[str, Any]:
    return {"host": asdict(host), "speeds": asdict(found)}


def _stored() -> dict[str, tuple[Host, Speeds]]:
    """What there is for each backend; nothing where the file is missing or makes no sense."""
    try:
        status = path().stat()
    except (OSError, RuntimeError):  # RuntimeError: there is no home to have a cache in
        return {}
    return dict(_read(path(), status.st_mtime_ns, status.st_size))


@lru_cache(maxsize=4)
def _read(file: Path, modified_ns: int, size: int) -> Mapping[str, tuple[Host, Speeds]]:
    del modified_ns, size
    try:
        said = json.loads(file.read_bytes())
        if said["v"] != _VERSION:
            return {}
        found = {
            name: (Host(**one["host"]), Speeds(**one["speeds"]))
            for name, one in said["backends"].items()
            if name in BACKENDS
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}
    return {name: one for name, one in found.items() if _sensible(one[1])}


def _sensible(found: Speeds) -> bool:
    numbers = [found.proving, found.work, *([] if found.cores is None else [found.cores])]
    return all(type(number) in (int, float) and 0 < number < math.inf for number in numbers)


@lru_cache(maxsize=4)
def _digest(program: Path, modified_ns: int, size: int) -> str:
    del modified_ns, size
    return hashlib.sha256(program.read_bytes()).hexdigest()


def _cpus() -> int:
    return os.cpu_count() or 1


@lru_cache(maxsize=1)
def _cpu() -> str:
    try:
        lines = _CPU_INFO.read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()

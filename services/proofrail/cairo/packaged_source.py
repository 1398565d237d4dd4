"""Source lines of the programs that are packaged: shown only from the very files that a program was compiled from.

The manifest beside the artifacts has the digest of each artifact, and of the sources that it was compiled from. A file
of another digest would show another line than the one that ran, so nothing is shown of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath
from typing import Any, Final

from proofrail.cairo.decode import ProgramNames
from proofrail.cairo.program import CairoProgram
from proofrail.cairo.risk_program import packaged
from proofrail.wire.canonical import sha256_hex

_AROUND: Final = 3
"""Lines shown on either side."""
_ITERATION: Final = re.compile(r"\[\d+\]$")


@dataclass(frozen=True)
class Excerpt:
    """Some lines of a file in order; lines are counted from 1. `line` is the one meant."""

    file: str
    line: int
    first: int
    lines: tuple[str, ...]
    function: str | None = None
    """The function that begins at `line`, where that is what was asked for."""


class PackagedSource:
    """The sources of one packaged program. What cannot be shown is answered with the reason, in words."""

    def __init__(self, program: CairoProgram, digests: Mapping[str, str]) -> None:
        """`digests`: SHA-256 of each source, by its path as the compiler recorded it."""
        self._program = program
        self._names = ProgramNames(program.compiled)
        self._digests = digests
        self._read = cache(self._lines)

    def around(self, file: str, line: int, function: str | None = None) -> Excerpt | str:
        """The lines around one."""
        lines = self._read(file)
        if isinstance(lines, str):
            return lines
        if not 0 < line <= len(lines):
            return f"{file} has no line {line}"
        first = max(1, line - _AROUND)
        return Excerpt(file, line, first, tuple(lines[first - 1 : line + _AROUND]), function)

    def function(self, path: str, spans: str) -> Excerpt | str:
        """Where the function of a span begins. `path` is the span's, `spans` what its run records: `own` or `all`."""
        name = _ITERATION.sub("", path.rpartition("/")[2])
        signature = self._names.function_of_span(name, spans)
        begin = None if signature is None else self._program.location(signature.entry)
        if begin is None:
            return f"the program has no function {name}"
        lines = self._read(begin.file)
        if isinstance(lines, str):
            return lines
        # The compiler knows where the first instruction comes from, which stands below the signature.
        head = re.compile(rf"\s*func {re.escape(name.rpartition('.')[2])}\b")
        line = next((at for at in range(begin.line, 0, -1) if head.match(lines[at - 1])), begin.line)
        return self.around(begin.file, line, name)

    def _lines(self, file: str) -> list[str] | str:
        digest = self._digests.get(file)
        if digest is None:
            return f"{file} is no source of the program's own: the package does not have it"
        try:
            text = packaged(PurePosixPath(file).name).read_bytes()
        except OSError as error:
            return f"the package does not have {file}: {error.strerror}"
        if sha256_hex(text) != digest:
            return f"{file} is not as it was when the program was compiled"
        return text.decode(errors="replace").splitlines()


def source_of(artifact_sha256: str) -> PackagedSource | None:
    """The sources of a compiled program; None where it is none of the packaged ones."""
    name = _names().get(artifact_sha256)
    return None if name is None else _packaged_source(name)


@cache
def _manifest() -> Mapping[str, Any]:
    try:
        programs: Mapping[str, Any] = json.loads(packaged("MANIFEST.json").read_bytes())["programs"]
    except (OSError, ValueError, KeyError):
        return {}  # a package without its sources is as good as another program's
    return {name: one for name, one in programs.items() if packaged(f"{name}.json").is_file()}


@cache
def _names() -> Mapping[str, str]:
    return {one["artifact_sha256"]: name for name, one in _manifest().items()}


@cache
def _packaged_source(name: str) -> PackagedSource:
    return PackagedSource(CairoProgram.load(packaged(f"{name}.json")), _manifest()[name]["sources"])

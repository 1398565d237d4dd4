"""A compiled Cairo 0 program and its identity (design section 5, Artifacts)."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from poseidon_py.poseidon_hash import poseidon_hash_many

from proofrail import _native
from proofrail.cairo.errors import translated
from proofrail.cairo.foreign import refusal
from proofrail.wire.canonical import felt_hex, sha256_hex
from proofrail.wire.errors import UnusableInputError
from proofrail.wire.messages import ProvenProgram


class SourceLocation(NamedTuple):
    """Where an instruction comes from: the file as the compiler recorded it, the line from 1, the full name
    of the function."""

    file: str
    line: int
    function: str


class CairoProgram:
    """A program loaded once, to be run many times.

    Raises UnusableInputError: `program-unusable` (no compiled Cairo 0 program), `program-not-provable`
    (compiled without --proof_mode), `program-without-main`.
    """

    def __init__(self, compiled: bytes) -> None:
        try:
            with translated():
                self.native = _native.Program(compiled)
        except UnusableInputError as error:
            raise refusal(compiled, error) from error
        self.compiled = compiled
        self.artifact_sha256 = sha256_hex(compiled)
        self.builtins: tuple[str, ...] = tuple(self.native.builtins)

    @classmethod
    def load(cls, source: Path | str | bytes) -> CairoProgram:
        """From a file's path or from its bytes. Raises also UnusableInputError `program-unreadable`."""
        if isinstance(source, bytes):
            return cls(source)
        try:
            compiled = Path(source).read_bytes()
        except OSError as error:
            raise UnusableInputError(
                "program-unreadable", f"the program {source} cannot be read: {error.strerror}"
            ) from error
        return cls(compiled)

    @cached_property
    def words(self) -> tuple[int, ...]:
        """The program's words, as they lie in memory from address 1."""
        return tuple(int(word, 16) for word in self.native.words())

    @cached_property
    def method_id(self) -> str:
        """The program hash as "0x…": Poseidon over the words (the on-chain verifier's identity of a program
        run in strict or relaxed mode)."""
        return felt_hex(poseidon_hash_many(list(self.words)))

    @cached_property
    def proven(self) -> ProvenProgram:
        """What a Proof says of the program beside what its words tell."""
        version = json.loads(self.compiled).get("compiler_version")
        return ProvenProgram(
            language="cairo0",
            artifact_sha256=self.artifact_sha256,
            compiler_version=version if isinstance(version, str) and version else None,
        )

    def location(self, pc: int) -> SourceLocation | None:
        """Where the instruction at a pc of the trace comes from; None where the program has no debug info."""
        found = self.native.location(pc)
        return SourceLocation(*found) if found else None

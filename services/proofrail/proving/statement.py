"""What was to be proven, and what a proof states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from proofrail.proving import identities
from proofrail.proving.identities import program_hash
from proofrail.wire.canonical import canonical, felt_hex, sha256_hex


@dataclass(frozen=True)
class Segment:
    """A builtin's memory, addresses from `begin` to before `end`."""

    builtin: str
    begin: int
    end: int


@dataclass(frozen=True)
class State:
    pc: int
    ap: int
    fp: int


@dataclass(frozen=True)
class TracedRun:
    """The run that was traced and sealed, padded as Stone takes it, by its public input.

    `segments` are all of its memory segments, `program` and `execution` among them, in any order; `rc_bounds` the
    least and the greatest 16-bit value that the run's range checks and offsets take.
    """

    layout: str
    n_steps: int
    segments: tuple[Segment, ...]
    rc_bounds: tuple[int, int]

    @classmethod
    def of(cls, public_input: Mapping[str, Any]) -> TracedRun:
        """From public_input.json as the VM writes it."""
        return cls(
            layout=public_input["layout"],
            n_steps=public_input["n_steps"],
            segments=tuple(
                Segment(name, place["begin_addr"], place["stop_ptr"])
                for name, place in public_input["memory_segments"].items()
            ),
            rc_bounds=(public_input["rc_min"], public_input["rc_max"]),
        )


@dataclass(frozen=True)
class Expected:
    """What a proof must state: the program's words, its builtins in the order of `main`, the output.

    With `traced` a proof of Stone's, which proves the traced run itself, must be about that very run; stwo lays
    runs out anew (design section 2), so its proofs are not compared with it.
    """

    words: tuple[int, ...]
    builtins: tuple[str, ...]
    output: tuple[int, ...]
    traced: TracedRun | None = None

    @classmethod
    def of(
        cls,
        words: Sequence[int],
        builtins: Sequence[str],
        output: Sequence[int],
        traced: TracedRun | None = None,
    ) -> Expected:
        return cls(tuple(words), tuple(builtins), tuple(output), traced)

    @cached_property
    def program_hash(self) -> str:
        return felt_hex(program_hash(self.words))


@dataclass(frozen=True)
class PublicRange:
    """Public memory cells of one page at consecutive addresses, from `begin` to before `end`."""

    page: int
    begin: int
    end: int


@dataclass(frozen=True)
class Statement:
    """What a proof states about the run that was proven. stwo's is in a layout of its own (design section 2: its
    addresses and states are not those of the traced run; its program and output are).

    Of Stone's proofs alone: `n_steps` and `rc_bounds`, as in TracedRun, and `public_memory`, in the order in which
    the proof lists it, and `public_input_sha256`, of the public input's canonical form. Of stwo's alone:
    `program_hash_blake`, by which its verifiers in Cairo know a program.
    """

    words: tuple[int, ...]
    output: tuple[int, ...]
    segments: tuple[Segment, ...]
    initial_state: State
    final_state: State
    layout: str
    n_steps: int | None = None
    rc_bounds: tuple[int, int] | None = None
    public_memory: tuple[PublicRange, ...] | None = None
    public_input_sha256: str | None = None
    program_hash_blake: str | None = None

    @property
    def builtins(self) -> tuple[str, ...]:
        return tuple(segment.builtin for segment in self.segments)

    @cached_property
    def program_hash(self) -> str:
        return felt_hex(program_hash(self.words))

    @property
    def identities(self) -> dict[str, str]:
        """The members of a Proof's `identities` that need no registry settings."""
        return identities.of(self.words, self.output)

    def to_dict(self) -> dict[str, Any]:
        """A Proof's `statement`. The output itself, which may be longer than a line, stands in it by count
        and digest, as in TraceEnd."""
        told: dict[str, Any] = {
            "program_hash": self.program_hash,
            "program_words": len(self.words),
            "layout": self.layout,
            "output_count": len(self.output),
            "output_sha256": output_sha256(self.output),
            "segments": [asdict(segment) for segment in self.segments],
            "initial_state": asdict(self.initial_state),
            "final_state": asdict(self.final_state),
        }
        if self.n_steps is not None:
            told["n_steps"] = self.n_steps
        if self.rc_bounds is not None:
            told["rc_min"], told["rc_max"] = self.rc_bounds
        if self.public_memory is not None:
            told["public_memory"] = [asdict(part) for part in self.public_memory]
        if self.public_input_sha256 is not None:
            told["public_input_sha256"] = self.public_input_sha256
        if self.program_hash_blake is not None:
            told["program_hash_blake"] = self.program_hash_blake
        return told


def output_sha256(output: Sequence[int]) -> str:
    """SHA-256 of the canonical array of output felts (design section 5, TraceEnd)."""
    return sha256_hex(canonical([felt_hex(felt) for felt in output]))

"""The native part (services/native/extension): the Cairo VM, the spans of a run, the commitment.

Everything here is a pure function of its arguments, releases the GIL while it works, and raises NativeError.
"""

from collections.abc import Iterator
from typing import Literal, TypedDict, final

class NativeError(Exception):
    """`args` = (code, message); the code is stable and kebab-case. A panic is the code `native-panic`."""

class FailureDict(TypedDict):
    code: str
    """assert-failed, out-of-range, step-limit, hint-failed, memory-unknown, memory-inconsistent,
    builtin-inconsistent or vm-error"""
    message: str
    """Built from code, function and location alone."""
    function: str | None
    location: str
    detail: str
    """The VM's own text."""

@final
class Program:
    """A compiled Cairo 0 program, parsed once.

    Raises NativeError `program-unusable`, or `program-not-provable` if it was compiled without --proof_mode.
    """

    def __init__(self, compiled: bytes) -> None: ...
    @property
    def builtins(self) -> list[str]: ...
    def words(self) -> list[str]:
        """The program's words as felts "0x…"."""

    def functions(self) -> list[tuple[str, int, int, int, bool]]:
        """By ascending entry: full name, pc of the entry, felts of explicit arguments and return values, and
        whether it calls itself last (a loop)."""

    def location(self, pc: int) -> tuple[str, int, str] | None:
        """File, line (from 1) and full function name of the instruction at a pc of the trace (the program
        starts at 1); None without debug info."""

    def run(
        self,
        program_input: bytes,
        layout: str,
        max_steps: int | None = None,
        *,
        private_input: bool = True,
    ) -> Run:
        """Run in proof mode on a JSON object of integers (also "0x…") and nested lists of them.

        A VM error or the step limit gives a Run with outcome "failed". Raises NativeError `input-malformed`,
        `input-missing`, `input-type`, `unknown-hint`, `layout-unknown`, `layout-unusable`,
        `memory-exhausted`. `private_input=False` saves time and memory where no Stone proof is made.
        """

@final
class Buffer:
    """Bytes of a run, read in place: memoryview(buffer)."""

    def __len__(self) -> int: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

@final
class Run:
    """One execution."""

    @property
    def n_steps(self) -> int:
        """Steps in trace.bin: padded for a completed run, completed steps for a failed one."""

    @property
    def real_steps(self) -> int:
        """Steps before padding."""

    @property
    def outcome(self) -> Literal["completed", "failed"]: ...
    @property
    def error(self) -> FailureDict | None: ...
    @property
    def output(self) -> list[str]:
        """The output as felts "0x…"; empty for a failed run."""

    @property
    def trace(self) -> Buffer:
        """trace.bin: ap, fp, pc as u64 little-endian, 24 bytes a step."""

    @property
    def memory(self) -> Buffer:
        """memory.bin: u64 address and 32-byte value, little-endian, 40 bytes a cell, by ascending address."""

    def public_input(self) -> str:
        """air_public_input.json, names sorted. Raises NativeError `run-failed`."""

    def private_input(self, trace_path: str, memory_path: str) -> str:
        """air_private_input.json, names sorted. Raises NativeError `run-failed`, `private-input-not-kept`."""

    def events(
        self,
        start_line: bytes,
        run_id: str,
        spans: str,
        method_id: str,
        bits: int,
        block_items: int,
        started_ns: int,
        finished_ns: int,
        chunk_bytes: int,
    ) -> EventStream:
        """The run's trace events after `start_line` (TraceStart, one JSON line), with their commitment.

        `chunk_bytes` must be more than 64 KiB.
        """

@final
class EventStream:
    """Yields (NDJSON lines of at most chunk_bytes, lines of the CommitmentBlocks they complete).

    Raises NativeError `line-too-long`, `call-stack-broken`, or `malformed-…` for the start line; it yields
    nothing after that.
    """

    def __iter__(self) -> Iterator[tuple[bytes, list[bytes]]]: ...
    def __next__(self) -> tuple[bytes, list[bytes]]: ...
    def against(self, claimed: bytes | None) -> list[bytes]:
        """Compare the next piece of claimed NDJSON, cut anywhere, or None at its end, instead of iterating; the
        lines of the blocks completed on the way.

        Claimed items are equal when they have the same bytes in canonical form without volatile members. After
        a difference nothing is compared any more, and what is left of the run is to be iterated.
        """

    @property
    def equal(self) -> bool:
        """False once a claimed item was found to differ, to be malformed, to be missing or to be one too
        many."""

    @property
    def seal(self) -> bytes:
        """The core of the CommitmentSeal, after the last chunk. Raises NativeError `stream-unfinished`."""

@final
class Committer:
    """Blocks and seal of any NDJSON stream, in memory that does not grow with it; the fast twin of
    `proofrail.commitment.blocks.Committer` and `proofrail.wire.canonical.parse_object`.

    Raises NativeError `commitment-bits`, `commitment-block-items`.
    """

    def __init__(self, run_id: str, bits: int = 16, block_items: int = 256) -> None: ...
    def feed(self, ndjson: bytes) -> list[bytes]:
        """Take the next piece of the stream, cut anywhere; the lines of the blocks it completes.

        Raises NativeError with the codes of `parse_object` or `line-too-long`; the message starts with the
        number of the line. Nothing can be fed after that.
        """

    def finish(self) -> list[bytes]:
        """The last block where it is a partial one, then the seal's core."""

def chunk_root(data: bytes, chunk_size: int) -> bytes:
    """The RFC 6962 root over consecutive chunks of `chunk_size` bytes, the last one shorter where it must be; the
    fast twin of `proofrail.commitment.blocks.chunk_root`.

    Raises NativeError `chunk-size`.
    """

class CheckedDict(TypedDict):
    """What `Checker` has read; see `proofrail.audit.invariants.summary.Summary`."""

    run_id: str
    backend: str
    lines: int
    events: dict[str, int]
    spans: int
    iterations: int
    max_depth: int | None
    steps: int
    cells: int
    n_steps: int | None
    outcome: str | None
    unknown_members: int

@final
class Checker:
    """Whether a stream of trace events is clean; the fast twin of `proofrail.audit.invariants.checker.Checker` up to
    the first violation."""

    def __init__(self) -> None: ...
    def feed(self, ndjson: bytes) -> bool:
        """Take the next piece of the stream, cut anywhere; false once a violation was found."""

    def finish(self) -> tuple[int, str] | None:
        """End the stream: None when it is clean, else line, from 1, and code of the violation found first."""

    def summary(self) -> CheckedDict:
        """What was read, after `finish`; of use for a clean stream only."""

def read_stwo(proof: bytes) -> str:
    """JSON of everything that a stwo proof, as the prover program encodes it, states: variant, preprocessed_root,
    config, program, program_hash_blake, output, segments, initial_state, final_state. Nothing is verified.

    Raises NativeError `proof-malformed`, `proof-trailing`, `proof-encoding`, `proof-structure`.
    """

def verify_stwo(proof: bytes) -> str:
    """Verify a stwo proof; returns what `read_stwo` does.

    What was to be proven, and how secure is enough, is for the caller to check
    (`proofrail.proving.verifier`). Raises NativeError as `read_stwo`, and `proof-refused`.
    """

def pedersen_array_hash(elements: list[str]) -> str:
    """h(…h(h(0, x_0), x_1)…, count) of felts "0x…", as "0x…".

    Raises NativeError `felt-malformed`.
    """

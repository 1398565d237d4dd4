"""What a run is audited against: a program that can be executed again, and what comes out of executing it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from proofrail.audit.claimed_events import EventPieces
from proofrail.audit.raw import Buffer
from proofrail.audit.settings import Settings
from proofrail.proving.statement import TracedRun
from proofrail.wire.canonical import JsonObject


@dataclass(frozen=True)
class Recomputed:
    """A run as the auditor computed it.

    `seal` lacks only the checkpoint. `lines` opens the trace events anew, as NDJSON lines in order. `trace`
    and `memory` are trace.bin and memory.bin (empty for a failed run), `traced` what its public input says (None
    for a failed run). `limited` says that the step limit ended the run, not the program,
    `same_events` that the claimed events were compared on the way and have the same items, all of them,
    `cut_short` that the run was ended although it is claimed to go on, for want of a limit of the auditor's own.
    """

    run_id: str
    outcome: str
    output: list[int]
    blocks: list[JsonObject]
    seal: JsonObject
    lines: Callable[[], Iterator[bytes]]
    trace: Buffer = b""
    memory: Buffer = b""
    traced: TracedRun | None = None
    limited: bool = False
    same_events: bool = False
    cut_short: bool = False

    @property
    def items(self) -> int:
        items: int = self.seal["items"]
        return items


@dataclass(frozen=True)
class Claim:
    """What is claimed about how a run ended: decides the step limit it is executed again with.

    `commits` are the claimed root and chains over all items. `ends` gives what is said of the end, the seal
    first, then the last event, each with the members `outcome` and `n_steps` as published: nothing is known
    of their types. `limited` asks whether the events name the step limit as the reason. `events` are there to
    be compared while the run is executed, where that saves reading them later.
    """

    commits: frozenset[str]
    ends: Callable[[], Iterator[Mapping[str, object]]]
    limited: Callable[[], bool]
    events: EventPieces | None = None

    def failed_steps(self) -> Iterator[int]:
        """The step counts with which the run is claimed to have failed."""
        for end in self.ends():
            steps = end.get("n_steps")
            if end.get("outcome") == "failed" and type(steps) is int and steps >= 0:
                yield steps


class Subject(Protocol):
    """A program the auditor accepts, with all it takes to repeat a run of it."""

    @property
    def method_id(self) -> str: ...

    @property
    def artifact_sha256(self) -> str: ...

    @property
    def input_fault(self) -> str:
        """The kind of mismatch that a value makes which is no input of the program."""

    def check_input(self, value: JsonObject) -> None:
        """Raises a ProofrailError for a value that is no input of the program in normal form."""

    def expected_output(self, inputs: Sequence[JsonObject]) -> list[int] | None:
        """The output that an independent model gives; None where there is no model."""

    def recompute(
        self, settings: Settings, inputs: Sequence[JsonObject], claim: Claim, max_steps: int | None
    ) -> Recomputed:
        """Execute again. Raises a ProofrailError when the inputs cannot be handed to the program."""

    def location(self, pc: int) -> tuple[str, int, str] | None:
        """File, line and function of an instruction, where the compiled program tells."""

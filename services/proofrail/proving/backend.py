"""What every proving backend offers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from proofrail.proving.cost import Cost
from proofrail.proving.policy import Policy
from proofrail.proving.statement import Expected, Statement, TracedRun


@dataclass(frozen=True)
class Progress:
    """A stage of proving began (`seconds` None) or ended."""

    stage: str
    seconds: float | None


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class Limits:
    """What one proof can take: steps of the run as executed, and instances of builtins by name."""

    max_steps: int
    max_instances: dict[str, int]
    max_output_words: int

    def exceeded(self, n_steps: int, instances: dict[str, int], output_words: int) -> str | None:
        """What is too much, in words; None when a run of this size can be proven."""
        if n_steps > self.max_steps:
            return f"{n_steps} steps are more than the {self.max_steps} of one proof"
        if output_words > self.max_output_words:
            return f"{output_words} output words are more than the {self.max_output_words} of one proof"
        for builtin, limit in self.max_instances.items():
            if instances.get(builtin, 0) > limit:
                return f"{instances[builtin]} uses of {builtin} are more than the {limit} of one proof"
        return None


@dataclass(frozen=True)
class Verified:
    """A proof that holds, and what it says of itself.

    `identities`: see `proofrail.proving.identities.of` and, of Stone's, `proofrail.proving.stone.presets.members`;
    `verifier`: what accepted the proof, with its version; empty where nothing was asked yet.
    """

    statement: Statement
    security_bits: int
    parameters: dict[str, Any]
    identities: dict[str, str]
    verifier: str = ""


@dataclass(frozen=True)
class ProofResult:
    """A proof just made. `timings`: milliseconds by stage; `n_steps`: steps of the proven run, unpadded.

    `is_mock`: it only looks like a proof, and must be told apart wherever it goes (design section 7, rule 1).
    """

    proof: bytes = field(repr=False)
    backend: str
    backend_version: str
    security_bits: int
    parameters: dict[str, Any]
    output: tuple[int, ...] = field(repr=False)
    n_steps: int
    timings: dict[str, int]
    peak_memory_bytes: int
    is_mock: bool = False


class Backend(Protocol):
    """Proves runs and checks proofs. Proofs are made in a process of their own that ends with its caller."""

    @property
    def name(self) -> str: ...

    @property
    def limits(self) -> Limits: ...

    def version(self) -> str:
        """The version of the prover, as published."""

    def preflight(self) -> None:
        """Checks that the prover is there and runs on this host, before any work is taken.

        Raises TransientError `prover-missing`, `prover-wrong-host`, `prover-does-not-run`, `prover-broken`,
        `verifier-missing`.
        """

    def preflight_verifier(self) -> None:
        """Checks that what verifies is there and runs on this host; nothing of the prover is needed.

        Raises TransientError `verifier-missing`, `verifier-does-not-run`, `verifier-wrong-host`, `verifier-broken`,
        `stone-version-unknown`, `verifier-accepts-anything`, `scratch-…`.
        """

    def expected_cost(self, traced: TracedRun, memory_limit: int | None = None) -> Cost:
        """What a proof of this run is expected to cost here, made with at most so many bytes of memory where that
        can be done. Raises PolicyError `parameters-…` for a run that cannot be proven."""

    async def prove(
        self,
        program: bytes,
        program_input: bytes,
        *,
        on_progress: OnProgress | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 -- it ends a process, not only a wait
        memory_limit: int | None = None,
        traced: TracedRun | None = None,
    ) -> ProofResult:
        """Proves the run of a compiled program on an input file (JSON). `traced` is that run, where the caller has
        executed it: it tells how much memory the proof will take before any is taken.

        Raises PoisonError (the same work would fail again; `run-too-large` before a process is started when the
        memory expected is above `memory_limit`, in bytes) or TransientError. Cancelling ends the prover.
        """

    def verify(self, proof: bytes, expected: Expected, policy: Policy) -> Verified:
        """Checks a proof against what was to be proven and against the policy.

        Raises RefusedProof `proof-…`, PolicyError `policy-…`.
        """

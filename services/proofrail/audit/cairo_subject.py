"""Cairo programs as subjects of an audit: the risk engine with its batch of proposals, any other with one
input.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, Literal

from proofrail.audit.settings import Settings
from proofrail.audit.subject import Claim, Recomputed
from proofrail.cairo import risk_model, risk_program, risk_rows
from proofrail.cairo.program import CairoProgram
from proofrail.cairo.trace import RunSpec, RunTrace, trace_run
from proofrail.cairo.vm import STEP_LIMIT
from proofrail.proving.statement import TracedRun
from proofrail.wire.canonical import JsonObject, canonical
from proofrail.wire.errors import InvalidProposalError, UnusableInputError
from proofrail.wire.proposals import parse_proposal

NATURAL_STEPS: Final = 1 << 24
"""Steps that a run is given at least where the auditor's policy does not say how many it may take."""

MOST_STEPS: Final = 1 << 26
"""Steps that a run is given at most there, whatever it is claimed to have taken: some gigabytes."""


class CairoSubject:
    """A program other than the risk engine: one object, handed to its hints as it is."""

    input_fault = "inputs"

    def __init__(self, program: CairoProgram) -> None:
        self.program = program

    @property
    def method_id(self) -> str:
        return self.program.method_id

    @property
    def artifact_sha256(self) -> str:
        return self.program.artifact_sha256

    def check_input(self, value: JsonObject) -> None:
        del value

    def program_input(self, inputs: Sequence[JsonObject]) -> Mapping[str, object]:
        """What the program's hints read, from all inputs of a run. Raises UnusableInputError
        (`inputs-count`).
        """
        if len(inputs) != 1:
            raise UnusableInputError(
                "inputs-count",
                f"the run has {len(inputs)} inputs; a program other than the risk engine takes one",
            )
        return inputs[0]

    def expected_output(self, inputs: Sequence[JsonObject]) -> list[int] | None:
        del inputs
        return None

    def location(self, pc: int) -> tuple[str, int, str] | None:
        return self.program.location(pc)

    def recompute(
        self, settings: Settings, inputs: Sequence[JsonObject], claim: Claim, max_steps: int | None
    ) -> Recomputed:
        """Execute again.

        Where the policy sets the step limit, that is the limit. Otherwise the limit under which a failed
        run was made is not known, and the tracer is believed where the limit alone decides: it is one for
        which the run is as claimed, if there is any; else the steps claimed, where the events say that the
        limit ended the run; else the steps claimed or NATURAL_STEPS, whichever is more. Beyond MOST_STEPS
        nothing is executed on a tracer's word.
        """
        if max_steps is not None:
            return self._run(settings, inputs, claim, max_steps)
        natural: Recomputed | None = None
        sealed = next(claim.ends())
        steps = sealed.get("n_steps")
        most = min(max(NATURAL_STEPS, steps if isinstance(steps, int) else 0), MOST_STEPS)
        if sealed.get("outcome") != "failed":
            natural = self._run(settings, inputs, claim, most)
            if _is_claimed(natural, claim):
                return natural
        nearest: Recomputed | None = None
        failures = [at for at in dict.fromkeys(claim.failed_steps()) if at <= MOST_STEPS]
        for failed_at in failures:
            # A VM error comes at the step after the last completed one; the limit stops right at it.
            for limit in (failed_at + 1, failed_at):
                made = self._run(settings, inputs, claim, limit)
                if _is_claimed(made, claim):
                    return made
                nearest = made
        if nearest is not None and nearest.limited and claim.limited():
            return nearest
        found = natural or self._run(settings, inputs, claim, most)
        claimed = [steps for end in claim.ends() if isinstance(steps := end.get("n_steps"), int)]
        beyond = max(claimed, default=0) > MOST_STEPS
        return replace(found, cut_short=found.limited and beyond)

    def _run(
        self, settings: Settings, inputs: Sequence[JsonObject], claim: Claim, max_steps: int
    ) -> Recomputed:
        spans: Literal["own", "all"] = "all" if settings.spans == "all" else "own"
        spec = RunSpec(
            self.program,
            layout=settings.layout,
            spans=spans,
            bits=settings.bits,
            block_items=settings.block_items,
            max_steps=max_steps,
        )
        made = trace_run(spec, inputs, self.program_input(inputs), clock=lambda: 0, private_input=False)
        if claim.events is None:
            lines, same_events = [line for chunk in made.stream() for line in chunk.blocks], False
        else:
            lines, same_events = made.against(claim.events.pieces())
        return Recomputed(
            run_id=made.run_id,
            outcome=made.outcome,
            output=made.output,
            blocks=[json.loads(line) for line in lines],
            seal=made.seal,
            lines=lambda: _lines(made),
            trace=made.execution.trace,
            memory=made.execution.memory,
            traced=_traced(made),
            limited=_limited(made),
            same_events=same_events,
        )


class RiskSubject(CairoSubject):
    """The risk engine: a batch of proposals in normal form (design sections 5 and 6), and an independent
    model.
    """

    input_fault = "proposal"

    def check_input(self, value: JsonObject) -> None:
        """Raises InvalidProposalError; `proposal-not-normal` for a proposal in another than its normal
        form.
        """
        line = canonical(value)
        if canonical(parse_proposal(line).normal_form()) != line:
            raise InvalidProposalError("proposal-not-normal", "the proposal is not in its normal form")

    def program_input(self, inputs: Sequence[JsonObject]) -> Mapping[str, object]:
        return risk_program.program_input(list(inputs))

    def expected_output(self, inputs: Sequence[JsonObject]) -> list[int] | None:
        return risk_model.expected_output([risk_model.decide(value) for value in inputs])


class ChainRiskSubject(RiskSubject):
    """The chain build of the risk engine: the same inputs and decisions, a root of the rows as output."""

    def expected_output(self, inputs: Sequence[JsonObject]) -> list[int] | None:
        return risk_rows.expected_output(inputs)


def subject_of(program: CairoProgram) -> CairoSubject:
    """The program as a subject, with the inputs its words read: told by the program hash, whatever else its file
    says."""
    try:
        first, chain = risk_program.program_hashes()
    except UnusableInputError:  # an installation without the risk engine still runs other programs
        return CairoSubject(program)
    if program.method_id == first:
        return RiskSubject(program)
    return ChainRiskSubject(program) if program.method_id == chain else CairoSubject(program)


def _is_claimed(made: Recomputed, claim: Claim) -> bool:
    return made.same_events or not claim.commits.isdisjoint((made.seal["root"], made.seal["chain"]))


def _limited(made: RunTrace) -> bool:
    failure = made.execution.failure
    return failure is not None and failure.code == STEP_LIMIT


def _lines(made: RunTrace) -> Iterator[bytes]:
    for chunk in made.stream():
        yield from chunk.lines.removesuffix(b"\n").split(b"\n")


def _traced(made: RunTrace) -> TracedRun | None:
    if made.outcome != "completed":
        return None
    return TracedRun.of(json.loads(made.execution.public_input()))

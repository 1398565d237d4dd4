"""The output of a completed run beside what an independent model of its program computes."""

from __future__ import annotations

from collections.abc import Sequence

from proofrail.audit.findings import Finding, FoundError, Notes
from proofrail.audit.subject import Recomputed, Subject
from proofrail.audit.values import ABSENT
from proofrail.wire.canonical import JsonObject


def check_output(
    subject: Subject, inputs: Sequence[JsonObject], recomputed: Recomputed, notes: Notes
) -> None:
    """Raises FoundError at the first word that differs. Says nothing where there is no model, or no output."""
    if recomputed.outcome != "completed":
        return
    model = subject.expected_output(inputs)
    if model is None:
        return
    for index in range(max(len(model), len(recomputed.output))):
        ours = hex(model[index]) if index < len(model) else ABSENT
        theirs = hex(recomputed.output[index]) if index < len(recomputed.output) else ABSENT
        if ours != theirs:
            raise FoundError(
                Finding(
                    "output",
                    "output",
                    f"output word {index} of the program is not what the independent model computes",
                    member=str(index),
                    expected=ours,
                    claimed=theirs,
                )
            )
    notes.done("output")

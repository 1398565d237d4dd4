"""The output of a completed run beside what an independent model of its program computes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from proofrail.audit.findings import Finding, FoundError, Notes
from proofrail.audit.subject import Recomputed, Subject
from proofrail.audit.values import ABSENT
from proofrail.wire.canonical import JsonObject

ModelOutput = Future[list[int] | None]
"""What the model computes; None where there is no model."""


@contextmanager
def begun_model(subject: Subject, inputs: Sequence[JsonObject]) -> Iterator[ModelOutput]:
    """Computes the model's output beside the run, in a thread of its own: both take long, and neither waits for
    the other. The thread has ended when the context has.
    """
    with ThreadPoolExecutor(1, "proofrail-model") as pool:
        yield pool.submit(subject.expected_output, inputs)


def check_output(model: ModelOutput, recomputed: Recomputed, notes: Notes) -> None:
    """Raises FoundError at the first word that differs. Says nothing where there is no model, or no output."""
    if recomputed.outcome != "completed":
        return
    words = model.result()
    if words is None:
        return
    for index in range(max(len(words), len(recomputed.output))):
        ours = hex(words[index]) if index < len(words) else ABSENT
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

"""Traces of Python programs: functions become tiles and sequences, their calls a trace that is committed to, published
and audited like that of a Cairo run.

    from proofrail.tracing import CommitSubscriber, JsonSubscriber, Tracer, loop, sequence, tile

    @tile
    def square(value: int) -> int:
        return value * value

    @sequence
    def total(values: list[int]) -> int:
        result = 0
        with loop("squares", values) as steps:
            for value in steps:
                result += square(value)
        return result

    with Tracer(JsonSubscriber("events.ndjson"), CommitSubscriber("commitments.ndjson")):
        total([1, 2, 3])

The format is in schemas/trace-v1.md, "Native traces". What a run depends on must come in through the arguments of the
outermost call: only then can an auditor repeat it (`AuditSubscriber`, `reexecute`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proofrail.tracing.branching import branches
from proofrail.tracing.decorators import sequence, tile
from proofrail.tracing.errors import TracingError
from proofrail.tracing.loops import loop
from proofrail.tracing.subscribers import CommitSubscriber, JsonSubscriber
from proofrail.tracing.tracer import CompletedTrace, Subscriber, Tracer
from proofrail.tracing.values import Record, decode, encode

if TYPE_CHECKING:
    from proofrail.tracing.auditing import AuditSubscriber, reexecute
    from proofrail.tracing.publishing import KafkaSubscriber

__all__ = [
    "AuditSubscriber",
    "CommitSubscriber",
    "CompletedTrace",
    "JsonSubscriber",
    "KafkaSubscriber",
    "Record",
    "Subscriber",
    "Tracer",
    "TracingError",
    "branches",
    "decode",
    "encode",
    "loop",
    "reexecute",
    "sequence",
    "tile",
]

_LATER = {
    "AuditSubscriber": "proofrail.tracing.auditing",
    "reexecute": "proofrail.tracing.auditing",
    "KafkaSubscriber": "proofrail.tracing.publishing",
}
"""Imported when they are asked for: a traced program that has no use for them should not wait for their imports."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LATER[name]), name)

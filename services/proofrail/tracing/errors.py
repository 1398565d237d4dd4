"""What keeps a Python program from being traced. Whatever it is, the trace is never sealed.

Two kinds. A *misuse* (`TracingError`) is raised where it happens, in the traced program: a tile that calls another
tile, a value without encoding, calls that overlap. A *subscriber's failure* is kept until the tracer
closes: it is no fault of the program, which goes on. Either way `Tracer.close` raises it, so that a program that
swallows exceptions cannot swallow this one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from proofrail.wire.errors import ProofrailError

CODES: Final[Mapping[str, str]] = {
    "value-not-encodable": "an argument or a return value is of a type that has no native encoding",
    "value-not-text": "a string holds a lone surrogate",
    "value-too-deep": "a value holds values more than 100 deep, or itself",
    "value-too-large": "an event of the trace would be longer than a line may be",
    "tile-calls": "a tile calls another traced function or opens a loop; a tile is an invocation that calls none",
    "traced-generator": "a generator function is decorated: its calls would end before its body runs",
    "traced-not-a-function": "something else than a function written with `def` is decorated",
    "traced-name": "a name that cannot stand in a path",
    "traced-source": "the source of a traced function cannot be had",
    "program-duplicate": "two functions of a program have one name",
    "program-foreign": "a function is called that is no part of the traced program",
    "trace-empty": "the tracer closed and nothing was traced",
    "trace-second-root": "a second outermost call; a trace has one",
    "trace-open": "the tracer closed while calls were open",
    "trace-interrupted": "the run was interrupted by what is no fact about it: Ctrl-C, a cancelled task, no memory",
    "trace-used": "a tracer is entered a second time",
    "span-overlap": "a sequence calls on, or ends, while calls of other threads or tasks inside it are open",
    "span-foreign": "a loop goes on in another thread or task than the one that entered it",
    "span-ended": "a call comes from work whose caller has ended",
    "loop-misused": "a loop is not used as `with loop(…) as items: for item in items`, or twice",
    "branch-misused": "a branch is run twice, or made or run outside of its `with` block",
    "branch-open": "a block of branches ended while branches were running",
    "subscriber-failed": "a subscriber raised an exception",
    "audit-no-match": "an audit was required to match and did not",
    "queue-full": "the broker was slower than the traced program for too long",
    "not-published": "a transaction was not committed in time",
    "outcome-unknown": "a commit was sent and not answered: whether the records are there is not known",
}
"""Every code of this package and what it means."""


class TracingError(ProofrailError):
    """A trace that cannot be made; `code` is one of CODES. Deterministic but for the codes of Kafka."""

    def __init__(self, code: str, message: str, next_step: str | None = None, **context: str | int) -> None:
        if code not in CODES:
            raise ValueError(f"{code!r} is no code of a tracing error")
        super().__init__(code, message, next_step, **context)

    def within(self, where: str) -> TracingError:
        """The same, saying where it happened."""
        return TracingError(self.code, f"{where}: {self.message}", self.next_step, **self.context)

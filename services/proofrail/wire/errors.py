"""The errors every part of Proofrail raises: a stable code, what went wrong and why, and what to do next.

The class says how a caller must act (design section 7, rule 3); the code says what happened:

    ProofrailError
    ├── MalformedError         bytes that break the wire format; never retried
    ├── InvalidProposalError   a proposal that breaks its definition; dead-lettered at once
    ├── PoisonError            deterministic failure of well-formed work; never retried
    ├── TransientError         may succeed later; retried with capped backoff
    └── UnusableInputError     a file or argument a command cannot work with (exit status 2)
"""

from __future__ import annotations


class ProofrailError(Exception):
    """An error with a stable kebab-case `code`, a `message` in words and, where one exists, a `next_step`.

    `context` holds coordinates (topic, partition, offset, line, member …) for logs and dead letters; its
    values are strings and integers only, so that they can be written anywhere.
    """

    def __init__(self, code: str, message: str, next_step: str | None = None, **context: str | int) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.next_step = next_step
        self.context = context

    def __str__(self) -> str:
        said = f"[{self.code}] {self.message}"
        return f"{said}. {self.next_step}" if self.next_step else said

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions are pickled by their args; without this, crossing a process boundary would lose
        # everything else.
        return (_rebuild, (type(self), self.code, self.message, self.next_step, self.context))


def _rebuild(
    cls: type[ProofrailError], code: str, message: str, next_step: str | None, context: dict[str, str | int]
) -> ProofrailError:
    return cls(code, message, next_step, **context)


class MalformedError(ProofrailError):
    """Bytes that break the wire format (design section 5); codes `malformed-…`, `line-too-long`,
    `unknown-…`."""


class InvalidProposalError(ProofrailError):
    """A proposal that breaks design section 6; codes `proposal-…`; `context["member"]` names the culprit."""


class PoisonError(ProofrailError):
    """Deterministic failure: the same work fails in the same way again, so it is never retried."""


class TransientError(ProofrailError):
    """A failure that may pass: retry with capped exponential backoff and jitter."""


class UnusableInputError(ProofrailError):
    """Input a command cannot work with: it ends with exit status 2."""

"""Errors."""

import pickle

import pytest

from proofrail.wire.errors import (
    InvalidProposalError,
    MalformedError,
    PoisonError,
    ProofrailError,
    TransientError,
    UnusableInputError,
)


def test_an_error_says_what_why_and_what_next() -> None:
    """The text holds code, message and next step."""
    assert "[a-code] it broke. Mend it" == str(ProofrailError("a-code", "it broke", "Mend it"))
    assert "[a-code] it broke" == str(ProofrailError("a-code", "it broke"))


@pytest.mark.parametrize(
    "kind", [MalformedError, InvalidProposalError, PoisonError, TransientError, UnusableInputError]
)
def test_errors_cross_process_boundaries_whole(kind: type[ProofrailError]) -> None:
    """Pickling keeps class, code, message, next step and coordinates."""
    error = pickle.loads(pickle.dumps(kind("c", "m", "n", line=3, member="a.b")))  # noqa: S301 (our own bytes)
    assert (kind, "c", "m", "n", {"line": 3, "member": "a.b"}) == (
        type(error),
        error.code,
        error.message,
        error.next_step,
        error.context,
    )

"""Which end of a prover process is worth a retry."""

from __future__ import annotations

import json
import signal

import pytest

from proofrail.proving.child import Finished
from proofrail.proving.outcome import failure
from proofrail.wire.errors import PoisonError, TransientError


def ended(returncode: int, *tail: str, timed_out: bool = False, memory_kills: int = 0) -> Finished:
    return Finished(returncode, b"", tail, timed_out, seconds=1.0, memory_kills=memory_kills)


def said(code: str, message: str = "why") -> str:
    return json.dumps({"error": {"code": code, "message": message}})


def test_a_good_end_is_no_error() -> None:
    """Status 0 is success."""
    assert failure(ended(0)) is None


@pytest.mark.parametrize(
    ("finished", "kind", "code"),
    [
        (ended(2, said("builtin-not-provable")), PoisonError, "builtin-not-provable"),
        (ended(3, said("vm-failed")), PoisonError, "vm-failed"),
        (ended(5, said("proving-failed")), PoisonError, "proving-failed"),
        (ended(101, "noise", said("prover-panic")), PoisonError, "prover-panic"),
        (ended(4, said("output-not-written")), TransientError, "output-not-written"),
        (ended(101), TransientError, "prover-broken"),
        (ended(1, "cannot open shared object"), TransientError, "prover-broken"),
        (ended(-signal.SIGKILL), TransientError, "prover-killed"),
        (ended(-signal.SIGTERM), TransientError, "prover-killed"),
        (ended(-signal.SIGILL), TransientError, "prover-wrong-host"),
        (
            ended(-signal.SIGABRT, "memory allocation of 4194304 bytes failed"),
            TransientError,
            "prover-out-of-memory",
        ),
        (ended(-signal.SIGABRT, "assertion"), PoisonError, "prover-aborted"),
        (ended(-signal.SIGABRT, "std::bad_alloc"), TransientError, "prover-out-of-memory"),
        (ended(-signal.SIGKILL, memory_kills=1), TransientError, "prover-out-of-memory"),
        (ended(-signal.SIGABRT, "assertion", memory_kills=1), PoisonError, "prover-aborted"),
        (ended(-signal.SIGSEGV), TransientError, "prover-killed"),
        # A shell around the prover turns signals into statuses.
        (ended(134, "assertion"), PoisonError, "prover-aborted"),
        (ended(137), TransientError, "prover-killed"),
        (ended(132), TransientError, "prover-wrong-host"),
        (ended(255), TransientError, "prover-broken"),
        (ended(1, "Could not write to file"), TransientError, "output-not-written"),
        (ended(-signal.SIGABRT, "No space left on device"), TransientError, "output-not-written"),
        (ended(127, "error while loading shared libraries"), TransientError, "prover-does-not-run"),
        (ended(126), TransientError, "prover-does-not-run"),
        # The service was killed, or a shell stands between it and the prover: no fault of the run's.
        (ended(2, said("parent-gone")), TransientError, "prover-does-not-run"),
        (ended(2, said("file-unreadable")), TransientError, "prover-does-not-run"),
        (ended(4, said("limit-refused")), TransientError, "limit-refused"),
        (ended(-signal.SIGKILL, timed_out=True), TransientError, "prover-timeout"),
    ],
)
def test_each_end_has_a_code_and_a_class(finished: Finished, kind: type[Exception], code: str) -> None:
    """Deterministic failures are poison, those of the host may pass."""
    error = failure(finished)
    assert error is not None
    assert (kind, code) == (type(error), error.code)


def test_the_reason_is_the_last_one_given() -> None:
    """Progress lines and other output around the reason do not hide it."""
    error = failure(ended(3, '{"stage":"vm"}', said("vm-failed", "line 7"), "backtrace", "[1, 2]"))
    assert error is not None
    assert "line 7" == error.message

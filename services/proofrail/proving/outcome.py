"""Which failure of a prover process is worth a retry."""

from __future__ import annotations

import json
import signal
from typing import Any

from proofrail.proving.child import Finished
from proofrail.wire.errors import PoisonError, ProofrailError, TransientError

_TAIL_CHARACTERS = 600


def failure(finished: Finished) -> ProofrailError | None:
    """The error of a run that did not end well: PoisonError (deterministic) or TransientError; None when it
    did.

    Poison codes: those of the program (`program-…`, `input-unreadable`, `builtin-not-provable`,
    `run-too-large`, `vm-failed`, `step-limit`, `proving-failed`, `prover-panic`), `prover-aborted`.
    Transient: `prover-timeout`, `prover-out-of-memory`, `prover-killed`, `prover-wrong-host`,
    `output-not-written`, `prover-broken`.
    """
    late = timed_out(finished)
    if late is not None:
        return late
    code = finished.returncode
    if code == 0:
        return None
    said = _said(finished.tail)
    if code < 0:
        return _by_signal(-code, finished.tail)
    if said is None:
        return TransientError(
            "prover-broken", f"the prover ended with status {code} and no reason: {shown_tail(finished.tail)}"
        )
    name, message = said
    if code in (2, 3, 5, 101):
        return PoisonError(name, message)
    return TransientError(name, message)


def timed_out(finished: Finished) -> TransientError | None:
    """The error of a prover that was not done in time; None for one that ended by itself."""
    if not finished.timed_out:
        return None
    return TransientError(
        "prover-timeout",
        f"the prover was not done after {finished.seconds:.0f} s and was ended",
        "Allow more time, or fewer allocations in a run",
    )


def _by_signal(number: int, tail: tuple[str, ...]) -> ProofrailError:
    name = signal.Signals(number).name
    if number == signal.SIGILL:
        return TransientError(
            "prover-wrong-host",
            "the prover was built for another CPU: it uses an instruction that this one lacks",
            "Build it on this host: python -m proofrail.proving.build",
        )
    if number == signal.SIGABRT and any("memory allocation of" in line for line in tail):
        return TransientError(
            "prover-out-of-memory",
            "the prover reached its memory limit",
            "Allow more memory, or fewer allocations in a run",
        )
    if number == signal.SIGABRT:
        return PoisonError("prover-aborted", f"the prover gave up: {shown_tail(tail)}")
    return TransientError(
        "prover-killed",
        f"the prover was ended by {name}, by hand or for lack of memory",
        "See the system's log; allow more memory, or fewer allocations in a run",
    )


def _said(tail: tuple[str, ...]) -> tuple[str, str] | None:
    """The reason that the prover gave as its last words."""
    for line in reversed(tail):
        error = _error_of(line)
        if error is not None:
            place = f" ({error['place']})" if error.get("place") else ""
            return str(error["code"]), f"{error['message']}{place}"
    return None


def _error_of(line: str) -> dict[str, Any] | None:
    try:
        said = json.loads(line)
    except ValueError:
        return None
    error = said.get("error") if isinstance(said, dict) else None
    return error if isinstance(error, dict) and {"code", "message"} <= error.keys() else None


def shown_tail(tail: tuple[str, ...]) -> str:
    """The end of what a prover said on stderr, short enough for a message."""
    return "\n".join(tail)[-_TAIL_CHARACTERS:] or "nothing on stderr"

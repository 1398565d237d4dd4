"""Which failure of a prover process is worth a retry, for all backends (reference on Cairo and Stone, section 10)."""

from __future__ import annotations

import json
import signal
from typing import Any, Final

from proofrail.proving.child import Finished
from proofrail.wire.errors import PoisonError, ProofrailError, TransientError

_TAIL_CHARACTERS: Final = 600
_NO_MEMORY: Final = (
    "memory allocation of",
    "std::bad_alloc",
    "bad allocation",
    "Cannot allocate memory",
)
_NO_SPACE: Final = ("No space left on device", "Could not write to file", "Disk quota exceeded")
_POISON: Final = (2, 3, 5, 101)
"""Statuses with which the stwo prover says that the same run would fail again."""
_OF_THE_HOST: Final = frozenset({"parent-gone", "file-unreadable", "output-path"})
"""What it says with such a status although the run is not to blame."""
_NOT_STARTED: Final = (126, 127)
_SIGNALS: Final = {int(one): one.name for one in signal.Signals}
_SHELL_SIGNAL: Final = 128
"""A shell around the prover says with this and more by which signal it ended."""


def failure(finished: Finished) -> ProofrailError | None:
    """The error of a run that did not end well; None when it did.

    PoisonError, for the same run would fail again: the reason that the stwo prover gave (`program-…`,
    `input-unreadable`, `builtin-not-provable`, `run-too-large`, `vm-failed`, `step-limit`, `proving-failed`,
    `prover-panic`), `prover-aborted` (an assertion on parameters or inputs). TransientError: `prover-timeout`,
    `prover-out-of-memory`, `prover-killed`, `output-not-written`, `prover-broken`, and what is wrong with the host
    rather than with the run: `prover-wrong-host`, `prover-does-not-run`.
    """
    if finished.timed_out:
        return TransientError(
            "prover-timeout",
            f"the prover was not done after {finished.seconds:.0f} s and was ended",
            "Allow more time, or fewer allocations in a run",
        )
    code = finished.returncode
    if code == 0:
        return None
    said = _said(finished.tail)
    if said is not None and code > 0:
        name, message = said
        if code in _POISON and name not in _OF_THE_HOST:
            return PoisonError(name, message)
        return TransientError(name if name not in _OF_THE_HOST else "prover-does-not-run", message)
    tail = shown_tail(finished.tail)
    if any(text in tail for text in _NO_SPACE):
        return TransientError(
            "output-not-written", f"the prover could not write: {tail}", "Make room on disk"
        )
    if code in _NOT_STARTED:
        return TransientError(
            "prover-does-not-run",
            f"the prover could not be started: {tail}",
            "Install or build it for this host",
        )
    number = -code if code < 0 else code - _SHELL_SIGNAL
    if number == signal.SIGILL:
        return TransientError(
            "prover-wrong-host",
            "the prover was built for another CPU: it uses an instruction that this one lacks",
            "Build or install it for this host; for stwo: python -m proofrail.proving.build",
        )
    by_kernel = number == signal.SIGKILL and finished.memory_kills > 0
    if by_kernel or any(text in tail for text in _NO_MEMORY):
        return TransientError(
            "prover-out-of-memory",
            "the kernel ended the prover for lack of memory"
            if by_kernel
            else "the prover reached its memory limit",
            "Allow more memory, or fewer allocations in a run",
        )
    if number == signal.SIGABRT:
        return PoisonError("prover-aborted", f"the prover gave up: {tail}")
    if number not in _SIGNALS:
        return TransientError("prover-broken", f"the prover ended with status {code}: {tail}")
    return TransientError(
        "prover-killed",
        f"the prover was ended by {_SIGNALS[number]}, by hand or for lack of memory: {tail}",
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

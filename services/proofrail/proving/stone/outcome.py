"""Which failure of Stone's prover is worth a retry (reference on Cairo and Stone, section 10)."""

from __future__ import annotations

import signal
from typing import Final

from proofrail.proving.child import Finished
from proofrail.proving.outcome import shown_tail, timed_out
from proofrail.wire.errors import PoisonError, ProofrailError, TransientError

_NO_MEMORY: Final = ("std::bad_alloc", "Cannot allocate memory", "bad allocation")
_NO_SPACE: Final = ("No space left on device", "Could not write to file", "Disk quota exceeded")
_NOT_STARTED: Final = 127


def failure(finished: Finished) -> ProofrailError | None:
    """The error of a prover process that did not end well; None when it did.

    Poison: `prover-aborted` (an assertion on parameters or inputs: the same again next time). Transient:
    `prover-timeout`, `prover-out-of-memory`, `prover-killed`, `prover-wrong-host`, `output-not-written`,
    `prover-does-not-run`, `prover-broken`.
    """
    late = timed_out(finished)
    if late is not None:
        return late
    if finished.returncode == 0:
        return None
    tail = shown_tail(finished.tail)
    if any(text in tail for text in _NO_MEMORY) or finished.returncode == -signal.SIGKILL:
        return TransientError(
            "prover-out-of-memory" if finished.returncode != -signal.SIGKILL else "prover-killed",
            f"the prover ran out of memory, or was killed: {tail}",
            "Allow more memory, or fewer allocations in a run",
        )
    if any(text in tail for text in _NO_SPACE):
        return TransientError(
            "output-not-written", f"the prover could not write: {tail}", "Make room on disk"
        )
    if finished.returncode == -signal.SIGILL:
        return TransientError(
            "prover-wrong-host",
            "the prover was built for another CPU: it uses an instruction that this one lacks",
            "Install a build for this host",
        )
    if finished.returncode == -signal.SIGABRT:
        return PoisonError("prover-aborted", f"the prover gave up: {tail}")
    if finished.returncode == _NOT_STARTED:
        return TransientError("prover-does-not-run", f"the prover could not be started: {tail}")
    return TransientError("prover-broken", f"the prover ended with status {finished.returncode}: {tail}")

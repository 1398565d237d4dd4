"""The backends of one prover or auditor: several, in an order of preference."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from proofrail.proving.backend import Backend, OnProgress, ProofResult, Verified
from proofrail.proving.cost import Cost
from proofrail.proving.policy import Policy
from proofrail.proving.statement import Expected, TracedRun
from proofrail.proving.stone.backend import StoneBackend
from proofrail.proving.stone.calldata_size import MAX_CALLDATA
from proofrail.proving.stone.presets import PRESETS, Preset
from proofrail.proving.stwo import DEFAULT_NICE, StwoBackend
from proofrail.proving.stwo_choice import choose_stwo
from proofrail.wire.errors import ProofrailError, TransientError, UnusableInputError

_HOST_FAULTS: Final = frozenset(
    {
        "prover-missing",
        "prover-wrong-host",
        "prover-does-not-run",
        "prover-self-test",
        "stone-version-unknown",
        "stone-versions-differ",
        "verifier-missing",
        "verifier-does-not-run",
        "verifier-wrong-host",
        "verifier-accepts-anything",
    }
)
"""What is wrong with the host and not with the work: only then may another backend take over."""

_PAUSE_S: Final = 300.0
"""How long a backend that the host could not run is passed over, where another one can take the work."""

NAMES: Final = ("stwo", "stone")

OnAttempt = Callable[[str, Cost | None], None]
"""Hears which backend begins a proof, and what the proof is expected to cost there, where that is known."""

OnFault = Callable[[str, TransientError], None]
"""Hears which backend the host cannot run, and why, before the next one takes over."""


def parse_names(listed: str) -> tuple[str, ...]:
    """The names in a setting such as "stone,stwo". Raises UnusableInputError `backend-unknown`."""
    names = tuple(dict.fromkeys(name.strip() for name in listed.split(",") if name.strip()))
    unknown = [name for name in names if name not in NAMES]
    if unknown or not names:
        raise UnusableInputError(
            "backend-unknown",
            f"there is no backend {unknown[0]!r}" if unknown else "no backend is named",
            f"Name some of {', '.join(NAMES)}, in the order of preference, separated by commas.",
        )
    return names


def make(
    names: Sequence[str],
    min_security_bits: int,
    layout: str = "small",
    *,
    scratch_dir: Path | None = None,
    nice: int = DEFAULT_NICE,
    presets: Sequence[Preset] = (),
    max_calldata: int = MAX_CALLDATA,
) -> dict[str, Backend]:
    """The backends of these names, in their order. `layout`: in which stone proves what it is given without its traced
    run; `scratch_dir` and `nice` are for the processes that prove. With `presets` proofs are made for the registry, to
    fit one of them. Raises UnusableInputError `preset-of-stwo`."""
    if presets and StwoBackend.name in names:
        raise UnusableInputError(
            "preset-of-stwo",
            "the registry verifies no proofs of stwo's, so that none fits a preset",
            "Name stone alone as backend, or no presets.",
        )
    makers: Mapping[str, Callable[[], Backend]] = {
        StwoBackend.name: lambda: StwoBackend(
            choose_stwo(bits=min_security_bits).parameters, scratch_dir=scratch_dir, nice=nice
        ),
        StoneBackend.name: lambda: StoneBackend(
            layout=layout,
            min_security_bits=min_security_bits,
            scratch_dir=scratch_dir,
            nice=nice,
            goal="chain" if presets else "speed",
            allowed_presets=[preset.name for preset in presets or PRESETS.values()],
            max_calldata=max_calldata,
        ),
    }
    return {name: makers[name]() for name in names}


class Backends:
    """Proves with the first; with the next ones only where `fall_back` and the host lacks what the first needs.

    Which one made a proof, the result says; which one failed, the error's context under `backend`. One that the
    host cannot run is passed over for `pause` seconds of `clock`, as long as another can do the work.
    """

    def __init__(
        self,
        backends: Mapping[str, Backend],
        *,
        fall_back: bool,
        pause: float = _PAUSE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._backends = dict(backends)
        self._order = list(backends) if fall_back else list(backends)[:1]
        self._pause = pause
        self._clock = clock
        self._again_at: dict[str, float] = {}
        self._faults: dict[str, TransientError] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Of those that may be used, the preferred one first."""
        return tuple(self._order)

    def missing(self) -> str | None:
        """What is wrong with the preferred backend, when at their last try the host could run none; else None."""
        found = [self._faults.get(name) for name in self._order]
        return str(found[0]) if all(found) else None

    def preflight(self) -> dict[str, TransientError]:
        """Checks all that may be used; returns the fault of each that the host cannot run.

        Raises the preferred backend's TransientError when none is ready.
        """
        for name in self._order:
            try:
                self._backends[name].preflight()
            except TransientError as error:
                self._pass_over(name, error)
            else:
                self._works(name)
        if len(self._faults) == len(self._order):
            raise self._faults[self._order[0]]
        return dict(self._faults)

    async def prove(
        self,
        program: bytes,
        program_input: bytes,
        *,
        on_attempt: OnAttempt | None = None,
        on_fault: OnFault | None = None,
        on_progress: OnProgress | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 -- it ends a process, not only a wait
        memory_limit: int | None = None,
        traced: TracedRun | None = None,
    ) -> ProofResult:
        """As `Backend.prove`. A fault of the host in all of them is the first one's TransientError."""
        faults: list[TransientError] = []
        for name in self._usable():
            backend = self._backends[name]
            try:
                if on_attempt is not None:
                    on_attempt(name, None if traced is None else backend.expected_cost(traced, memory_limit))
                result = await backend.prove(
                    program,
                    program_input,
                    on_progress=on_progress,
                    timeout=timeout,
                    memory_limit=memory_limit,
                    traced=traced,
                )
            except ProofrailError as error:
                error.context["backend"] = name
                if not isinstance(error, TransientError) or error.code not in _HOST_FAULTS:
                    raise
                faults.append(error)
                self._pass_over(name, error)
                if on_fault is not None:
                    on_fault(name, error)
            else:
                self._works(name)
                return result
        raise faults[0]

    def verify(self, name: str, proof: bytes, expected: Expected, policy: Policy) -> Verified:
        """As `Backend.verify`, by the backend that made the proof."""
        return self._backends[name].verify(proof, expected, policy)

    def _usable(self) -> list[str]:
        """Those that are not passed over now; all of them when that leaves none."""
        now = self._clock()
        return [name for name in self._order if self._again_at.get(name, now) <= now] or self._order

    def _pass_over(self, name: str, fault: TransientError) -> None:
        self._faults[name] = fault
        self._again_at[name] = self._clock() + self._pause

    def _works(self, name: str) -> None:
        self._faults.pop(name, None)
        self._again_at.pop(name, None)

"""The backends of one prover or auditor: several, in an order of preference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from proofrail.proving.backend import Backend, OnProgress, ProofResult, Verified
from proofrail.proving.parameters import choose
from proofrail.proving.policy import Policy
from proofrail.proving.statement import Expected
from proofrail.proving.stone.backend import StoneBackend
from proofrail.proving.stwo import StwoBackend
from proofrail.wire.errors import TransientError, UnusableInputError

_HOST_FAULTS: Final = frozenset(
    {"prover-missing", "prover-wrong-host", "prover-does-not-run", "verifier-missing"}
)
"""What is wrong with the host and not with the work: only then may another backend take over."""

_MAKERS: Final[Mapping[str, Callable[[int, str], Backend]]] = {
    "stwo": lambda bits, _layout: StwoBackend(choose(bits)),
    "stone": lambda bits, layout: StoneBackend(layout=layout, min_security_bits=bits),
}

NAMES: Final = tuple(_MAKERS)


def parse_names(listed: str) -> tuple[str, ...]:
    """The names in a setting such as "stone,stwo". Raises UnusableInputError `backend-unknown`."""
    names = tuple(dict.fromkeys(name.strip() for name in listed.split(",") if name.strip()))
    unknown = [name for name in names if name not in _MAKERS]
    if unknown or not names:
        raise UnusableInputError(
            "backend-unknown",
            f"there is no backend {unknown[0]!r}" if unknown else "no backend is named",
            f"Name some of {', '.join(NAMES)}, in the order of preference, separated by commas.",
        )
    return names


def make(names: Sequence[str], min_security_bits: int, layout: str) -> dict[str, Backend]:
    """The backends of these names, in their order. `layout` is that of the traced runs, in which stone proves."""
    return {name: _MAKERS[name](min_security_bits, layout) for name in names}


class Backends:
    """Proves with the first; with the next ones only where `fall_back` and the host lacks what the first needs.

    Which one made a proof, the result says.
    """

    def __init__(self, backends: Mapping[str, Backend], *, fall_back: bool) -> None:
        self._backends = dict(backends)
        self._order = list(backends) if fall_back else list(backends)[:1]

    @property
    def names(self) -> tuple[str, ...]:
        """Of those that may be used, the preferred one first."""
        return tuple(self._order)

    def preflight(self) -> None:
        """Raises the preferred backend's TransientError when none of those that may be used is ready."""
        faults: list[TransientError] = []
        for name in self._order:
            try:
                self._backends[name].preflight()
            except TransientError as error:
                faults.append(error)
            else:
                return
        raise faults[0]

    async def prove(
        self,
        program: bytes,
        program_input: bytes,
        *,
        on_progress: OnProgress | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 -- it ends a process, not only a wait
    ) -> ProofResult:
        """As `Backend.prove`. A fault of the host in all of them is the first one's TransientError."""
        faults: list[TransientError] = []
        for name in self._order:
            try:
                return await self._backends[name].prove(
                    program, program_input, on_progress=on_progress, timeout=timeout
                )
            except TransientError as error:
                if error.code not in _HOST_FAULTS:
                    raise
                faults.append(error)
        raise faults[0]

    def verify(self, name: str, proof: bytes, expected: Expected, policy: Policy) -> Verified:
        """As `Backend.verify`, by the backend that made the proof."""
        return self._backends[name].verify(proof, expected, policy)

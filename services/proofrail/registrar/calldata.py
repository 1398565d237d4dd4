"""Proofs as the verifier on chain takes them.

Ours needs Stone's verifier, which says what each part of a proof is. Another serializer can be named instead: an
external program, whose form of the felts is its own business; Integrity checks it on chain, at the registrar's cost.
"""

from __future__ import annotations

import asyncio
import shlex
from typing import Final, Protocol

from proofrail.cairo.pedersen import PRIME
from proofrail.proving.stone import calldata as serialize
from proofrail.proving.stone import programs
from proofrail.proving.stone.ask import annotated
from proofrail.proving.stone.presets import Preset
from proofrail.proving.stone.proof import StoneProof
from proofrail.registrar import external
from proofrail.wire.errors import PoisonError, TransientError

_TIMEOUT_S: Final = 120.0
_BETWEEN: Final = str.maketrans(dict.fromkeys(",[]\"'", " "))


class Calldata(Protocol):
    """Serializes Stone proofs."""

    async def felts(self, proof: bytes, preset: Preset) -> list[int]:
        """The felts of `proof`, which follow those of the configuration. Raises ProofrailError."""


class StoneCalldata:
    """Serializes with what Stone's verifier says of the proof, which it verifies once more."""

    async def felts(self, proof: bytes, preset: Preset) -> list[int]:
        """See Calldata. Raises TransientError `verifier-missing`, `verifier-broken`, and RefusedProof
        `proof-annotations`, `proof-refused`."""
        return await asyncio.to_thread(self._felts, proof)

    def _felts(self, proof: bytes) -> list[int]:
        verifier = programs.required(programs.VERIFIER)
        return serialize.calldata(StoneProof.read(proof), annotated(verifier, proof))


class CalldataCommand:
    """A program that is given the proof, as JSON, on its standard input and the preset's four names as its last
    arguments, and that prints felts, decimal or "0x…", between white space, commas and brackets."""

    def __init__(self, command: str) -> None:
        self._words = shlex.split(command)

    async def felts(self, proof: bytes, preset: Preset) -> list[int]:
        """See Calldata. Raises TransientError `calldata-unavailable`, PoisonError `calldata-refused`."""
        printed = await self._run(proof, list(vars(preset).values()))
        try:
            felts = [int(word, 0) for word in printed.translate(_BETWEEN).split()]
        except ValueError as error:
            raise _refused(f"it prints something else than felts: {error}") from error
        if not felts or not all(0 <= felt < PRIME for felt in felts):
            raise _refused(f"it prints {len(felts)} numbers that are not all felts")
        return felts

    async def _run(self, proof: bytes, names: list[str]) -> str:
        try:
            answer = await external.ask([*self._words, *names], proof, _TIMEOUT_S)
        except TimeoutError:
            raise self._unavailable(f"took more than {_TIMEOUT_S:.0f} s") from None
        except OSError as error:
            raise self._unavailable(
                f"cannot be run: {error.strerror}", "Correct PROOFRAIL_CALLDATA_COMMAND"
            ) from error
        if answer.was_killed:
            raise self._unavailable(f"was killed by signal {-answer.status}")
        if answer.status:
            raise _refused(f"exit status {answer.status}: {answer.said}")
        return answer.printed.decode("ascii", errors="replace")

    def _unavailable(self, why: str, next_step: str = "It is tried again") -> TransientError:
        return TransientError("calldata-unavailable", f"{self._words[0]} {why}", next_step)


def _refused(why: str) -> PoisonError:
    return PoisonError(
        "calldata-refused",
        f"the program that serializes proofs refuses this one: {why}",
        "Run it by hand on the proof, which the artifact store has",
    )

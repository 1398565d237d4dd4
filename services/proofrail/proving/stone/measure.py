"""One proof of Stone's with given parameters, for what it costs: calibration and benches."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from proofrail import _native
from proofrail.proving import child
from proofrail.proving.outcome import failure
from proofrail.proving.scratch import environment, scratch_folder
from proofrail.proving.stone.inputs import PROOF, USAGE, prover_command, write_inputs
from proofrail.proving.stone.layouts import Layout
from proofrail.proving.stone.parameters import StoneParameters
from proofrail.proving.stone.prover_config import prover_config
from proofrail.proving.stone.transcript import work_at
from proofrail.wire.errors import TransientError

_NONCE_BYTES: Final = 8
_TINY_STEPS: Final = 1 << 9


@dataclass(frozen=True)
class Measured:
    """CPU seconds of all cores, seconds on the clock, bytes of memory at the peak; `proof`: Stone's proof_hex."""

    cpu_seconds: float
    seconds: float
    memory_bytes: int
    proof: bytes = field(repr=False)

    def work_tries(self, layout: Layout, parameters: StoneParameters) -> int:
        """Nonces that were tried before the one in the proof: they are taken in order."""
        at = work_at(layout, parameters)
        return int.from_bytes(self.proof[at : at + _NONCE_BYTES], "big") + 1


async def measure(
    prover: Path, run: _native.Run, parameters: StoneParameters, *, full_extension: bool
) -> Measured:
    """Proves; the proof is not verified. Raises PoisonError and TransientError as `proofrail.proving.outcome.failure`,
    and TransientError `prover-does-not-run`."""
    with scratch_folder(None, 0) as scratch:
        config = prover_config(full_extension=full_extension)
        write_inputs(scratch, run, parameters.to_json(), config)
        try:
            finished = await child.run(
                prover_command(prover),
                cwd=str(scratch),
                timeout=None,
                on_line=_unheard,
                env=environment(scratch),
            )
        except OSError as error:
            raise TransientError(
                "prover-does-not-run", f"the prover could not be started: {error}"
            ) from error
        error_of_prover = failure(finished)
        if error_of_prover is not None:
            raise error_of_prover
        try:
            used: dict[str, Any] = json.loads((scratch / USAGE).read_bytes())
            made: dict[str, Any] = json.loads((scratch / PROOF).read_bytes())
            proof = bytes.fromhex(made["proof_hex"].removeprefix("0x"))
        except (OSError, ValueError, KeyError) as error:
            raise TransientError("prover-broken", f"the prover wrote no proof: {error}") from error
    return Measured(used["cpu_seconds"], finished.seconds, used["peak_memory_bytes"], proof)


def tiny_run(layout: str) -> _native.Run:
    """The smallest run that can be proven, of 512 steps."""
    compiled = files("proofrail.proving.stone").joinpath("golden", "program.json").read_bytes()
    return _native.Program(compiled).run(b"{}", layout, _TINY_STEPS)


def _unheard(line: str) -> None:
    del line

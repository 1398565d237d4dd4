"""What Stone's prover is given: its files, and how it is called through the launcher."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from proofrail import _native
from proofrail.proving.stone import launcher

USAGE: Final = "usage.json"
"""Where the launcher says what the prover used."""
PROOF: Final = "proof.json"


def write_inputs(
    scratch: Path, run: _native.Run, parameters: Mapping[str, Any], config: Mapping[str, Any]
) -> None:
    """The five files of a run's proof, by Stone's names for parameters and configuration."""
    trace, memory = scratch / "trace.bin", scratch / "memory.bin"
    trace.write_bytes(run.trace)
    memory.write_bytes(run.memory)
    (scratch / "public_input.json").write_text(run.public_input())
    (scratch / "private_input.json").write_text(run.private_input(str(trace), str(memory)))
    (scratch / "parameters.json").write_text(json.dumps(parameters))
    (scratch / "prover_config.json").write_text(json.dumps(config))


def prover_command(prover: Path, *, memory_limit: int | None = None, nice: int = 0) -> list[str]:
    """To be called in the folder of `write_inputs`. `memory_limit` in bytes."""
    return [
        *(sys.executable, "-I", launcher.__file__),
        *(str(os.getpid()), str(memory_limit or 0), str(nice), USAGE),
        str(prover),
        "--public_input_file=public_input.json",
        "--private_input_file=private_input.json",
        "--parameter_file=parameters.json",
        "--prover_config_file=prover_config.json",
        f"--out_file={PROOF}",
        "--logtostderr",
    ]

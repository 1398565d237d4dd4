"""The prover service with the double as its only backend: `python -m tests.double.service FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

from proofrail.cli.leash import heed_leash
from proofrail.prover.app import serve
from proofrail.prover.settings import ProverSettings
from proofrail.proving.backends import Backends
from tests.double.backend import NAME, Double, MockBackend


def main(folder: Path) -> int:
    heed_leash()

    def make(settings: ProverSettings) -> Backends:
        backend = MockBackend(Double(folder), scratch_dir=settings.scratch_dir)
        return Backends({NAME: backend}, fall_back=False)

    return serve(ProverSettings(), make, allow_mock=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
